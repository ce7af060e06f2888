//! Sockets: stream sockets by address, and the kernel's notices of new devices.

use super::file::Fd;
use super::{Errno, Result, call};
use alloc::vec::Vec;
use core::net::SocketAddr;
use linux_raw_sys::{general as k, net, netlink};

/// Where a stream socket goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Unix(Vec<u8>),
    Tcp(SocketAddr),
    Vsock { cid: u32, port: u32 },
}

impl Address {
    fn family(&self) -> u32 {
        match self {
            Self::Unix(_) => net::AF_UNIX,
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
    let fd = socket(address.family(), net::SOCK_STREAM | k::O_NONBLOCK, 0)?;
    let encoded = address.encode()?;
    // SAFETY: the kernel reads the address.
    match unsafe { call!(__NR_connect, fd.number(), encoded.as_ptr(), encoded.len()) } {
        Ok(_) | Err(Errno(linux_raw_sys::errno::EINPROGRESS)) => Ok(fd),
        Err(errno) => Err(errno),
    }
}

/// Whether a connection that was begun is there; not yet is no error.
pub(crate) fn connected(fd: &Fd) -> Result<bool> {
    let (mut error, mut length) = (0_u32, 4_u32);
    // SAFETY: the kernel writes one number and its length.
    let answer =
        unsafe { call!(__NR_getsockopt, fd.number(), net::SOL_SOCKET, net::SO_ERROR, &raw mut error, &raw mut length) };
    answer?;
    if error != 0 {
        return Err(Errno(error));
    }
    let mut interests = [super::poll::interest(fd, super::poll::WRITABLE)];
    Ok(super::poll::wait(&mut interests, super::poll::Moment::now())?)
}

/// Binds and listens for one connection; `accept` does not block.
pub(crate) fn listen(address: &Address) -> Result<Fd> {
    let fd = socket(address.family(), net::SOCK_STREAM | k::O_NONBLOCK, 0)?;
    let encoded = address.encode()?;
    // SAFETY: the kernel reads the address.
    unsafe { call!(__NR_bind, fd.number(), encoded.as_ptr(), encoded.len()) }?;
    // SAFETY: plain numbers.
    unsafe { call!(__NR_listen, fd.number(), 1) }?;
    Ok(fd)
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

/// Brings the loopback interface up.
pub(crate) fn loopback_up() -> Result<()> {
    let fd = socket(net::AF_INET, net::SOCK_DGRAM, 0)?;
    // A request has 40 bytes: the interface's name in 16, then what is set.
    let mut request = [0_u8; 40];
    request[..2].copy_from_slice(b"lo");
    let flags = net::net_device_flags::IFF_UP as u16 | net::net_device_flags::IFF_RUNNING as u16;
    request[16..18].copy_from_slice(&flags.to_ne_bytes());
    // SAFETY: the request is as large as the kernel's structure, and this call only reads it.
    unsafe { fd.ioctl(linux_raw_sys::ioctl::SIOCSIFFLAGS, &mut request) }.map(drop)
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
        assert_eq!(Address::Unix(alloc::vec![b'a'; 108]).encode(), Err(Errno::INVAL));
        let vsock = Address::Vsock { cid: 2, port: 258 }.encode().unwrap();
        assert_eq!(vsock, [40, 0, 0, 0, 2, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    }
}
