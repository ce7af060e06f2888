//! OCI layouts, as a directory or inside a tar.

use super::{Archive, Blobs, Layers, missing, open_in, read_within, resolve};
use crate::image::app::digest::Digest;
use crate::image::app::error::{ImageError, host};
use crate::image::app::limits::DOCUMENT_LIMIT;
use crate::image::app::oci::{Descriptor, Document};
use std::io::Read;
use std::path::{Path, PathBuf};

/// What an index calls an image.
const NAME: &str = "org.opencontainers.image.ref.name";
/// What containerd adds: the whole reference.
const FULL_NAME: &str = "io.containerd.image.name";

struct Directory(PathBuf);

impl Blobs for Directory {
    fn place(&self) -> String {
        format!("`{}`", self.0.display())
    }

    fn open(&self, blob: &Descriptor, what: &str) -> Result<Box<dyn Read>, ImageError> {
        let name = PathBuf::from("blobs/sha256").join(blob.digest.hex());
        match open_in(&self.0, &name) {
            Ok((file, _)) => Ok(Box::new(file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(missing(what, blob.digest.to_string(), self.place()))
            }
            Err(error) => Err(host("read", &self.0.join(name))(error)),
        }
    }
}

impl Blobs for Archive {
    fn place(&self) -> String {
        format!("`{}`", self.path().display())
    }

    fn open(&self, blob: &Descriptor, what: &str) -> Result<Box<dyn Read>, ImageError> {
        let path = format!("blobs/sha256/{}", blob.digest.hex());
        let opened = self.open_content(path.as_bytes(), what);
        opened.map_err(|_| missing(what, blob.digest.to_string(), Blobs::place(self)))
    }

    fn open_path(&self, path: &[u8], what: &str) -> Result<Box<dyn Read>, ImageError> {
        self.open_content(path, what)
    }
}

pub(super) fn open_directory(path: &Path, name: Option<&str>) -> Result<Layers, ImageError> {
    let (file, _) = open_in(path, Path::new("index.json")).map_err(host("read", &path.join("index.json")))?;
    open(Box::new(Directory(path.to_owned())), file, path, name)
}

pub(super) fn open_archive(archive: Archive, name: Option<&str>) -> Result<Layers, ImageError> {
    let (index, path) = (archive.open_content(b"index.json", "index")?, archive.path().to_owned());
    open(Box::new(archive), index, &path, name)
}

fn open(blobs: Box<dyn Blobs>, index: impl Read, path: &Path, name: Option<&str>) -> Result<Layers, ImageError> {
    let bytes = read_within(index, DOCUMENT_LIMIT, "index")?;
    if bytes.len() as u64 > DOCUMENT_LIMIT {
        let problem = format!("it has more than {DOCUMENT_LIMIT} bytes");
        return Err(ImageError::Document { what: "index".to_owned(), problem });
    }
    let document = match Document::parse(&bytes, "index")? {
        Document::Index(entries) => Document::Index(named(entries, path, name)?),
        Document::Manifest { .. } => {
            let problem = "it is a manifest".to_owned();
            return Err(ImageError::Document { what: "index".to_owned(), problem });
        }
    };
    resolve(blobs, document, Digest::of(&bytes))
}

/// The entries of the image that is meant. The same image may stand there for several machines, but not several images.
fn named(mut entries: Vec<Descriptor>, path: &Path, name: Option<&str>) -> Result<Vec<Descriptor>, ImageError> {
    entries.retain(Descriptor::is_document);
    let names = |entry: &Descriptor| -> Vec<String> {
        [NAME, FULL_NAME].iter().filter_map(|key| entry.annotations.get(*key).cloned()).collect()
    };
    let listed = |entries: &[Descriptor]| {
        let mut all: Vec<String> =
            entries.iter().filter_map(|entry| names(entry).pop()).map(|name| format!("{name:.100}")).collect();
        all.sort();
        all.dedup();
        all.truncate(8);
        all
    };
    if let Some(name) = name {
        let all = listed(&entries);
        entries.retain(|entry| names(entry).iter().any(|found| found == name));
        if entries.is_empty() {
            let problem = format!("there is no image called `{name}` in it, only {}", all.join(", "));
            return Err(ImageError::NoImage { path: path.to_owned(), problem });
        }
    }
    let platforms = entries.iter().filter(|entry| entry.platform.is_some()).count();
    let different = entries.iter().any(|entry| entry.digest != entries[0].digest);
    if different && (listed(&entries).len() > 1 || platforms < entries.len()) {
        let names = listed(&entries).join(", ");
        let names = if names.is_empty() { format!("{} without names", entries.len()) } else { names };
        return Err(ImageError::Several { path: path.to_owned(), names });
    }
    if !different {
        entries.truncate(1);
    }
    Ok(entries)
}
