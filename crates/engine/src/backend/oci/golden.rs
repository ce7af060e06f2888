//! Golden tests: exactly what would be run and written.

use super::*;

fn tool(name: &str) -> Tool {
    Tool { name: name.into(), path: format!("/usr/bin/{name}"), version: None, sha256: None }
}

fn launcher(name: BackendName, options: &[&str], lifecycle: Lifecycle) -> OciLauncher {
    let asset = Asset { role: "image".into(), name: "x".into(), sha256: String::new(), size_bytes: 0 };
    let options = options.iter().map(|option| (*option).to_owned()).collect();
    let runtime = Runtime { name, tool: tool(name.as_str()), options, rootless: None };
    OciLauncher {
        runtime,
        lifecycle,
        memory_bytes: None,
        network: NetworkKind::None,
        rootfs: "/scratch/rootfs".into(),
        asset,
        app: None,
        shared: false,
        bind_mounts: 0,
    }
}

fn place() -> Place {
    Place {
        name: "isodyne-7f3a-1".into(),
        directory: "/scratch/1".into(),
        log_prefix: "/out/logs/1-runc".into(),
        agent_patience_s: 30,
    }
}

fn lines(launcher: &OciLauncher) -> Vec<String> {
    let steps = launcher.describe(&place()).steps;
    steps
        .into_iter()
        .filter_map(|step| if let Step::Run { argv } = step { Some(argv.join(" ")) } else { None })
        .collect()
}

#[test]
fn the_calls_are_exact() {
    assert_eq!(
        lines(&launcher(BackendName::Runc, &[], Lifecycle::Run)),
        ["/usr/bin/runc --root /scratch/1/state run --bundle /scratch/1 isodyne-7f3a-1"]
    );
    assert_eq!(
        lines(&launcher(BackendName::Crun, &[], Lifecycle::Split)),
        [
            "/usr/bin/crun --root /scratch/1/state create --bundle /scratch/1 --pid-file /scratch/1/pid isodyne-7f3a-1",
            "/usr/bin/crun --root /scratch/1/state start isodyne-7f3a-1",
        ]
    );
    assert_eq!(
        lines(&launcher(BackendName::Runsc, &["--platform=ptrace", "--network=none"], Lifecycle::Run)),
        ["/usr/bin/runsc --root /scratch/1/state --platform=ptrace --network=none run --bundle /scratch/1 \
             isodyne-7f3a-1"]
    );
}

#[test]
fn the_configuration_is_exact() {
    let launcher = OciLauncher { memory_bytes: Some(64 << 20), ..launcher(BackendName::Runc, &[], Lifecycle::Run) };
    let Some(Step::Write { path, content }) = launcher.describe(&place()).steps.into_iter().next() else {
        panic!("the first step writes the configuration");
    };
    assert_eq!(path, "/scratch/1/config.json");
    insta::assert_snapshot!(content);
}

#[test]
fn an_ordinary_user_gets_a_user_namespace_and_no_cgroup() {
    let mut launcher = launcher(BackendName::Crun, &[], Lifecycle::Run);
    launcher.runtime.rootless = Some((1000, 1001));
    let config: serde_json::Value =
        serde_json::from_str(&launcher.config(&place(), None, &Bound::of(&place(), 1))).unwrap();
    let mounts = config["mounts"].as_array().unwrap();
    let bound = mounts.iter().find(|mount| mount["source"] == "/scratch/1/bound/0").unwrap();
    assert_eq!((&bound["destination"], &bound["type"]), (&"/tmp/isodyne-bound-0".into(), &"bind".into()));
    assert_eq!(config["linux"]["uidMappings"][0]["hostID"], 1000);
    assert_eq!(config["linux"]["gidMappings"][0]["hostID"], 1001);
    assert!(config["linux"].get("cgroupsPath").is_none());
    assert!(config["linux"].get("resources").is_none());
    let namespaces = config["linux"]["namespaces"].as_array().unwrap();
    assert!(namespaces.iter().any(|namespace| namespace["type"] == "user"));
}

#[test]
fn the_description_is_pure() {
    let launcher = launcher(BackendName::Runc, &[], Lifecycle::Split);
    assert_eq!(launcher.describe(&place()), launcher.describe(&place()));
    assert!(!place().directory.exists());
    assert_eq!(launcher.accuracy(), Accuracy::Container);
}
