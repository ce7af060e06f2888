//! The program of a cell: the one that the plan names, or the backend's own in PATH.

use super::PrepareError;
use crate::host::{find_tool, inspect_tool};
use isodyne_core::cell::Cell;
use isodyne_core::probe::Tool;
use std::path::Path;

/// The program that the cell's `program` names, with version and digest; `None` if the cell names none.
///
/// A path is made absolute: a sandbox is launched from a directory of its own.
///
/// # Errors
/// [`PrepareError::Invalid`] names the key if there is no such program.
pub(crate) fn stated(cell: &Cell) -> Result<Option<Tool>, PrepareError> {
    let Some(program) = cell.factors.get("program").and_then(|value| value.as_text()) else { return Ok(None) };
    let invalid = |message: String, hint: &str| PrepareError::Invalid {
        key: format!("backend.{}.program", cell.backend),
        message,
        hint: hint.to_owned(),
    };
    if !program.contains('/') {
        let found = find_tool(program).and_then(|path| inspect_tool(&path.to_string_lossy(), &["--version"]));
        let hint = "name a program in PATH, or a file by a path with a slash (`./runc`)";
        return found.map(Some).ok_or_else(|| invalid(format!("there is no program `{program}` in PATH"), hint));
    }
    let path = std::path::absolute(program).map_err(|error| invalid(format!("`{program}`: {error}"), "name a file"))?;
    inspect_tool(&path.to_string_lossy(), &["--version"]).map(Some).ok_or_else(|| {
        let (problem, hint) = problem(&path);
        invalid(format!("`{program}` {problem}"), hint)
    })
}

/// Why a path is no program.
fn problem(path: &Path) -> (String, &'static str) {
    match path.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            ("does not exist".to_owned(), "a relative path begins at the working directory")
        }
        Err(error) => (format!("cannot be looked at: {error}"), "name a file that this user may run"),
        Ok(status) if !status.is_file() => ("is not a file".to_owned(), "name the program's file"),
        Ok(_) => ("is not executable".to_owned(), "make it so: `chmod +x FILE`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isodyne_core::cell::{BackendName, BenchmarkName, CellId};
    use isodyne_core::factor::{FactorValue, Factors};
    use std::os::unix::fs::PermissionsExt;

    fn cell(program: &str) -> Cell {
        Cell {
            id: CellId("boot/runc".to_owned()),
            benchmark: BenchmarkName::Boot,
            backend: BackendName::Runc,
            factors: Factors::from([("program".to_owned(), FactorValue::Text(program.to_owned()))]),
            variant: None,
        }
    }

    #[test]
    fn a_program_is_found_by_path_and_by_name_or_the_key_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("runc-new");
        std::fs::write(&path, "#!/bin/sh\necho runc version 9\n").unwrap();
        let text = path.to_str().unwrap();
        let error = stated(&cell(text)).unwrap_err().to_string();
        assert!(error.starts_with("backend.runc.program: ") && error.ends_with("is not executable"), "{error}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let tool = stated(&cell(text)).unwrap().unwrap();
        assert_eq!((tool.name.as_str(), tool.version.as_deref()), ("runc-new", Some("runc version 9")));
        assert!(Path::new(&stated(&cell("sh")).unwrap().unwrap().path).is_absolute());
        assert!(stated(&cell("./no-such-file")).unwrap_err().to_string().ends_with("does not exist"));
        assert!(stated(&cell("no-such-program-here")).unwrap_err().to_string().contains("in PATH"));
        let missing = Cell { factors: Factors::new(), ..cell("x") };
        assert_eq!(stated(&missing).unwrap(), None);
    }
}
