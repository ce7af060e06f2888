//! Where images come from.

use std::collections::BTreeMap;

/// A directory of images. Only what is asked for is read.
pub trait Images {
    /// The names of its files.
    fn names(&self) -> Vec<String>;

    /// A file's length; `None` if it is not there.
    ///
    /// # Errors
    /// It cannot be looked at, in words.
    fn length(&self, name: &str) -> Result<Option<u64>, String>;

    /// Fills a buffer from a file, beginning somewhere in it.
    ///
    /// # Errors
    /// It cannot be read, or ends before, in words.
    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> Result<(), String>;

    /// The directory of the round before, to which pages may refer.
    fn parent(&self) -> Option<&dyn Images> {
        None
    }
}

/// Images that are in memory, by name.
#[derive(Clone, Debug, Default)]
pub struct InMemory {
    /// The files.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The round before.
    pub parent: Option<Box<InMemory>>,
}

impl Images for InMemory {
    fn names(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }

    fn length(&self, name: &str) -> Result<Option<u64>, String> {
        Ok(self.files.get(name).map(|bytes| bytes.len() as u64))
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> Result<(), String> {
        let bytes = self.files.get(name).ok_or("it is not there")?;
        let start = usize::try_from(offset).map_err(|_| "it ends before")?;
        let end = start.checked_add(buffer.len()).ok_or("it ends before")?;
        buffer.copy_from_slice(bytes.get(start..end).ok_or("it ends before")?);
        Ok(())
    }

    fn parent(&self) -> Option<&dyn Images> {
        self.parent.as_deref().map(|parent| parent as &dyn Images)
    }
}
