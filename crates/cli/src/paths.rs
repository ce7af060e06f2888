//! Where things lie on this machine unless the user says otherwise.

use std::path::PathBuf;

/// The cache of kernels and images: `ISODYNE_CACHE`, else `XDG_CACHE_HOME/isodyne`, else `~/.cache/isodyne`.
pub fn cache() -> PathBuf {
    set("ISODYNE_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|path| path.join("isodyne")))
        .or_else(|| set("HOME").map(|path| path.join(".cache/isodyne")))
        .unwrap_or_else(|| std::env::temp_dir().join("isodyne-cache"))
}

/// The history of all runs: `ISODYNE_HISTORY`, else `XDG_DATA_HOME/isodyne/history.sqlite`, else
/// `~/.local/share/isodyne/history.sqlite`.
pub fn history() -> PathBuf {
    set("ISODYNE_HISTORY")
        .or_else(|| set("XDG_DATA_HOME").map(|path| path.join("isodyne/history.sqlite")))
        .or_else(|| set("HOME").map(|path| path.join(".local/share/isodyne/history.sqlite")))
        .unwrap_or_else(|| std::env::temp_dir().join("isodyne-history.sqlite"))
}

fn set(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Where runs go: `runs` in the working directory.
pub fn runs() -> PathBuf {
    PathBuf::from("runs")
}
