//! A network by `passt`: a process beside the VMM that speaks for the guest, and forwards a port of a loopback address to
//! it.
//!
//! Like the VMM's own user mode it takes no root and makes nothing on the host. It ends when the VMM closes the socket
//! between them, at the latest when its owner is dropped.

use super::{Family, Network, UserNetwork};
use crate::lab::Lab;
use crate::ownership::OwnedProcess;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::fs::OpenOptions;
use std::io;
use std::net::{IpAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// The number that passt inherits its end of the socket under.
const DESCRIPTOR: RawFd = 200;

/// A passt that runs.
pub struct PasstNetwork {
    ports: UserNetwork,
    _process: OwnedProcess,
}

/// The exact command line. The guest is given the addresses that the VMM's own user mode would give it; what it sends to
/// its gateway does not come to the host.
pub fn argv(program: &str, name: &str) -> Vec<String> {
    let network = UserNetwork::of(name);
    let ports: Vec<String> = network.ports().iter().map(u16::to_string).collect();
    let forward = format!("{}/{}", network.loopback(), ports.join(","));
    let descriptor = DESCRIPTOR.to_string();
    let [guest, length, gateway] = super::user::INSIDE;
    [
        program,
        "--foreground",
        "--quiet",
        "--stderr",
        "--fd",
        &descriptor,
        "--ipv4-only",
        "--address",
        guest,
        "--netmask",
        length,
        "--gateway",
        gateway,
        "--no-map-gw",
        "--no-dhcp",
        "--tcp-ports",
        &forward,
        "--udp-ports",
        "none",
    ]
    .map(str::to_owned)
    .to_vec()
}

impl PasstNetwork {
    /// Starts it; gives the socket that the VMM is to inherit. What passt says goes to `log`.
    ///
    /// # Errors
    /// Class `launch`, with what the host refused.
    pub fn start(program: &str, name: &str, log: &Path, lab: &Lab) -> Result<(Self, OwnedFd), Failure> {
        let refused = |error: &dyn std::error::Error| {
            Failure::new(FailureClass::Launch, format!("failed to start passt: {}", crate::backend::chain(error)))
        };
        let (vmm, own) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .map_err(|errno| refused(&io::Error::from(errno)))?;
        let argv = argv(program, name);
        let log = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(log);
        let log = log.map_err(|error| refused(&error))?;
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let from = own.as_raw_fd();
        // SAFETY: between fork and exec only dup2 is called, which is safe there; the descriptor is open in the parent
        // until the spawn has returned, and dup2 clears the flag that would close it at exec.
        unsafe {
            command.pre_exec(move || {
                if libc::dup2(from, DESCRIPTOR) < 0 {
                    return Err(io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let process = lab.owner.spawn(command).map_err(|error| refused(&error))?;
        Ok((Self { ports: UserNetwork::of(name), _process: process }, vmm))
    }
}

impl Network for PasstNetwork {
    fn connect(&self, port: u16, family: Family, deadline: HostInstant) -> io::Result<TcpStream> {
        self.ports.connect(port, family, deadline)
    }

    fn addresses(&self) -> Vec<IpAddr> {
        self.ports.addresses()
    }

    fn describe(&self) -> String {
        format!("network passt, forwarded from {}", self.ports.loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_exact() {
        let line = argv("/usr/bin/passt", "isodyne-7f3a-1").join(" ");
        let loopback = UserNetwork::of("isodyne-7f3a-1").loopback();
        let expected = format!(
            "/usr/bin/passt --foreground --quiet --stderr --fd 200 --ipv4-only --address 10.0.2.15 --netmask 24 \
             --gateway 10.0.2.2 --no-map-gw --no-dhcp --tcp-ports {loopback}/5201 --udp-ports none"
        );
        assert_eq!(line, expected);
    }
}
