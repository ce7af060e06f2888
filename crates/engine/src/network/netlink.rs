//! A small client of the kernel's netlink: the few requests that make a network, without a program.
//!
//! Requests are made by the layout of `linux/rtnetlink.h` and `linux/if_link.h`; every one is acknowledged. A socket
//! works in the namespace of the thread that opened it.

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, netdevice, netlink, recv, send, socket_with,
};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// The kernel answers at once, unless its lock is held by the removal of other namespaces.
const ANSWER: Duration = Duration::from_secs(10);

// Kinds of messages.
const NLMSG_ERROR: u16 = 2;
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_NEWROUTE: u16 = 24;
const NLMSG_DONE: u16 = 3;
// Flags.
const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const EXCLUSIVE: u16 = 0x200;
const CREATE: u16 = 0x400;
// Attributes.
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
/// The address is used at once, without asking whether another has it: there is no other.
const IFA_F_NODAD: u32 = 0x02;
const IFF_UP: u32 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const TABLE_MAIN: u8 = 254;
const PROTOCOL_STATIC: u8 = 4;
const ROUTE_UNICAST: u8 = 1;
/// A header is a length of 4 bytes, a kind and flags of 2, a number and a port of 4.
const HEADER: usize = 16;
/// Longer names do not fit into the kernel's.
const NAME_MOST: usize = 15;

/// A socket to the kernel.
pub(super) struct Netlink {
    socket: OwnedFd,
    number: u32,
}

impl Netlink {
    /// Opens a socket for cards, addresses and routes in the namespace of this thread.
    pub(super) fn open() -> io::Result<Self> {
        // Their protocol is netlink's first, number 0.
        Self::with_protocol(None)
    }

    /// Opens a socket for nftables in the namespace of this thread.
    pub(super) fn netfilter() -> io::Result<Self> {
        Self::with_protocol(Some(netlink::NETFILTER))
    }

