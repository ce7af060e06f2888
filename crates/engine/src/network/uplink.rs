//! The way out of a sandbox's network, only when a plan asks for it (`nat = true`): a pair of cards between the host's
//! namespace and the lab's, and a table of nftables that gives what leaves the host's address.
//!
//! It is the one thing of a network that the host's namespace sees. It has an owner from before it is made, and it is
//! removed by the sandbox's name alone. Forwarding is switched on in the lab's namespace; the host's own switch is
//! never touched.

use super::netlink::Netlink;
use super::{Family, Namespace, Subnet, nft};
use crate::backend::PrepareError;
use crate::ownership::{Owned, Owner, Resource};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";
const FORWARDING_V6: &str = "/proc/sys/net/ipv6/conf/all/forwarding";
// Of the thread: `/proc/net` is the process's, which may be in another namespace.
const ROUTES: &str = "/proc/thread-self/net/route";
const ROUTES_V6: &str = "/proc/thread-self/net/ipv6_route";
const CARDS: &str = "/proc/thread-self/net/dev";
/// The lab's end, in the lab's namespace.
const LAB_CARD: &str = "up0";
/// The kernel's limit of a card's name.
const NAME_MOST: usize = 15;
/// Subnets that are tried before it is given up.
const TRIES: usize = 64;

/// A way out. Dropped, it is removed.
#[derive(Debug)]
pub(super) struct Uplink {
    _owned: Owned,
    has_v6: bool,
}

impl Uplink {
    /// Whether IPv6 packets leave by it as well.
    pub(super) fn has_v6(&self) -> bool {
        self.has_v6
    }
}

/// Says why sandboxes cannot reach out through this host, if so.
pub(super) fn check() -> Result<(), PrepareError> {
    if is_on(FORWARDING) {
        return Ok(());
    }
    Err(PrepareError::Unavailable {
        reason: "this host does not forward packets, and the lab does not change that".to_owned(),
        hint: "run `sysctl net.ipv4.ip_forward=1`, or leave `nat` out".to_owned(),
    })
}

/// Whether the host forwards IPv6. (Docker switches it on by itself for a network with IPv6, which can take a host's own
/// routes from it: so the lab asks for IPv6 only where it is on.)
pub(crate) fn forwards_v6() -> bool {
    is_on(FORWARDING_V6)
}

fn is_on(switch: &str) -> bool {
    std::fs::read_to_string(switch).is_ok_and(|text| text.trim() == "1")
}

/// Makes the way out of a lab's namespace: for IPv4, and for IPv6 where the host forwards it. It is removed with what is
/// returned.
pub(super) fn create(name: &str, lab: &Namespace, owner: &Owner) -> io::Result<Uplink> {
    let card = card_of(name);
    let owned = owner.own(Resource::Uplink(name.to_owned()));
    let mut netlink = Netlink::open()?;
    netlink.add_pair(&card, LAB_CARD, lab.as_fd())?;
    let subnet = give_subnet(&mut netlink, &card, name)?;
    netlink.up(&card)?;
    nft::masquerade(name, Family::V4, Some(subnet.guest_v4().into()))?;
    lab.within(|| {
        let mut netlink = Netlink::open()?;
        netlink.add_address(LAB_CARD, subnet.guest_v4().into(), super::subnet::PREFIX_V4)?;
        netlink.up(LAB_CARD)?;
        netlink.add_default_route(LAB_CARD, subnet.host_v4().into())?;
        nft::masquerade("isodyne", Family::V4, None)?;
        std::fs::write(FORWARDING, "1")
    })?;
    let has_v6 = forwards_v6();
    if has_v6 {
        create_v6(name, subnet, lab)?;
    }
    Ok(Uplink { _owned: owned, has_v6 })
}

/// The same for IPv6, on the cards that are there.
fn create_v6(name: &str, subnet: Subnet, lab: &Namespace) -> io::Result<()> {
    let prefix = super::subnet::PREFIX_V6;
    if is_used_v6(&std::fs::read_to_string(ROUTES_V6)?, subnet.host_v6()) {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, format!("the host has a route to {subnet} already")));
    }
    Netlink::open()?.add_address(&card_of(name), subnet.host_v6().into(), prefix)?;
    nft::masquerade(name, Family::V6, Some(subnet.guest_v6().into()))?;
    lab.within(|| {
        let mut netlink = Netlink::open()?;
        netlink.add_address(LAB_CARD, subnet.guest_v6().into(), prefix)?;
        netlink.add_default_route(LAB_CARD, subnet.host_v6().into())?;
        nft::masquerade("isodyne", Family::V6, None)?;
        std::fs::write(FORWARDING_V6, "1")
    })
}

