//! Sockets: stream sockets by address, and the kernel's notices of new devices.

use super::file::Fd;
use super::{Errno, Result, call};
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use linux_raw_sys::{general as k, ioctl, net, netlink};

/// Where a stream socket goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Unix(Vec<u8>),
    /// A name that lies in no file system.
    Abstract(Vec<u8>),
    Tcp(SocketAddr),
    Vsock {
        cid: u32,
        port: u32,
    },
}

impl Address {
    fn family(&self) -> u32 {
        match self {
            Self::Unix(_) | Self::Abstract(_) => net::AF_UNIX,
            Self::Tcp(SocketAddr::V4(_)) => net::AF_INET,
            Self::Tcp(SocketAddr::V6(_)) => net::AF_INET6,
            Self::Vsock { .. } => net::AF_VSOCK,
        }
    }

    /// The address as the kernel reads it.
    fn encode(&self) -> Result<Vec<u8>> {
        let mut bytes = (self.family() as u16).to_ne_bytes().to_vec();
        match self {
            Self::Unix(path) => {
                // The kernel's path has 108 bytes with its zero byte.
                if path.len() > 107 {
                    return Err(Errno::INVAL);
                }
                bytes.extend_from_slice(path);
                bytes.push(0);
            }
            Self::Abstract(name) => {
                if name.len() > 107 {
                    return Err(Errno::INVAL);
                }
                bytes.push(0);
                bytes.extend_from_slice(name);
            }
            Self::Tcp(SocketAddr::V4(address)) => {
                bytes.extend_from_slice(&address.port().to_be_bytes());
                bytes.extend_from_slice(&address.ip().octets());
                bytes.extend_from_slice(&[0; 8]);
            }
            Self::Tcp(SocketAddr::V6(address)) => {
                bytes.extend_from_slice(&address.port().to_be_bytes());
                bytes.extend_from_slice(&[0; 4]);
                bytes.extend_from_slice(&address.ip().octets());
                bytes.extend_from_slice(&address.scope_id().to_ne_bytes());
            }
            Self::Vsock { cid, port } => {
                bytes.extend_from_slice(&[0; 2]);
                bytes.extend_from_slice(&port.to_ne_bytes());
                bytes.extend_from_slice(&cid.to_ne_bytes());
                bytes.extend_from_slice(&[0; 4]);
            }
        }
        Ok(bytes)
    }
}

fn socket(family: u32, kind: u32, protocol: u32) -> Result<Fd> {
    // SAFETY: plain numbers.
    unsafe { call!(__NR_socket, family, kind | k::O_CLOEXEC, protocol) }.map(Fd::from_answer)
}

/// Connects and waits for it.
pub(crate) fn connect(address: &Address) -> Result<Fd> {
    let fd = socket(address.family(), net::SOCK_STREAM, 0)?;
    let encoded = address.encode()?;
    // SAFETY: the kernel reads the address.
    unsafe { call!(__NR_connect, fd.number(), encoded.as_ptr(), encoded.len()) }?;
    if matches!(address, Address::Tcp(_)) {
        send_at_once(&fd);
    }
    Ok(fd)
}

/// Begins to connect and does not wait; [`connected`] says what came of it.
pub(crate) fn begin_connect(address: &Address) -> Result<Fd> {
    begin_connect_by(address, None)
}

/// As [`begin_connect`], by this network card if one is named: then also where no route leads to the address.
pub(crate) fn begin_connect_by(address: &Address, card: Option<&[u8]>) -> Result<Fd> {
    let fd = socket(address.family(), net::SOCK_STREAM | k::O_NONBLOCK, 0)?;
    if let Some(card) = card {
        // SAFETY: the kernel reads the name.
        unsafe {
            call!(__NR_setsockopt, fd.number(), net::SOL_SOCKET, net::SO_BINDTODEVICE, card.as_ptr(), card.len())
        }?;
    }
    let encoded = address.encode()?;
    // SAFETY: the kernel reads the address.
    match unsafe { call!(__NR_connect, fd.number(), encoded.as_ptr(), encoded.len()) } {
        Ok(_) | Err(Errno(linux_raw_sys::errno::EINPROGRESS)) => Ok(fd),
        Err(errno) => Err(errno),
    }
}

