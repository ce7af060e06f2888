//! Speaking to an owner.

use super::socket::{path, peer};
use super::wire::{Description, Reply, Request};
use super::{LiveError, is_name, line};
use crate::channel::FdTransport;
use crate::clock::Clock;
use isodyne_core::unit::HostInstant;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// An owner that does nothing else describes its sandbox at once; one that is at work answers later.
const DESCRIBE_PATIENCE: Duration = Duration::from_secs(2);

/// Asks the owner of the sandbox with this name.
///
/// # Errors
/// [`LiveError`]; what the owner could not do is a reply.
pub fn ask(
    directory: &Path,
    name: &str,
    request: &Request,
    clock: Clock,
    deadline: HostInstant,
) -> Result<Reply, LiveError> {
    if !is_name(name) {
        return Err(LiveError::Name(name.to_owned()));
    }
    let unknown = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => LiveError::Unknown(name.to_owned()),
        _ => error.into(),
    };
    let stream = UnixStream::connect(path(directory, name)).map_err(unknown)?;
    let (owner, user) = (peer(&stream)?, rustix::process::geteuid().as_raw());
    if owner != user && user != 0 {
        return Err(LiveError::OtherUser(owner));
    }
    let mut transport = FdTransport::from_socket(stream.into(), clock)?;
    line::write(&mut transport, request, deadline)?;
    line::read(&mut transport, deadline)
}

/// A sandbox that has a socket, and what its owner says.
pub type Live = (String, Result<Box<Description>, LiveError>);

/// All sandboxes that have a socket, by name. A socket that nobody listens on is left out.
///
/// # Errors
/// If the directory cannot be read.
pub fn live(directory: &Path, clock: Clock) -> Result<Vec<Live>, LiveError> {
    let mut names: Vec<String> = std::fs::read_dir(directory)?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".socket")?.to_owned()))
        .filter(|name| is_name(name))
        .collect();
    names.sort();
    let describe = |name: String| {
        let said = match ask(directory, &name, &Request::Describe, clock, clock.after(DESCRIBE_PATIENCE)) {
            Ok(Reply::Described(description)) => Ok(description),
            Ok(Reply::Failed(failure)) => Err(LiveError::Protocol(failure.to_string())),
            Ok(_) => Err(LiveError::Protocol("another answer than was asked for".to_owned())),
            Err(LiveError::Unknown(_)) => return None,
            Err(error) => Err(error),
        };
        Some((name, said))
    };
    Ok(names.into_iter().filter_map(describe).collect())
}
