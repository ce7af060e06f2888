//! What a sample may hold, beside being well formed.

use isodyne_core::sample::Sample;
use std::path::{Component, Path};

const PATH_LIMIT_BYTES: usize = 1024;

/// Whether a sample can be written and read back, or why not.
pub(crate) fn storable(sample: &Sample) -> Result<(), String> {
    // JSON has no such numbers: they would be written as null and could never be read again.
    if let Some((name, value)) = sample.metrics.iter().find(|(_, value)| !value.is_finite()) {
        return Err(format!("metric `{name}` is {value}, which is no measurement"));
    }
    if sample.contamination.load_1min.is_some_and(|load| !load.is_finite()) {
        return Err("the load average is not a number".to_owned());
    }
    safe_paths(sample)
}

/// Whether all files that a sample names lie inside its run directory.
pub(crate) fn safe_paths(sample: &Sample) -> Result<(), String> {
    let evidence = sample.failure.iter().flat_map(|failure| &failure.evidence);
    match sample.logs.iter().chain(evidence).find(|entry| !is_inside(entry)) {
        Some(entry) => Err(format!(
            "file `{}` is not a path inside the run directory: the file was not written by isodyne, or was changed",
            entry.escape_debug()
        )),
        None => Ok(()),
    }
}

pub(crate) fn is_inside(entry: &str) -> bool {
    !entry.is_empty()
        && entry.len() <= PATH_LIMIT_BYTES
        && !entry.chars().any(char::is_control)
        && Path::new(entry).components().all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        for good in ["logs/0001-qemu.console.log", "artifacts/x/y", "a..b"] {
            assert!(is_inside(good), "{good}");
        }
        for bad in ["", "/etc/passwd", "../x", "logs/../../x", "logs/a\0b", "logs/\x1b[2J", "./x"] {
            assert!(!is_inside(bad), "{bad:?}");
        }
        assert!(!is_inside(&"x".repeat(PATH_LIMIT_BYTES + 1)));
    }
}
