//! The calls of the Engine API that we make. Without a version in the path, a daemon speaks its own newest.

use crate::backend::bound::Bound;
use crate::backend::oci::group;
use crate::clock::Clock;
use crate::http::{Client, HttpError, Reply, Request};
use crate::network::BridgeNetwork;
use isodyne_core::probe::Tool;
use isodyne_core::unit::HostInstant;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a call outside a measurement may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A daemon that has answered.
#[derive(Clone, Debug)]
pub(super) struct Daemon {
    pub(super) socket: PathBuf,
    pub(super) clock: Clock,
    pub(super) version: String,
    pub(super) api_version: String,
    pub(super) cgroup_driver: String,
    /// Whether the daemon and its bridges are in namespaces of an ordinary user's.
    pub(super) rootless: bool,
    components: Vec<(String, String)>,
}

/// One call on a connection of its own.
pub(crate) fn call(socket: &Path, clock: Clock, request: &Request<'_>, patience: Duration) -> Result<Reply, HttpError> {
    Client::connect(socket, clock)?.call(request, clock.after(patience))
}

/// Makes an error of a reply that is none of the expected ones.
pub(super) fn success(reply: Reply, call: &str) -> Result<Reply, HttpError> {
    if reply.is_success() {
        return Ok(reply);
    }
    Err(HttpError::Status { call: call.to_owned(), status: reply.status, message: reply.message() })
}

impl Daemon {
    /// Asks for version and cgroup driver.
    pub(super) fn meet(socket: &Path, clock: Clock) -> Result<Self, HttpError> {
        let mut client = Client::connect(socket, clock)?;
        let mut ask = |target: &'static str| -> Result<Value, HttpError> {
            let request = Request::new("GET", target);
            Ok(success(client.call(&request, clock.after(PATIENCE))?, &request.call())?.json())
        };
        let (version, info) = (ask("/version")?, ask("/info")?);
        let word = |value: &Value| value.as_str().unwrap_or("unknown").chars().take(100).collect::<String>();
        let components = version["Components"].as_array().into_iter().flatten().take(16);
        Ok(Self {
            socket: socket.to_owned(),
            clock,
            version: word(&version["Version"]),
            api_version: word(&version["ApiVersion"]),
            cgroup_driver: word(&info["CgroupDriver"]),
            rootless: info["SecurityOptions"].as_array().into_iter().flatten().any(|option| option == "name=rootless"),
            components: components.map(|part| (word(&part["Name"]), word(&part["Version"]))).collect(),
        })
    }

    /// The programs behind the socket, as the daemon names them; their files are not ours to read.
    pub(super) fn tools(&self) -> Vec<Tool> {
        let tool = |(name, version): &(String, String)| Tool {
            name: if name == "Engine" { "dockerd".to_owned() } else { name.clone() },
            path: self.socket.display().to_string(),
            version: Some(version.clone()),
            sha256: None,
        };
        self.components.iter().map(tool).collect()
    }

    /// Whether it passes a container's annotations on to the runtime.
    pub(super) fn takes_annotations(&self) -> bool {
        takes_annotations(&self.api_version)
    }

    /// The cgroup that containers are put under; a systemd driver takes only slices of its own.
    pub(super) fn cgroup_parent(&self, name: &str) -> Option<String> {
        (self.cgroup_driver == "cgroupfs").then(|| group::path_of(name))
    }
}

/// Whether a daemon passes a container's annotations on to the runtime: Docker 24 and newer, whose API is 1.43.
pub(crate) fn takes_annotations(api_version: &str) -> bool {
    let parts = api_version.split_once('.').map(|(major, minor)| (major.parse::<u32>(), minor.parse::<u32>()));
    matches!(parts, Some((Ok(major), Ok(minor))) if (major, minor) >= (1, 43))
}

/// What a container is made from.
pub(super) struct Wanted<'a> {
    pub(super) image: &'a str,
    pub(super) args: &'a [String],
    pub(super) run_id: &'a str,
    pub(super) memory_bytes: Option<u64>,
    pub(super) cgroup_parent: Option<String>,
    /// Whether a user's own application runs inside: then with what Docker gives to one by itself, else with nothing.
    pub(super) app: bool,
    /// The host's directories that are mounted in it.
    pub(super) bound: Option<&'a Bound>,
    /// The network that the container is on, by its name; `None` for loopback alone.
    pub(super) network: Option<(&'a str, &'a BridgeNetwork)>,
}

