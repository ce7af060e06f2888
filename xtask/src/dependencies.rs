//! `cargo xtask dependencies`: what the default build takes in stays little, and needs no foreign tool chain.

use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The most packages that the program may be built from, its own included. Whoever raises it says why in the commit.
const MOST: usize = 147;

/// What may not be in the default build: executors, whose wake-ups are not ours to measure, and what needs libclang,
/// cmake or a C library beside the system's.
const REFUSED: &[&str] = &["async-std", "bindgen", "cmake", "openssl-sys", "smol", "tokio"];

/// Checks what `isodyne` is built from, build scripts included and tests left out.
pub fn run(root: &Path) -> Result<()> {
    let packages = packages(root)?;
    let problems = problems(&packages, MOST);
    if problems.is_empty() {
        return Ok(());
    }
    bail!("the dependencies do not hold:\n  {}", problems.join("\n  "));
}

fn problems(packages: &BTreeSet<String>, most: usize) -> Vec<String> {
    let name = |package: &str| package.split(' ').next().unwrap_or_default().to_owned();
    let mut problems: Vec<String> = packages
        .iter()
        .filter(|package| REFUSED.contains(&name(package).as_str()))
        .map(|package| format!("{package} may not be in the default build: `cargo tree --invert {}`", name(package)))
        .collect();
    if packages.len() > most {
        problems
            .push(format!("{} packages, and at most {most} are allowed (xtask/src/dependencies.rs)", packages.len()));
    }
    problems
}

/// Name and version of every package in the tree.
fn packages(root: &Path) -> Result<BTreeSet<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["tree", "--locked", "--package", "isodyne-cli", "--edges", "normal,build", "--prefix", "none"])
        .args(["--format", "{p}", "--no-dedupe"])
        .output()
        .context("cargo does not start")?;
    if !output.status.success() {
        bail!("cargo tree failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(named(&String::from_utf8_lossy(&output.stdout)))
}

/// `serde v1.0.228 (proc-macro)` → `serde v1.0.228`.
fn named(tree: &str) -> BTreeSet<String> {
    tree.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_counted_once_and_the_refused_are_named() {
        let tree = "isodyne-cli v0.1.0 (/a/b)\nserde v1.0.1\nserde_derive v1.0.1 (proc-macro)\nserde v1.0.1\n\
                    tokio v1.0.0\ntokio-util v0.7.0\n";
        let packages = named(tree);
        assert_eq!(packages.len(), 5);
        assert_eq!(
            problems(&packages, 5),
            ["tokio v1.0.0 may not be in the default build: `cargo tree --invert tokio`"]
        );
        assert!(problems(&packages, 4)[1].starts_with("5 packages"));
    }
}
