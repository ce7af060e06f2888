//! Containers of Docker: found and made by its API, kept by the runtime under it, started from a checkpoint by Docker.
//!
//! Docker 20.10 cannot start a container from a checkpoint that it has just made itself: the daemon wants to put the
//! images into its content store, where `docker checkpoint create` has left them ("content … already exists"). Images
//! that come from the runtime were never there, so that the start works. For the same reason two containers cannot be started
//! at once from the same images, so that each gets them with a file of its own beside them. If the daemon refuses all the
//! same, it has removed them by that, and the second start works.

use super::find::{Container, Match};
use super::state;
use crate::backend::docker::{api, copies, socket};
use crate::checkpoint::{CheckpointError, criu};
use crate::clock::Clock;
use crate::http::{HttpError, Reply, Request};
use crate::ownership::{Owned, Owner};
use isodyne_core::cell::BackendName;
use isodyne_core::checkpoint::CheckpointClass;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long Docker may take to start a container from its images.
const START: Duration = Duration::from_secs(600);

/// The daemon's socket, as the user's environment says.
pub(super) fn daemon() -> Result<PathBuf, CheckpointError> {
    let host = std::env::var("DOCKER_HOST").ok();
    socket(host.as_deref(), std::env::var("XDG_RUNTIME_DIR").ok().as_deref())
        .map_err(|(reason, hint)| CheckpointError::new(CheckpointClass::OtherRuntime, reason).hint(hint))
}

fn failed(error: &HttpError) -> CheckpointError {
    let text = crate::backend::chain(error);
    let class = match error {
        HttpError::Timeout { .. } => CheckpointClass::Timeout,
        HttpError::Connect { .. } => CheckpointClass::OtherRuntime,
        _ => CheckpointClass::Refused,
    };
    CheckpointError::new(class, format!("the Docker daemon: {text}"))
}

fn call(socket: &Path, request: &Request<'_>, patience: Duration) -> Result<Reply, CheckpointError> {
    api::call(socket, Clock, request, patience).map_err(|error| failed(&error))
}

/// A reply that has to be a success.
fn success(reply: Reply, call: &str) -> Result<Reply, CheckpointError> {
    if reply.is_success() {
        return Ok(reply);
    }
    let class = if reply.status == 409 { CheckpointClass::NameInUse } else { CheckpointClass::Refused };
    Err(CheckpointError::new(class, format!("the Docker daemon refused {call}: {}", reply.message())))
}

/// What Docker says of a container; `None` if it knows none of this name.
pub(crate) fn inspect(socket: &Path, name: &str) -> Result<Option<Value>, CheckpointError> {
    let target = api::inspect_target(name);
    let reply = call(socket, &Request::new("GET", &target), api::PATIENCE)?;
    if reply.status == 404 {
        return Ok(None);
    }
    Ok(Some(success(reply, "to describe it")?.json()))
}

/// What Docker has under this name. A daemon that does not run has nothing.
pub(super) fn find(name: &str) -> Vec<Result<Match, CheckpointError>> {
    // It becomes a part of a request's line.
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) {
        return Vec::new();
    }
    let Ok(socket) = daemon() else { return Vec::new() };
    match inspect(&socket, name) {
        Ok(Some(inspected)) => vec![running(inspected)],
        Ok(None) => Vec::new(),
        Err(error) if error.class == CheckpointClass::OtherRuntime => Vec::new(),
        Err(error) => vec![Err(error)],
    }
}

fn running(inspected: Value) -> Result<Match, CheckpointError> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if inspected["State"]["Running"] != true {
        return Ok(Match::Stopped);
    }
    let (id, name) = (text(&inspected["Id"]), text(&inspected["Name"]).trim_start_matches('/').to_owned());
    let pid = inspected["State"]["Pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
    let (program, root) = runtime_of(pid, &id).ok_or_else(|| {
        let message = format!("Docker's container `{name}` is not run by runc on this host");
        CheckpointError::new(CheckpointClass::OtherRuntime, message)
            .hint("containers of Docker's own `runc` runtime can be kept")
    })?;
    let state = state::read(&root, &id)?;
    let container = Container::of(BackendName::Docker, &program, &root, state)?;
    Ok(Match::Running(Box::new(Container {
        name,
        image: Some(text(&inspected["Config"]["Image"])),
        auto_remove: inspected["HostConfig"]["AutoRemove"] == true,
        docker: Some(inspected),
        ..container
    })))
}

/// The directory of a container's shim, which is the parent of the container's first process.
pub(crate) fn bundle_of(pid: u32) -> Option<PathBuf> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let shim: u32 = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()?;
    std::fs::read_link(format!("/proc/{shim}/cwd")).ok()
}

