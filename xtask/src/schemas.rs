//! `cargo xtask schemas`: files that are made from the tables of the plan's keys.

use anyhow::{Context, Result, bail};
use isodyne_core::plan::{reference, schema};
use std::fs;
use std::path::Path;

/// Writes the files, or with `check` fails if one is not up to date.
pub fn run(root: &Path, check: bool) -> Result<()> {
    let stale = refresh(root, check)?;
    if check && !stale.is_empty() {
        bail!("not up to date: {}; run `cargo xtask schemas`", stale.join(", "));
    }
    Ok(())
}

/// The files that are not up to date; they are written unless this is a check.
fn refresh(root: &Path, check: bool) -> Result<Vec<&'static str>> {
    let schema = format!("{}\n", serde_json::to_string_pretty(&schema::json_schema())?);
    let document = fs::read_to_string(root.join(PLANS)).with_context(|| format!("cannot read {PLANS}"))?;
    let document = reference::refreshed(&document).with_context(|| format!("{PLANS} has lost its marks"))?;
    let mut stale = Vec::new();
    for (name, wanted) in [(SCHEMA, schema), (PLANS, document)] {
        let path = root.join(name);
        if fs::read_to_string(&path).ok().as_ref() == Some(&wanted) {
            continue;
        }
        stale.push(name);
        if !check {
            fs::create_dir_all(path.parent().unwrap_or(root))?;
            fs::write(&path, wanted).with_context(|| format!("cannot write {name}"))?;
        }
    }
    Ok(stale)
}

const SCHEMA: &str = "schemas/plan.json";
const PLANS: &str = "docs/plans.md";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_writes_nothing_and_a_run_makes_the_check_pass() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("docs")).unwrap();
        fs::write(root.path().join(PLANS), format!("# Plans\n{}\n{}\n", reference::BEGIN, reference::END)).unwrap();
        assert!(run(root.path(), true).unwrap_err().to_string().contains("docs/plans.md"));
        assert!(!root.path().join(SCHEMA).exists());
        run(root.path(), false).unwrap();
        run(root.path(), true).unwrap();
        fs::write(root.path().join(SCHEMA), "{}").unwrap();
        assert_eq!(refresh(root.path(), true).unwrap(), [SCHEMA]);
    }
}
