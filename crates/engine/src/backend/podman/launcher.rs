//! Launching a container by `podman run`.

use super::image::Image;
use super::sandbox::{Parts, PodmanSandbox};
use super::store::{Session, Store};
use crate::backend::bound::Bound;
use crate::backend::notify::{Change, FileNotify, Follow, Meaning, Rule};
use crate::backend::oci::config::CAPABILITIES;
use crate::backend::oci::diagnose::log_path;
use crate::backend::oci::launcher::{command, network_of, open_log, path_of, refused, spawned, stdio_channel};
use crate::backend::oci::{command as call, config, group, rootfs, signals};
use crate::backend::snapshot::Restorer;
use crate::backend::{Description, Launcher, Place, PrepareError, Sandbox, Step, text};
use crate::image::rootfs::AGENT_PATH;
use crate::lab::Lab;
use crate::network::{NetworkKind, UserNetwork};
use crate::ownership::Resource;
use crate::watch::{Source, Watcher};
use isodyne_core::failure::Failure;
use isodyne_core::ledger::MilestoneName;
use isodyne_core::probe::Tool;
use isodyne_core::record::Asset;
use isodyne_core::sample::Accuracy;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

const TRIAL: Duration = Duration::from_secs(30);
const WORD: &str = "isodyne-trial";
/// Podman's network for users without root, and the program that it takes.
pub(super) const SLIRP: &str = "slirp4netns";

/// A cell on podman, ready to be launched.
pub(super) struct PodmanLauncher {
    pub(super) store: Store,
    pub(super) memory_bytes: Option<u64>,
    pub(super) network: NetworkKind,
    pub(super) content: Content,
    /// Whether its containers are kept by podman's export.
    pub(super) exports: bool,
    /// How many directories of the host are mounted in each container.
    pub(super) bind_mounts: u64,
    pub(super) run_id: String,
    /// Keeps what podman needs for more than one call; `None` where nothing is run.
    pub(super) _session: Option<Arc<Session>>,
}

/// What is in a container.
pub(super) enum Content {
    /// The agent alone, in a directory that nothing writes to.
    Rootfs(PathBuf, Asset),
    /// The agent alone, as an image: podman imports no container without one.
    Imported(Arc<Image>),
    /// A user's own application.
    Image(Arc<Image>),
}

impl Content {
    /// The agent alone.
    pub(super) fn rootfs(lab: &Lab) -> Result<Self, PrepareError> {
        rootfs(lab, "podman-rootfs").map(|(path, asset)| Self::Rootfs(path, asset))
    }
}

/// The directory that podman's and conmon's files of one container go to.
pub(super) fn files(place: &Place) -> PathBuf {
    place.directory.join("podman")
}

