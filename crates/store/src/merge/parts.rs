//! The parts: read, checked against each other, in the order in which they were begun.

use super::{MOST_PARTS, MergeError, Numbers};
use crate::read::read_record;
use isodyne_core::plan::Plan;
use isodyne_core::record::{MergedPart, RunRecord};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A run that becomes a part.
pub(super) struct Part {
    pub path: PathBuf,
    pub record: RunRecord,
}

impl Part {
    /// What the merged run keeps of it.
    pub(super) fn kept(&self, [sessions, rounds, samples]: Numbers) -> MergedPart {
        let record = &self.record;
        MergedPart {
            run_id: record.run_id.clone(),
            created_at: record.created_at.clone(),
            isodyne_version: record.isodyne_version.clone(),
            shard: record.shard.clone(),
            seed: record.seed,
            fingerprint: record.fingerprint.clone(),
            calibration: record.calibration.clone(),
            signals: record.signals.clone(),
            tools: record.tools.clone(),
            assets: record.assets.clone(),
            skipped: record.skipped.clone(),
            stop: record.ended.as_ref().and_then(|end| end.stop.clone()),
            sessions,
            rounds,
            samples,
        }
    }

    /// The names of all runs that are in it: its own, and those that it was itself merged from.
    fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        let earlier = self.record.merged_from.iter().map(|part| (part.run_id.as_str(), part.created_at.as_str()));
        std::iter::once((self.record.run_id.as_str(), self.record.created_at.as_str())).chain(earlier)
    }
}

/// Reads the records of all parts and checks that they belong together.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Part>, MergeError> {
    if !(2..=MOST_PARTS).contains(&paths.len()) {
        return Err(MergeError::Count { found: paths.len(), most: MOST_PARTS });
    }
    let mut parts = Vec::with_capacity(paths.len());
    for path in paths {
        parts.push(Part { record: read_record(path)?, path: path.clone() });
    }
    let mut known = BTreeSet::new();
    for part in &parts {
        if let Some((run_id, _)) = part.names().find(|name| !known.insert((name.0.to_owned(), name.1.to_owned()))) {
            let what = format!("run {}", run_id.escape_debug());
            return Err(MergeError::Twice { path: part.path.clone(), what });
        }
    }
    let first = &parts[0];
    for part in &parts[1..] {
        if let Some(difference) = plans_differ(&first.record, &part.record) {
            return Err(MergeError::Plans { first: first.path.clone(), second: part.path.clone(), difference });
        }
    }
    // Parts of one time keep the order in which they were named.
    parts.sort_by(|a, b| a.record.created_at.cmp(&b.record.created_at));
    Ok(parts)
}

/// What is not the same in the plans of two runs. Their seeds only order the cells and may differ.
fn plans_differ(a: &RunRecord, b: &RunRecord) -> Option<String> {
    if a.imported.is_some() || b.imported.is_some() {
        return Some("one was imported, and has no plan".to_owned());
    }
    let bare = |plan: &Plan| Plan { seed: None, ..plan.clone() };
    let (here, there) = (bare(&a.plan), bare(&b.plan));
    let ids = |record: &RunRecord| -> BTreeMap<String, _> {
        record.cells.iter().map(|cell| (cell.id.as_str().to_owned(), cell.clone())).collect()
    };
    let (cells, others) = (ids(a), ids(b));
    let conflict = cells.iter().find(|(id, cell)| others.get(*id).is_some_and(|other| other != *cell));
    match () {
        () if here.title != there.title => Some(format!("`{}` and `{}`", plain(&here.title), plain(&there.title))),
        () if here.samples != there.samples => Some(format!("{} and {} samples", here.samples, there.samples)),
        () if here.warmup != there.warmup => Some(format!("{} and {} warm-up rounds", here.warmup, there.warmup)),
        () if here.cells() != there.cells() => Some("their cells are not the same".to_owned()),
        () if here != there => Some("what they compare or hold to budgets is not the same".to_owned()),
        () => conflict.map(|(id, _)| format!("cell `{}` has other factors", plain(id))),
    }
}

/// What is worth knowing of parts that belong together.
pub(super) fn notes(parts: &[Part]) -> Vec<String> {
    let mut notes = Vec::new();
    let first = &parts[0];
    for part in &parts[1..] {
        let differences = part.record.fingerprint.differences(&first.record.fingerprint);
        if !differences.is_empty() {
            notes.push(format!(
                "`{}` was measured on another host than `{}` ({}): their cells may not be compared",
                part.path.display(),
                first.path.display(),
                plain(&differences.join("; "))
            ));
        }
        if part.record.isodyne_version != first.record.isodyne_version {
            notes.push(format!("`{}` was measured by another version of isodyne", part.path.display()));
        }
    }
    for part in parts.iter().filter(|part| part.record.ended.is_none()) {
        notes.push(format!(
            "`{}` is not complete, so neither is the merged run: go on with it by `isodyne run --resume --out {}`, and \
             merge again",
            part.path.display(),
            part.path.display()
        ));
    }
    notes.extend(missing_shards(parts));
    notes.extend(cells_in_several(parts));
    notes
}

/// The shards that nobody named, if the parts say that they are shards.
fn missing_shards(parts: &[Part]) -> Option<String> {
    let named: BTreeSet<&str> = parts.iter().filter_map(|part| part.record.shard.as_deref()).collect();
    let count: u32 = named.iter().find_map(|shard| shard.split_once('/')?.1.parse().ok())?;
    let all = (1..=count.min(10_000)).map(|index| format!("{index}/{count}"));
    let missing: Vec<String> = all.filter(|shard| !named.contains(shard.as_str())).collect();
    let few = missing.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
    (!missing.is_empty()).then(|| format!("{} shards are missing: {few}", missing.len()))
}

fn cells_in_several(parts: &[Part]) -> Option<String> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for cell in parts.iter().flat_map(|part| &part.record.cells) {
        *counts.entry(cell.id.as_str()).or_default() += 1;
    }
    let several = counts.iter().filter(|(_, count)| **count > 1).count();
    (several > 0).then(|| format!("{several} cells were measured in more than one part: all their samples are kept"))
}

fn plain(text: &str) -> String {
    text.chars().take(300).collect::<String>().escape_debug().to_string()
}

/// Whether a path is a directory itself, and no link to one.
pub(super) fn is_real_directory(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|status| status.is_dir())
}
