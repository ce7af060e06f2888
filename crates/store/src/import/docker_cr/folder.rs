//! The JSON files of a checkpoint: what was checkpointed, as facts.

use crate::import::json::{self, Node};
use crate::import::{ImportError, Parsed, SourceFile, text, when};
use isodyne_core::cell::BackendName;
use isodyne_core::factor::Factors;
use isodyne_core::imported::Statistic;

/// Their names.
pub(super) const NAMES: [&str; 3] = ["checkpoint_metadata.json", "mount_mappings.json", "container_metadata.json"];

pub(super) fn read(file: &SourceFile, parsed: &mut Parsed) -> Result<(), ImportError> {
    let value = json::parse(file)?;
    let root = Node::root(&file.name, &value);
    match text::base_name(file) {
        "mount_mappings.json" => mounts(file, &root, parsed),
        "container_metadata.json" => container(&root, parsed),
        _ => {
            let created = root.text_of("created_at")?;
            if let Some(time) = created.as_deref().and_then(when::rfc3339) {
                parsed.created_at.get_or_insert(time);
            }
            if let Some(version) = root.text_of("version")? {
                parsed.fact("checkpoint_version", version);
            }
            if let Some(state) = root.get("container_state") {
                container(&state, parsed)?;
            }
            root.get("mount_mappings").map_or(Ok(()), |list| mounts(file, &list, parsed))
        }
    }
}

fn container(node: &Node<'_>, parsed: &mut Parsed) -> Result<(), ImportError> {
    for (key, fact) in [("image", "image"), ("runtime", "runtime"), ("name", "container")] {
        if let Some(value) = node.text_of(key)? {
            parsed.fact(fact, value);
        }
    }
    Ok(())
}

fn mounts(file: &SourceFile, list: &Node<'_>, parsed: &mut Parsed) -> Result<(), ImportError> {
    let (mut count, mut external) = (0_u64, 0_u64);
    for mount in list.items()? {
        count += 1;
        external += u64::from(mount.get("is_external").map(|flag| flag.flag()).transpose()?.unwrap_or(false));
    }
    let cell = parsed.cell(&file.name, BackendName::Docker, Factors::new())?;
    for (metric, value) in [("mounts_count", count), ("external_mounts_count", external)] {
        parsed.claim(cell, metric, Statistic::Value, value as f64, None, "mount_mappings");
    }
    Ok(())
}
