use super::super::config::{Console, DiskConfig, Setup};
use super::super::version::Version;
use super::*;
use crate::image::app::OverlayMethod;

fn config() -> Config {
    Config {
        version: Version { major: 1, minor: 13 },
        setup: Setup::Api,
        memory_bytes: 128 << 20,
        cpus: 1,
        pin: None,
        smt: false,
        huge_pages: HugePages::None,
        cpu_template: None,
        track_dirty_pages: false,
        pci: false,
        seccomp: true,
        jailer: false,
        entropy: false,
        balloon_bytes: None,
        boot_timer: true,
        channel: Channel::Vsock,
        console: Console::Phases,
        kernel: "/cache/vmlinux".into(),
        initramfs: "/cache/initramfs.cpio".into(),
        modules: vec!["virtio_mmio.ko".to_owned()],
        command_line: String::new(),
        network: NetworkKind::None,
        metadata: None,
        disk: None,
    }
}

fn place() -> Place {
    Place {
        name: "isodyne-7f3a-1".into(),
        directory: "/s/1".into(),
        log_prefix: "/r/logs/1-firecracker".into(),
        agent_patience_s: 30,
    }
}

/// One option or request a line.
fn lines(config: &Config) -> String {
    let paths = Paths::under(&place(), config);
    let arguments = arguments(config, &paths, "isodyne-7f3a-1").join(" ").replace(" --", "\n--");
    let calls = configure(config, &paths, &place()).into_iter().chain([start()]);
    let calls = calls.map(|call| format!("{} {} {}", call.method, call.target, call.body.unwrap_or_default()));
    std::iter::once(arguments).chain(calls).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_default_machine() {
    insta::assert_snapshot!(lines(&config()));
}

#[test]
fn the_boot_timer_moved_with_the_devices() {
    let line = |minor| kernel_command_line(&Config { version: Version { major: 1, minor }, ..config() }, &place());
    assert!(line(12).contains("isodyne.boot_timer=0xd0000000"), "{}", line(12));
    assert!(line(13).contains("isodyne.boot_timer=0xc0000000"), "{}", line(13));
}

#[test]
fn a_machine_with_everything() {
    let config = Config {
        smt: true,
        cpus: 2,
        huge_pages: HugePages::TwoMebibytes,
        cpu_template: Some("T2".to_owned()),
        track_dirty_pages: true,
        pci: true,
        seccomp: false,
        entropy: true,
        balloon_bytes: Some(16 << 20),
        boot_timer: false,
        channel: Channel::Serial,
        console: Console::Off,
        modules: Vec::new(),
        command_line: "loglevel=8".to_owned(),
        network: NetworkKind::Own { nat: true },
        metadata: Some(json!({ "owner": "nobody" })),
        disk: Some(DiskConfig { base: "/cache/disk".into(), method: OverlayMethod::SparseCopy }),
        ..config()
    };
    insta::assert_snapshot!(lines(&config));
}

#[test]
fn a_file_holds_card_disk_and_metadata_as_lists() {
    let config = Config {
        setup: Setup::File,
        network: NetworkKind::Own { nat: false },
        metadata: Some(json!({ "owner": "nobody" })),
        disk: Some(DiskConfig { base: "/cache/disk".into(), method: OverlayMethod::Reflink }),
        ..config()
    };
    let paths = Paths::inside(Path::new("/"));
    let document: Value = serde_json::from_str(&file(&config, &paths, &place())).unwrap();
    let calls = configure(&config, &paths, &place());
    let body = |target: &str| calls.iter().find(|call| call.target == target).and_then(|call| call.body.clone());
    assert_eq!(document["network-interfaces"], json!([body("/network-interfaces/net").unwrap()]));
    assert_eq!(document["drives"], json!([body("/drives/app").unwrap()]));
    assert_eq!(document["mmds-config"], body("/mmds/config").unwrap());
    assert_eq!(body("/mmds").unwrap(), json!({ "owner": "nobody" }));
    assert!(arguments(&config, &paths, "x").join(" ").contains("--metadata /metadata.json"));
    let line = kernel_command_line(&config, &place());
    assert!(line.contains(",169.254.169.254 isodyne.end"), "{line}");
}

#[test]
fn a_file_holds_the_same_as_the_requests() {
    let config = Config { setup: Setup::File, ..config() };
    let paths = Paths::inside(Path::new("/"));
    let document: Value = serde_json::from_str(&file(&config, &paths, &place())).unwrap();
    for call in configure(&config, &paths, &place()) {
        assert_eq!(document.get(call.target.trim_start_matches('/')), call.body.as_ref());
    }
    assert_eq!(document["drives"], json!([]));
    assert!(arguments(&config, &paths, "x").join(" ").contains("--config-file /config.json"));
}
