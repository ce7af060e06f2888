//! Names of files in a checkpoint: relative, inside, and plain.

/// The longest name that is taken.
const LONGEST: usize = 1024;

/// Why a name cannot be that of a file in a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathProblem {
    /// Nothing, or only dots.
    #[error("is empty or has an empty part")]
    Empty,
    /// It begins at the root.
    #[error("is not relative")]
    Absolute,
    /// It leads out.
    #[error("leads out of the checkpoint")]
    Out,
    /// It is too long or has control characters in it.
    #[error("is too long or has characters that no file of a checkpoint has")]
    Odd,
}

/// Says whether a name leads to a file inside.
///
/// # Errors
/// [`PathProblem`].
pub fn check_path(path: &str) -> Result<(), PathProblem> {
    if path.len() > LONGEST || path.chars().any(char::is_control) {
        return Err(PathProblem::Odd);
    }
    if path.starts_with('/') {
        return Err(PathProblem::Absolute);
    }
    for part in path.split('/') {
        match part {
            "" | "." => return Err(PathProblem::Empty),
            ".." => return Err(PathProblem::Out),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_inside_are_taken() {
        for good in ["manifest.json", "images/core-1.img", "a/..b/c"] {
            assert_eq!(check_path(good), Ok(()), "{good}");
        }
        assert_eq!(check_path("/etc/passwd"), Err(PathProblem::Absolute));
        assert_eq!(check_path("images/../../x"), Err(PathProblem::Out));
        for empty in ["", "a//b", "./a", "a/"] {
            assert_eq!(check_path(empty), Err(PathProblem::Empty), "{empty}");
        }
        assert_eq!(check_path("a\0b"), Err(PathProblem::Odd));
        assert_eq!(check_path(&"a".repeat(2000)), Err(PathProblem::Odd));
    }
}