/// The body of `POST /networks/create`: a bridge with a subnet of its own, without a way out.
pub(super) fn network(name: &str, run_id: &str, bridge: &BridgeNetwork) -> Value {
    let subnets = bridge.subnets();
    let config: Vec<Value> =
        subnets.iter().map(|(subnet, host, _)| json!({ "Subnet": subnet, "Gateway": host.to_string() })).collect();
    json!({
        "Name": name,
        "CheckDuplicate": true,
        "Driver": "bridge",
        "Internal": true,
        "EnableIPv6": subnets.len() > 1,
        "IPAM": { "Driver": "default", "Config": config },
        "Options": { "com.docker.network.bridge.name": bridge.card() },
        "Labels": { "isodyne.run": run_id },
    })
}

/// The body of `POST /containers/create`.
pub(super) fn container(wanted: &Wanted<'_>) -> Value {
    let mut host = json!({
        "NetworkMode": wanted.network.map_or("none", |(name, _)| name),
        "LogConfig": { "Type": "none" },
        "Ulimits": [{ "Name": "nofile", "Soft": 1024, "Hard": 1024 }],
    });
    if !wanted.app {
        host["ReadonlyRootfs"] = true.into();
        host["Tmpfs"] = json!({ "/tmp": "" });
        host["CapDrop"] = json!(["ALL"]);
        host["SecurityOpt"] = json!(["no-new-privileges"]);
    }
    let binds: Vec<String> = wanted.bound.into_iter().flat_map(Bound::pairs).collect();
    if !binds.is_empty() {
        host["Binds"] = binds.into();
    }
    if let Some(limit) = wanted.memory_bytes {
        host["Memory"] = limit.into();
    }
    if let Some(parent) = &wanted.cgroup_parent {
        host["CgroupParent"] = parent.as_str().into();
    }
    let mut body = json!({
        "Image": wanted.image,
        "Cmd": wanted.args,
        "Labels": { "isodyne.run": wanted.run_id },
        "AttachStdin": true,
        "AttachStdout": true,
        "AttachStderr": true,
        "OpenStdin": true,
        "StdinOnce": true,
        "Tty": false,
        "NetworkDisabled": wanted.network.is_none(),
        "HostConfig": host,
    });
    if let Some((name, bridge)) = wanted.network {
        let mut addresses = json!({});
        for (_, _, sandbox) in bridge.subnets() {
            let family = if sandbox.is_ipv4() { "IPv4Address" } else { "IPv6Address" };
            addresses[family] = sandbox.to_string().into();
        }
        body["NetworkingConfig"] = json!({ "EndpointsConfig": { name: { "IPAMConfig": addresses } } });
    }
    if wanted.app {
        // The agent starts the application, as its image and the plan say; the agent itself is root at the top.
        body["Entrypoint"] = json!(wanted.args.get(..1).unwrap_or_default());
        body["Cmd"] = json!(wanted.args.get(1..).unwrap_or_default());
        body["User"] = "0:0".into();
        body["WorkingDir"] = "/".into();
    }
    body
}

/// `POST /networks/create`.
pub(super) const CREATE_NETWORK: &str = "/networks/create";

/// `POST /containers/create`.
pub(crate) fn create_target(name: &str) -> String {
    format!("/containers/create?name={name}")
}

/// `POST /containers/{name}/attach`: streams both ways, from the beginning.
pub(super) fn attach_target(name: &str) -> String {
    format!("/containers/{name}/attach?stream=1&stdin=1&stdout=1&stderr=1")
}

/// `POST /containers/{name}/start`.
pub(super) fn start_target(name: &str) -> String {
    format!("/containers/{name}/start")
}

/// `POST /containers/{name}/wait`: answered when the container has ended.
pub(super) fn wait_target(name: &str) -> String {
    format!("/containers/{name}/wait?condition=not-running")
}

/// `DELETE /containers/{name}`.
pub(crate) fn delete_target(name: &str, force: bool) -> String {
    format!("/containers/{name}?v=1&force={force}")
}

/// `GET /containers/{name}/json`.
pub(crate) fn inspect_target(name: &str) -> String {
    format!("/containers/{name}/json")
}

/// A client, and a deadline for its first call.
pub(super) fn connect(socket: &Path, clock: Clock) -> Result<(Client, HostInstant), HttpError> {
    Ok((Client::connect(socket, clock)?, clock.after(PATIENCE)))
}

#[cfg(test)]
impl Daemon {
    /// A daemon that nobody has met.
    pub(super) fn for_tests(socket: &str, cgroup_driver: &str) -> Self {
        Self {
            socket: socket.into(),
            clock: Clock,
            version: "20.10".into(),
            api_version: "1.41".into(),
            cgroup_driver: cgroup_driver.into(),
            rootless: false,
            components: Vec::new(),
        }
    }
}
