//! Launching a container by API calls: create, attach, start.

use super::api::{self, Daemon, Wanted, success};
use super::bridge::OwnBridge;
use super::image::{self, Image};
use super::sandbox::{Call, DockerSandbox, Parts};
use super::stream::AttachedStream;
use crate::backend::bound::Bound;
use crate::backend::oci::config;
use crate::backend::oci::diagnose::{is_missing_program, log_path, name_in_run};
use crate::backend::oci::launcher::open_log;
use crate::backend::snapshot::Restorer;
use crate::backend::{Description, Launcher, Place, Sandbox, Stamp, Step, text};
use crate::channel::AgentChannel;
use crate::http::{Client, HttpError, Request};
use crate::image::rootfs::AGENT_PATH;
use crate::lab::Lab;
use crate::network::BridgeNetwork;
use crate::ownership::Resource;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::{MilestoneName, SignalName};
use isodyne_core::probe::Tool;
use isodyne_core::record::Asset;
use isodyne_core::sample::Accuracy;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How long one call of a launch may take.
pub(super) const CALL: Duration = Duration::from_secs(30);

/// A cell on Docker, ready to be launched.
pub(super) struct DockerLauncher {
    pub(super) daemon: Daemon,
    pub(super) image: Arc<Image>,
    pub(super) memory_bytes: Option<u64>,
    pub(super) run_id: String,
    /// Whether each container is on a bridge of its own, and then whether the bridge has IPv6; else it has loopback alone.
    pub(super) bridge: Option<bool>,
    /// How many directories of the host are mounted in each container.
    pub(super) bind_mounts: u64,
}

impl DockerLauncher {
    pub(super) fn body(
        &self,
        name: &str,
        args: &[String],
        bridge: Option<(&str, &BridgeNetwork)>,
        bound: Option<&Bound>,
    ) -> Value {
        api::container(&Wanted {
            image: &self.image.tag,
            args,
            run_id: &self.run_id,
            memory_bytes: self.memory_bytes,
            cgroup_parent: self.daemon.cgroup_parent(name),
            app: self.image.app,
            bound,
            network: bridge,
        })
    }

    /// Makes the container's bridge. Before t0.
    pub(super) fn make_bridge(&self, name: &str, lab: &Lab) -> Result<Option<Arc<OwnBridge>>, Failure> {
        let made = self.bridge.map(|has_v6| OwnBridge::make(&self.daemon, name, has_v6, lab)).transpose()?;
        Ok(made.map(Arc::new))
    }

    pub(super) fn resource(&self, name: &str) -> Resource {
        Resource::DockerContainer { socket: self.daemon.socket.clone(), name: name.to_owned() }
    }
}

/// What a call that failed means for the sample.
pub(super) fn failed(error: &HttpError) -> Failure {
    let text = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    match error {
        HttpError::Timeout { .. } => Failure::new(FailureClass::Timeout, text),
        HttpError::Status { message, .. } if is_missing_program(message) => {
            Failure::new(FailureClass::Exec, format!("the image does not have the command: {text}"))
        }
        HttpError::Status { message, .. } if message.contains("no space left on device") => {
            Failure::new(FailureClass::Enospc, text)
        }
        _ => Failure::new(FailureClass::Launch, text),
    }
}

impl Launcher for DockerLauncher {
    fn describe(&self, place: &Place) -> Description {
        let request =
            |call: String, body: Option<Value>| Step::Request { socket: text(&self.daemon.socket), call, body };
        let name = place.name.as_str();
        let bridge = self.bridge.map(|has_v6| BridgeNetwork::of(name, has_v6));
        let named = bridge.as_ref().map(|bridge| (name, bridge));
        let bound = Bound::of(place, self.bind_mounts);
        let body = self.body(name, &config::serve(place.agent_patience_s), named, Some(&bound));
        let bring = self.image.calls.iter().map(|call| request(call.clone(), None));
        let network = bridge.map(|bridge| {
            request(format!("POST {}", api::CREATE_NETWORK), Some(api::network(name, &self.run_id, &bridge)))
        });
        Description {
            steps: bring
                .chain(network)
                .chain([
                    request(format!("POST {}", api::create_target(name)), Some(body)),
                    request(format!("POST {}", api::attach_target(name)), None),
                    request(format!("POST {}", api::start_target(name)), None),
                ])
                .collect(),
        }
    }

