//! Cloud Hypervisor's snapshot: `config.json`, `state.json` and the memory.

use super::{Device, LIST_LIMIT, Machine, MemoryBlock};
use serde_json::Value;

/// The longest name of a part that is shown, in characters.
const PATH_LIMIT: usize = 1024;

/// Reads `config.json`.
///
/// # Errors
/// It is no configuration of a machine.
pub fn config(bytes: &[u8]) -> Result<Machine, String> {
    let config: Value = serde_json::from_slice(bytes).map_err(|error| short(&error.to_string()))?;
    let processors = config.pointer("/cpus/boot_vcpus").and_then(Value::as_u64);
    let memory = config.pointer("/memory/size").and_then(Value::as_u64);
    if processors.is_none() && memory.is_none() {
        return Err("it has neither processors nor memory: no machine of Cloud Hypervisor".to_owned());
    }
    let mut machine =
        Machine { monitor: "cloud-hypervisor".to_owned(), processors, memory_bytes: memory, ..Machine::default() };
    let zones = config.pointer("/memory/zones").and_then(Value::as_array);
    machine.blocks = zones.into_iter().flatten().take(LIST_LIMIT).filter_map(zone).collect();
    let kinds = [("disks", "path"), ("net", "tap"), ("pmem", "file"), ("fs", "socket"), ("devices", "path")];
    for (kind, key) in kinds {
        let list = config.get(kind).and_then(Value::as_array);
        machine.devices.extend(list.into_iter().flatten().take(LIST_LIMIT).map(|value| device(kind, key, value)));
    }
    if let Some(vsock) = config.get("vsock").filter(|vsock| vsock.is_object()) {
        machine.devices.push(device("vsock", "socket", vsock));
    }
    Ok(machine)
}

fn zone(value: &Value) -> Option<MemoryBlock> {
    let name = value.get("id")?.as_str()?.chars().take(256).collect();
    Some(MemoryBlock { name, bytes: value.get("size")?.as_u64()? })
}

fn device(kind: &str, key: &str, value: &Value) -> Device {
    let text = |key: &str| Some(value.get(key)?.as_str()?.chars().take(4096).collect());
    let name: Option<String> = text("id");
    Device {
        name: name.map_or_else(|| kind.to_owned(), |name| format!("{kind} {name}")),
        instance: None,
        version: None,
        backing: text(key),
    }
}

/// Reads `state.json`: the names of the parts that have a state, from the outermost on.
///
/// # Errors
/// It is no state.
pub fn devices(bytes: &[u8]) -> Result<Vec<Device>, String> {
    let state: Value = serde_json::from_slice(bytes).map_err(|error| short(&error.to_string()))?;
    let mut found = Vec::new();
    // Parts lie in parts; the nesting of JSON is limited by its parser.
    let mut open = vec![(String::new(), &state)];
    while let Some((path, part)) = open.pop() {
        let inner = part.get("snapshots").and_then(Value::as_object);
        for (name, part) in inner.into_iter().flatten() {
            if found.len() == LIST_LIMIT {
                return Ok(found);
            }
            let name: String = name.chars().take(256).collect();
            let path: String = if path.is_empty() { name } else { format!("{path}/{name}") };
            let path: String = path.chars().take(PATH_LIMIT).collect();
            found.push(Device { name: path.clone(), instance: None, version: None, backing: None });
            open.push((path, part));
        }
    }
    if found.is_empty() {
        return Err("it has no parts with a state".to_owned());
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn short(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_and_a_state_are_read() {
        let text = r#"{"cpus": {"boot_vcpus": 2, "max_vcpus": 2}, "memory": {"size": 134217728, "zones": null},
            "disks": [{"path": "/srv/root.img", "id": "_disk0"}], "net": null,
            "vsock": {"cid": 3, "socket": "/run/v.sock", "id": "_vsock1"}}"#;
        let machine = config(text.as_bytes()).unwrap();
        assert_eq!((machine.processors, machine.memory_bytes), (Some(2), Some(128 << 20)));
        assert_eq!(machine.devices[0].name, "disks _disk0");
        assert_eq!(machine.devices[0].backing.as_deref(), Some("/srv/root.img"));
        assert_eq!(machine.devices[1].backing.as_deref(), Some("/run/v.sock"));
        assert!(config(b"{}").unwrap_err().contains("neither"));
        assert!(config(b"[").is_err());
        let state = r#"{"snapshots": {"vm": {"snapshots": {"cpu-manager": {"snapshots": {"0": {}}}}}}}"#;
        let names: Vec<_> = devices(state.as_bytes()).unwrap().into_iter().map(|device| device.name).collect();
        assert_eq!(names, ["vm", "vm/cpu-manager", "vm/cpu-manager/0"]);
        assert!(devices(b"{}").is_err());
    }
}
