//! The agent's way over a monitor's vsock that ends in unix sockets: a guest that connects to port P of the host reaches
//! whoever listens on the monitor's socket with `_P` behind its name. Firecracker and Cloud Hypervisor do the same.

use crate::channel::ListeningTransport;
use crate::clock::Clock;
use isodyne_core::failure::{Failure, FailureClass};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// The port of the host that the agent connects to.
pub const AGENT_PORT: u32 = 52;
/// The guest's own number; every monitor has a vsock of its own, so that all guests can have the same.
pub const GUEST_CID: u32 = 3;
/// The agent's channel, as it is told to it.
pub const AGENT_CHANNEL: &str = "vsock:2:52";
/// The longest path of a unix socket (108 bytes with its zero byte).
pub const SOCKET_PATH_MOST: usize = 107;

/// Refuses a socket path that no kernel takes, before anything is started.
///
/// # Errors
/// A failure of class `launch` with the way out.
pub fn check_path(path: &Path) -> Result<(), Failure> {
    let length = path.as_os_str().len();
    if length <= SOCKET_PATH_MOST {
        return Ok(());
    }
    Err(Failure::new(
        FailureClass::Launch,
        format!(
            "the socket path {} has {length} bytes, and unix sockets have at most {SOCKET_PATH_MOST}: set TMPDIR to a \
             shorter directory",
            path.display()
        ),
    ))
}

/// The path on which the lab listens for the agent.
pub fn agent_socket(vsock: &Path) -> PathBuf {
    let mut path = vsock.as_os_str().to_owned();
    path.push(format!("_{AGENT_PORT}"));
    path.into()
}

/// Listens for the agent. The monitor connects when the guest does: no attempt has to be repeated, nothing is polled.
///
/// # Errors
/// A failure of class `launch`.
pub fn listen(vsock: &Path, clock: Clock) -> Result<ListeningTransport, Failure> {
    let path = agent_socket(vsock);
    check_path(&path)?;
    let refused =
        |error| Failure::new(FailureClass::Launch, format!("failed to listen on {}: {error}", path.display()));
    let listener = UnixListener::bind(&path).map_err(refused)?;
    ListeningTransport::unix(listener, clock).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_too_long_says_so_before_anything_starts() {
        let directory = tempfile::tempdir().unwrap();
        let fits = "x".repeat(SOCKET_PATH_MOST - directory.path().as_os_str().len() - 4);
        assert!(listen(&directory.path().join(&fits), Clock).is_ok());
        let failure = listen(&directory.path().join(format!("{fits}x")), Clock).err().unwrap();
        assert_eq!(failure.class, FailureClass::Launch);
        assert!(failure.message.contains("108 bytes") && failure.message.contains("TMPDIR"), "{failure}");
    }

    #[test]
    fn the_channel_that_the_agent_is_told_is_the_one_listened_on() {
        assert_eq!(AGENT_CHANNEL, format!("vsock:2:{AGENT_PORT}"));
        assert_eq!(agent_socket(Path::new("/s/v")), Path::new("/s/v_52"));
    }
}