/// Whether a connection that was begun is there; not yet is no error.
///
/// The error is read behind the look: one that came in between would make an attempt that has failed look like one that
/// has ended well, since both end the waiting.
pub(crate) fn connected(fd: &Fd) -> Result<bool> {
    let mut interests = [super::poll::interest(fd, super::poll::WRITABLE)];
    if !super::poll::wait(&mut interests, super::poll::Moment::now())? {
        return Ok(false);
    }
    let (mut error, mut length) = (0_u32, 4_u32);
    // SAFETY: the kernel writes one number and its length.
    let answer =
        unsafe { call!(__NR_getsockopt, fd.number(), net::SOL_SOCKET, net::SO_ERROR, &raw mut error, &raw mut length) };
    answer?;
    if error == 0 { Ok(true) } else { Err(Errno(error)) }
}

/// Binds and listens for one connection; `accept` does not block.
pub(crate) fn listen(address: &Address) -> Result<Fd> {
    let fd = socket(address.family(), net::SOCK_STREAM | k::O_NONBLOCK, 0)?;
    let encoded = address.encode()?;
    if matches!(address, Address::Tcp(SocketAddr::V6(_))) {
        // Whoever listens on all addresses means those of both families.
        let off = 0_i32;
        // SAFETY: the kernel reads one number.
        let _ =
            unsafe { call!(__NR_setsockopt, fd.number(), net::SOL_IPV6, net::IPV6_V6ONLY, &raw const off, 4_usize) };
    }
    // SAFETY: the kernel reads the address.
    unsafe { call!(__NR_bind, fd.number(), encoded.as_ptr(), encoded.len()) }?;
    // SAFETY: plain numbers.
    unsafe { call!(__NR_listen, fd.number(), 1) }?;
    Ok(fd)
}

/// The port that a TCP socket has, whatever its family.
pub(crate) fn bound_port(fd: &Fd) -> Result<u16> {
    let mut address = [0_u8; 28];
    let mut length = address.len() as u32;
    // SAFETY: the kernel writes at most `length` bytes, and then the length.
    unsafe { call!(__NR_getsockname, fd.number(), address.as_mut_ptr(), &raw mut length) }?;
    Ok(u16::from_be_bytes([address[2], address[3]]))
}

/// The connection that has come, or [`Errno::AGAIN`].
pub(crate) fn accept(listener: &Fd) -> Result<Fd> {
    // SAFETY: the peer's address is not asked for.
    let answer = unsafe { call!(__NR_accept4, listener.number(), 0_usize, 0_usize, k::O_CLOEXEC) }?;
    let fd = Fd::from_answer(answer);
    send_at_once(&fd);
    Ok(fd)
}

/// Frames are whole messages: nothing is gained by holding one back. Fails harmlessly on what is not TCP.
fn send_at_once(fd: &Fd) {
    let on = 1_i32;
    let protocol = net::IPPROTO_TCP as u32;
    // SAFETY: the kernel reads one number.
    let _ = unsafe { call!(__NR_setsockopt, fd.number(), protocol, net::TCP_NODELAY, &raw const on, 4_usize) };
}

/// The kernel's notices of new devices; reads do not block.
pub(crate) fn device_notices() -> Result<Fd> {
    let fd = socket(net::AF_NETLINK, net::SOCK_DGRAM | k::O_NONBLOCK, netlink::NETLINK_KOBJECT_UEVENT)?;
    // Family and padding, no port of our own, the group of the kernel's own notices.
    let address = [(net::AF_NETLINK as u16).to_ne_bytes(), [0; 2]].concat();
    let address = [address, 0_u32.to_ne_bytes().to_vec(), 1_u32.to_ne_bytes().to_vec()].concat();
    // SAFETY: the kernel reads the address.
    unsafe { call!(__NR_bind, fd.number(), address.as_ptr(), address.len()) }?;
    Ok(fd)
}

/// An interface with its addresses, as the host has thought it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) name: Vec<u8>,
    pub(crate) v4: (Ipv4Addr, u8),
    pub(crate) gateway: Option<Ipv4Addr>,
    pub(crate) v6: Option<(Ipv6Addr, u8)>,
    /// A host that answers on this interface though it is in none of its subnets.
    pub(crate) neighbour: Option<Ipv4Addr>,
}

