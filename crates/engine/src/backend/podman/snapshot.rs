//! The state of a container of podman: kept by the runtime under it, brought back by podman in a second sandbox.
//!
//! podman's own export cannot be imported for a container without an image, as the agent's is (`super::export` gives it one,
//! where that way is asked for). So the second container is made by the command that makes any other; the images and the
//! runtime's configuration are put where podman's restore looks for them; podman brings it back, and `podman attach` stands
//! between its streams and the lab's.

use super::export;
use super::launcher::{Content, PodmanLauncher, files};
use super::sandbox::{Parts, PodmanSandbox};
use super::store::Store;
use crate::backend::bound::Bound;
use crate::backend::oci::config;
use crate::backend::oci::diagnose::log_path;
use crate::backend::oci::launcher::{command, open_log, path_of, refused, spawned, stdio_transport};
use crate::backend::snapshot::{Engine, MemoryBackend, Restorer, SnapshotOptions, Snapshots, Taken, WasKept};
use crate::backend::{Place, Sandbox, text};
use crate::channel::AgentChannel;
use crate::checkpoint::CheckpointError;
use crate::checkpoint::container::state;
use crate::checkpoint::criu;
use crate::checkpoint::kept::{self, Kept};
use crate::checkpoint::layer::{self, Whiteouts};
use crate::checkpoint::runtime::RuntimeProgram;
use crate::checkpoint::sandbox::{Keeper, finish};
use crate::lab::Lab;
use crate::network::{self, NetworkKind};
use crate::ownership::OwnedProcess;
use isodyne_core::checkpoint::LayerForm;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::unit::HostInstant;
use rustix::process::{Signal, pidfd_send_signal};
use serde_json::Value;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// How long podman may take for one call.
const CALL: Duration = Duration::from_secs(120);
/// How long `podman run` may take to end after its container was kept and ended.
pub(super) const AFTERMATH: Duration = Duration::from_secs(10);
/// The runtime's configuration, beside the images.
const CONFIG: &str = "config.json";

/// Whether the containers of a store can be kept: by root, and by the runtime that has CRIU.
pub(super) fn is_possible(store: &Store) -> bool {
    store.root && store.runtime.name == "runc"
}

pub(super) fn launch(message: impl Into<String>) -> Failure {
    Failure::new(FailureClass::Launch, message)
}

/// conmon, held still: as soon as it sees that the container has ended, podman removes its root, which is still to be kept.
struct Held(OwnedFd);

impl Held {
    fn still(conmon: OwnedFd) -> Self {
        // One that cannot be held has ended, and what is missing shows.
        let _ = pidfd_send_signal(&conmon, Signal::STOP);
        Self(conmon)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = pidfd_send_signal(&self.0, Signal::CONT);
    }
}

impl Snapshots for PodmanSandbox {
    fn snapshot(
        &mut self,
        directory: &Path,
        options: &SnapshotOptions,
        deadline: HostInstant,
    ) -> Result<Taken, Failure> {
        if options.engine == Engine::Native {
            return export::keep(self, directory, options, deadline);
        }
        let id = self.file("cid").filter(|id| !id.is_empty()).ok_or_else(|| launch("podman wrote no container id"))?;
        let root = &self.parts.runtime_root;
        let source = state::read(root, &id)?;
        let keeper = Keeper {
            owner: &self.parts.owner,
            clock: self.parts.clock,
            program: RuntimeProgram::of(&self.parts.store.runtime.path, root),
            id: &id,
            log: &self.parts.log,
            deadline,
        };
        let config = state::json(&source.bundle.join(CONFIG))?;
        let record = Kept {
            name: self.parts.place.name.clone(),
            id: id.clone(),
            rootfs: text(&source.rootfs),
            bound: self.parts.bound.clone(),
            announce: self.parts.channel.unannounced(),
            ..Kept::default()
        };
        let held = (!source.readonly && !options.resume).then(|| self.conmon()).flatten().map(Held::still);
        let mut dumped = keeper.dump(directory, options, record)?;
        if !source.readonly {
            // The lab's store copies images as directories: there is no layer, only a root.
            keeper.layer(&mut dumped, || {
                kept::write_layer(&source.rootfs, LayerForm::Whole, &directory.join(kept::LAYER))
            })?;
        }
        drop(held);
        self.kept = WasKept::by(options);
        if !options.resume {
            self.parts.process.wait(self.parts.clock.after(AFTERMATH));
            network::kept::left(&self.parts.place.name, self.parts.own_network.as_ref());
        }
        let path = directory.join(CONFIG);
        std::fs::write(&path, config.to_string()).map_err(|error| CheckpointError::host("write", &path, &error))?;
        keeper.taken(dumped, directory)
    }
}

