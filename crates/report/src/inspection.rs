//! A checkpoint that was looked into, and its JSON.

use isodyne_core::checkpoint::inspection::{
    Found, INSPECTION_SCHEMA, INSPECTION_VERSION, MemoryContent, PageContent, Texts,
};
use isodyne_criu::Checkpoint;
use serde_json::{Value, json};

/// A checkpoint as everything here sees it.
#[derive(Clone, Copy, Debug)]
pub struct InspectionView<'a> {
    /// Where it lies, as it was asked for.
    pub path: &'a str,
    /// What was found beside the processes.
    pub found: &'a Found,
    /// The processes and what they had; `None` for a machine.
    pub checkpoint: Option<&'a Checkpoint>,
    /// What their memory holds of their beginnings, in their order; may be empty.
    pub texts: &'a [Texts],
    /// What is in their pages, if that was asked.
    pub memory: Option<&'a MemoryContent>,
}

/// Which parts of it are shown to people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InspectionParts {
    /// What it is, of what, how big.
    pub summary: bool,
    /// The processes.
    pub process_tree: bool,
    /// Their environments.
    pub environment: bool,
    /// Their files that are no sockets.
    pub files: bool,
    /// Their sockets.
    pub sockets: bool,
    /// Mounts.
    pub mounts: bool,
    /// Their memory, by area.
    pub memory: bool,
}

impl InspectionView<'_> {
    /// The texts of a process, by its place.
    pub(crate) fn texts_of(&self, process: usize) -> Option<&Texts> {
        self.texts.get(process)
    }

    /// What is in an area of a process.
    pub(crate) fn content_of(&self, process: usize, area: usize) -> Option<PageContent> {
        self.memory?.processes.get(process)?.get(area).copied()
    }
}

/// Everything that was found. Areas of memory are there only if their pages were looked at.
pub fn inspection_json(view: &InspectionView<'_>) -> Value {
    let mut value = json!({
        "schema": INSPECTION_SCHEMA, "version": INSPECTION_VERSION, "path": view.path, "found": view.found,
        "checkpoint": view.checkpoint,
    });
    if let Some(memory) = view.memory {
        value["memory"] = json!({
            "total": memory.total, "duplicates_at_least": memory.duplicates_at_least, "unreadable": memory.unreadable,
        });
    }
    let processes = value.pointer_mut("/checkpoint/processes").and_then(Value::as_array_mut);
    for (at, process) in processes.into_iter().flatten().enumerate() {
        if let Some(texts) = view.texts_of(at) {
            process["arguments"] = json!(texts.arguments);
            process["environment"] = json!(texts.environment);
            process["texts_unreadable"] = json!(texts.unreadable);
        }
        let Some(memory) = process.get_mut("memory").and_then(Value::as_object_mut) else { continue };
        if view.memory.is_none() {
            memory.remove("areas");
            continue;
        }
        let areas = memory.get_mut("areas").and_then(Value::as_array_mut);
        for (number, area) in areas.into_iter().flatten().enumerate() {
            area["content"] = json!(view.content_of(at, number));
        }
    }
    value
}