impl Interface {
    /// Gives the interface its addresses and brings it up.
    pub(crate) fn configure(&self) -> Result<()> {
        let fd = socket(net::AF_INET, net::SOCK_DGRAM, 0)?;
        let (address, prefix) = self.v4;
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0).to_be_bytes();
        let mut request = self.request()?;
        request[16..32].copy_from_slice(&internet(address.octets()));
        // SAFETY: this call reads a request of 40 bytes, as do the next ones.
        unsafe { fd.ioctl(ioctl::SIOCSIFADDR, &mut request) }?;
        request[16..32].copy_from_slice(&internet(mask));
        // SAFETY: as above.
        unsafe { fd.ioctl(ioctl::SIOCSIFNETMASK, &mut request) }?;
        if self.v6.is_some() {
            // An address is otherwise tried for a second before it is used. A kernel without IPv6 has no such file.
            let path = [b"/proc/sys/net/ipv6/conf/".as_slice(), &self.name, b"/accept_dad"].concat();
            let _ = super::file::open_bytes(&path, super::file::Access::ReadWrite).and_then(|file| file.write(b"0"));
        }
        let mut request = self.request()?;
        request[16..18].copy_from_slice(&UP.to_ne_bytes());
        // SAFETY: as above.
        unsafe { fd.ioctl(ioctl::SIOCSIFFLAGS, &mut request) }?;
        self.gateway.map_or(Ok(()), greet)?;
        if let Some((address, prefix)) = self.v6 {
            self.add_v6(&fd, address, prefix)?;
        }
        if let Some(neighbour) = self.neighbour {
            self.add_neighbour(&fd, neighbour)?;
        }
        match self.gateway {
            Some(gateway) => add_route(&fd, Route { gateway: Some(gateway), ..Route::default() }),
            None => Ok(()),
        }
    }

    fn add_neighbour(&self, asking: &Fd, neighbour: Ipv4Addr) -> Result<()> {
        let card = CString::new(self.name.as_slice()).map_err(|_| Errno::INVAL)?;
        let destination = (neighbour.octets(), [255; 4]);
        add_route(asking, Route { destination, gateway: None, card: Some(&card) })
    }

    fn add_v6(&self, asking: &Fd, address: Ipv6Addr, prefix: u8) -> Result<()> {
        let mut request = self.request()?;
        // SAFETY: this call reads and writes a request of 40 bytes.
        unsafe { asking.ioctl(ioctl::SIOCGIFINDEX, &mut request) }?;
        // The address, the length of its prefix, the interface's number.
        let mut wanted = [0_u8; 24];
        wanted[..16].copy_from_slice(&address.octets());
        wanted[16..20].copy_from_slice(&u32::from(prefix).to_ne_bytes());
        wanted[20..].copy_from_slice(&request[16..20]);
        let fd = socket(net::AF_INET6, net::SOCK_DGRAM, 0)?;
        // SAFETY: the request is as large as the kernel's structure, and this call only reads it.
        unsafe { fd.ioctl(ioctl::SIOCSIFADDR, &mut wanted) }?;
        if self.gateway.is_none() {
            return Ok(());
        }
        // Who has a way out by IPv4 has it by IPv6, where the host has one: the gateway is the first of its subnet.
        let first = Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX) | 1);
        // The kernel's in6_rtmsg: destination, source, gateway; the way's kind and lengths are zero; metric, and behind the
        // space for what is not used flags and the interface's number.
        let mut route = [0_u8; 80];
        route[32..48].copy_from_slice(&first.octets());
        route[56..60].copy_from_slice(&1024_u32.to_ne_bytes());
        route[72..76].copy_from_slice(&u32::from(RTF_UP | RTF_GATEWAY).to_ne_bytes());
        route[76..].copy_from_slice(&request[16..20]);
        // SAFETY: as above.
        unsafe { fd.ioctl(ioctl::SIOCADDRT, &mut route) }.map(drop)
    }

    /// A request of 40 bytes that begins with the interface's name of up to 15 bytes and a zero byte.
    fn request(&self) -> Result<[u8; 40]> {
        let mut request = [0_u8; 40];
        let room = request.get_mut(..self.name.len()).filter(|room| room.len() < 16).ok_or(Errno::INVAL)?;
        room.copy_from_slice(&self.name);
        Ok(request)
    }
}