/// The runtime's program and state directory, from what the container's shim keeps in its working directory.
pub(crate) fn runtime_of(pid: u32, id: &str) -> Option<(String, PathBuf)> {
    let bundle = bundle_of(pid)?;
    let options = state::json(&bundle.join("options.json")).unwrap_or_default();
    let program = options["binary_name"].as_str().filter(|name| !name.is_empty()).unwrap_or("runc").to_owned();
    let known = ["/run/docker/runtime-runc", "/run/containerd/runc"].map(PathBuf::from);
    let stated = options["root"].as_str().filter(|root| !root.is_empty()).map(PathBuf::from);
    let root = stated.into_iter().chain(known).map(|root| root.join("moby")).find(|root| root.join(id).is_dir())?;
    program.ends_with("runc").then_some((program, root))
}

/// Where the daemon keeps its data.
pub(crate) fn data_root(socket: &Path) -> Result<PathBuf, CheckpointError> {
    let reply = success(call(socket, &Request::new("GET", "/info"), api::PATIENCE)?, "to describe itself")?;
    let info = reply.json();
    if info["ExperimentalBuild"] != true {
        return Err(CheckpointError::new(
            CheckpointClass::OtherRuntime,
            "this Docker daemon does not start containers from checkpoints",
        )
        .hint("start it with `--experimental`, or put {\"experimental\": true} into /etc/docker/daemon.json"));
    }
    Ok(PathBuf::from(info["DockerRootDir"].as_str().unwrap_or("/var/lib/docker")))
}

/// The body that makes the same container again. Addresses and names of its own it gets anew.
pub(super) fn body(inspected: &Value, replaced: &[(String, PathBuf)]) -> Value {
    let mut body = inspected["Config"].clone();
    let mut host = inspected["HostConfig"].clone();
    host["ContainerIDFile"] = "".into();
    // Docker makes the id's beginning the host name by itself; what was given by the user is kept.
    if let Some(binds) = host["Binds"].as_array_mut() {
        for bind in binds {
            let Some(text) = bind.as_str().map(str::to_owned) else { continue };
            let mut parts = text.splitn(3, ':');
            let (_, destination, options) = (parts.next(), parts.next().unwrap_or_default(), parts.next());
            if let Some((_, source)) = replaced.iter().find(|(known, _)| known == destination) {
                let options = options.map_or_else(String::new, |options| format!(":{options}"));
                *bind = format!("{}:{destination}{options}", source.display()).into();
            }
        }
    }
    for mount in host["Mounts"].as_array_mut().into_iter().flatten() {
        let stand_in = replaced.iter().find(|(destination, _)| mount["Target"] == destination.as_str());
        if let Some((_, source)) = stand_in {
            mount["Source"] = source.to_string_lossy().into_owned().into();
        }
    }
    body["HostConfig"] = host;
    let networks = inspected["NetworkSettings"]["Networks"].as_object().cloned().unwrap_or_default();
    let endpoints: serde_json::Map<String, Value> =
        networks.into_iter().map(|(name, network)| (name, json!({ "IPAMConfig": network["IPAMConfig"] }))).collect();
    body["NetworkingConfig"] = json!({ "EndpointsConfig": endpoints });
    body
}

/// Has the container's description name a file for CRIU, which is written here, that lets it bring connections back. Only
/// for daemons that pass annotations on to the runtime.
pub(crate) fn annotate(body: &mut Value, directory: &Path) -> Result<(), CheckpointError> {
    let file = directory.join("criu.conf");
    std::fs::write(&file, criu::CONNECTIONS).map_err(|error| CheckpointError::host("write", &file, &error))?;
    body["HostConfig"]["Annotations"]["org.criu.config"] = file.to_string_lossy().into_owned().into();
    Ok(())
}

/// Whether the daemon passes a container's annotations on to the runtime.
pub(super) fn takes_annotations(socket: &Path) -> Result<bool, CheckpointError> {
    let reply = success(call(socket, &Request::new("GET", "/version"), api::PATIENCE)?, "to say its version")?;
    Ok(api::takes_annotations(reply.json()["ApiVersion"].as_str().unwrap_or_default()))
}

/// Makes a container and does not start it; its id.
pub(super) fn create(socket: &Path, name: &str, body: &Value) -> Result<String, CheckpointError> {
    let (target, text) = (api::create_target(name), body.to_string());
    let request = Request::new("POST", &target).with_body("application/json", text.as_bytes());
    let reply = success(call(socket, &request, api::PATIENCE)?, &format!("to make `{name}`"))?;
    Ok(reply.json()["Id"].as_str().unwrap_or_default().to_owned())
}

/// A start of a container from images.
pub(crate) struct Start<'a> {
    /// The daemon's socket.
    pub(crate) socket: &'a Path,
    /// The container.
    pub(crate) name: &'a str,
    /// Its id.
    pub(crate) id: &'a str,
    /// The images, in the container's own directory of checkpoints.
    pub(crate) checkpoint: &'a Path,
    /// Whether CRIU is to bring established connections back.
    pub(crate) connections: bool,
}