impl PodmanLauncher {
    /// The exact call that runs some program in a container.
    pub(super) fn argv(
        &self,
        place: &Place,
        program: &[String],
        network: Option<&str>,
        bound: Option<&Bound>,
    ) -> Vec<String> {
        let file = |name: &str| text(&files(place).join(name));
        let mut argv = self.store.argv();
        let mut add = |parts: &[&str]| argv.extend(parts.iter().map(|part| (*part).to_owned()));
        add(&["run", "--rm", "--interactive", "--name", &place.name]);
        add(&["--label", &format!("isodyne.run={}", self.run_id)]);
        match network {
            Some(path) => add(&["--network", &format!("ns:{path}")]),
            None if self.network == NetworkKind::User => {
                add(&["--network", SLIRP]);
                let network = UserNetwork::of(&place.name);
                for port in network.ports() {
                    add(&["--publish", &format!("{}:{port}:{port}/tcp", network.loopback())]);
                }
            }
            None => add(&["--network", "none"]),
        }
        add(&["--log-driver", "none", "--pull", "never"]);
        // Limits that every host grants: podman's own are beyond those of a lab without CAP_SYS_RESOURCE.
        add(&["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]);
        match &self.content {
            Content::Rootfs(..) | Content::Imported(_) => {
                add(&["--cap-drop", "all", "--security-opt", "no-new-privileges"]);
                add(&["--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp"]);
            }
            Content::Image(_) => {
                // What Docker gives to a container, which is more than podman does.
                let names: Vec<&str> = CAPABILITIES.iter().map(|name| name.trim_start_matches("CAP_")).collect();
                add(&["--cap-drop", "all", "--cap-add", &names.join(",")]);
                // The agent starts the application, as its image and the plan say; the agent itself is root at the top.
                add(&["--user", "0:0", "--workdir", "/", "--entrypoint", program.first().map_or("", String::as_str)]);
            }
        }
        add(&["--cidfile", &file("cid"), "--pidfile", &file("pid"), "--conmon-pidfile", &file("conmon")]);
        if self.store.root {
            add(&["--cgroups", "no-conmon", "--cgroup-parent", &group::path_of(&place.name)]);
        }
        for pair in bound.into_iter().flat_map(Bound::pairs) {
            add(&["--volume", &pair]);
        }
        if let Some(limit) = self.memory_bytes {
            add(&["--memory", &format!("{limit}b")]);
        }
        match &self.content {
            Content::Rootfs(rootfs, _) => {
                add(&["--rootfs", &text(rootfs)]);
                argv.extend(program.iter().cloned());
            }
            Content::Imported(image) => {
                add(&[&image.tag]);
                argv.extend(program.iter().cloned());
            }
            Content::Image(image) => {
                add(&[&image.tag]);
                argv.extend(program.iter().skip(1).cloned());
            }
        }
        argv
    }

    pub(super) fn resource(&self, place: &Place) -> Resource {
        Resource::PodmanContainer { command: self.store.portable_argv(), name: place.name.clone() }
    }
}

/// conmon renames the runtime's pid file into place when the runtime has created the container. From then on the
/// runtime's own directory is known, where the fifo tells the start.
fn rules(store: &Store) -> Vec<Rule> {
    let root = store.runtime_root();
    let follow: Follow = Arc::new(move |pid_file: &Path| {
        let id = std::fs::read_to_string(pid_file.with_file_name("cid")).ok()?;
        let id = id.trim();
        let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then(|| (root.join(id), signals::start_fifo()))
    });
    vec![
        Rule::of("pid", Change::Renamed, Meaning::Milestone(MilestoneName::Created)),
        Rule::of("pid", Change::Renamed, Meaning::Follow(follow)),
    ]
}

impl Launcher for PodmanLauncher {
    fn describe(&self, place: &Place) -> Description {
        let mut steps = self.store.steps();
        if let Content::Image(image) | Content::Imported(image) = &self.content {
            steps.push(Step::Run { argv: image.load.clone() });
        }
        steps.extend(self.network.steps(&place.name));
        let bound = Bound::of(place, self.bind_mounts);
        let serve = config::serve(place.agent_patience_s);
        let argv = self.argv(place, &serve, network_of(self.network), Some(&bound));
        steps.push(Step::Run { argv });
        Description { steps }
    }

    fn launch(&self, place: &Place, lab: &Lab) -> Result<Box<dyn Sandbox>, Failure> {
        let directory = files(place);
        std::fs::create_dir_all(&directory).map_err(|error| refused(&text(&directory), &error))?;
        let log = log_path(place, "podman");
        let log_file = open_log(&log)?;
        let notify = FileNotify::new(&directory, rules(&self.store)).map_err(|error| refused("inotify", &error))?;
        let sources: Vec<Box<dyn Source>> = vec![Box::new(notify)];
        let guard = lab.owner.own(self.resource(place));
        let watcher = Watcher::start(lab.clock, sources).map_err(|error| refused("watcher", &error))?;
        let own_network = self.network.for_container(&place.name, lab)?;
        let namespace = path_of(own_network.as_deref());
        let user_network = (self.network == NetworkKind::User).then(|| Arc::new(UserNetwork::of(&place.name)));
        let bound = Bound::of(place, self.bind_mounts);
        bound.make()?;
        let serve = config::serve(place.agent_patience_s);
        let mut run = command(&self.argv(place, &serve, namespace.as_deref(), Some(&bound)));
        self.store.configure(&mut run);
        run.current_dir(&place.directory).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log_file);
        let mut process = lab.owner.spawn(run).map_err(|error| refused("podman", &error))?;
        let first = spawned(&process);
        let channel = stdio_channel(&mut process, lab)?;
        Ok(Box::new(PodmanSandbox::new(Parts {
            clock: lab.clock,
            owner: lab.owner.clone(),
            store: self.store.clone(),
            origin: process.forked_at,
            command: self.store.portable_argv(),
            runtime_root: self.store.runtime_root(),
            place: place.clone(),
            group_parent: self.exports.then(|| place.name.clone()),
            memory_bytes: self.memory_bytes,
            log,
            spawned: first,
            watcher: Some(watcher),
            channel,
            process,
            own_network,
            user_network,
            bound,
            guard: Some(guard),
        })))
    }

    fn restorer(&self) -> Option<&dyn Restorer> {
        super::snapshot::is_possible(&self.store).then_some(self as &dyn Restorer)
    }

    fn accuracy(&self) -> Accuracy {
        Accuracy::Container
    }

    fn assets(&self) -> Vec<Asset> {
        match &self.content {
            Content::Rootfs(_, asset) => vec![asset.clone()],
            Content::Image(image) | Content::Imported(image) => vec![image.asset.clone()],
        }
    }

    fn tools(&self) -> Vec<Tool> {
        vec![self.store.podman.clone(), self.store.runtime.clone()]
    }
}

/// Runs the agent's `echo` in a container: a version alone does not say that podman works here.
pub(super) fn trial(store: &Store, lab: &Lab) -> Result<(), String> {
    let content = Content::rootfs(lab).map_err(|error| match error {
        PrepareError::Unavailable { reason, .. } | PrepareError::Invalid { message: reason, .. } => reason,
    })?;
    let session = Some(store.open(lab)?);
    let run_id = lab.run_id.clone();
    let launcher = PodmanLauncher {
        store: store.clone(),
        memory_bytes: None,
        network: NetworkKind::None,
        content,
        exports: false,
        bind_mounts: 0,
        run_id,
        _session: session,
    };
    let place = Place {
        name: format!("{}-trial-podman-{}", crate::ownership::name_prefix(&lab.run_id), store.runtime.name),
        directory: lab.scratch.join(format!("trial-podman-{}", store.runtime.name)),
        log_prefix: lab.scratch.join("trial-podman"),
        agent_patience_s: 0,
    };
    std::fs::create_dir_all(files(&place)).map_err(|error| format!("{}: {error}", place.directory.display()))?;
    let mut run = command(&launcher.argv(&place, &[AGENT_PATH, "echo", WORD].map(str::to_owned), None, None));
    store.configure(&mut run);
    let guard = lab.owner.own(launcher.resource(&place));
    let finished = call::run(run, TRIAL).map_err(|error| error.to_string());
    let removed = guard.remove();
    // The scratch directory goes at the end of the run in any case.
    let _ = std::fs::remove_dir_all(&place.directory);
    let finished = finished?;
    if !finished.is_success() {
        return Err(finished.complaint());
    }
    if finished.stdout.trim() != WORD {
        return Err("its output did not arrive".to_owned());
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_is_exact() {
        let tool =
            |name: &str| Tool { name: name.into(), path: format!("/usr/bin/{name}"), version: None, sha256: None };
        let launcher = PodmanLauncher {
            store: Store::at(tool("podman"), tool("runc"), "/scratch/podman".into(), true),
            memory_bytes: Some(64 << 20),
            network: NetworkKind::None,
            content: Content::Rootfs(
                "/scratch/podman-rootfs".into(),
                Asset { role: "image".into(), name: "x".into(), sha256: String::new(), size_bytes: 0 },
            ),
            exports: false,
            bind_mounts: 0,
            run_id: "7f3a".into(),
            _session: None,
        };
        let place = Place {
            name: "isodyne-7f3a-1".into(),
            directory: "/scratch/1".into(),
            log_prefix: "/out/logs/1-podman".into(),
            agent_patience_s: 30,
        };
        let steps = launcher.describe(&place).steps;
        let Some(Step::Run { argv }) = steps.last() else { panic!("the last step runs podman") };
        let expected = "/usr/bin/podman --root /scratch/podman/root --runroot /scratch/podman/run --tmpdir \
                        /scratch/podman/tmp --runtime /usr/bin/runc --cgroup-manager cgroupfs --events-backend none \
                        --storage-driver vfs run --rm --interactive --name isodyne-7f3a-1 --label isodyne.run=7f3a \
                        --network none --log-driver none --pull never --ulimit nofile=1024:1024 --ulimit \
                        nproc=1024:1024 --cap-drop all --security-opt no-new-privileges --read-only \
                        --read-only-tmpfs=false --tmpfs /tmp --cidfile /scratch/1/podman/cid --pidfile \
                        /scratch/1/podman/pid --conmon-pidfile /scratch/1/podman/conmon --cgroups no-conmon \
                        --cgroup-parent /isodyne/isodyne-7f3a-1 --memory 67108864b --rootfs \
                        /scratch/podman-rootfs /isodyne-agent serve --channel stdio --patience 30";
        assert_eq!(argv.join(" "), expected);
        let Some(Step::Write { path, content }) = steps.first() else { panic!("the first step writes") };
        assert_eq!(path, "/scratch/podman/containers.conf");
        assert!(
            content.starts_with("# CONTAINERS_CONF=/scratch/podman/containers.conf\n[engine]\nlock_type = \"file\"")
        );
    }
}
