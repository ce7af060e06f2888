//! A file that is there whole or not at all, without taking anything else away.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file that is being written. Dropped before [`WholeFile::finish`], it leaves what was there before.
pub struct WholeFile {
    out: BufWriter<File>,
    /// Where it is until it is whole, and where it goes then; `None` for a device or a pipe, which has no parts.
    move_to: Option<(PathBuf, PathBuf)>,
}

impl WholeFile {
    /// Begins a file. What is no regular file (a device, a pipe) is written as it is: a rename would replace it.
    ///
    /// # Errors
    /// If it cannot be made there, or is a directory.
    pub fn begin(path: &Path) -> io::Result<Self> {
        // Through links, so that they keep pointing to what is new.
        let target = match path.canonicalize() {
            Ok(target) if !target.is_file() => {
                let file = OpenOptions::new().write(true).open(&target)?;
                return Ok(Self { out: BufWriter::new(file), move_to: None });
            }
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            Err(error) => return Err(error),
        };
        let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy().into_owned();
        let unfinished = target.with_file_name(format!(".{name}.{}.new", std::process::id()));
        // Nothing that is there already under that name is followed or overwritten.
        let file = OpenOptions::new().write(true).create_new(true).open(&unfinished)?;
        Ok(Self { out: BufWriter::with_capacity(64 << 10, file), move_to: Some((unfinished, target)) })
    }

    /// Puts the file into its place.
    ///
    /// # Errors
    /// If the rest cannot be written; nothing is in its place then.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()?;
        if let Some((unfinished, target)) = &self.move_to {
            self.out.get_ref().sync_all()?;
            std::fs::rename(unfinished, target)?;
            self.move_to = None;
        }
        Ok(())
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some((unfinished, _)) = &self.move_to {
            // It was made here, and nobody else knows of it.
            let _ = std::fs::remove_file(unfinished);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_or_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        std::fs::write(&path, "old").unwrap();
        let mut file = WholeFile::begin(&path).unwrap();
        file.write_all(b"new").unwrap();
        drop(file);
        assert_eq!(
            (std::fs::read_to_string(&path).unwrap().as_str(), names(directory.path())),
            ("old", vec!["a".into()])
        );
        let mut file = WholeFile::begin(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.finish().unwrap();
        assert_eq!(
            (std::fs::read_to_string(&path).unwrap().as_str(), names(directory.path())),
            ("new", vec!["a".into()])
        );
    }

    #[test]
    fn links_stay_links_and_pipes_stay_pipes() {
        use std::os::unix::fs::FileTypeExt;
        let directory = tempfile::tempdir().unwrap();
        let (target, link, pipe) =
            (directory.path().join("target"), directory.path().join("link"), directory.path().join("pipe"));
        std::fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let mut file = WholeFile::begin(&link).unwrap();
        file.write_all(b"new").unwrap();
        file.finish().unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "new");

        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        // Opened for both, so that neither side waits for the other.
        let mut reader = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        let mut file = WholeFile::begin(&pipe).unwrap();
        file.write_all(b"through").unwrap();
        file.finish().unwrap();
        let mut bytes = [0; 7];
        io::Read::read_exact(&mut reader, &mut bytes).unwrap();
        assert_eq!(&bytes, b"through");
        assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo());
    }

    #[test]
    fn a_directory_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        assert!(WholeFile::begin(directory.path()).is_err());
        assert!(WholeFile::begin(&directory.path().join("not there/a")).is_err());
        assert!(names(directory.path()).is_empty());
    }
}
