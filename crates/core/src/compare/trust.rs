//! Whether two cells may be held against each other at all.

use crate::columns::CellColumns;
use crate::record::RunRecord;
use crate::sample::{Accuracy, Provenance};
use std::collections::BTreeSet;

/// Why two cells may not be held against each other, one line each. `accepted` is the provenance that counts.
pub(crate) fn incomparable(baseline: &CellColumns, candidate: &CellColumns, accepted: Provenance) -> Vec<String> {
    let mut reasons = Vec::new();
    let classes = [baseline, candidate].map(accuracies);
    for (class, side) in classes.iter().zip(["the baseline", "the candidate"]) {
        if class.len() > 1 {
            reasons.push(format!("{side} has samples of different accuracy classes: {}", list(class)));
        }
    }
    if classes.iter().all(|class| class.len() == 1) && classes[0] != classes[1] {
        reasons.push(format!("other accuracy class: {} against {}", list(&classes[0]), list(&classes[1])));
    }
    for (cell, side) in [(baseline, "the baseline"), (candidate, "the candidate")] {
        reasons.extend(not_accepted(cell, accepted).map(|found| format!("{side} is {found}")));
    }
    reasons
}

/// What the samples of a cell are if not what is accepted: `scripted, not measured`.
pub(crate) fn not_accepted(cell: &CellColumns, accepted: Provenance) -> Option<String> {
    let found: BTreeSet<Provenance> = cell.valid().map(|row| cell.rows[row].provenance).collect();
    let others: Vec<&str> = found.iter().filter(|one| **one != accepted).map(|one| one.as_str()).collect();
    (!others.is_empty()).then(|| format!("{}, not {accepted}", others.join(" and ")))
}

/// Why two runs may not be held against each other: their hosts.
pub(crate) fn other_host(baseline: &RunRecord, candidate: &RunRecord) -> Vec<String> {
    let differences = baseline.fingerprint.differences(&candidate.fingerprint);
    let line = |difference: String| {
        let difference = difference.replace(" here, ", " in the baseline, ").replace(" there", " in the candidate");
        format!("other host: {difference}")
    };
    differences.into_iter().map(line).collect()
}

/// What else is not the same in two runs: programs, kernels and images, which may be just what is compared.
pub(crate) fn other_parts(baseline: &RunRecord, candidate: &RunRecord) -> Vec<String> {
    let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "version unknown".to_owned());
    let tools = baseline.tools.iter().filter_map(|tool| {
        let other = candidate.tools.iter().find(|other| other.name == tool.name)?;
        (other.sha256 != tool.sha256).then(|| {
            format!("{} is another one: {} against {}", tool.name, version(&tool.version), version(&other.version))
        })
    });
    let assets = baseline.assets.iter().filter_map(|asset| {
        let same_role = || candidate.assets.iter().filter(|other| other.role == asset.role);
        let other = same_role().next()?;
        let known = same_role().any(|other| other.sha256 == asset.sha256);
        (!known).then(|| format!("{} is another one: {} against {}", asset.role, asset.name, other.name))
    });
    let mut found: Vec<String> = tools.chain(assets).collect();
    if baseline.isodyne_version != candidate.isodyne_version {
        let (one, other) = (&baseline.isodyne_version, &candidate.isodyne_version);
        found.push(format!("measured by another Isodyne: {one} against {other}"));
    }
    found
}

fn accuracies(cell: &CellColumns) -> BTreeSet<Accuracy> {
    cell.valid().map(|row| cell.rows[row].accuracy).collect()
}

fn list(classes: &BTreeSet<Accuracy>) -> String {
    classes.iter().map(|class| class.as_str()).collect::<Vec<_>>().join(", ")
}
