//! Subnets: one of its own per sandbox, from the names of the run and the sandbox alone.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The private pool that IPv4 subnets are taken from: 10.128.0.0/9.
const POOL: u32 = (10 << 24) | (128 << 16);
/// Subnets of four addresses in the pool.
const POOL_SUBNETS: u64 = 1 << 21;
/// Length of the IPv4 prefix: two hosts.
pub const PREFIX_V4: u8 = 30;
/// Length of the IPv6 prefix.
pub const PREFIX_V6: u8 = 64;

/// A subnet with two ends: the lab's and the sandbox's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    v4: u32,
    /// The upper half of the addresses.
    v6: u64,
}

impl Subnet {
    /// The subnet of a sandbox. Sandboxes of one run have different ones (up to two million of them); those of different
    /// runs differ in IPv6 as far as 40 bits go, and in IPv4 mostly: they never share a namespace.
    pub fn of(name: &str) -> Self {
        let (run, number) = match name.rsplit_once('-') {
            Some((run, number)) => (run, number.parse::<u64>().unwrap_or_else(|_| hash(number.as_bytes()))),
            None => (name, 0),
        };
        let run = hash(run.as_bytes());
        let v4 = POOL + (((run.wrapping_add(number)) % POOL_SUBNETS) as u32) * 4;
        // fd, then 40 bits of the run, then 16 of the sandbox; what does not fit there stirs the run's.
        let global = (run ^ (number >> 16).wrapping_mul(0x9e37_79b9)) & 0xff_ffff_ffff;
        Self { v4, v6: (0xfd << 56) | (global << 16) | (number & 0xffff) }
    }

    /// Another one of the pool, for when this one is in use on the host.
    pub fn next(self) -> Self {
        let step = (self.v4 - POOL) / 4 + 1;
        Self { v4: POOL + (step % POOL_SUBNETS as u32) * 4, ..self }
    }

    /// The sandbox's card as the agent of a machine is told of it: name, IPv4 address, gateway (for NAT), IPv6 address.
    pub fn agent_word(self, nat: bool) -> String {
        let gateway = if nat { self.host_v4().to_string() } else { String::new() };
        let [(v4, length), (v6, length_v6)] = self.guest();
        format!("{},{v4}/{length},{gateway},{v6}/{length_v6}", super::SANDBOX_CARD)
    }

    /// The lab's IPv4 address.
    pub fn host_v4(self) -> Ipv4Addr {
        Ipv4Addr::from(self.v4 + 1)
    }

    /// The sandbox's IPv4 address.
    pub fn guest_v4(self) -> Ipv4Addr {
        Ipv4Addr::from(self.v4 + 2)
    }

    /// The lab's IPv6 address.
    pub fn host_v6(self) -> Ipv6Addr {
        Ipv6Addr::from((u128::from(self.v6) << 64) | 1)
    }

    /// The sandbox's IPv6 address.
    pub fn guest_v6(self) -> Ipv6Addr {
        Ipv6Addr::from((u128::from(self.v6) << 64) | 2)
    }

    /// What its addresses begin with.
    pub fn bases(self) -> [IpAddr; 2] {
        [Ipv4Addr::from(self.v4).into(), Ipv6Addr::from(u128::from(self.v6) << 64).into()]
    }

    /// The mask of its IPv4 part.
    pub fn mask_v4() -> Ipv4Addr {
        Ipv4Addr::from(u32::MAX << (32 - PREFIX_V4))
    }

    /// Both addresses of the lab's end with their prefixes.
    pub fn host(self) -> [(IpAddr, u8); 2] {
        [(self.host_v4().into(), PREFIX_V4), (self.host_v6().into(), PREFIX_V6)]
    }

    /// Both addresses of the sandbox's end with their prefixes.
    pub fn guest(self) -> [(IpAddr, u8); 2] {
        [(self.guest_v4().into(), PREFIX_V4), (self.guest_v6().into(), PREFIX_V6)]
    }

    /// The hardware address of the sandbox's card: locally administered, and different where the subnet is.
    pub fn guest_mac(self) -> String {
        let [_, a, b, c] = self.v4.to_be_bytes();
        format!("52:49:{:02x}:{a:02x}:{b:02x}:{c:02x}", self.v6 as u8)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [v4, v6] = self.bases();
        write!(f, "{v4}/{PREFIX_V4} {v6}/{PREFIX_V6}")
    }
}

/// FNV-1a, with its bits mixed once more (the finalizer of SplitMix64): short names that differ little spread.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_sandboxes_of_a_run_have_subnets_of_their_own() {
        let mut seen = BTreeSet::new();
        for number in 0..10_000 {
            let subnet = Subnet::of(&format!("isodyne-7f3a00ff-{number}"));
            assert!(seen.insert(subnet.guest_v4().to_string()) && seen.insert(subnet.guest_v6().to_string()));
            assert!(subnet.host_v4().is_private() && subnet.host_v6().is_unique_local());
            assert_eq!(u32::from(subnet.host_v4()) & !3, u32::from(subnet.guest_v4()) & !3);
        }
        let far = Subnet::of("isodyne-7f3a00ff-65536");
        assert!(!seen.contains(&far.guest_v6().to_string()));
    }

    #[test]
    fn runs_differ_and_the_same_name_gives_the_same() {
        let (one, other) = (Subnet::of("isodyne-1-0"), Subnet::of("isodyne-2-0"));
        assert_eq!(one, Subnet::of("isodyne-1-0"));
        assert_ne!(one.host_v6(), other.host_v6());
        assert_ne!(one.guest_mac(), other.guest_mac());
        assert_ne!(Subnet::of("isodyne-7f3a-trial-net"), Subnet::of("isodyne-7f3a-trial-other"));
        assert_ne!(one.next().host_v4(), one.host_v4());
        assert!(one.to_string().contains("/30 fd"));
    }

    #[test]
    fn the_pool_is_never_left() {
        let mut subnet = Subnet { v4: POOL + (POOL_SUBNETS as u32 - 1) * 4, v6: 0 };
        assert_eq!(subnet.guest_v4(), Ipv4Addr::new(10, 255, 255, 254));
        subnet = subnet.next();
        assert_eq!(subnet.host_v4(), Ipv4Addr::new(10, 128, 0, 1));
    }
}
