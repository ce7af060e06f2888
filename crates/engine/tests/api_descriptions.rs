//! Every request to a monitor's API, against the monitor's own description of it: the path and method exist, and the body
//! holds only fields that the description knows, of the type it says, with all that it requires.
//!
//! The descriptions are not part of this project: the directory that holds them is `ISODYNE_SPECS`, or `shared/specs`
//! beside the project. Where there is none, these tests say so and check nothing.

use isodyne_core::factor::{FactorValue, Factors};
use isodyne_engine::backend::Place;
use isodyne_engine::backend::snapshot::{MemoryBackend, SnapshotKind};
use isodyne_engine::backend::vmm::api::ApiCall;
use isodyne_engine::backend::vmm::disk::DiskConfig;
use isodyne_engine::backend::{cloud_hypervisor, firecracker};
use isodyne_engine::image::app::OverlayMethod;
use serde_json::Value;
use std::path::{Path, PathBuf};
use yaml_rust2::{Yaml, YamlLoader};

#[allow(clippy::print_stderr, reason = "a skipped test has to say so")]
fn description(file: &str) -> Option<Yaml> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/specs"));
    let directory = std::env::var_os("ISODYNE_SPECS").map_or(beside, PathBuf::from);
    let path = directory.join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: there is no API description {} (set ISODYNE_SPECS)", path.display());
        return None;
    };
    let mut documents = YamlLoader::load_from_str(&text).unwrap();
    Some(documents.remove(0))
}

/// Follows `$ref`.
fn resolve<'a>(root: &'a Yaml, schema: &'a Yaml) -> &'a Yaml {
    match schema["$ref"].as_str() {
        Some(reference) => {
            let found = reference.trim_start_matches("#/").split('/').fold(root, |at, part| &at[part]);
            assert!(!found.is_badvalue(), "{reference} leads nowhere");
            resolve(root, found)
        }
        None => schema,
    }
}

/// Everything that is wrong with a value, one line each.
fn problems(root: &Yaml, schema: &Yaml, value: &Value, at: &str) -> Vec<String> {
    let schema = resolve(root, schema);
    let mut found = Vec::new();
    let choices = schema["enum"].as_vec();
    match (schema["type"].as_str(), value) {
        (Some("object") | None, Value::Object(fields)) => {
            let properties = &schema["properties"];
            for required in schema["required"].as_vec().into_iter().flatten().filter_map(Yaml::as_str) {
                if !fields.contains_key(required) {
                    found.push(format!("{at} lacks `{required}`"));
                }
            }
            for (name, field) in fields {
                match &properties[name.as_str()] {
                    Yaml::BadValue if schema["additionalProperties"].as_bool() == Some(true) => {}
                    Yaml::BadValue => found.push(format!("{at} has no `{name}`")),
                    property => found.extend(problems(root, property, field, &format!("{at}.{name}"))),
                }
            }
        }
        (Some("array"), Value::Array(items)) => {
            for item in items {
                found.extend(problems(root, &schema["items"], item, &format!("{at}[]")));
            }
        }
        (Some("integer"), Value::Number(number)) if number.is_u64() => {
            let number = number.as_i64().unwrap_or(i64::MAX);
            let least = schema["minimum"].as_i64().unwrap_or(i64::MIN);
            let most = schema["maximum"].as_i64().unwrap_or(i64::MAX);
            if !(least..=most).contains(&number) {
                found.push(format!("{at} is {number}, not {least} to {most}"));
            }
        }
        (Some("boolean"), Value::Bool(_)) => {}
        (Some("string"), Value::String(text)) => {
            if choices.is_some_and(|choices| !choices.iter().any(|choice| choice.as_str() == Some(text))) {
                found.push(format!("{at} may not be `{text}`"));
            }
        }
        (kind, _) => found.push(format!("{at} is {value}, not {kind:?}")),
    }
    found
}

/// The schema of a call's body, in either version of the description language.
fn body_schema<'a>(root: &'a Yaml, operation: &'a Yaml) -> Option<&'a Yaml> {
    let in_body = operation["parameters"]
        .as_vec()
        .and_then(|parameters| parameters.iter().find(|parameter| parameter["in"].as_str() == Some("body")));
    let schema = match in_body {
        Some(parameter) => &parameter["schema"],
        None => &operation["requestBody"]["content"]["application/json"]["schema"],
    };
    (!schema.is_badvalue()).then(|| resolve(root, schema))
}

