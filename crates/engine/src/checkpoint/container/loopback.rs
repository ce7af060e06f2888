//! The loopback interface of a container that comes back at runc, or at podman without a network.
//!
//! runc has CRIU leave a network namespace of the container's own out of the images and make an empty one instead, where
//! the loopback interface is down: nothing inside could reach itself, and connections over it cannot be made again. CRIU
//! lets runc run the bundle's hooks when the namespaces are there and no socket is. So one of them brings it up.

use crate::checkpoint::CheckpointError;
use crate::network::Namespace;
use isodyne_core::checkpoint::CheckpointClass;
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;

/// The most that is read of what runc says of the container.
const LIMIT: u64 = 4 << 20;
/// How the program is called.
const ARGUMENTS: [&str; 2] = ["isodyne", "loopback"];
/// How long the hook may take, in seconds.
const PATIENCE_S: u32 = 30;

/// The configuration with the hook, if the network namespace is the container's own.
pub(super) fn with_hook(mut config: Value, program: &Path) -> Value {
    let mut namespaces = config["linux"]["namespaces"].as_array().into_iter().flatten();
    let is_own = |namespace: &Value| {
        namespace["type"] == "network" && namespace["path"].as_str().is_none_or(|path| path.is_empty())
    };
    if namespaces.any(is_own) {
        // One from an earlier restore may be of a program that is not there any more.
        if let Some(hooks) = config["hooks"]["prestart"].as_array_mut() {
            hooks.retain(|hook| hook["args"] != json!(ARGUMENTS));
        }
        let hook = json!({ "path": program, "args": ARGUMENTS, "timeout": PATIENCE_S });
        match config["hooks"]["prestart"].as_array_mut() {
            Some(hooks) => hooks.push(hook),
            None => config["hooks"]["prestart"] = json!([hook]),
        }
    }
    config
}

/// Brings up the loopback interface of the container that `state` tells of, as runc gives it to its hooks.
///
/// # Errors
/// Class `refused` if it names no process with a network namespace of its own; the host's.
pub fn bring_up(state: impl Read) -> Result<(), CheckpointError> {
    let refused = |why: &str| CheckpointError::new(CheckpointClass::Refused, format!("the container's state {why}"));
    let mut text = Vec::new();
    state.take(LIMIT).read_to_end(&mut text).map_err(|_| refused("cannot be read"))?;
    let state: Value = serde_json::from_slice(&text).map_err(|_| refused("is no JSON"))?;
    let pid = state["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0);
    let pid = pid.ok_or_else(|| refused("names no process"))?;
    let host = |error| CheckpointError::host("enter", Path::new(&format!("/proc/{pid}/ns/net")), &error);
    let namespace =
        Namespace::of(pid).map_err(host)?.ok_or_else(|| refused("is of a container with our own network"))?;
    namespace.loopback_up().map_err(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_network_of_its_own_gets_the_hook() {
        let config = |namespace: Value| json!({ "linux": { "namespaces": [namespace] } });
        let program = Path::new("/bin/isodyne");
        let hooked = with_hook(config(json!({ "type": "network" })), program);
        assert_eq!(hooked["hooks"]["prestart"][0]["path"], "/bin/isodyne");
        for other in [json!({ "type": "network", "path": "/proc/7/ns/net" }), json!({ "type": "pid" })] {
            assert_eq!(with_hook(config(other.clone()), program), config(other));
        }
        assert_eq!(with_hook(hooked.clone(), program), hooked);
    }

    #[test]
    fn a_state_that_names_nobody_else_is_refused() {
        let own = format!("{{\"pid\": {}}}", std::process::id());
        for state in ["", "{}", "{\"pid\": 0}", own.as_str()] {
            assert_eq!(bring_up(state.as_bytes()).unwrap_err().class, CheckpointClass::Refused, "{state}");
        }
    }
}
