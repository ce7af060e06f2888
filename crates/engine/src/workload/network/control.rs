//! The control: the same client and the same server over the host's own loopback, in the same sample.

use crate::channel::agent_binary;
use crate::clock::Clock;
use crate::lab::Lab;
use crate::ownership::OwnedProcess;
use isodyne_core::unit::HostInstant;
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{ChildStdout, Command, Stdio};

use crate::network::Family;

/// A server on the host's loopback. Dropped, it is ended.
pub(super) struct Control {
    _process: OwnedProcess,
    port: u16,
}

impl Control {
    /// Starts the server; it listens when this returns. It ends by itself after `life_s` seconds.
    pub(super) fn start(lab: &Lab, life_s: u32) -> io::Result<Self> {
        let mut command = Command::new(program(lab)?);
        command.args(["net-serve", "0", &life_s.to_string()]).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = lab.owner.spawn(command).map_err(io::Error::other)?;
        let (_, stdout, _) = process.take_stdio();
        let port = stdout.and_then(said_port).ok_or_else(|| io::Error::other("it did not say its port"))?;
        Ok(Self { _process: process, port })
    }

    pub(super) fn connect(&self, family: Family, deadline: HostInstant) -> io::Result<TcpStream> {
        let address: SocketAddr = match family {
            Family::V4 => (Ipv4Addr::LOCALHOST, self.port).into(),
            Family::V6 => (Ipv6Addr::LOCALHOST, self.port).into(),
        };
        let stream =
            TcpStream::connect_timeout(&address, Clock.until(deadline).max(std::time::Duration::from_millis(1)))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// The server says its port, or it ends, and then its output does.
fn said_port(stdout: ChildStdout) -> Option<u16> {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).ok()?;
    line.trim().parse().ok()
}

/// The agent's program as a file, once per lab.
fn program(lab: &Lab) -> io::Result<PathBuf> {
    let path = lab.scratch.join("net-serve");
    if path.exists() {
        return Ok(path);
    }
    let beside = lab.scratch.join("net-serve.new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o700).open(&beside)?;
    file.write_all(agent_binary())?;
    drop(file);
    std::fs::rename(&beside, &path)?;
    Ok(path)
}
