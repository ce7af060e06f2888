//! The table of open files, and the descriptors that lead into it.

use super::apart::apart;
use super::beside::Beside;
use super::kinds::file;
use super::{Descriptor, File};
use crate::checkpoint::reader::Reader;
use crate::image::Kind;
use crate::messages::file::{DescriptorEntry, FileEntry};
use std::collections::HashMap;
use std::sync::Arc;

/// The open files, and how they are found.
pub(in crate::checkpoint) struct Files {
    /// In the order of the images.
    pub list: Vec<File>,
    places: HashMap<(u32, u32), usize>,
    /// The paths of regular files, shared: a foreign image can name a long one a million times.
    paths: HashMap<u32, Arc<str>>,
}

/// `fd_types` of CRIU.
const REGULAR: u32 = 1;

impl Files {
    /// Reads `files.img`, or the images of versions before there was one.
    pub(in crate::checkpoint) fn read(reader: &mut Reader<'_>) -> Self {
        let mut entries: Vec<FileEntry> = reader.messages("files.img", Kind::Files).unwrap_or_default();
        entries.extend(apart(reader));
        let beside = Beside::read(reader, &entries);
        let mut files = Self { list: Vec::new(), places: HashMap::new(), paths: HashMap::new() };
        for entry in entries {
            let place = (entry.kind, entry.id);
            if let Some(file) = entry.regular.0.as_ref().filter(|_| entry.kind == REGULAR) {
                files.paths.insert(entry.id, file.name.as_str().into());
            }
            files.places.insert(place, files.list.len());
            files.list.push(file(reader, entry, &beside));
        }
        files
    }

    /// The place of a file in the list.
    pub(in crate::checkpoint) fn find(&self, kind: u32, id: u32) -> Option<usize> {
        self.places.get(&(kind, id)).copied()
    }

    /// The path of a regular file.
    pub(in crate::checkpoint) fn path(&self, id: u32) -> Option<Arc<str>> {
        self.paths.get(&id).cloned()
    }

    /// Reads a table of descriptors.
    pub(in crate::checkpoint) fn descriptors(&self, reader: &mut Reader<'_>, name: &str) -> Option<Vec<Descriptor>> {
        let entries: Vec<DescriptorEntry> = reader.messages(name, Kind::Descriptors)?;
        let mut descriptors: Vec<Descriptor> = entries
            .into_iter()
            .map(|entry| Descriptor {
                number: entry.number,
                file: self.find(entry.kind, entry.id),
                close_on_exec: entry.flags & 1 != 0,
            })
            .collect();
        descriptors.sort_by_key(|descriptor| descriptor.number);
        if let Some(lost) = descriptors.iter().find(|descriptor| descriptor.file.is_none()) {
            reader.note(name, format!("descriptor {} leads to a file that no image holds", lost.number));
        }
        Some(descriptors)
    }
}