    fn launch(&self, place: &Place, lab: &Lab) -> Result<Box<dyn Sandbox>, Failure> {
        let log = log_path(place, "docker");
        let log_file = open_log(&log)?;
        // Owned before the container, so that it is removed after it.
        let bridge = self.make_bridge(&place.name, lab)?;
        let guard = lab.owner.own(self.resource(&place.name));
        let named = bridge.as_deref().map(OwnBridge::named);
        let bound = Bound::of(place, self.bind_mounts);
        bound.make()?;
        let serve = config::serve(place.agent_patience_s);
        let body = self.body(&place.name, &serve, named, Some(&bound)).to_string();
        let deadline = lab.clock.after(CALL);
        let with_log = |error: &HttpError| Failure { evidence: vec![name_in_run(&log)], ..failed(error) };
        let (name, socket) = (place.name.as_str(), self.daemon.socket.as_path());
        let (create, attach, start) = (api::create_target(name), api::attach_target(name), api::start_target(name));
        let origin = lab.clock.now();
        let mut client = Client::connect(socket, lab.clock).map_err(|error| with_log(&error))?;
        let request = Request::new("POST", &create).with_body("application/json", body.as_bytes());
        let created = client.call(&request, deadline).and_then(|reply| success(reply, &request.call()));
        let created = created.map_err(|error| with_log(&error))?;
        // The streams are attached before the start, so that nothing the agent says can be lost. They belong to the start.
        let attached = Client::connect(socket, lab.clock)
            .and_then(|client| client.upgrade(&Request::new("POST", &attach), deadline))
            .map_err(|error| with_log(&error))?;
        let attach_call = Call { name: "attach", asked: attached.asked, at: attached.at };
        let request = Request::new("POST", &start);
        let started = client.call(&request, deadline).and_then(|reply| success(reply, &request.call()));
        let started = started.map_err(|error| with_log(&error))?;
        let stamp = |name, at, asked| Stamp { name, at, asked: Some(asked), signal: SignalName::Reply };
        let stamps = vec![
            stamp(MilestoneName::Created, created.at, origin),
            stamp(MilestoneName::Started, started.at, attach_call.asked),
        ];
        let calls = vec![
            Call { name: "create", asked: created.asked, at: created.at },
            attach_call,
            Call { name: "start", asked: started.asked, at: started.at },
        ];
        let transport = AttachedStream::new(attached, lab.clock, log_file);
        Ok(Box::new(DockerSandbox::new(Parts {
            clock: lab.clock,
            owner: lab.owner.clone(),
            socket: self.daemon.socket.clone(),
            name: place.name.clone(),
            memory_bytes: self.memory_bytes,
            origin,
            stamps,
            calls,
            client,
            channel: AgentChannel::new(Box::new(transport), lab.clock),
            log,
            guard: Some(guard),
            bridge,
            bound,
            copy: None,
        })))
    }

    fn restorer(&self) -> Option<&dyn Restorer> {
        Some(self)
    }

    fn accuracy(&self) -> Accuracy {
        Accuracy::Container
    }

    fn assets(&self) -> Vec<Asset> {
        vec![self.image.asset.clone()]
    }

    fn tools(&self) -> Vec<Tool> {
        self.daemon.tools()
    }
}

/// Runs the agent's `echo` in a container: a daemon that answers does not always start containers.
pub(super) fn trial(daemon: &Daemon, lab: &Lab) -> Result<(), String> {
    let image = image::of_run(daemon, lab)?;
    let launcher = DockerLauncher {
        daemon: daemon.clone(),
        image,
        memory_bytes: None,
        run_id: lab.run_id.clone(),
        bridge: None,
        bind_mounts: 0,
    };
    let name = format!("{}-trial-docker", crate::ownership::name_prefix(&lab.run_id));
    let guard = lab.owner.own(launcher.resource(&name));
    let outcome = try_once(&launcher, &name).map_err(|error| failed(&error).message);
    let removed = guard.remove();
    match outcome? {
        0 => removed,
        code => Err(format!("the container ended with exit code {code}")),
    }
}

