//! Messages of the protocol: a little-endian number of eight bytes, and at most one descriptor.

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// The bytes of a message.
pub(super) const BYTES: usize = 8;

/// The version of the protocol.
pub(super) const VERSION: i64 = 0;

/// The number that comes with the memory's descriptor.
pub(super) const MEMORY: i64 = -1;

/// A message that is on its way to a peer.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) value: i64,
    /// Shared with all other messages that carry it; closed here once the last one has been sent.
    pub(super) descriptor: Option<Arc<OwnedFd>>,
}

impl Message {
    pub(super) fn plain(value: i64) -> Self {
        Self { value, descriptor: None }
    }

    pub(super) fn with(value: i64, descriptor: &Arc<OwnedFd>) -> Self {
        Self { value, descriptor: Some(Arc::clone(descriptor)) }
    }

    /// Sends what is left behind the first `sent` bytes, without waiting. The descriptor goes with the first byte.
    pub(super) fn send(&self, socket: &impl AsFd, sent: usize) -> Result<usize, Errno> {
        let bytes = self.value.to_le_bytes();
        let rest = [IoSlice::new(bytes.get(sent..).unwrap_or_default())];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptor = self.descriptor.as_ref().filter(|_| sent == 0).map(|descriptor| [descriptor.as_fd()]);
        if let Some(descriptors) = &descriptor {
            // The buffer has room for just this one.
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        sendmsg(socket, &rest, &mut ancillary, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
    }
}

/// Receives a piece of a message, of at most `room` bytes, without waiting. The kernel gives the descriptors of one
/// message at a time; more than one with a message is a peer's mistake, and all but the first are closed at once.
pub(super) fn receive(socket: &impl AsFd, buffer: &mut [u8]) -> Result<(usize, Option<OwnedFd>), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut ancillary, flags)?;
    let mut first = None;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            for descriptor in descriptors {
                first.get_or_insert(descriptor);
            }
        }
    }
    Ok((received.bytes, first))
}