impl Start<'_> {
    /// Has Docker do it. What it gives removes what containerd has left of it, which is as large as the images.
    pub(crate) fn run(&self, owner: &Owner) -> Result<Owned, CheckpointError> {
        // CRIU does not look at it; the daemon's content of the same images is another one with it.
        let (mark, unlike) = (copies::mark(self.name, self.id), self.checkpoint.join(copies::MARK));
        std::fs::write(&unlike, &mark).map_err(|error| CheckpointError::host("write", &unlike, &error))?;
        let copy = copies::own(owner, &mark);
        let allowed = self.connections.then(|| criu::allow_connections(owner, Clock.after(START))).transpose()?;
        let name = self.checkpoint.file_name().unwrap_or_default().to_string_lossy();
        let target = format!("/containers/{}/start?checkpoint={name}", self.id);
        let once = || call(self.socket, &Request::new("POST", &target), START);
        let first = once()?;
        let reply = if !first.is_success() && first.message().contains("already exists") { once()? } else { first };
        drop(allowed);
        if let Some(log) = criu_log(&reply.message()) {
            // What CRIU complained of stands there, and not in the daemon's words.
            return Err(criu::explain(&log, "the Docker daemon does not say why"));
        }
        success(reply, "to start it from its images").map(|_| copy)
    }
}

/// The log of CRIU's that a daemon's complaint names, if it is still there.
fn criu_log(complaint: &str) -> Option<PathBuf> {
    let (_, rest) = complaint.split_once("log file: ")?;
    let path = PathBuf::from(rest.split(": ").next()?.trim());
    (path.is_absolute() && path.ends_with(criu::RESTORE_LOG) && path.is_file()).then_some(path)
}

/// Removes a container with everything of it.
pub(super) fn remove(socket: &Path, id: &str) {
    let target = api::delete_target(id, true);
    // What survives `docker ps --all` shows; the error that led here matters more.
    let _ = call(socket, &Request::new("DELETE", &target), api::PATIENCE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_container_is_described_again() {
        let inspected = json!({
            "Config": { "Image": "bb", "Cmd": ["sh"], "Hostname": "x" },
            "HostConfig": { "Binds": ["/a:/vol:ro", "/b:/other"], "Mounts": [{ "Target": "/m", "Source": "/c" }] },
            "NetworkSettings": { "Networks": { "none": { "IPAMConfig": null, "IPAddress": "10.0.0.2" } } },
        });
        let replaced = [("/vol".to_owned(), PathBuf::from("/in/0")), ("/m".to_owned(), PathBuf::from("/in/1"))];
        let body = body(&inspected, &replaced);
        assert_eq!(body["HostConfig"]["Binds"], json!(["/in/0:/vol:ro", "/b:/other"]));
        assert_eq!(body["HostConfig"]["Mounts"][0]["Source"], "/in/1");
        assert_eq!(body["NetworkingConfig"]["EndpointsConfig"], json!({ "none": { "IPAMConfig": null } }));
        assert_eq!((&body["Image"], &body["Cmd"]), (&json!("bb"), &json!(["sh"])));
    }

    #[test]
    fn a_new_daemon_is_told_of_connections_by_the_container_itself() {
        let directory = tempfile::tempdir().unwrap();
        let mut body = json!({ "HostConfig": { "Annotations": { "of": "the user" } } });
        annotate(&mut body, directory.path()).unwrap();
        let file = body["HostConfig"]["Annotations"]["org.criu.config"].as_str().unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), "tcp-established\n");
        assert_eq!(body["HostConfig"]["Annotations"]["of"], "the user");
        annotate(&mut json!({ "HostConfig": { "Annotations": null } }), directory.path()).unwrap();
        let takes = ["1.41", "1.43", "1.51", "2.0", "", "1", "x.99"].map(api::takes_annotations);
        assert_eq!(takes, [false, true, true, true, false, false, false]);
    }

    #[test]
    fn the_log_that_a_daemon_names_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join(criu::RESTORE_LOG);
        let said = format!(
            "OCI runtime restore failed: criu failed: type NOTIFY errno 0\nlog file: {}: unknown",
            log.display()
        );
        assert_eq!(criu_log(&said), None, "it is gone");
        std::fs::write(&log, "x").unwrap();
        assert_eq!(criu_log(&said), Some(log));
        assert_eq!(criu_log("log file: /etc/passwd: unknown"), None);
        assert_eq!(criu_log("no such image"), None);
    }

    #[test]
    fn a_name_that_is_no_part_of_a_request_is_nobodys() {
        assert!(find("a b\r\nX: y").is_empty());
    }
}
