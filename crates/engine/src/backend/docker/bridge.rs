//! A bridge that Docker has made for one sandbox, and that goes with the last who holds it: a sandbox that is kept leaves it
//! to the one that comes back, with the addresses that its connections know.

use super::api::{self, Daemon, success};
use super::launcher::{CALL, failed};
use crate::http::Request;
use crate::lab::Lab;
use crate::network::kept::KeptNetworks;
use crate::network::{self, BridgeNetwork, Family, Network};
use crate::ownership::{Owned, Resource};
use isodyne_core::failure::Failure;
use isodyne_core::unit::HostInstant;
use std::io;
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;

/// Bridges of sandboxes that were kept.
pub(super) static KEPT: KeptNetworks<OwnBridge> = KeptNetworks::new();

/// A bridge with one sandbox at a time.
#[derive(Debug)]
pub(super) struct OwnBridge {
    /// The network's name at Docker: that of the sandbox that it was made for.
    name: String,
    bridge: BridgeNetwork,
    guard: Owned,
}

impl OwnBridge {
    /// Has Docker make a bridge, with IPv6 beside IPv4 or without.
    pub(super) fn make(daemon: &Daemon, name: &str, has_v6: bool, lab: &Lab) -> Result<Self, Failure> {
        let bridge = BridgeNetwork::choose(name, has_v6).map_err(network::refused)?;
        let socket = daemon.socket.clone();
        let guard = lab.owner.own(Resource::DockerNetwork { socket, name: name.to_owned() });
        let body = api::network(name, &lab.run_id, &bridge).to_string();
        let request = Request::new("POST", api::CREATE_NETWORK).with_body("application/json", body.as_bytes());
        api::call(&daemon.socket, lab.clock, &request, CALL)
            .and_then(|reply| success(reply, &request.call()))
            .map_err(|error| failed(&error))?;
        Ok(Self { name: name.to_owned(), bridge, guard })
    }

    /// The network's name at Docker, and its addresses.
    pub(super) fn named(&self) -> (&str, &BridgeNetwork) {
        (&self.name, &self.bridge)
    }

    /// Lets go of it; the last one removes it, and is told if it stays.
    pub(super) fn leave(self: Arc<Self>) -> Result<(), String> {
        Arc::into_inner(self).map_or(Ok(()), |last| last.guard.remove())
    }
}

impl Network for OwnBridge {
    fn connect(&self, port: u16, family: Family, deadline: HostInstant) -> io::Result<TcpStream> {
        self.bridge.connect(port, family, deadline)
    }

    fn addresses(&self) -> Vec<IpAddr> {
        self.bridge.addresses()
    }

    fn describe(&self) -> String {
        self.bridge.describe()
    }
}
