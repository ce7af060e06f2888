//! A store of podman's that belongs to one run: storage, state, locks and configuration.

use crate::backend::{Step, text};
use crate::lab::Lab;
use isodyne_core::probe::Tool;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The private store, and the programs that work on it.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) podman: Tool,
    pub(super) runtime: Tool,
    directory: PathBuf,
    pub(super) root: bool,
}

impl Store {
    pub(super) fn new(podman: Tool, runtime: Tool, lab: &Lab) -> Self {
        Self::at(podman, runtime, lab.scratch.join("podman"), lab.host.root)
    }

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
        for (path, _, content) in self.files() {
            std::fs::write(&path, content).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
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
        for (path, variable, _) in self.files() {
            command.env(variable, path);
        }
        // Whatever engine the user's environment points to, this is podman on this host.
        command.env_remove("CONTAINER_HOST").env_remove("CONTAINER_CONNECTION");
    }

    /// Program and options as another process can use them, the environment included.
    pub(super) fn portable_argv(&self) -> Vec<String> {
        let mut argv = vec!["/usr/bin/env".to_owned()];
        argv.extend(self.files().map(|(path, variable, _)| format!("{variable}={}", path.display())));
        argv.extend(self.argv());
        argv
    }

    /// Where the runtime keeps its containers when podman calls it; `None` where that depends on the user's session.
    pub(super) fn runtime_root(&self) -> Option<PathBuf> {
        // podman passes options of the runtime to `create` but not to the `delete` of its clean-up, so that a private
        // directory would never be emptied: the default one is used.
        self.root.then(|| Path::new("/run").join(&self.runtime.name))
    }
}