    fn with_protocol(protocol: Option<Protocol>) -> io::Result<Self> {
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER))?;
        Ok(Self { socket, number: 0 })
    }

    /// Makes a pair of virtual cards: one here, its peer in another namespace.
    pub(super) fn add_pair(&mut self, name: &str, peer: &str, namespace: BorrowedFd<'_>) -> io::Result<()> {
        let mut request = Request::new(RTM_NEWLINK, CREATE | EXCLUSIVE);
        request.link(0, 0, 0).name(name)?;
        request.nested(IFLA_LINKINFO, |info| {
            info.attribute(IFLA_INFO_KIND, b"veth");
            info.nested(IFLA_INFO_DATA, |data| {
                data.nested(VETH_INFO_PEER, |other| {
                    other.link(0, 0, 0).name(peer)?;
                    other.attribute(IFLA_NET_NS_FD, &namespace.as_raw_fd().to_ne_bytes());
                    Ok(())
                })
            })
        })?;
        self.ask(request)
    }

    /// Brings a card up.
    pub(super) fn up(&mut self, name: &str) -> io::Result<()> {
        let mut request = Request::new(RTM_NEWLINK, 0);
        request.link(self.index(name)?, IFF_UP, IFF_UP);
        self.ask(request)
    }

    /// Removes a card, and its peer if it is one of a pair.
    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut request = Request::new(RTM_DELLINK, 0);
        request.link(self.index(name)?, 0, 0);
        self.ask(request)
    }

    /// Gives a card an address with the length of its subnet's prefix.
    pub(super) fn add_address(&mut self, name: &str, address: IpAddr, prefix: u8) -> io::Result<()> {
        let mut request = Request::new(RTM_NEWADDR, CREATE | EXCLUSIVE);
        let index = self.index(name)?;
        request.push(&[family(address), prefix, 0, 0]).push(&index.to_ne_bytes());
        for kind in [IFA_LOCAL, IFA_ADDRESS] {
            request.address(kind, address);
        }
        if address.is_ipv6() {
            request.attribute(IFA_FLAGS, &IFA_F_NODAD.to_ne_bytes());
        }
        self.ask(request)
    }

    /// Takes an address away from a card.
    pub(super) fn remove_address(&mut self, name: &str, address: IpAddr, prefix: u8) -> io::Result<()> {
        let mut request = Request::new(RTM_DELADDR, 0);
        let index = self.index(name)?;
        request.push(&[family(address), prefix, 0, 0]).push(&index.to_ne_bytes());
        request.address(IFA_LOCAL, address);
        self.ask(request)
    }

    /// Sends everything that has no other route to a gateway.
    pub(super) fn add_default_route(&mut self, name: &str, gateway: IpAddr) -> io::Result<()> {
        let mut request = Request::new(RTM_NEWROUTE, CREATE | EXCLUSIVE);
        let index = self.index(name)?;
        // Family, lengths of both prefixes, type of service, table, protocol, scope, kind, flags.
        request.push(&[family(gateway), 0, 0, 0, TABLE_MAIN, PROTOCOL_STATIC, 0, ROUTE_UNICAST, 0, 0, 0, 0]);
        request.address(RTA_GATEWAY, gateway);
        request.attribute(RTA_OIF, &index.to_ne_bytes());
        self.ask(request)
    }

    fn index(&self, name: &str) -> io::Result<u32> {
        // Any socket will do for this question.
        let asking = rustix::net::socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
        Ok(netdevice::name_to_index(asking.as_fd(), name)?)
    }

    /// Sends requests in one piece, and waits for the answers to those that ask for one. The first refusal counts.
    pub(super) fn ask_together(&mut self, mut requests: Vec<Request>) -> io::Result<()> {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for request in &mut requests {
            self.number += 1;
            expected.extend(request.asks_for_answer().then_some(self.number));
            bytes.extend_from_slice(request.finish(self.number));
        }
        send(&self.socket, &bytes, SendFlags::empty())?;
        let mut answer = [0_u8; 8192];
        while !expected.is_empty() {
            let (length, _) = recv(&self.socket, &mut answer[..], RecvFlags::empty())?;
            for (kind, message) in messages(answer.get(..length).unwrap_or_default()) {
                let number = message.get(8..12).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_ne_bytes);
                let code = message.get(HEADER..HEADER + 4).and_then(|bytes| bytes.try_into().ok());
                match code.map(i32::from_ne_bytes).filter(|_| kind == NLMSG_ERROR) {
                    Some(0) => expected.retain(|known| *known != number),
                    Some(code) => return Err(io::Error::from_raw_os_error(-code)),
                    None => {}
                }
            }
        }
        Ok(())
    }

    /// Asks for a list and gives all messages of the answer.
    pub(super) fn dump(&mut self, mut request: Request) -> io::Result<Vec<u8>> {
        /// No list that the lab asks for is longer; what is behind is not read.
        const MOST: usize = 4 << 20;
        self.number += 1;
        send(&self.socket, request.finish(self.number), SendFlags::empty())?;
        let (mut all, mut answer) = (Vec::new(), vec![0_u8; 64 << 10]);
        while all.len() < MOST {
            let (length, _) = recv(&self.socket, &mut answer[..], RecvFlags::empty())?;
            let part = answer.get(..length).unwrap_or_default();
            if length == 0 || messages(part).any(|(kind, _)| kind == NLMSG_DONE || kind == NLMSG_ERROR) {
                all.extend_from_slice(part);
                break;
            }
            all.extend_from_slice(part);
        }
        Ok(all)
    }

    fn ask(&mut self, mut request: Request) -> io::Result<()> {
        self.number += 1;
        send(&self.socket, request.finish(self.number), SendFlags::empty())?;
        let mut answer = [0_u8; 4096];
        loop {
            let (length, _) = recv(&self.socket, &mut answer[..], RecvFlags::empty())?;
            if let Some(code) = acknowledgement(answer.get(..length).unwrap_or_default(), self.number) {
                return if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-code)) };
            }
        }
    }
}

/// Messages one behind the other: the kind of each, and all of its bytes.
pub(super) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
        let message = bytes.get(..length).filter(|message| message.len() >= HEADER)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, message))
    })
}

/// The error number (0 for success, else below 0) in the answer to a request; `None` if it is the answer to another.
fn acknowledgement(bytes: &[u8], number: u32) -> Option<i32> {
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let answered = u32::from_ne_bytes(bytes.get(8..12)?.try_into().ok()?);
    let code = i32::from_ne_bytes(bytes.get(HEADER..HEADER + 4)?.try_into().ok()?);
    (kind == NLMSG_ERROR && answered == number).then_some(code)
}

fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

/// A message under construction.
pub(super) struct Request(Vec<u8>);

impl Request {
    fn new(kind: u16, flags: u16) -> Self {
        Self::with_flags(kind, flags | ACK)
    }

    /// A request that is answered only if its flags say so.
    pub(super) fn with_flags(kind: u16, flags: u16) -> Self {
        let mut request = Self(vec![0; HEADER]);
        request.0[4..6].copy_from_slice(&kind.to_ne_bytes());
        request.0[6..8].copy_from_slice(&(flags | REQUEST).to_ne_bytes());
        request
    }

    fn asks_for_answer(&self) -> bool {
        u16::from_ne_bytes([self.0[6], self.0[7]]) & ACK != 0
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The fixed part of a request about a card: index, flags, and which flags are meant.
    fn link(&mut self, index: u32, flags: u32, change: u32) -> &mut Self {
        self.push(&[0; 4]).push(&index.to_ne_bytes()).push(&flags.to_ne_bytes()).push(&change.to_ne_bytes())
    }

    fn name(&mut self, name: &str) -> io::Result<()> {
        if name.is_empty() || name.len() > NAME_MOST || name.contains(['/', '\0', ' ']) {
            let message = format!("`{name}` is no name of a network device");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        self.attribute(IFLA_IFNAME, &[name.as_bytes(), &[0]].concat());
        Ok(())
    }

    fn address(&mut self, kind: u16, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.attribute(kind, &address.octets()),
            IpAddr::V6(address) => self.attribute(kind, &address.octets()),
        }
    }

    /// Length and kind of 2 bytes each, the value, and padding to 4.
    pub(super) fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = value.len() as u16 + 4;
        self.push(&length.to_ne_bytes()).push(&kind.to_ne_bytes()).push(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    pub(super) fn nested(&mut self, kind: u16, inside: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        let begin = self.0.len();
        self.push(&[0; 2]).push(&kind.to_ne_bytes());
        inside(self)?;
        let length = (self.0.len() - begin) as u16;
        self.0[begin..begin + 2].copy_from_slice(&length.to_ne_bytes());
        Ok(())
    }

    fn finish(&mut self, number: u32) -> &[u8] {
        let length = self.0.len() as u32;
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0[8..12].copy_from_slice(&number.to_ne_bytes());
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_nested_ones_have_their_length() {
        let mut request = Request::new(RTM_NEWLINK, CREATE);
        request.link(7, IFF_UP, IFF_UP);
        request
            .nested(IFLA_LINKINFO, |info| {
                info.attribute(IFLA_INFO_KIND, b"veth1");
                Ok(())
            })
            .unwrap();
        let bytes = request.finish(3);
        assert_eq!(bytes[..16], [48, 0, 0, 0, 16, 0, 5, 4, 3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[16..32], [0, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(bytes[32..], [16, 0, 18, 0, 9, 0, 1, 0, b'v', b'e', b't', b'h', b'1', 0, 0, 0]);
    }

    #[test]
    fn only_the_answer_to_the_request_counts() {
        let mut answer = vec![36, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0];
        answer.extend_from_slice(&(-17_i32).to_ne_bytes());
        assert_eq!(acknowledgement(&answer, 5), Some(-17));
        assert_eq!(acknowledgement(&answer, 4), None);
        assert_eq!(acknowledgement(&answer[..18], 5), None);
        assert_eq!(acknowledgement(b"", 5), None);
    }

    #[test]
    fn messages_that_are_cut_end_the_list() {
        let one = [16_u32.to_ne_bytes(), [2, 0, 0, 0], [0; 4], [0; 4]].concat();
        assert_eq!(messages(&[one.clone(), one.clone()].concat()).count(), 2);
        assert_eq!(messages(&[one.as_slice(), &one[..15]].concat()).count(), 1);
        assert_eq!(messages(&[0; 64]).count(), 0);
        assert_eq!(messages(&[0xff; 64]).count(), 0);
    }

    #[test]
    fn names_that_the_kernel_would_cut_are_refused() {
        for name in ["", "a-name-that-is-too-long", "a/b", "a b"] {
            assert!(Request::new(RTM_NEWLINK, 0).name(name).is_err(), "{name}");
        }
    }
}