fn try_once(launcher: &DockerLauncher, name: &str) -> Result<i64, HttpError> {
    let (socket, clock) = (&launcher.daemon.socket, launcher.daemon.clock);
    let (mut client, _) = api::connect(socket, clock)?;
    let deadline = clock.after(CALL);
    let body = launcher.body(name, &[AGENT_PATH, "echo", "isodyne-trial"].map(str::to_owned), None, None).to_string();
    let (create, start, wait) = (api::create_target(name), api::start_target(name), api::wait_target(name));
    let mut post = |target: &str, body: &str| {
        let request = Request::new("POST", target).with_body("application/json", body.as_bytes());
        client.call(&request, deadline).and_then(|reply| success(reply, &request.call()))
    };
    post(&create, &body)?;
    post(&start, "")?;
    Ok(post(&wait, "")?.json()["StatusCode"].as_i64().unwrap_or(-1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launcher(bridge: Option<bool>) -> DockerLauncher {
        let asset = Asset { role: "image".into(), name: "x".into(), sha256: String::new(), size_bytes: 0 };
        DockerLauncher {
            daemon: Daemon::for_tests("/var/run/docker.sock", "cgroupfs"),
            image: Arc::new(Image {
                tag: image::tag("7f3a"),
                asset,
                calls: vec![format!("POST {}", image::import_target("7f3a"))],
                app: false,
                _guard: None,
            }),
            memory_bytes: Some(64 << 20),
            run_id: "7f3a".into(),
            bridge,
            bind_mounts: 0,
        }
    }

    fn place() -> Place {
        Place {
            name: "isodyne-7f3a-1".into(),
            directory: "/scratch/1".into(),
            log_prefix: "/out/logs/1-docker".into(),
            agent_patience_s: 30,
        }
    }

    #[test]
    fn the_calls_are_exact() {
        let description = launcher(None).describe(&place());
        insta::assert_snapshot!(serde_json::to_string_pretty(&description).unwrap());
    }

    #[test]
    fn a_bridge_is_made_before_its_container() {
        let steps = launcher(Some(true)).describe(&place()).steps;
        let calls: Vec<(&str, &Value)> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Request { call, body: Some(body), .. } => Some((call.as_str(), body)),
                _ => None,
            })
            .collect();
        let [("POST /networks/create", network), (create, container)] = calls[..] else { panic!("{calls:?}") };
        assert!(create.starts_with("POST /containers/create"));
        assert_eq!((&network["Internal"], &network["Name"]), (&true.into(), &"isodyne-7f3a-1".into()));
        assert_eq!(network["Options"]["com.docker.network.bridge.name"], "i7f3a-1");
        assert_eq!(container["HostConfig"]["NetworkMode"], "isodyne-7f3a-1");
        assert_eq!(container["NetworkDisabled"], false);
        let addresses = &container["NetworkingConfig"]["EndpointsConfig"]["isodyne-7f3a-1"]["IPAMConfig"];
        assert!(addresses["IPv4Address"].as_str().is_some_and(|text| text.starts_with("10.")), "{container}");
        assert!(addresses["IPv6Address"].as_str().is_some_and(|text| text.starts_with("fd")), "{container}");
    }

    #[test]
    fn a_systemd_daemon_chooses_the_cgroup() {
        assert_eq!(Daemon::for_tests("/s", "systemd").cgroup_parent("isodyne-1"), None);
        assert_eq!(
            Daemon::for_tests("/s", "cgroupfs").cgroup_parent("isodyne-1").as_deref(),
            Some("/isodyne/isodyne-1")
        );
    }

    #[test]
    fn refusals_are_classed() {
        let status = |message: &str| HttpError::Status { call: "POST /x".into(), status: 400, message: message.into() };
        let missing =
            r#"OCI runtime create failed: exec: "/isodyne-agent": stat /isodyne-agent: no such file or directory"#;
        assert_eq!(failed(&status(missing)).class, FailureClass::Exec);
        assert_eq!(failed(&status("write /x: no space left on device")).class, FailureClass::Enospc);
        assert_eq!(failed(&status("cgroups: permission denied")).class, FailureClass::Launch);
    }
}
