//! The state of a container of Docker: kept by the runtime under it, brought back by Docker in a second sandbox.
//!
//! Docker starts a container from images in the container's own directory of checkpoints, where they are put. Its own
//! `checkpoint create` (`super::native`) is used only where that way is asked for: 20.10 cannot start from what it has just
//! made as it is (`docs/checkpoints.md`).

use super::api;
use super::bridge::{self, OwnBridge};
use super::launcher::{CALL, DockerLauncher, failed};
use super::native;
use super::sandbox::{Call, DockerSandbox, Parts};
use super::stream::AttachedStream;
use crate::backend::oci::config;
use crate::backend::oci::diagnose::log_path;
use crate::backend::oci::launcher::open_log;
use crate::backend::snapshot::{Engine, MemoryBackend, Restorer, SnapshotOptions, Snapshots, Taken, WasKept};
use crate::backend::{Place, Sandbox, Stamp};
use crate::channel::AgentChannel;
use crate::checkpoint::CheckpointError;
use crate::checkpoint::container::docker;
use crate::checkpoint::kept::{self, Kept};
use crate::checkpoint::layer::{self, Whiteouts};
use crate::checkpoint::runtime::RuntimeProgram;
use crate::checkpoint::sandbox::Keeper;
use crate::http::{Client, Request};
use crate::lab::Lab;
use isodyne_core::checkpoint::LayerForm;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::{MilestoneName, SignalName};
use isodyne_core::unit::HostInstant;
use serde_json::Value;
use std::path::Path;

/// The name of the images at Docker, for as long as a start takes.
const NAME: &str = "isodyne";

pub(super) fn launch(message: impl Into<String>) -> Failure {
    Failure::new(FailureClass::Launch, message)
}

/// The upper directory of a container, as Docker says.
fn upper_of(inspected: &Value) -> Result<&str, Failure> {
    inspected["GraphDriver"]["Data"]["UpperDir"]
        .as_str()
        .ok_or_else(|| launch("this Docker's storage keeps no layers as an overlay: use the driver `overlay2`"))
}

