//! Sockets.

use super::bits;
use super::file::FileKind;
use super::reader::Reader;
use crate::image::Kind;
use crate::message::Message;
use crate::messages::socket::{InternetSocket, NetlinkSocket, PacketSocket, QueuedPacket, TcpStreamEntry, UnixSocket};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use serde::Serialize;
use std::collections::HashMap;

/// One end of a socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SocketAddress {
    /// The address.
    pub address: String,
    /// The port; 0 if it has none.
    pub port: u32,
}

/// What is inside a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TcpQueues {
    /// Received, and not read by the process.
    pub received_bytes: u32,
    /// Written by the process, and not acknowledged.
    pub sending_bytes: u32,
    /// Of those, what was never sent.
    pub unsent_bytes: Option<u32>,
}

/// `AF_INET`.
const INTERNET_4: u32 = 2;
/// `AF_INET6`.
const INTERNET_6: u32 = 10;
/// `IPPROTO_TCP`.
const TCP: u32 = 6;
/// The state of listening.
const LISTENING: u32 = 10;

/// A socket of one of the Internet families.
pub(super) fn internet(reader: &mut Reader<'_>, socket: InternetSocket) -> FileKind {
    let connected = socket.destination_port != 0;
    let destination = connected.then(|| end(socket.family, &socket.destination.0, socket.destination_port)).flatten();
    let tcp = (socket.protocol == TCP && socket.state != LISTENING).then(|| queues(reader, socket.inode)).flatten();
    FileKind::Internet {
        family: match socket.family {
            INTERNET_4 => "ipv4",
            INTERNET_6 => "ipv6",
            _ => "unknown",
        },
        socket: bits::socket_kind(socket.kind),
        protocol: bits::protocol(socket.protocol),
        state: bits::socket_state(socket.state),
        source: end(socket.family, &socket.source.0, socket.source_port),
        destination,
        backlog: (socket.state == LISTENING).then_some(socket.backlog),
        interface: socket.interface,
        tcp,
    }
}

/// Addresses are words of four bytes in the order of the network.
fn end(family: u32, words: &[u32], port: u32) -> Option<SocketAddress> {
    let mut octets = [0; 16];
    for (place, word) in octets.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    let address: IpAddr = match (family, words.len()) {
        (INTERNET_4, 1..) => Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]).into(),
        (INTERNET_6, 4..) => Ipv6Addr::from(octets).into(),
        _ => return None,
    };
    Some(SocketAddress { address: address.to_string(), port })
}

/// What `tcp-stream-*.img` says of a connection.
fn queues(reader: &mut Reader<'_>, inode: u32) -> Option<TcpQueues> {
    let mut found = None;
    reader.walk(&format!("tcp-stream-{inode:x}.img"), Kind::TcpStream, &mut |entry| {
        let stream = TcpStreamEntry::read(entry)?;
        found = Some(TcpQueues {
            received_bytes: stream.received_bytes,
            sending_bytes: stream.sending_bytes,
            unsent_bytes: stream.unsent_bytes,
        });
        Ok(u64::from(stream.received_bytes) + u64::from(stream.sending_bytes))
    });
    found
}

/// How many bytes wait in sockets that are no TCP, by the socket's id.
pub(super) fn queued(reader: &mut Reader<'_>) -> HashMap<u32, u64> {
    let mut queued = HashMap::new();
    reader.walk("sk-queues.img", Kind::SocketQueues, &mut |entry| {
        let packet = QueuedPacket::read(entry)?;
        *queued.entry(packet.socket).or_default() += u64::from(packet.length);
        Ok(packet.length.into())
    });
    queued
}

/// A socket of the Unix family.
pub(super) fn unix(socket: UnixSocket, queued: &HashMap<u32, u64>) -> FileKind {
    FileKind::Unix {
        socket: bits::socket_kind(socket.kind),
        state: bits::socket_state(socket.state),
        address: unix_address(&socket.name, socket.directory.as_deref()),
        inode: socket.inode,
        peer: Some(socket.peer).filter(|peer| *peer != 0),
        backlog: (socket.state == LISTENING).then_some(socket.backlog),
        queued_bytes: queued.get(&socket.id).copied().unwrap_or(0),
    }
}

/// A name as `ss` shows it: one that lies in no directory begins with `@`.
fn unix_address(name: &[u8], directory: Option<&str>) -> Option<String> {
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\0', "@");
    match name {
        [] => None,
        [0, ..] => Some(shown(name)),
        _ => {
            let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
            let path = shown(&name[..end]);
            match directory {
                Some(directory) if !path.starts_with('/') => Some(format!("{directory}/{path}")),
                _ => Some(path),
            }
        }
    }
}

/// A socket of the netlink family.
pub(super) fn netlink(socket: &NetlinkSocket) -> FileKind {
    FileKind::Netlink { protocol: bits::netlink(socket.protocol), port: socket.port }
}

/// A socket of the packet family.
pub(super) fn packet(socket: &PacketSocket) -> FileKind {
    FileKind::Packet { socket: bits::socket_kind(socket.kind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_the_order_of_the_network() {
        let shown = |family, words: &[u32]| end(family, words, 1).map(|end| end.address);
        assert_eq!(shown(2, &[0x0100_007f]), Some("127.0.0.1".to_owned()));
        assert_eq!(shown(10, &[0, 0, 0, 0x0100_0000]), Some("::1".to_owned()));
        assert_eq!(shown(10, &[0]), None);
        assert_eq!(shown(2, &[]), None);
        assert_eq!(shown(7, &[1]), None);
    }

    #[test]
    fn names_of_unix_sockets_are_shown_as_by_ss() {
        assert_eq!(unix_address(b"", None), None);
        assert_eq!(unix_address(b"\0abc\0d", None).as_deref(), Some("@abc@d"));
        assert_eq!(unix_address(b"/run/x\0\0", None).as_deref(), Some("/run/x"));
        assert_eq!(unix_address(b"x", Some("/run")).as_deref(), Some("/run/x"));
    }
}
