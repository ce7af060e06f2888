//! `cargo xtask fuzz`: the fuzz targets are outside the workspace, so nothing else would notice one that is lost.

use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use toml::{Table, Value};

/// Checks that every target is listed and is named in docs/fuzzing.md.
pub fn run(root: &Path) -> Result<()> {
    let problems = check(root)?;
    if problems.is_empty() {
        return Ok(());
    }
    bail!("the fuzz targets do not hold:\n  {}", problems.join("\n  "));
}

fn check(root: &Path) -> Result<Vec<String>> {
    let sources = names(&root.join("fuzz/fuzz_targets"))?;
    let read = |path: &str| fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"));
    let manifest: Table = read("fuzz/Cargo.toml")?.parse().context("cannot parse fuzz/Cargo.toml")?;
    let listed = |bin: &Value| Some(bin.get("name")?.as_str()?.to_owned());
    let listed: BTreeSet<String> =
        manifest.get("bin").and_then(Value::as_array).into_iter().flatten().filter_map(listed).collect();
    let document = read("docs/fuzzing.md")?;
    let mut problems = Vec::new();
    for name in sources.union(&listed) {
        if !sources.contains(name) {
            problems.push(format!("fuzz/fuzz_targets/{name}.rs is not there"));
        }
        if !listed.contains(name) {
            problems.push(format!("fuzz/Cargo.toml does not list {name}"));
        }
        if !document.contains(&format!("`{name}`")) {
            problems.push(format!("docs/fuzzing.md does not say what {name} is"));
        }
    }
    Ok(problems)
}

/// The sources of a directory, without their endings.
fn names(directory: &Path) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let name = |entry: std::io::Result<fs::DirEntry>| {
        Ok(entry.map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".rs")?.to_owned()))?)
    };
    entries.map(name).filter_map(Result::transpose).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_targets_of_this_workspace_are_listed_and_described() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert_eq!(check(root).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn what_is_lost_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("fuzz/fuzz_targets")).unwrap();
        fs::create_dir(root.path().join("docs")).unwrap();
        fs::write(root.path().join("fuzz/fuzz_targets/new.rs"), "").unwrap();
        fs::write(root.path().join("fuzz/Cargo.toml"), "[[bin]]\nname = \"old\"\n").unwrap();
        fs::write(root.path().join("docs/fuzzing.md"), "`old` and `new`").unwrap();
        assert_eq!(
            check(root.path()).unwrap(),
            ["fuzz/Cargo.toml does not list new", "fuzz/fuzz_targets/old.rs is not there"]
        );
    }
}