/// A container of podman's that is there and has not been started.
struct Made<'a> {
    id: &'a str,
    /// The namespace that it joins.
    namespace: Option<&'a str>,
}

/// Has a runtime's configuration name this network namespace.
fn join_network(config: &mut Value, namespace: Option<&str>) {
    let Some(path) = namespace else { return };
    let namespaces = config.pointer_mut("/linux/namespaces").and_then(Value::as_array_mut);
    for entry in namespaces.into_iter().flatten().filter(|entry| entry["type"] == "network") {
        entry["path"] = path.into();
    }
}

impl PodmanLauncher {
    /// A call of podman that ends by itself. What CRIU complained of is in `criu_log`, if it takes part.
    pub(super) fn call(
        &self,
        arguments: &[&str],
        criu_log: &Path,
        log: &Path,
        lab: &Lab,
    ) -> Result<(OwnedProcess, String), Failure> {
        let mut argv = self.store.argv();
        argv.extend(arguments.iter().map(|part| (*part).to_owned()));
        let mut call = command(&argv);
        self.store.configure(&mut call);
        call.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(open_log(log)?);
        let mut process = lab.owner.spawn(call).map_err(|error| refused("podman", &error))?;
        let (_, stdout, _) = process.take_stdio();
        finish(&mut process, criu_log, log, lab.clock.after(CALL))?;
        Ok((process, export::said(stdout)?))
    }

    /// podman between the streams of a running container and the lab's.
    pub(super) fn attach(&self, id: &str, log: &Path, lab: &Lab) -> Result<OwnedProcess, Failure> {
        let mut argv = self.store.argv();
        argv.extend(["attach", "--sig-proxy=false", id].map(str::to_owned));
        let mut attach = command(&argv);
        self.store.configure(&mut attach);
        attach.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(open_log(log)?);
        lab.owner.spawn(attach).map_err(|error| refused("podman", &error))
    }

    /// Puts everything where podman's restore looks for it; the directory where that is.
    fn fill(
        &self,
        directory: &Path,
        kept: &Kept,
        made: &Made<'_>,
        place: &Place,
        log: &Path,
        lab: &Lab,
    ) -> Result<PathBuf, Failure> {
        let id = made.id;
        let (_, said) = self.call(&["inspect", "--type", "container", id], Path::new(""), log, lab)?;
        let created: Value = serde_json::from_str(&said).map_err(|error| refused("podman's description", &error))?;
        let userdata = PathBuf::from(created[0]["StaticDir"].as_str().unwrap_or_default());
        if !userdata.is_dir() {
            return Err(launch("podman does not say where it keeps the container"));
        }
        let images = kept.ready(directory, &place.directory)?;
        let target = userdata.join("checkpoint");
        std::fs::create_dir(&target).map_err(|error| CheckpointError::host("make", &target, &error))?;
        kept::link_all(&images, &target)?;
        for number in 1..=kept.options.rounds {
            let (from, to) = (directory.join(kept::round(number)), userdata.join(kept::round(number)));
            std::fs::create_dir(&to).map_err(|error| CheckpointError::host("make", &to, &error))?;
            kept::link_all(&from, &to)?;
        }
        let mut config = state::json(&directory.join(CONFIG))?;
        // The kept one's namespace may be gone; podman takes what is written here.
        join_network(&mut config, made.namespace);
        let mut config = config.to_string();
        config = config.replace(&kept.id, id).replace(&kept.name, &place.name);
        if let Content::Image(_) = &self.content {
            let (_, root) = self.call(&["mount", id], Path::new(""), log, lab)?;
            layer::apply(&directory.join(kept::LAYER), Path::new(&root), LayerForm::Whole, Whiteouts::Remove)?;
            config = config.replace(&kept.rootfs, &root);
        }
        let path = userdata.join(CONFIG);
        std::fs::write(&path, config).map_err(|error| CheckpointError::host("write", &path, &error))?;
        Ok(userdata)
    }

