//! The requests of the drivers against a monitor's API where no KVM is needed: a real Firecracker's, if one is in PATH or
//! named by `ISODYNE_FIRECRACKER`, and otherwise a double that answers as the real one was seen to (1.16.1), down to the
//! empty reason phrase of its 204. The double always takes part, so that it is held to the same checks.
//!
//! Cloud Hypervisor opens `/dev/kvm` before it makes its socket: of it there is a double only, after version 53.0.

mod double_support;

use double_support::{Mind, serve};
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::failure::FailureClass;
use isodyne_engine::backend::Place;
use isodyne_engine::backend::cloud_hypervisor;
use isodyne_engine::backend::firecracker::{config::Config, requests, snapshot, version::Version};
use isodyne_engine::backend::snapshot::{MemoryBackend, SnapshotKind};
use isodyne_engine::backend::vmm::api::{self, ApiCall};
use isodyne_engine::backend::vmm::disk::DiskConfig;
use isodyne_engine::clock::Clock;
use isodyne_engine::http::{Client, HttpError};
use isodyne_engine::image::app::OverlayMethod;
use isodyne_engine::network::{OwnNetwork, Subnet};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// Firecracker before its machine runs.
fn firecracker_double() -> Mind {
    let mut kernel = false;
    let mut configured = false;
    let fault = |text: &str| (400, json!({ "fault_message": text }));
    Box::new(move |method, target, body| {
        let known = |keys: &[&str]| {
            body.as_object()?.keys().find(|key| !keys.contains(&key.as_str())).map(|key| format!(
                "An error occurred when deserializing the json body of a request: unknown field `{key}`, expected one of \
                 `{}` at line 1 column 45.",
                keys.join("`, `")
            ))
        };
        let keys: &[&str] = match (method, target) {
            ("GET", "/version") => return (200, json!({ "firecracker_version": "1.16.1" })),
            ("GET", "/") => return (200, json!({ "id": "t", "state": "Not started", "vmm_version": "1.16.1" })),
            ("PATCH", "/vm") | ("PUT", "/snapshot/create") => {
                return fault("The requested operation is not supported before starting the microVM.");
            }
            ("PUT", "/snapshot/load") if configured => {
                return fault(
                    "Load snapshot error: Loading a microVM snapshot not allowed after configuring boot-specific resources.",
                );
            }
            ("PUT", "/actions") if !kernel => {
                return fault("Start microvm error: Cannot start microvm without kernel configuration.");
            }
            ("PUT", "/machine-config") => {
                &["vcpu_count", "mem_size_mib", "smt", "track_dirty_pages", "huge_pages", "cpu_template"]
            }
            ("PUT", "/boot-source") => &["kernel_image_path", "initrd_path", "boot_args"],
            ("PUT", "/vsock") => &["vsock_id", "guest_cid", "uds_path"],
            ("PUT", "/network-interfaces/net") => &["iface_id", "host_dev_name", "guest_mac"],
            ("PUT", "/drives/app") => &["drive_id", "path_on_host", "is_root_device", "is_read_only"],
            ("PUT", "/mmds/config") => &["version", "network_interfaces", "ipv4_address"],
            // Metadata is the user's own.
            ("PUT", "/mmds") if body.is_object() => return (204, Value::Null),
            ("PUT", "/entropy") => &["rate_limiter"],
            ("PUT", "/balloon") => &["amount_mib", "deflate_on_oom", "stats_polling_interval_s"],
            _ => return fault(&format!("Invalid request method and/or path: {method} {target}.")),
        };
        if let Some(problem) = known(keys) {
            return fault(&problem);
        }
        if target == "/boot-source" {
            let there = body["kernel_image_path"].as_str().is_some_and(|path| Path::new(path).exists());
            if !there {
                return fault(
                    "Boot source error: The kernel file cannot be opened: No such file or directory (os error 2)",
                );
            }
            kernel = true;
        }
        configured = true;
        (204, Value::Null)
    })
}

/// Something that listens on a socket, and what must be ended afterwards.
struct Monitor {
    client: Client,
    process: Option<Child>,
    directory: tempfile::TempDir,
    version: Version,
}