/// A subnet for a bridge of a sandbox that no route of this host overlaps at this moment.
pub(super) fn free_subnet(name: &str) -> io::Result<Subnet> {
    let (routes, routes_v6) =
        (std::fs::read_to_string(ROUTES)?, std::fs::read_to_string(ROUTES_V6).unwrap_or_default());
    let mut subnet = Subnet::of(name);
    for _ in 0..TRIES {
        if !is_used(&routes, subnet.host_v4(), None) && !is_used_v6(&routes_v6, subnet.host_v6()) {
            return Ok(subnet);
        }
        for _ in 0..=fastrand::u32(..1000) {
            subnet = subnet.next();
        }
    }
    Err(no_subnet())
}

fn no_subnet() -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, "no subnet of 10.128.0.0/9 is free on this host")
}

/// Gives the card an address of a subnet that nothing else on this host has.
fn give_subnet(netlink: &mut Netlink, card: &str, name: &str) -> io::Result<Subnet> {
    let mut subnet = Subnet::of(&format!("{name}-uplink"));
    for _ in 0..TRIES {
        let routes = std::fs::read_to_string(ROUTES)?;
        if !is_used(&routes, subnet.host_v4(), None) {
            netlink.add_address(card, subnet.host_v4().into(), super::subnet::PREFIX_V4)?;
            // Another run may have chosen the same in this moment: then both see it, and both choose again.
            if !is_used(&std::fs::read_to_string(ROUTES)?, subnet.host_v4(), Some(card)) {
                return Ok(subnet);
            }
            netlink.remove_address(card, subnet.host_v4().into(), super::subnet::PREFIX_V4)?;
        }
        for _ in 0..=fastrand::u32(..1000) {
            subnet = subnet.next();
        }
    }
    Err(no_subnet())
}

/// Whether a route of another card than `own` overlaps the subnet of an address. The default route does not count.
fn is_used(routes: &str, address: Ipv4Addr, own: Option<&str>) -> bool {
    let number = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::swap_bytes);
    routes.lines().skip(1).any(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (card, destination, mask) = (fields.next(), fields.next().and_then(number), fields.nth(5).and_then(number));
        let (Some(destination), Some(mask)) = (destination, mask) else { return false };
        let common = mask & (u32::MAX << 2);
        mask != 0 && card != own && destination & common == u32::from(address) & common
    })
}

/// Whether a route overlaps the subnet of an address. The default route does not count.
fn is_used_v6(routes: &str, address: Ipv6Addr) -> bool {
    routes.lines().any(|line| {
        let mut fields = line.split_ascii_whitespace();
        let destination = fields.next().and_then(|text| u128::from_str_radix(text, 16).ok());
        let length = fields.next().and_then(|text| u32::from_str_radix(text, 16).ok());
        let (Some(destination), Some(length @ 1..=128)) = (destination, length) else { return false };
        let common = u128::MAX << (128 - length.min(u32::from(super::subnet::PREFIX_V6)));
        destination & common == u128::from(address) & common
    })
}

/// Removes the way out of a sandbox by its name; being gone already is success.
///
/// # Errors
/// One line for people.
pub(crate) fn remove(name: &str) -> Result<(), String> {
    let card = card_of(name);
    let stays = |what: &str, error: &io::Error| format!("{what} stays: {error}");
    let by_name = Netlink::open().and_then(|mut netlink| match netlink.remove(&card) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO)) => Ok(()),
        other => other,
    });
    by_name.map_err(|error| stays(&format!("network card {card}"), &error))?;
    nft::remove(name).map_err(|error| stays(&format!("nftables table {name}"), &error))
}

/// What is left of a run's ways out: cards and tables, one line each.
pub(crate) fn list(run_id: &str) -> Vec<String> {
    let cards = cards(run_id).map(|card| format!("network card {card}"));
    let tables = tables(run_id).into_iter().map(|table| format!("nftables table {table}"));
    cards.chain(tables).collect()
}