    /// The call that makes the container and does not start it.
    fn create(&self, place: &Place, network: Option<&str>, bound: &Bound) -> Vec<String> {
        let mut argv = self.argv(place, &config::serve(place.agent_patience_s), network, Some(bound));
        let options = self.store.argv().len();
        if let Some(verb) = argv.get_mut(options).filter(|verb| *verb == "run") {
            "create".clone_into(verb);
        }
        argv
    }
}

impl Restorer for PodmanLauncher {
    fn restore(
        &self,
        directory: &Path,
        memory: MemoryBackend,
        place: &Place,
        lab: &Lab,
    ) -> Result<Box<dyn Sandbox>, Failure> {
        memory.of_a_container()?;
        if self.network == NetworkKind::User {
            return Err(launch("a container with podman's own network is not brought back: use `network = \"own\"`"));
        }
        let kept = Kept::read(directory)?;
        if kept.engine == Engine::Native {
            return export::bring_back(self, directory, &kept, place, lab);
        }
        let own = files(place);
        std::fs::create_dir_all(&own).map_err(|error| refused(&text(&own), &error))?;
        let log = log_path(place, "podman");
        let guard = lab.owner.own(self.resource(place));
        let own_network = network::kept::again(self.network, &kept.name, lab)?;
        let namespace = path_of(own_network.as_deref());
        let create = self.create(place, namespace.as_deref(), &kept.bound);
        let arguments: Vec<&str> = create[self.store.argv().len()..].iter().map(String::as_str).collect();
        let (created, id) = self.call(&arguments, Path::new(""), &log, lab)?;
        let userdata =
            self.fill(directory, &kept, &Made { id: &id, namespace: namespace.as_deref() }, place, &log, lab)?;
        let options = &kept.options;
        let given = [("--tcp-established", options.tcp_established), ("--file-locks", options.file_locks)];
        let flags = given.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag);
        let restore: Vec<&str> = ["container", "restore"].into_iter().chain(flags).chain([id.as_str()]).collect();
        self.call(&restore, &userdata.join(criu::RESTORE_LOG), &log, lab)?;
        let mut process = self.attach(&id, &log, lab)?;
        let transport = stdio_transport(&mut process, lab)?;
        Ok(Box::new(PodmanSandbox::new(Parts {
            clock: lab.clock,
            owner: lab.owner.clone(),
            store: self.store.clone(),
            origin: created.forked_at,
            command: self.store.portable_argv(),
            runtime_root: self.store.runtime_root(),
            place: place.clone(),
            group_parent: None,
            memory_bytes: self.memory_bytes,
            log,
            spawned: spawned(&created),
            watcher: None,
            channel: AgentChannel::continued(Box::new(transport), lab.clock, kept.announce),
            process,
            own_network,
            user_network: None,
            bound: kept.bound,
            guard: Some(guard),
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_namespace_is_the_one_that_the_restored_container_joins() {
        let config = |path: Value| json!({ "linux": { "namespaces": [{ "type": "pid" }, { "type": "network", "path": path }] } });
        let mut joined = config("/proc/7/fd/9".into());
        join_network(&mut joined, Some("/proc/7/fd/12"));
        assert_eq!(joined, config("/proc/7/fd/12".into()));
        join_network(&mut joined, None);
        assert_eq!(joined, config("/proc/7/fd/12".into()));
        let mut foreign = json!({ "linux": 5 });
        join_network(&mut foreign, Some("/proc/7/fd/12"));
        assert_eq!(foreign, json!({ "linux": 5 }));
    }
}
