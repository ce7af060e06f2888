//! The kinds of things a run can leave on a host, and how each is removed by its name alone.

use crate::backend::{docker, oci, podman};
use crate::checkpoint::criu;
use crate::network::uplink;
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a cgroup may take to become empty after its processes were killed.
const CGROUP_PATIENCE: Duration = Duration::from_secs(2);

/// Something on the host that must not outlive the run. Removal needs only what is in here, so that another process can
/// do it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// A process group, by the id and start time of its leader.
    ProcessGroup {
        /// The leader's process id.
        leader: u32,
        /// When the leader started, in clock ticks since boot: tells it from a later process of the same id.
        started_ticks: Option<u64>,
        /// The run's mark in the environment of its members.
        run_id: String,
    },
    /// A directory with everything in it.
    Directory(PathBuf),
    /// A file or socket.
    File(PathBuf),
    /// A cgroup under `isodyne/` in every hierarchy.
    Cgroup(String),
    /// A container of an OCI runtime.
    OciContainer {
        /// The runtime.
        program: PathBuf,
        /// Its state directory.
        root: PathBuf,
        /// The container.
        name: String,
    },
    /// A podman container.
    PodmanContainer {
        /// The program and its global options.
        command: Vec<String>,
        /// The container.
        name: String,
    },
    /// A Docker container.
    DockerContainer {
        /// The daemon's socket.
        socket: PathBuf,
        /// The container.
        name: String,
    },
    /// A network of Docker's that one sandbox has.
    DockerNetwork {
        /// The daemon's socket.
        socket: PathBuf,
        /// The network.
        name: String,
    },
    /// A sandbox's way out through the host: a network card and a table of nftables, by the sandbox's name.
    Uplink(String),
    /// What is mounted on a directory, with everything that is mounted in it.
    Mount(PathBuf),
    /// The file that lets CRIU bring established connections back, where no caller can tell it.
    CriuSetting {
        /// Where it is.
        file: PathBuf,
        /// Its first line: another file at this place is not ours.
        mark: String,
        /// Whether the directory was made with it.
        made_directory: bool,
    },
    /// The copy of a container's images that containerd leaves of a start from a checkpoint.
    ContainerdCopy {
        /// What it says of itself.
        mark: String,
        /// Where containerd makes such copies.
        directories: Vec<PathBuf>,
    },
    /// An image in a store of podman's.
    PodmanImage {
        /// The program and its global options.
        command: Vec<String>,
        /// The image's tag.
        tag: String,
    },
    /// A Docker image that this run has brought.
    DockerImage {
        /// The daemon's socket.
        socket: PathBuf,
        /// The image's tag.
        tag: String,
    },
}

impl Resource {
    /// Removes it; being gone already is success.
    ///
    /// # Errors
    /// One line for people: what survives and why.
    pub fn remove(&self) -> Result<(), String> {
        match self {
            Self::ProcessGroup { leader, started_ticks, run_id } => kill_group(*leader, *started_ticks, run_id),
            Self::Directory(path) => gone_or(std::fs::remove_dir_all(path), path),
            Self::File(path) => gone_or(std::fs::remove_file(path), path),
            Self::Cgroup(name) => all_gone(oci::group::remove(name, CGROUP_PATIENCE)),
            Self::OciContainer { program, root, name } => all_gone(oci::remove(program, root, name)),
            Self::PodmanContainer { command, name } => all_gone(podman::remove(command, name)),
            Self::DockerContainer { socket, name } => all_gone(docker::remove(socket, name)),
            Self::DockerNetwork { socket, name } => all_gone(docker::remove_network(socket, name)),
            Self::Uplink(name) => uplink::remove(name),
            Self::Mount(path) => unmount_all(path),
            Self::CriuSetting { file, mark, made_directory } => criu::remove_setting(file, mark, *made_directory),
            Self::ContainerdCopy { mark, directories } => all_gone(docker::remove_copies(mark, directories)),
            Self::PodmanImage { command, tag } => all_gone(podman::remove_image(command, tag)),
            Self::DockerImage { socket, tag } => all_gone(docker::remove_image(socket, tag)),
        }
    }

    /// Whether it runs (and is to be ended on Ctrl-C), rather than merely lies there.
    pub(super) fn is_alive_thing(&self) -> bool {
        !matches!(
            self,
            Self::Directory(_)
                | Self::File(_)
                | Self::Cgroup(_)
                | Self::DockerNetwork { .. }
                | Self::Uplink(_)
                | Self::Mount(_)
                | Self::CriuSetting { .. }
                | Self::ContainerdCopy { .. }
                | Self::PodmanImage { .. }
                | Self::DockerImage { .. }
        )
    }
}

/// Takes a mount away, and with it what is mounted in it. Who still uses it keeps it until they end.
fn unmount_all(path: &Path) -> Result<(), String> {
    match unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        // Nothing is mounted there, or there is no such place.
        Ok(()) | Err(Errno::INVAL | Errno::NOENT | Errno::NOTDIR) => Ok(()),
        // An ordinary user has mounted nothing.
        Err(Errno::PERM) if !rustix::process::geteuid().is_root() => Ok(()),
        Err(errno) => Err(format!("mount {} stays: {errno}", path.display())),
    }
}

fn all_gone(survivors: Vec<String>) -> Result<(), String> {
    if survivors.is_empty() { Ok(()) } else { Err(survivors.join("; ")) }
}

fn gone_or(result: std::io::Result<()>, path: &Path) -> Result<(), String> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(format!("{} stays: {error}", path.display())),
        _ => Ok(()),
    }
}

/// Kills a group if it is still the one that was meant, and waits until it has no member left (one second).
fn kill_group(leader: u32, started_ticks: Option<u64>, run_id: &str) -> Result<(), String> {
    let Some(pid) = i32::try_from(leader).ok().and_then(Pid::from_raw) else { return Ok(()) };
    let is_ours = |member: u32| {
        (member == leader && started_ticks.is_some() && start_ticks(member) == started_ticks)
            || is_marked(member, run_id)
    };
    let deadline = Instant::now() + Duration::from_secs(1);
    loop {
        let members: Vec<u32> = members_of(leader).into_iter().filter(|member| is_ours(*member)).collect();
        if members.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("process group {leader} survives with {members:?}"));
        }
        let _ = kill_process_group(pid, Signal::KILL);
        // Nothing is measured here: the end of a stranger's child cannot be waited for, only looked at.
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The live (not zombie) members of a process group.
fn members_of(group: u32) -> Vec<u32> {
    super::leak::process_ids()
        .filter(|pid| {
            stat_fields(*pid).is_some_and(|fields| {
                fields.first().is_some_and(|state| state != "Z" && state != "X")
                    && fields.get(2).and_then(|field| field.parse().ok()) == Some(group)
            })
        })
        .collect()
}

/// The fields of /proc/PID/stat after the command name: state, parent, group, …
fn stat_fields(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_ascii_whitespace().map(str::to_owned).collect())
}

/// When a process started, in clock ticks since boot (field 22 of /proc/PID/stat).
pub(crate) fn start_ticks(pid: u32) -> Option<u64> {
    stat_fields(pid)?.get(19)?.parse().ok()
}

/// Whether a process carries the run's mark in its environment.
pub(super) fn is_marked(pid: u32, run_id: &str) -> bool {
    let mark = format!("{}={run_id}", super::RUN_MARK);
    std::fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes()))
}
