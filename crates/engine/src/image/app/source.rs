//! Where an image comes from, as a plan or a command line says it.

use super::error::ImageError;
use super::reference::Reference;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where an image comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSource {
    /// A directory or a file: what it is, a tree, a tar, an OCI layout or a `docker save` archive, is decided by what is
    /// in it.
    Path {
        /// The directory or file.
        path: PathBuf,
        /// Which image of several is meant.
        name: Option<String>,
    },
    /// A registry.
    Registry(Reference),
}

impl ImageSource {
    /// Reads what a user wrote, paths relative to the directory of the process. See [`ImageSource::parse_in`].
    ///
    /// # Errors
    /// [`ImageError::Reference`] if it is neither.
    pub fn parse(text: &str) -> Result<Self, ImageError> {
        Self::parse_in(text, Path::new(""))
    }

    /// Reads what a user wrote: a path that exists, with `#NAME` behind it where it holds several images, else a
    /// reference to a registry. Relative paths begin at `base`, the directory of the plan.
    ///
    /// # Errors
    /// [`ImageError::Reference`] if it is neither.
    pub fn parse_in(text: &str, base: &Path) -> Result<Self, ImageError> {
        let exists = |path: &str| !path.is_empty() && base.join(path).symlink_metadata().is_ok();
        let local =
            |path: &str, name: Option<&str>| Self::Path { path: base.join(path), name: name.map(str::to_owned) };
        if exists(text) {
            return Ok(local(text, None));
        }
        if let Some((path, name)) = text.rsplit_once('#').filter(|(path, name)| exists(path) && !name.is_empty()) {
            return Ok(local(path, Some(name)));
        }
        let refused = |problem: String| ImageError::Reference { text: text.chars().take(200).collect(), problem };
        if text.starts_with(['.', '/']) {
            return Err(refused("nothing is at this path".to_owned()));
        }
        Reference::parse(text).map(Self::Registry).map_err(refused)
    }
}

impl fmt::Display for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { path, name } => {
                write!(f, "{}", path.display())?;
                name.iter().try_for_each(|name| write!(f, "#{name}"))
            }
            Self::Registry(reference) => reference.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exists_is_a_path_and_the_rest_a_reference() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("image.tar"), "").unwrap();
        let parse = |text| ImageSource::parse_in(text, directory.path());
        let path = directory.path().join("image.tar");
        assert_eq!(parse("image.tar").unwrap(), ImageSource::Path { path: path.clone(), name: None });
        assert_eq!(parse("image.tar#a:1").unwrap(), ImageSource::Path { path, name: Some("a:1".to_owned()) });
        assert!(matches!(parse("localhost:5000/a").unwrap(), ImageSource::Registry(_)));
        for (text, says) in [
            ("missing.tar", "does not begin with a registry"),
            ("./missing.tar", "nothing is at this path"),
            ("", "does not begin"),
            ("other.tar#a", "does not begin"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        }
    }
}