/// Removes what is left of a run's ways out; what could not be removed, one line each.
pub(crate) fn sweep(run_id: &str) -> Vec<String> {
    let mut survivors = Vec::new();
    for card in cards(run_id) {
        let removed = Netlink::open().and_then(|mut netlink| netlink.remove(&card));
        survivors.extend(removed.err().map(|error| format!("network card {card} stays: {error}")));
    }
    for table in tables(run_id) {
        survivors.extend(nft::remove(&table).err().map(|error| format!("nftables table {table} stays: {error}")));
    }
    survivors
}

fn cards(run_id: &str) -> impl Iterator<Item = String> {
    let prefix = format!("i{run_id}-");
    let table = std::fs::read_to_string(CARDS).unwrap_or_default();
    let names = table.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
    names.filter(move |name| name.starts_with(&prefix)).collect::<Vec<_>>().into_iter()
}

/// A host without nftables, or a user who may not ask, has none.
fn tables(run_id: &str) -> Vec<String> {
    nft::list(&format!("{}-", crate::ownership::name_prefix(run_id))).unwrap_or_default()
}

/// The name of the host's card: the run's name, and the sandbox's number as short as it goes.
pub(super) fn card_of(name: &str) -> String {
    let rest = name.strip_prefix("isodyne-").unwrap_or(name);
    let (run, number) = rest.rsplit_once('-').unwrap_or((rest, ""));
    let number = number.parse::<u64>().unwrap_or_else(|_| super::subnet::hash(number.as_bytes()));
    let mut digits = Vec::new();
    let mut left = number;
    loop {
        digits.push(char::from_digit((left % 36) as u32, 36).unwrap_or('0'));
        left /= 36;
        if left == 0 {
            break;
        }
    }
    let mut card = format!("i{run}-{}", digits.iter().rev().collect::<String>());
    while card.len() > NAME_MOST {
        card.pop();
    }
    card
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_named_by_run_and_number_within_the_kernels_limit() {
        assert_eq!(card_of("isodyne-7f3a00ff-12"), "i7f3a00ff-c");
        assert_eq!(card_of("isodyne-7f3a00ff-1000000"), "i7f3a00ff-lfls");
        assert!(card_of("isodyne-7f3a00ff-trial").len() <= NAME_MOST);
        assert!(card_of("isodyne-7f3a00ff-trial").starts_with("i7f3a00ff-"));
    }

    #[test]
    fn a_route_that_overlaps_is_seen() {
        let routes = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n\
                      eth0 00000000 010200C0 0003 0 0 0 00000000 0 0 0\n\
                      tun0 0000C80A 00000000 0001 0 0 0 0000FFFF 0 0 0\n\
                      i7f-1 0400800A 00000000 0001 0 0 0 FCFFFFFF 0 0 0\n";
        assert!(is_used(routes, Ipv4Addr::new(10, 200, 3, 1), None));
        assert!(!is_used(routes, Ipv4Addr::new(10, 201, 3, 1), None));
        assert!(is_used(routes, Ipv4Addr::new(10, 128, 0, 5), None));
        assert!(!is_used(routes, Ipv4Addr::new(10, 128, 0, 5), Some("i7f-1")));
        assert!(!is_used(routes, Ipv4Addr::new(10, 128, 0, 1), None));
        assert!(!is_used("", Ipv4Addr::LOCALHOST, None));
    }

    #[test]
    fn a_route_of_ipv6_that_overlaps_is_seen() {
        let routes = "fd0102030405000700000000000000000 40 0 0 eth0\n\
                      fd010203040500070000000000000000 40 00000000000000000000000000000000 00 0 0 eth0\n\
                      fd11000000000000000000000000000 10 0 0 tun0\n\
                      fdff0000000000000000000000000000 10 00000000000000000000000000000000 00 0 0 tun0\n\
                      00000000000000000000000000000000 00 00000000000000000000000000000000 00 0 0 eth0\n";
        let used = |text: &str| is_used_v6(routes, text.parse().unwrap());
        assert!(used("fd01:203:405:7::1") && used("fdff:1:2:3::1"));
        assert!(!used("fd01:203:405:8::1") && !used("fdfe:1:2:3::1"));
        assert!(!is_used_v6("", Ipv6Addr::LOCALHOST) && !is_used_v6("x y\n", Ipv6Addr::LOCALHOST));
    }
}
