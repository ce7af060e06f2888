//! A network of a sandbox's own: a subnet with two ends, in namespaces that nothing else is in.

use super::netlink::Netlink;
use super::{Family, Namespace, Network, Subnet, connect, tap, uplink};
use crate::ownership::Owner;
use isodyne_core::unit::HostInstant;
use std::io;
use std::net::{IpAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

/// The lab's card, in the lab's namespace. Monitors that open a machine's tap by its name find it by this one.
pub const LAB_CARD: &str = "lab0";
/// The sandbox's card, in the sandbox's namespace.
pub const SANDBOX_CARD: &str = "eth0";

/// A network of a sandbox's own.
#[derive(Debug)]
pub struct OwnNetwork {
    subnet: Subnet,
    /// Where the lab's end is.
    lab: Namespace,
    /// Where the sandbox is, if it shares the host's kernel.
    sandbox: Option<Namespace>,
    /// What a virtual machine's card is connected to, until it is taken.
    tap: Mutex<Option<OwnedFd>>,
    /// The way out, if the sandbox has one.
    uplink: Option<uplink::Uplink>,
}

impl OwnNetwork {
    /// A network for a sandbox that joins a namespace: everything is configured before it starts.
    ///
    /// # Errors
    /// The host's.
    pub fn for_container(name: &str) -> io::Result<Self> {
        let subnet = Subnet::of(name);
        let (lab, sandbox) = (Namespace::create()?, Namespace::create()?);
        lab.within(|| {
            let mut netlink = Netlink::open()?;
            netlink.add_pair(LAB_CARD, SANDBOX_CARD, sandbox.as_fd())?;
            configure(&mut netlink, LAB_CARD, subnet.host())
        })?;
        sandbox.within(|| {
            let mut netlink = Netlink::open()?;
            // A runtime that joins a namespace takes loopback as it finds it.
            netlink.up("lo")?;
            configure(&mut netlink, SANDBOX_CARD, subnet.guest())
        })?;
        Ok(Self { subnet, lab, sandbox: Some(sandbox), tap: Mutex::new(None), uplink: None })
    }

    /// A namespace with loopback alone, for a sandbox that nobody else brings loopback up in.
    ///
    /// # Errors
    /// The host's.
    pub fn loopback() -> io::Result<Namespace> {
        let namespace = Namespace::create()?;
        namespace.within(|| Netlink::open()?.up("lo"))?;
        Ok(namespace)
    }

    /// A network for a virtual machine: a tap, whose other end the machine configures by what it is told.
    ///
    /// # Errors
    /// The host's; without a usable `/dev/net/tun` it says what to do.
    pub fn for_machine(name: &str) -> io::Result<Self> {
        let subnet = Subnet::of(name);
        let lab = Namespace::create()?;
        let tap = lab.within(|| {
            let tap = tap::create(LAB_CARD)?;
            configure(&mut Netlink::open()?, LAB_CARD, subnet.host())?;
            Ok(tap)
        })?;
        Ok(Self { subnet, lab, sandbox: None, tap: Mutex::new(Some(tap)), uplink: None })
    }

    /// As [`OwnNetwork::for_machine`], for a monitor that runs inside of [`OwnNetwork::lab`] and opens the tap by its
    /// name. `subnet` is that of the machine, which may be the one of another that it is a copy of.
    ///
    /// # Errors
    /// As [`OwnNetwork::for_machine`].
    pub fn for_monitor(subnet: Subnet) -> io::Result<Self> {
        let lab = Namespace::create()?;
        lab.within(|| {
            // A tap takes one user at a time: ours ends before the monitor's begins.
            let tap = tap::create(LAB_CARD)?;
            tap::persist(&tap)?;
            configure(&mut Netlink::open()?, LAB_CARD, subnet.host())
        })?;
        Ok(Self { subnet, lab, sandbox: None, tap: Mutex::new(None), uplink: None })
    }

    /// Lets the sandbox reach out through the host: by IPv4, and by IPv6 where the host forwards it. A virtual machine has
    /// to be told its gateway, the lab's end.
    ///
    /// # Errors
    /// The host's; what was made of it is removed.
    pub fn reach_out(&mut self, name: &str, owner: &Owner) -> io::Result<()> {
        let uplink = uplink::create(name, &self.lab, owner)?;
        let gateway_v6 = uplink.has_v6().then(|| self.subnet.host_v6().into());
        self.uplink = Some(uplink);
        let Some(sandbox) = &self.sandbox else { return Ok(()) };
        sandbox.within(|| {
            let mut netlink = Netlink::open()?;
            netlink.add_default_route(SANDBOX_CARD, self.subnet.host_v4().into())?;
            gateway_v6.map_or(Ok(()), |gateway| netlink.add_default_route(SANDBOX_CARD, gateway))
        })
    }

    /// The namespace that the sandbox is to join; `None` for a virtual machine.
    pub fn sandbox(&self) -> Option<&Namespace> {
        self.sandbox.as_ref()
    }

    /// The namespace of the lab's end, for a monitor that opens the tap by itself.
    pub fn lab(&self) -> &Namespace {
        &self.lab
    }

    /// The tap, once: whoever has it decides how long the card lives.
    pub fn take_tap(&self) -> Option<OwnedFd> {
        self.tap.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The subnet.
    pub fn subnet(&self) -> Subnet {
        self.subnet
    }
}

fn configure(netlink: &mut Netlink, card: &str, addresses: [(IpAddr, u8); 2]) -> io::Result<()> {
    for (address, prefix) in addresses {
        match netlink.add_address(card, address, prefix) {
            // A kernel without IPv6 carries IPv4 alone.
            Err(error) if address.is_ipv6() && error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
            other => other?,
        }
    }
    netlink.up(card)
}

impl Network for OwnNetwork {
    fn connect(&self, port: u16, family: Family, deadline: HostInstant) -> io::Result<TcpStream> {
        let address: IpAddr = match family {
            Family::V4 => self.subnet.guest_v4().into(),
            Family::V6 => self.subnet.guest_v6().into(),
        };
        self.lab.within(|| connect((address, port), deadline))
    }

    fn addresses(&self) -> Vec<IpAddr> {
        vec![self.subnet.guest_v4().into(), self.subnet.guest_v6().into()]
    }

    fn describe(&self) -> String {
        let nat = match &self.uplink {
            None => "",
            Some(uplink) if uplink.has_v6() => ", with NAT for IPv4 and IPv6",
            Some(_) => ", with NAT for IPv4",
        };
        format!("network own, subnet {}{nat}", self.subnet)
    }
}
