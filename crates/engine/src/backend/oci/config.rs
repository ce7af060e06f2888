//! The `config.json` of a bundle, written by us: a terminal-less, read-only container without capabilities or network.

use super::group;
use crate::backend::bound::Bound;
use crate::image::rootfs::AGENT_PATH;
use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::path::Path;

/// What differs from container to container.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'a> {
    /// The container, which also names its cgroup.
    pub(crate) name: &'a str,
    /// The program inside and its arguments.
    pub(crate) args: Vec<String>,
    /// The root file system.
    pub(crate) rootfs: &'a Path,
    /// The memory limit.
    pub(crate) memory_bytes: Option<u64>,
    /// The ids of an ordinary user, who needs a user namespace and gets no cgroup.
    pub(crate) rootless: Option<(u32, u32)>,
    /// Whether the runtime knows cgroup namespaces.
    pub(crate) cgroup_namespace: bool,
    /// Whether a user's own application runs inside: then with what Docker gives to one, else with nothing.
    pub(crate) app: bool,
    /// The host's directory that is shared as [`SHARED_INSIDE`].
    pub(crate) shared: Option<&'a Path>,
    /// The host's directories that are mounted for the checkpoint's proof.
    pub(crate) bound: Option<&'a Bound>,
    /// The path of the network namespace to join; a new and empty one without.
    pub(crate) network: Option<&'a str>,
}

/// The parts of the runtime specification that we use.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    oci_version: &'static str,
    process: Process,
    root: Root,
    hostname: &'static str,
    mounts: Vec<Mount>,
    linux: Linux,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    terminal: bool,
    user: Value,
    args: Vec<String>,
    env: Vec<&'static str>,
    cwd: &'static str,
    capabilities: Value,
    rlimits: Vec<Value>,
    no_new_privileges: bool,
}

#[derive(Clone, Debug, Serialize)]
struct Root {
    path: String,
    readonly: bool,
}

#[derive(Clone, Debug, Serialize)]
struct Mount {
    destination: Cow<'static, str>,
    #[serde(rename = "type")]
    kind: &'static str,
    source: Cow<'static, str>,
    options: Vec<&'static str>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroups_path: Option<String>,
    namespaces: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    uid_mappings: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gid_mappings: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Value>,
    masked_paths: Vec<&'static str>,
    readonly_paths: Vec<&'static str>,
}

/// What Docker gives to a container, and no more.
pub(crate) const CAPABILITIES: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// Where the shared directory is inside: below the one tmpfs that a container without an application may write to.
pub(crate) const SHARED_INSIDE: &str = "/tmp/isodyne-shm";

/// The arguments that make the agent serve.
pub(crate) fn serve(patience_s: u32) -> Vec<String> {
    [AGENT_PATH, "serve", "--channel", "stdio", "--patience", &patience_s.to_string()].map(str::to_owned).to_vec()
}

/// The text of `config.json`.
pub(crate) fn text(wanted: &Wanted<'_>) -> String {
    let given: &[&str] = if wanted.app { &CAPABILITIES } else { &[] };
    let config = Config {
        oci_version: "1.0.2",
        process: Process {
            terminal: false,
            user: json!({ "uid": 0, "gid": 0 }),
            args: wanted.args.clone(),
            env: vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            cwd: "/",
            capabilities: json!({ "bounding": given, "effective": given, "permitted": given }),
            // The same limit as the engines are asked for, and one that every host grants.
            rlimits: vec![json!({ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 })],
            no_new_privileges: !wanted.app,
        },
        root: Root { path: crate::backend::text(wanted.rootfs), readonly: !wanted.app },
        hostname: "isodyne",
        mounts: mounts(wanted),
        linux: linux(wanted),
    };
    // Strings, numbers and lists of them always serialise; an empty text would be refused by the runtime.
    let mut text = serde_json::to_string_pretty(&config).unwrap_or_default();
    text.push('\n');
    text
}

fn mounts(wanted: &Wanted<'_>) -> Vec<Mount> {
    let mount = |destination: &'static str, kind, options: &[&'static str]| Mount {
        destination: destination.into(),
        kind,
        source: kind.into(),
        options: options.to_vec(),
    };
    let shared = || mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]);
    // An application's own `/tmp` can be written to.
    let last = if wanted.app { shared() } else { mount("/tmp", "tmpfs", &["nosuid", "nodev", "mode=1777"]) };
    let mut mounts = vec![
        mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        last,
    ];
    mounts.extend(wanted.shared.map(|directory| Mount {
        destination: SHARED_INSIDE.into(),
        kind: "bind",
        source: crate::backend::text(directory).into(),
        options: vec!["rbind", "rw", "nosuid", "nodev", "noexec"],
    }));
    mounts.extend(wanted.bound.into_iter().flat_map(Bound::directories).map(|(directory, inside)| Mount {
        destination: inside.into(),
        kind: "bind",
        source: crate::backend::text(&directory).into(),
        options: vec!["rbind", "rw"],
    }));
    mounts
}

fn linux(wanted: &Wanted<'_>) -> Linux {
    let mut namespaces = vec!["pid", "mount", "ipc", "uts", "network"];
    if wanted.cgroup_namespace {
        namespaces.push("cgroup");
    }
    if wanted.rootless.is_some() {
        namespaces.push("user");
    }
    let mapping = |id: u32| json!({ "containerID": 0, "hostID": id, "size": 1 });
    Linux {
        cgroups_path: wanted.rootless.is_none().then(|| group::path_of(wanted.name)),
        namespaces: namespaces
            .into_iter()
            .map(|kind| match wanted.network.filter(|_| kind == "network") {
                Some(path) => json!({ "type": kind, "path": path }),
                None => json!({ "type": kind }),
            })
            .collect(),
        uid_mappings: wanted.rootless.iter().map(|(user, _)| mapping(*user)).collect(),
        gid_mappings: wanted.rootless.iter().map(|(_, group)| mapping(*group)).collect(),
        resources: wanted.rootless.is_none().then(|| resources(wanted.memory_bytes)),
        // As `runc spec` has them.
        masked_paths: vec![
            "/proc/acpi",
            "/proc/kcore",
            "/proc/keys",
            "/proc/latency_stats",
            "/proc/timer_list",
            "/proc/sched_debug",
            "/proc/scsi",
            "/sys/firmware",
        ],
        readonly_paths: vec!["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    }
}

fn resources(memory_bytes: Option<u64>) -> Value {
    let mut resources = json!({ "devices": [{ "allow": false, "access": "rwm" }] });
    if let Some(limit) = memory_bytes {
        resources["memory"] = json!({ "limit": limit });
    }
    resources
}