impl Drop for Monitor {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

fn program() -> Option<PathBuf> {
    let named = std::env::var_os("ISODYNE_FIRECRACKER").map(PathBuf::from);
    named.or_else(|| isodyne_engine::host::find_tool("firecracker"))
}

fn place(directory: &Path) -> Place {
    Place {
        name: "isodyne-7f3a-1".into(),
        directory: directory.to_owned(),
        log_prefix: directory.join("1-firecracker"),
        agent_patience_s: 30,
    }
}

fn config(stated: &[(&str, FactorValue)], version: Version, directory: &Path) -> Config {
    let factors: Factors = stated.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let (kernel, initramfs) = (directory.join("kernel"), directory.join("initramfs"));
    std::fs::write(&kernel, "no kernel at all").unwrap();
    std::fs::write(&initramfs, "").unwrap();
    Config { kernel, initramfs, ..Config::from_factors(&factors, version).unwrap() }
}

/// The double, and the real one if there is one.
fn firecrackers() -> Vec<Monitor> {
    std::iter::once(None).chain(program().map(Some)).map(|program| firecracker_at(program.as_deref(), None)).collect()
}

/// A program runs in the namespace of its network, if it is given one.
fn firecracker_at(program: Option<&Path>, network: Option<&OwnNetwork>) -> Monitor {
    let directory = tempfile::Builder::new().prefix("iso").tempdir().unwrap();
    let mut version = Version { major: 1, minor: 16 };
    let place = place(directory.path());
    let socket = directory.path().join("api");
    let process = match program {
        None => {
            serve(&socket, firecracker_double());
            None
        }
        Some(program) => {
            let said = Command::new(program).arg("--version").output().unwrap().stdout;
            version = Version::parse(String::from_utf8_lossy(&said).lines().next().unwrap()).unwrap();
            let config = config(&[], version, directory.path());
            let paths = requests::Paths::under(&place, &config);
            std::fs::write(&paths.metrics, "").unwrap();
            std::fs::write(&paths.log, "").unwrap();
            let arguments = requests::arguments(&config, &paths, &place.name);
            let mut command = Command::new(program);
            command.args(arguments).current_dir(directory.path()).stdin(Stdio::null()).stdout(Stdio::null());
            let process = match network {
                Some(network) => network.lab().within(|| command.spawn()),
                None => command.spawn(),
            };
            Some(process.unwrap())
        }
    };
    let deadline = Clock.after(PATIENCE);
    let client = loop {
        match Client::connect(&socket, Clock) {
            Ok(client) => break client,
            Err(error) => assert!(Clock.now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Monitor { client, process, directory, version }
}

impl Monitor {
    fn call(&mut self, call: &ApiCall) -> Result<Value, HttpError> {
        api::call(&mut self.client, call, Clock.after(PATIENCE)).map(|reply| reply.json())
    }

    fn refuses(&mut self, call: &ApiCall) -> String {
        let error = self.call(call).map(|_| panic!("{} was taken", call.target)).unwrap_err();
        let HttpError::Status { status: 400, .. } = &error else { panic!("{error}") };
        let failure = api::failure("Firecracker", &error);
        assert_eq!(failure.class, FailureClass::Launch);
        failure.message
    }
}

#[test]
fn every_request_that_makes_a_machine_is_taken() {
    let everything = [
        ("cpus", FactorValue::Count(2)),
        ("smt", FactorValue::Flag(true)),
        ("huge_pages", FactorValue::Text("2M".to_owned())),
        ("track_dirty_pages", FactorValue::Flag(true)),
        ("entropy", FactorValue::Flag(true)),
        ("balloon", FactorValue::Bytes(16 << 20)),
    ];
    // Older versions have no balloon on huge pages.
    for stated in [&everything[..0], &everything[..5], &everything[3..]] {
        for mut monitor in firecrackers() {
            let config = config(stated, monitor.version, monitor.directory.path());
            let paths = requests::Paths::under(&place(monitor.directory.path()), &config);
            for call in requests::configure(&config, &paths, &place(monitor.directory.path())) {
                monitor.call(&call).unwrap_or_else(|error| panic!("{}: {error}", call.target));
            }
        }
    }
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that is skipped says why")]
fn card_disk_and_metadata_are_taken_by_the_api_and_where_the_tap_is() {
    let network = match OwnNetwork::for_monitor(Subnet::of("isodyne-7f3a-1")) {
        Ok(network) => Some(network),
        Err(error) => {
            eprintln!("SKIPPED for a real Firecracker: {error}");
            None
        }
    };
    let real = program().filter(|_| network.is_some());
    for program in std::iter::once(None).chain(real.map(Some)) {
        let mut monitor = firecracker_at(program.as_deref(), network.as_ref());
        let directory = monitor.directory.path().to_owned();
        let mut config = config(&[("network", FactorValue::Text("own".to_owned()))], monitor.version, &directory);
        config.metadata = Some(json!({ "owner": "nobody" }));
        config.disk = Some(DiskConfig { base: "/cache/disk".into(), method: OverlayMethod::SparseCopy });
        let paths = requests::Paths::under(&place(&directory), &config);
        std::fs::write(&paths.disk, [0; 4096]).unwrap();
        for call in requests::configure(&config, &paths, &place(&directory)) {
            monitor.call(&call).unwrap_or_else(|error| panic!("{}: {error}", call.target));
        }
    }
    // Elsewhere there is no such tap: Firecracker makes one of that name, which is not the lab's.
    assert!(!Path::new("/sys/class/net/lab0").exists());
}

#[test]
fn one_connection_carries_answers_with_and_without_a_body() {
    for mut monitor in firecrackers() {
        let config = config(&[], monitor.version, monitor.directory.path());
        let paths = requests::Paths::under(&place(monitor.directory.path()), &config);
        let calls = requests::configure(&config, &paths, &place(monitor.directory.path()));
        monitor.call(&calls[0]).unwrap();
        assert_eq!(monitor.call(&ApiCall::get("/")).unwrap()["state"], "Not started");
        monitor.call(&calls[1]).unwrap();
        let version = monitor.call(&ApiCall::get("/version")).unwrap();
        let said = format!("Firecracker v{}", version["firecracker_version"].as_str().unwrap());
        assert_eq!(Version::parse(&said), Some(monitor.version));
    }
}

#[test]
fn what_is_refused_is_refused_in_the_monitors_own_words() {
    for mut monitor in firecrackers() {
        let directory = monitor.directory.path().to_owned();
        let files = snapshot::SnapshotFiles::of(&directory);
        let early = "not supported before starting the microVM";
        assert!(monitor.refuses(&requests::start()).contains("without kernel"));
        assert!(monitor.refuses(&snapshot::change_state("Paused")).contains(early));
        assert!(monitor.refuses(&snapshot::create(&files, SnapshotKind::Full)).contains(early));
        let mut call =
            requests::configure(&config(&[], monitor.version, &directory), &paths(&directory), &place(&directory))
                .remove(1);
        call.body.as_mut().unwrap()["kernel_image_path"] = json!("/no/such/kernel");
        assert!(monitor.refuses(&call).contains("kernel file cannot be opened"));
        let unknown = ApiCall::put("/machine-config", json!({ "vcpu_count": 1, "mem_size_mib": 128, "cores": 1 }));
        assert!(monitor.refuses(&unknown).contains("unknown field `cores`"));
        for call in
            requests::configure(&config(&[], monitor.version, &directory), &paths(&directory), &place(&directory))
        {
            monitor.call(&call).unwrap();
        }
        let load = snapshot::load(&files, MemoryBackend::File, &files.memory);
        assert!(monitor.refuses(&load).contains("not allowed after configuring"));
    }
}

fn paths(directory: &Path) -> requests::Paths {
    requests::Paths::under(&place(directory), &config(&[], Version { major: 1, minor: 16 }, directory))
}

#[test]
fn a_real_firecracker_on_a_host_without_kvm_says_what_it_lacks() {
    let Some(program) = program().filter(|_| std::fs::File::open("/dev/kvm").is_err()) else { return };
    let mut monitor = firecracker_at(Some(&program), None);
    let directory = monitor.directory.path().to_owned();
    for call in requests::configure(&config(&[], monitor.version, &directory), &paths(&directory), &place(&directory)) {
        monitor.call(&call).unwrap();
    }
    assert!(monitor.refuses(&requests::start()).contains("KVM"));
}

#[test]
fn cloud_hypervisors_chain_of_causes_is_one_line() {
    let directory = tempfile::Builder::new().prefix("iso").tempdir().unwrap();
    let socket = directory.path().join("api");
    let mut state = "none";
    let error = |what: &[&str]| (500, json!(what));
    serve(
        &socket,
        Box::new(move |method, target, body| match (method, target.trim_start_matches("/api/v1/"), state) {
            ("PUT", "vm.create", "none") if body["payload"]["kernel"].is_string() => {
                state = "created";
                (204, Value::Null)
            }
            ("PUT", "vm.boot", "created") => {
                state = "running";
                (204, Value::Null)
            }
            ("PUT", "vm.pause", "running") => {
                state = "paused";
                (204, Value::Null)
            }
            ("PUT", "vm.snapshot", "paused") => {
                let path = body["destination_url"].as_str().and_then(|url| url.strip_prefix("file://")).unwrap_or("");
                match Path::new(path).is_dir() {
                    true => (204, Value::Null),
                    false => error(&["Error from API", "Cannot snapshot VM", "Destination is not a directory"]),
                }
            }
            ("PUT", "vm.resume", "paused") => {
                state = "running";
                (204, Value::Null)
            }
            ("PUT", "vm.create", _) => {
                error(&["Error from API", "The VM could not be created", "VM is already created"])
            }
            _ => error(&["Error from API", "Cannot snapshot VM", "Trying to snapshot while VM is running"]),
        }),
    );
    let config = cloud_hypervisor::config::Config::from_factors(&Factors::new()).unwrap();
    let mut client = Client::connect(&socket, Clock).unwrap();
    let mut call = |call: ApiCall| api::call(&mut client, &call, Clock.after(PATIENCE));
    use cloud_hypervisor::{requests, snapshot};
    call(requests::create(&config, &place(directory.path()))).unwrap();
    let error = call(requests::create(&config, &place(directory.path()))).unwrap_err();
    assert!(error.to_string().ends_with("500: Error from API: The VM could not be created: VM is already created"));
    call(requests::boot()).unwrap();
    assert!(call(snapshot::create(directory.path())).unwrap_err().to_string().contains("while VM is running"));
    call(snapshot::pause()).unwrap();
    let missing = call(snapshot::create(Path::new("/no/such"))).unwrap_err();
    assert!(missing.to_string().contains("not a directory"), "{missing}");
    call(snapshot::create(directory.path())).unwrap();
    call(snapshot::resume()).unwrap();
}
