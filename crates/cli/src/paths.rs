//! Where things lie on this machine unless the user says otherwise.

use std::path::PathBuf;

/// The cache of kernels and images: `ISODYNE_CACHE`, else `XDG_CACHE_HOME/isodyne`, else `~/.cache/isodyne`.
pub fn cache() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("ISODYNE_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|path| path.join("isodyne")))
        .or_else(|| set("HOME").map(|path| path.join(".cache/isodyne")))
        .unwrap_or_else(|| std::env::temp_dir().join("isodyne-cache"))
}

/// Where runs go: `runs` in the working directory.
pub fn runs() -> PathBuf {
    PathBuf::from("runs")
}