fn check(root: &Yaml, base: &str, call: &ApiCall) {
    let target = call.target.strip_prefix(base).unwrap_or(&call.target);
    // A device's own name stands for a parameter.
    let named = [("/drives/app", "/drives/{drive_id}"), ("/network-interfaces/net", "/network-interfaces/{iface_id}")];
    let target = named.iter().find(|(path, _)| *path == target).map_or(target, |(_, described)| *described);
    let operation = &root["paths"][target][call.method.to_ascii_lowercase().as_str()];
    assert!(!operation.is_badvalue(), "{} {target} is not described", call.method);
    match (&call.body, body_schema(root, operation)) {
        (Some(body), Some(schema)) => assert_eq!(problems(root, schema, body, target), Vec::<String>::new()),
        (None, None) => {}
        (body, schema) => panic!("{target}: a body is sent: {}, described: {}", body.is_some(), schema.is_some()),
    }
}

fn place() -> Place {
    Place {
        name: "isodyne-7f3a-1".into(),
        directory: "/s/1".into(),
        log_prefix: "/r/logs/1-vmm".into(),
        agent_patience_s: 30,
    }
}

fn disk() -> DiskConfig {
    DiskConfig { base: "/cache/disk".into(), method: OverlayMethod::SparseCopy }
}

/// Factors that turn everything on, and none.
fn plans(everything: &[(&str, FactorValue)]) -> [Factors; 2] {
    let all = everything.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    [Factors::new(), all]
}

#[test]
fn firecracker_understands_every_request() {
    use firecracker::{config::Config, requests, snapshot, version::Version};
    let Some(root) = description("firecracker.yaml") else { return };
    let text = |text: &str| FactorValue::Text(text.to_owned());
    let everything = [
        ("cpus", FactorValue::Count(2)),
        ("smt", FactorValue::Flag(true)),
        ("huge_pages", text("2M")),
        ("cpu_template", text("T2")),
        ("track_dirty_pages", FactorValue::Flag(true)),
        ("pci", FactorValue::Flag(true)),
        ("entropy", FactorValue::Flag(true)),
        ("balloon", FactorValue::Bytes(16 << 20)),
        ("network", text("own")),
        ("mmds", text("metadata.json")),
    ];
    for factors in plans(&everything) {
        let mut config = Config::from_factors(&factors, Version { major: 1, minor: 17 }).unwrap();
        // What the backend reads and makes by itself.
        config.metadata = factors.contains_key("mmds").then(|| serde_json::json!({ "owner": "nobody" }));
        config.disk = factors.contains_key("mmds").then(disk);
        let paths = requests::Paths::under(&place(), &config);
        for call in requests::configure(&config, &paths, &place()).iter().chain([&requests::start()]) {
            check(&root, "", call);
        }
        let files = snapshot::SnapshotFiles::of(Path::new("/s/snapshot"));
        for call in [
            snapshot::change_state("Paused"),
            snapshot::create(&files, SnapshotKind::Difference),
            snapshot::load(&files, MemoryBackend::Userfault, Path::new("/s/1/pages")),
        ] {
            check(&root, "", &call);
        }
        let file: Value = serde_json::from_str(&requests::file(&config, &paths, &place())).unwrap();
        let schema = &root["definitions"]["FullVmConfiguration"];
        assert_eq!(problems(&root, schema, &file, "file"), Vec::<String>::new());
    }
}

#[test]
fn cloud_hypervisor_understands_every_request() {
    use cloud_hypervisor::{config::Config, requests};
    let Some(root) = description("cloud-hypervisor.yaml") else { return };
    let everything = [
        ("cpus", FactorValue::Count(2)),
        ("huge_pages", FactorValue::Text("reserved".to_owned())),
        ("prefault", FactorValue::Flag(true)),
        ("pin", FactorValue::Text("0,1".to_owned())),
        ("entropy", FactorValue::Flag(true)),
        ("balloon", FactorValue::Bytes(16 << 20)),
        ("channel", FactorValue::Text("serial".to_owned())),
        ("network", FactorValue::Text("own".to_owned())),
    ];
    for factors in plans(&everything) {
        let mut config = Config::from_factors(&factors).unwrap();
        config.disk = factors.contains_key("network").then(disk);
        let create = requests::create(&config, &place());
        for call in [create, requests::boot(), requests::shut_down()] {
            check(&root, "/api/v1", &call);
        }
    }
    let directory = Path::new("/s/snapshot");
    use cloud_hypervisor::snapshot::{create, pause, restore, resume};
    for call in [pause(), create(directory), restore(directory), resume()] {
        check(&root, "/api/v1", &call);
    }
}

#[test]
fn a_wrong_request_is_found() {
    let Some(root) = description("firecracker.yaml") else { return };
    let schema = &root["definitions"]["MachineConfiguration"];
    let value = serde_json::json!({ "vcpu_count": 99, "mem_size_mib": "1", "huge_pages": "4M", "cores": 1 });
    let found = problems(&root, schema, &value, "m");
    assert_eq!(found.len(), 4, "{found:?}");
}
