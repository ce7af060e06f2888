//! Paths inside an image: bytes, relative, without `.` and `..`, empty for the root.

use super::limits::{NAME_LIMIT, PATH_LIMIT};
use super::tar::EntryProblem;

/// Cleans a path from a tar: `./a//b/` is `a/b`.
pub(crate) fn clean(raw: &[u8]) -> Result<Vec<u8>, EntryProblem> {
    if raw.len() > PATH_LIMIT {
        return Err(EntryProblem::PathTooLong);
    }
    if raw.first() == Some(&b'/') {
        return Err(EntryProblem::Absolute);
    }
    if raw.is_empty() {
        return Err(EntryProblem::Empty);
    }
    if raw.iter().any(u8::is_ascii_control) {
        return Err(EntryProblem::Control);
    }
    let mut path = Vec::with_capacity(raw.len());
    for name in raw.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => return Err(EntryProblem::Escape),
            _ if name.len() > NAME_LIMIT => return Err(EntryProblem::NameTooLong),
            _ => {
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(name);
            }
        }
    }
    Ok(path)
}

/// The directory of a path, and its name.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

/// The path of a name in a directory.
pub(crate) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_or_refused() {
        assert_eq!(clean(b"./a//b/"), Ok(b"a/b".to_vec()));
        assert_eq!(clean(b"./"), Ok(Vec::new()));
        assert_eq!(clean(b"a/..b/c.."), Ok(b"a/..b/c..".to_vec()));
        assert_eq!(clean(b"a/../b"), Err(EntryProblem::Escape));
        assert_eq!(clean(b".."), Err(EntryProblem::Escape));
        assert_eq!(clean(b"/etc"), Err(EntryProblem::Absolute));
        assert_eq!(clean(b""), Err(EntryProblem::Empty));
        assert_eq!(clean(b"a\nb"), Err(EntryProblem::Control));
        assert_eq!(clean(b"a\0b"), Err(EntryProblem::Control));
        assert_eq!(clean(&[b'a'; 256]), Err(EntryProblem::NameTooLong));
        assert_eq!(clean(&b"a/".repeat(2048)), Err(EntryProblem::PathTooLong));
        assert_eq!(clean(&b"a/".repeat(2047)).map(|path| path.len()), Ok(4093));
    }

    #[test]
    fn a_path_is_split_as_it_is_joined() {
        for (path, parts) in [(&b"a/b/c"[..], (&b"a/b"[..], &b"c"[..])), (b"a", (b"", b"a"))] {
            assert_eq!(split(path), parts);
            assert_eq!(join(parts.0, parts.1), path);
        }
    }
}
