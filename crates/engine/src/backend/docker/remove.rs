//! Clean-up by name: idempotent, and possible from another process.

use super::api::{PATIENCE, call, delete_target};
use crate::backend::oci::group;
use crate::clock::Clock;
use crate::http::{HttpError, Request};
use std::path::Path;
use std::time::Duration;

const EMPTY: Duration = Duration::from_secs(2);
const NOT_FOUND: u16 = 404;
/// A removal of it is already under way.
const CONFLICT: u16 = 409;

/// Removes a container with everything of it. Says what survives; being gone already is success, and so is a daemon that
/// does not run any more, if no process of the container is left.
pub fn remove(socket: &Path, name: &str) -> Vec<String> {
    let mut survivors = Vec::new();
    let target = delete_target(name, true);
    match call(socket, Clock, &Request::new("DELETE", &target), PATIENCE) {
        Ok(reply) if reply.is_success() || reply.status == NOT_FOUND || reply.status == CONFLICT => {}
        Ok(reply) => survivors.push(format!("container {name} stays: {}", reply.message())),
        Err(HttpError::Connect { .. }) => {}
        Err(error) => survivors.push(format!("container {name} may stay: {error}")),
    }
    survivors.extend(group::remove(name, EMPTY));
    survivors
}

/// Removes an image that a run has brought.
pub fn remove_image(socket: &Path, tag: &str) -> Vec<String> {
    let target = format!("/images/{tag}?force=1");
    match call(socket, Clock, &Request::new("DELETE", &target), PATIENCE) {
        Ok(reply) if reply.is_success() || reply.status == NOT_FOUND => Vec::new(),
        Ok(reply) => vec![format!("image {tag} stays: {}", reply.message())],
        Err(HttpError::Connect { .. }) => Vec::new(),
        Err(error) => vec![format!("image {tag} may stay: {error}")],
    }
}

/// Removes a network of one sandbox. Says what survives; being gone already is success, and so is a daemon that does not run
/// any more: what it left in the host's namespace the leak check finds by its name.
pub fn remove_network(socket: &Path, name: &str) -> Vec<String> {
    let target = format!("/networks/{name}");
    match call(socket, Clock, &Request::new("DELETE", &target), PATIENCE) {
        Ok(reply) if reply.is_success() || reply.status == NOT_FOUND => Vec::new(),
        Ok(reply) => vec![format!("network {name} stays: {}", reply.message())],
        Err(HttpError::Connect { .. }) => Vec::new(),
        Err(error) => vec![format!("network {name} may stay: {error}")],
    }
}

/// The networks of a daemon whose names begin with `prefix`.
pub fn list_networks(socket: &Path, prefix: &str) -> Vec<String> {
    let Ok(reply) = call(socket, Clock, &Request::new("GET", "/networks"), PATIENCE) else { return Vec::new() };
    let json = reply.json();
    let names = json.as_array().into_iter().flatten().filter_map(|network| network["Name"].as_str());
    names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect()
}

/// The containers of a daemon whose names begin with `prefix`, ended ones included.
pub fn list_with_prefix(socket: &Path, prefix: &str) -> Vec<String> {
    let Ok(reply) = call(socket, Clock, &Request::new("GET", "/containers/json?all=1"), PATIENCE) else {
        return Vec::new();
    };
    let json = reply.json();
    let names = json.as_array().into_iter().flatten().flat_map(|container| container["Names"].as_array());
    names
        .flatten()
        .filter_map(|name| name.as_str())
        .map(|name| name.trim_start_matches('/'))
        .filter(|name| name.starts_with(prefix))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_is_gone_has_nothing_left() {
        let socket = Path::new("/does/not/exist.sock");
        assert_eq!(remove(socket, "isodyne-none-1"), Vec::<String>::new());
        assert_eq!(remove_image(socket, "isodyne-agent:none"), Vec::<String>::new());
        assert_eq!(list_with_prefix(socket, "isodyne-"), Vec::<String>::new());
        assert_eq!(remove_network(socket, "isodyne-none-1"), Vec::<String>::new());
        assert_eq!(list_networks(socket, "isodyne-"), Vec::<String>::new());
    }
}