/// An IPv4 address as the kernel reads it in requests.
fn internet(address: [u8; 4]) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&(net::AF_INET as u16).to_ne_bytes());
    bytes[4..8].copy_from_slice(&address);
    bytes
}

/// Sends a byte to nobody's port on the gateway. Who speaks for a network (passt does) learns from a guest's first frame
/// where the guest is, and a guest without DHCP would be silent until it is spoken to.
fn greet(gateway: Ipv4Addr) -> Result<()> {
    const DISCARD: u16 = 9;
    let fd = socket(net::AF_INET, net::SOCK_DGRAM, 0)?;
    let encoded = Address::Tcp(SocketAddr::new(gateway.into(), DISCARD)).encode()?;
    // SAFETY: the kernel reads the address; nothing is sent by this.
    unsafe { call!(__NR_connect, fd.number(), encoded.as_ptr(), encoded.len()) }?;
    fd.write(&[0]).map(drop)
}

/// The route is there, and leads by a gateway.
const RTF_UP: u16 = 1;
const RTF_GATEWAY: u16 = 2;

/// Where packets go.
#[derive(Default)]
struct Route<'a> {
    /// Address and mask; zeros are everywhere.
    destination: ([u8; 4], [u8; 4]),
    gateway: Option<Ipv4Addr>,
    /// The interface, where no gateway says it.
    card: Option<&'a CStr>,
}

fn add_route(fd: &Fd, wanted: Route<'_>) -> Result<()> {
    let (address, mask) = wanted.destination;
    // The kernel's rtentry on machines of 64 bits: destination, gateway and mask behind the first 8 bytes, then flags; the
    // interface's name is at 88.
    let mut route = [0_u8; 120];
    route[8..24].copy_from_slice(&internet(address));
    route[24..40].copy_from_slice(&internet(wanted.gateway.map_or([0; 4], |gateway| gateway.octets())));
    route[40..56].copy_from_slice(&internet(mask));
    let flags = if wanted.gateway.is_some() { RTF_UP | RTF_GATEWAY } else { RTF_UP };
    route[56..58].copy_from_slice(&flags.to_ne_bytes());
    let card = wanted.card.map_or(0, |card| card.as_ptr().expose_provenance());
    route[88..96].copy_from_slice(&card.to_ne_bytes());
    // SAFETY: the request is as large as the kernel's structure, and this call only reads it and the name it points to.
    unsafe { fd.ioctl(ioctl::SIOCADDRT, &mut route) }.map(drop)
}

const UP: u16 = net::net_device_flags::IFF_UP as u16 | net::net_device_flags::IFF_RUNNING as u16;

/// Brings the loopback interface up.
pub(crate) fn loopback_up() -> Result<()> {
    let fd = socket(net::AF_INET, net::SOCK_DGRAM, 0)?;
    // A request has 40 bytes: the interface's name in 16, then what is set.
    let mut request = [0_u8; 40];
    request[..2].copy_from_slice(b"lo");
    request[16..18].copy_from_slice(&UP.to_ne_bytes());
    // SAFETY: the request is as large as the kernel's structure, and this call only reads it.
    unsafe { fd.ioctl(ioctl::SIOCSIFFLAGS, &mut request) }.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_the_kernels_layout() {
        let tcp = Address::Tcp("127.0.0.1:258".parse().unwrap()).encode().unwrap();
        assert_eq!(tcp, [2, 0, 1, 2, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Address::Tcp("[::1]:258".parse().unwrap()).encode().unwrap().len(), 28);
        assert_eq!(Address::Unix(b"/a".to_vec()).encode().unwrap(), [1, 0, b'/', b'a', 0]);
        assert_eq!(Address::Abstract(b"a".to_vec()).encode().unwrap(), [1, 0, 0, b'a']);
        assert_eq!(Address::Unix(alloc::vec![b'a'; 108]).encode(), Err(Errno::INVAL));
        let vsock = Address::Vsock { cid: 2, port: 258 }.encode().unwrap();
        assert_eq!(vsock, [40, 0, 0, 0, 2, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    }
}
