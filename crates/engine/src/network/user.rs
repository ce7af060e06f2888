//! A network in user mode: the VMM speaks for the guest, and forwards a port of a loopback address to it.
//!
//! No root and nothing made on the host. Every sandbox has a loopback address of its own (all of 127.0.0.0/8 is the
//! host's), so that ports do not clash.

use super::subnet::hash;
use super::{AGENT_PORT, Family, Network, connect};
use isodyne_core::unit::HostInstant;
use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpStream};

/// The guest's address, the length of its prefix, and its gateway, the same in every guest: they are inside of the program
/// that speaks for it.
pub const INSIDE: [&str; 3] = ["10.0.2.15", "24", "10.0.2.2"];

/// A network in user mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserNetwork {
    loopback: Ipv4Addr,
}

impl UserNetwork {
    /// The network of a sandbox, by its name alone.
    pub fn of(name: &str) -> Self {
        let (run, number) = name.rsplit_once('-').unwrap_or((name, ""));
        let number = number.parse::<u64>().unwrap_or_else(|_| hash(number.as_bytes()));
        // 127.64.0.1 to 127.127.255.254: away from the addresses that people and programs use.
        let place = hash(run.as_bytes()).wrapping_add(number) % ((1 << 22) - 2) + 1;
        Self { loopback: Ipv4Addr::from(((127 << 24) | (64 << 16)) + place as u32) }
    }

    /// The loopback address whose ports lead to the guest.
    pub fn loopback(self) -> Ipv4Addr {
        self.loopback
    }

    /// The ports that are forwarded.
    pub fn ports(self) -> &'static [u16] {
        &[AGENT_PORT]
    }
}

impl Network for UserNetwork {
    fn connect(&self, port: u16, family: Family, deadline: HostInstant) -> io::Result<TcpStream> {
        if family == Family::V6 {
            let message = "a network in user mode forwards IPv4 only; use `family = \"ipv4\"`";
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        connect((self.loopback.into(), port), deadline)
    }

    fn addresses(&self) -> Vec<IpAddr> {
        vec![self.loopback.into()]
    }

    fn describe(&self) -> String {
        format!("network user, forwarded from {}", self.loopback)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sandbox_has_a_loopback_address_of_its_own() {
        let addresses: std::collections::BTreeSet<_> =
            (0..1000).map(|number| UserNetwork::of(&format!("isodyne-7f3a-{number}")).loopback()).collect();
        assert_eq!(addresses.len(), 1000);
        assert!(addresses.iter().all(|address| address.is_loopback() && address.octets()[1] & 0xc0 == 64));
        assert_eq!(UserNetwork::of("isodyne-7f3a-3"), UserNetwork::of("isodyne-7f3a-3"));
    }
}
