//! A store of podman's that belongs to one run: storage, state, locks and configuration.

use crate::backend::{Step, text};
use crate::lab::Lab;
use crate::ownership::{Owned, OwnedProcess, Resource};
use isodyne_core::probe::Tool;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// How long the first call on a store may take.
const OPENING: Duration = Duration::from_secs(20);

/// What podman keeps between calls on one store; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Session {
    _first: OwnedProcess,
    _pause: Option<Owned>,
}

/// The private store, and the programs that work on it.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) podman: Tool,
    pub(super) runtime: Tool,
    directory: PathBuf,
    pub(super) root: bool,
}

impl Store {
    pub(super) fn at(podman: Tool, runtime: Tool, directory: PathBuf, root: bool) -> Self {
        Self { podman, runtime, directory, root }
    }

    /// Program and global options.
    pub(super) fn argv(&self) -> Vec<String> {
        let part = |name: &str| text(&self.directory.join(name));
        let runtime = &self.runtime.path;
        [
            &self.podman.path,
            "--root",
            &part("root"),
            "--runroot",
            &part("run"),
            "--tmpdir",
            &part("tmp"),
            "--runtime",
            runtime,
            "--cgroup-manager",
            "cgroupfs",
            "--events-backend",
            "none",
            "--storage-driver",
            "vfs",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// The configuration files: the user's are not read.
    fn files(&self) -> [(PathBuf, &'static str, String); 2] {
        let quoted = |name: &str| serde_json::Value::from(text(&self.directory.join(name))).to_string();
        // Locks in files: the default is one segment of shared memory for all stores of the user.
        let engine = "[engine]\nlock_type = \"file\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\n";
        let storage =
            format!("[storage]\ndriver = \"vfs\"\ngraphroot = {}\nrunroot = {}\n", quoted("root"), quoted("run"));
        [
            (self.directory.join("containers.conf"), "CONTAINERS_CONF", engine.to_owned()),
            (self.directory.join("storage.conf"), "CONTAINERS_STORAGE_CONF", storage),
        ]
    }

    /// Writes the configuration.
    pub(super) fn prepare(&self) -> Result<(), String> {
        std::fs::create_dir_all(&self.directory).map_err(|error| format!("{}: {error}", self.directory.display()))?;
        if !self.root {
            let session = self.session();
            std::fs::create_dir_all(&session)
                .and_then(|()| std::fs::set_permissions(&session, std::os::unix::fs::PermissionsExt::from_mode(0o700)))
                .map_err(|error| format!("{}: {error}", session.display()))?;
        }
        for (path, _, content) in self.files() {
            std::fs::write(&path, content).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }

    /// Makes the first call, outside of any measurement, so that the store is initialised.
    ///
    /// Without root, podman leaves a process behind that holds its user namespace open for all calls to come. It puts
    /// itself into a session of its own, so that it has to be found by the file with its process id.
    pub(super) fn open(&self, lab: &Lab) -> Result<Arc<Session>, String> {
        self.prepare()?;
        let mut first = Command::new(&self.podman.path);
        first.args(&self.argv()[1..]).args(["ps", "--quiet"]);
        first.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.configure(&mut first);
        let mut process =
            lab.owner.spawn(first).map_err(|error| crate::backend::oci::launcher::refused("podman", &error).message)?;
        match process.wait(lab.clock.after(OPENING)) {
            Some(exit) if exit.status.success() => {
                let pause = self.pause_group().map(|leader| {
                    let run_id = lab.run_id.clone();
                    lab.owner.own(Resource::ProcessGroup { leader, started_ticks: None, run_id })
                });
                Ok(Arc::new(Session { _first: process, _pause: pause }))
            }
            Some(exit) => Err(format!("`podman ps` ended with {}", exit.status)),
            None => Err(format!("`podman ps` did not end within {} s", OPENING.as_secs())),
        }
    }

    /// The process group of the process that holds the user namespace open.
    fn pause_group(&self) -> Option<u32> {
        let places = ["tmp/pause.pid", "session/libpod/tmp/pause.pid"];
        let text = places.iter().find_map(|place| std::fs::read_to_string(self.directory.join(place)).ok())?;
        let pid = rustix::process::Pid::from_raw(text.trim().parse().ok()?)?;
        let group = rustix::process::getpgid(Some(pid)).ok()?;
        u32::try_from(group.as_raw_nonzero().get()).ok()
    }

    /// The environment that makes podman use this store's configuration and, without root, no directory of the user's.
    fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        let mut variables: Vec<(&str, PathBuf)> =
            self.files().into_iter().map(|(path, variable, _)| (variable, path)).collect();
        if !self.root {
            let private = ["XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "TMPDIR"];
            variables.extend(private.map(|variable| (variable, self.session())));
        }
        variables
    }

    /// Stands in for the directories of an ordinary user's session.
    fn session(&self) -> PathBuf {
        self.directory.join("session")
    }

    /// What `prepare` writes, for a description.
    pub(super) fn steps(&self) -> Vec<Step> {
        let steps = self.files().map(|(path, variable, content)| Step::Write {
            content: format!("# {variable}={}\n{content}", path.display()),
            path: text(&path),
        });
        steps.to_vec()
    }

    /// Sets the environment that makes podman read this store's configuration.
    pub(super) fn configure(&self, command: &mut Command) {
        command.envs(self.environment());
        // Whatever engine the user's environment points to, this is podman on this host.
        command.env_remove("CONTAINER_HOST").env_remove("CONTAINER_CONNECTION");
    }

    /// Program and options as another process can use them, the environment included.
    pub(super) fn portable_argv(&self) -> Vec<String> {
        let mut argv = vec!["/usr/bin/env".to_owned()];
        argv.extend(self.environment().iter().map(|(variable, path)| format!("{variable}={}", path.display())));
        argv.extend(self.argv());
        argv
    }

    /// Where the runtime keeps its containers when podman calls it.
    ///
    /// podman passes options of the runtime to `create` but not to the `delete` of its clean-up, so that a private
    /// directory could never be emptied: with root the default one is used.
    pub(super) fn runtime_root(&self) -> PathBuf {
        let base = if self.root { PathBuf::from("/run") } else { self.session() };
        base.join(Path::new(&self.runtime.name))
    }
}
