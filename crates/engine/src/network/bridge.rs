//! A bridge in the host's namespace, as a container engine makes it: the engine makes it and removes it, the lab names it
//! and chooses its subnet.

use super::{Family, Network, Subnet, connect, uplink};
use isodyne_core::unit::HostInstant;
use std::io;
use std::net::{IpAddr, TcpStream};

/// A bridge with one sandbox on it.
#[derive(Clone, Debug)]
pub struct BridgeNetwork {
    card: String,
    subnet: Subnet,
    has_v6: bool,
}

impl BridgeNetwork {
    /// The bridge of a sandbox by its name alone, for a description; with IPv6 beside IPv4, or without.
    pub fn of(name: &str, has_v6: bool) -> Self {
        Self { card: uplink::card_of(name), subnet: Subnet::of(name), has_v6 }
    }

    /// The bridge of a sandbox, on a subnet that no route of this host overlaps at this moment.
    ///
    /// # Errors
    /// The host's, or that no subnet is free.
    pub fn choose(name: &str, has_v6: bool) -> io::Result<Self> {
        Ok(Self { subnet: uplink::free_subnet(name)?, ..Self::of(name, has_v6) })
    }

    /// The name of the bridge's own card: the leak check knows it as the run's.
    pub fn card(&self) -> &str {
        &self.card
    }

    /// The subnets: each with the host's address, and the sandbox's.
    pub fn subnets(&self) -> Vec<(String, IpAddr, IpAddr)> {
        let [(host_v4, length_v4), (host_v6, length_v6)] = self.subnet.host();
        let [(guest_v4, _), (guest_v6, _)] = self.subnet.guest();
        let [base_v4, base_v6] = self.subnet.bases();
        let mut subnets = vec![(format!("{base_v4}/{length_v4}"), host_v4, guest_v4)];
        subnets.extend(self.has_v6.then(|| (format!("{base_v6}/{length_v6}"), host_v6, guest_v6)));
        subnets
    }
}

impl Network for BridgeNetwork {
    fn connect(&self, port: u16, family: Family, deadline: HostInstant) -> io::Result<TcpStream> {
        let address: IpAddr = match family {
            Family::V4 => self.subnet.guest_v4().into(),
            Family::V6 if self.has_v6 => self.subnet.guest_v6().into(),
            Family::V6 => return Err(io::Error::new(io::ErrorKind::Unsupported, "the bridge has no IPv6")),
        };
        connect((address, port), deadline)
    }

    fn addresses(&self) -> Vec<IpAddr> {
        self.subnets().into_iter().map(|(_, _, sandbox)| sandbox).collect()
    }

    fn describe(&self) -> String {
        let subnets: Vec<String> = self.subnets().into_iter().map(|(subnet, _, _)| subnet).collect();
        format!("network bridge {}, subnet {}", self.card, subnets.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_has_the_runs_name_and_a_subnet_of_each_family() {
        let bridge = BridgeNetwork::of("isodyne-7f3a-12", true);
        assert_eq!(bridge.card(), "i7f3a-c");
        let subnets = bridge.subnets();
        assert_eq!(subnets.len(), 2);
        assert!(subnets[0].0.ends_with("/30") && subnets[1].0.starts_with("fd") && subnets[1].0.ends_with("::/64"));
        let plain = BridgeNetwork::of("isodyne-7f3a-12", false);
        assert_eq!((plain.subnets().len(), plain.describe().contains("::/64")), (1, false));
        assert!(bridge.describe().ends_with("::/64"), "{}", bridge.describe());
        assert!(subnets[0].1 != subnets[0].2 && bridge.addresses() == [subnets[0].2, subnets[1].2]);
    }
}