impl Snapshots for DockerSandbox {
    fn snapshot(
        &mut self,
        directory: &Path,
        options: &SnapshotOptions,
        deadline: HostInstant,
    ) -> Result<Taken, Failure> {
        if options.rounds > 0 {
            return Err(launch("Docker starts no container from images in rounds"));
        }
        let gone = || launch("Docker does not know the container any more");
        let inspected = docker::inspect(&self.parts.socket, &self.parts.name)?.ok_or_else(gone)?;
        let id = inspected["Id"].as_str().unwrap_or_default().to_owned();
        let pid = inspected["State"]["Pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
        let (program, root) = docker::runtime_of(pid, &id)
            .ok_or_else(|| launch("Docker does not run the container by runc on this host"))?;
        let keeper = Keeper {
            owner: &self.parts.owner,
            clock: self.parts.clock,
            program: RuntimeProgram::of(&program, &root),
            id: &id,
            log: &self.parts.log,
            deadline,
        };
        let announce = self.parts.channel.unannounced();
        let bound = self.parts.bound.clone();
        let record = Kept { name: self.parts.name.clone(), bound, id: id.clone(), announce, ..Kept::default() };
        let mut dumped = match options.engine {
            Engine::Runtime => keeper.dump(directory, options, record)?,
            Engine::Native => native::dump(&self.parts, pid, directory, options, record, deadline)?,
        };
        self.kept = WasKept::by(options);
        if !options.resume {
            bridge::KEPT.left(&self.parts.name, self.parts.bridge.as_ref());
        }
        if inspected["HostConfig"]["ReadonlyRootfs"] != true {
            let upper = upper_of(&inspected)?;
            let tar = directory.join(kept::LAYER);
            keeper.layer(&mut dumped, || kept::write_layer(Path::new(upper), LayerForm::Changes, &tar))?;
        }
        keeper.taken(dumped, directory)
    }
}

impl Restorer for DockerLauncher {
    fn restore(
        &self,
        directory: &Path,
        memory: MemoryBackend,
        place: &Place,
        lab: &Lab,
    ) -> Result<Box<dyn Sandbox>, Failure> {
        memory.of_a_container()?;
        let kept = Kept::read(directory)?;
        let images = kept.ready(directory, &place.directory)?;
        let (name, socket) = (place.name.as_str(), self.daemon.socket.as_path());
        let data = docker::data_root(socket)?;
        let log = log_path(place, "docker");
        let log_file = open_log(&log)?;
        let bridge = match bridge::KEPT.again(&kept.name).filter(|_| self.bridge.is_some()) {
            Some(bridge) => Some(bridge),
            None => self.make_bridge(name, lab)?,
        };
        let guard = lab.owner.own(self.resource(name));
        let named = bridge.as_deref().map(OwnBridge::named);
        let mut body = self.body(name, &config::serve(place.agent_patience_s), named, Some(&kept.bound));
        let connections = kept.options.tcp_established;
        let told = connections && self.daemon.takes_annotations();
        if told {
            docker::annotate(&mut body, &place.directory)?;
        }
        let body = body.to_string();
        let deadline = lab.clock.after(CALL);
        let (create, attach) = (api::create_target(name), api::attach_target(name));
        let origin = lab.clock.now();
        let mut client = Client::connect(socket, lab.clock).map_err(|error| failed(&error))?;
        let request = Request::new("POST", &create).with_body("application/json", body.as_bytes());
        let created = client.call(&request, deadline).and_then(|reply| api::success(reply, &request.call()));
        let created = created.map_err(|error| failed(&error))?;
        let id = created.json()["Id"].as_str().unwrap_or_default().to_owned();
        if directory.join(kept::LAYER).is_file() {
            let gone = || launch("Docker does not know the new container");
            let inspected = docker::inspect(socket, &id)?.ok_or_else(gone)?;
            let upper = Path::new(upper_of(&inspected)?);
            layer::apply(&directory.join(kept::LAYER), upper, LayerForm::Changes, Whiteouts::Overlay)?;
        }
        let checkpoint = data.join("containers").join(&id).join("checkpoints").join(NAME);
        std::fs::create_dir_all(&checkpoint).map_err(|error| CheckpointError::host("make", &checkpoint, &error))?;
        kept::link_all(&images, &checkpoint)?;
        let attached = Client::connect(socket, lab.clock)
            .and_then(|client| client.upgrade(&Request::new("POST", &attach), deadline))
            .map_err(|error| failed(&error))?;
        let attach_call = Call { name: "attach", asked: attached.asked, at: attached.at };
        let asked = lab.clock.now();
        let start = docker::Start { socket, name, id: &id, checkpoint: &checkpoint, connections: connections && !told };
        let copy = start.run(&lab.owner)?;
        let started = lab.clock.now();
        let stamp = |name, at, asked| Stamp { name, at, asked: Some(asked), signal: SignalName::Reply };
        Ok(Box::new(DockerSandbox::new(Parts {
            clock: lab.clock,
            owner: lab.owner.clone(),
            socket: self.daemon.socket.clone(),
            name: place.name.clone(),
            memory_bytes: self.memory_bytes,
            origin,
            stamps: vec![
                stamp(MilestoneName::Created, created.at, origin),
                stamp(MilestoneName::Started, started, asked),
            ],
            calls: vec![
                Call { name: "create", asked: created.asked, at: created.at },
                attach_call,
                Call { name: "start", asked, at: started },
            ],
            client,
            channel: AgentChannel::continued(
                Box::new(AttachedStream::new(attached, lab.clock, log_file)),
                lab.clock,
                kept.announce,
            ),
            log,
            guard: Some(guard),
            bridge,
            copy: Some(copy),
            bound: kept.bound,
        })))
    }
}
