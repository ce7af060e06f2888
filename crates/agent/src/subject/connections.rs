//! TCP connections within the sandbox, with bytes that wait.

use super::pipes::take;
use super::trying;
use crate::sys::file::{self, Fd};
use crate::sys::socket::{self, Address};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr};
use isodyne_subject::content::Thing;
use isodyne_subject::expect;
use isodyne_subject::spec::Spec;

/// Both ends of each.
pub(super) struct Connections(Vec<(Fd, Fd)>);

impl Connections {
    pub(super) fn open(spec: &Spec) -> Result<Self, String> {
        let mut connections = Vec::with_capacity(spec.connections as usize);
        if spec.connections == 0 {
            return Ok(Self(connections));
        }
        // Who may not is given it up already, or finds out below.
        let _ = socket::loopback_up();
        let here = |port| Address::Tcp(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
        let listener = socket::listen(&here(0)).map_err(trying("listen on the loopback interface"))?;
        let port = socket::bound_port(&listener).map_err(trying("read a port"))?;
        for number in 0..spec.connections {
            let near = socket::connect(&here(port)).map_err(trying("connect over the loopback interface"))?;
            let far = socket::accept(&listener).map_err(trying("accept a connection"))?;
            let bytes = expect::waiting(spec, Thing::Connection, number);
            file::write_all(near.number(), &bytes).map_err(trying("fill a connection"))?;
            connections.push((near, far));
        }
        Ok(Self(connections))
    }

    /// Takes what waits at the far end, sends it back, takes it at the near end, and sends it again.
    pub(super) fn digest(&self, key: u64) -> Result<u64, String> {
        let mut sum = 0_u64;
        for ((near, far), number) in self.0.iter().zip(0_u64..) {
            let of = |error: String| format!("connection {number}: {error}");
            let there = take(far).map_err(of)?;
            file::write_all(far.number(), &there).map_err(trying("send back"))?;
            let back = take(near).map_err(of)?;
            file::write_all(near.number(), &back).map_err(trying("send again"))?;
            sum = sum.wrapping_add(expect::waiting_part(key, number, &back));
        }
        Ok(sum)
    }

    /// Loses what waits in the first connection: a lie that must be found.
    pub(super) fn lose(&self) {
        if let Some((_, far)) = self.0.first() {
            let _ = take(far);
        }
    }
}
