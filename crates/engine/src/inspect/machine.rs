//! The state of a machine: which monitor's it is, and what it says.

use super::folder::Folder;
use isodyne_core::checkpoint::machine::{self, LOOKED_AT, Machine, MemoryBlock};
use isodyne_criu::Images as _;

/// Names under which a state is looked for; others are not.
const STATES: [&str; 5] = ["state", "vmstate", "snapshot", "snapshot_file", "vm.state"];
/// Names under which the memory is looked for.
const MEMORIES: [&str; 5] = ["memory", "mem", "mem_file", "memory-ranges", "vm.mem"];
/// The largest document of Cloud Hypervisor's that is read, in bytes.
const DOCUMENT_LIMIT: u64 = 64 << 20;

/// Reads the machine in a directory; `None` if there is none.
pub(super) fn read(folder: &Folder) -> Result<Option<Machine>, String> {
    let machine = match cloud_hypervisor(folder)? {
        Some(machine) => Some(machine),
        None => by_state(folder)?,
    };
    Ok(machine.map(|mut machine| {
        add_files(folder, &mut machine);
        machine
    }))
}

/// Whether a file is a machine's memory.
pub(super) fn is_memory(name: &str) -> bool {
    MEMORIES.contains(&name)
}

fn cloud_hypervisor(folder: &Folder) -> Result<Option<Machine>, String> {
    let document = |name: &str| folder.small(name, DOCUMENT_LIMIT).map_err(|reason| format!("{name}: {reason}"));
    // Other directories have a `config.json` too.
    if !folder.files.contains_key("state.json") {
        return Ok(None);
    }
    let Some(config) = document("config.json")? else { return Ok(None) };
    let mut machine = machine::config(&config).map_err(|reason| format!("config.json: {reason}"))?;
    match document("state.json")?.as_deref().map(machine::devices) {
        Some(Ok(devices)) => machine.devices.extend(devices),
        Some(Err(reason)) => machine.unreadable.push(format!("state.json: {reason}")),
        None => {}
    }
    Ok(Some(machine))
}

fn by_state(folder: &Folder) -> Result<Option<Machine>, String> {
    for name in STATES {
        let Some(length) = folder.length(name)? else { continue };
        let mut beginning = vec![0; length.min(LOOKED_AT) as usize];
        folder.read_at(name, 0, &mut beginning)?;
        if let Some(machine) = machine::firecracker(&beginning) {
            return Ok(Some(machine));
        }
        if let Some(mut machine) = machine::beginning(&beginning, |at, part| folder.read_at(name, at, part).is_ok()) {
            let last = length.min(LOOKED_AT);
            let mut ending = vec![0; last as usize];
            folder.read_at(name, length - last, &mut ending)?;
            machine::end(&mut machine, &ending);
            return Ok(Some(machine));
        }
        return Err(format!("{name}: it is no state of QEMU, Firecracker or Cloud Hypervisor"));
    }
    Ok(None)
}

/// The files with the memory, where the state does not describe it.
fn add_files(folder: &Folder, machine: &mut Machine) {
    for (name, item) in folder.files.iter().filter(|(name, _)| is_memory(name)) {
        match item.length() {
            Ok(bytes) if machine.blocks.is_empty() || machine.monitor != "qemu" => {
                machine.blocks.push(MemoryBlock { name: format!("file {name}"), bytes });
                // Firecracker's file is the memory as it is, from the first page to the last.
                if machine.monitor == "firecracker" {
                    machine.memory_bytes.get_or_insert(bytes);
                }
            }
            Ok(_) => {}
            Err(reason) => machine.unreadable.push(format!("{name}: {reason}")),
        }
    }
}
