//! What was found in a checkpoint beside its images: for showing.

use super::Manifest;
use super::machine::Machine;
use serde::Serialize;
use std::collections::BTreeMap;

/// The name of the format of what `isodyne inspect --format json` prints.
pub const INSPECTION_SCHEMA: &str = "isodyne-inspection";
/// Its version.
pub const INSPECTION_VERSION: u32 = 1;

/// How a checkpoint lies on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A checkpoint of Isodyne's, with its manifest.
    Checkpoint,
    /// A directory of CRIU's images, as CRIU, runc and Docker write it.
    Images,
    /// An archive that podman has exported.
    PodmanExport,
    /// A directory with the state of a machine.
    Machine,
}

impl Form {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Checkpoint => "a checkpoint of isodyne",
            Self::Images => "a directory of CRIU images",
            Self::PodmanExport => "an archive exported by podman",
            Self::Machine => "a machine's state",
        }
    }
}

/// Everything that was found, but the processes, which the reader of images has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// How it lies on the disk.
    pub form: Form,
    /// Its own manifest.
    pub manifest: Option<Manifest>,
    /// What podman says of the container, for one of its archives.
    pub container: Option<Container>,
    /// The machine, if it is one.
    pub machine: Option<Machine>,
    /// Its files.
    pub files: FileTotals,
    /// CRIU's own statistics by metric.
    pub statistics: BTreeMap<String, f64>,
    /// Whether its files are what its manifest says, if that was asked.
    pub verified: Option<Verified>,
    /// What could not be read, in words.
    pub unreadable: Vec<String>,
}

/// A container as podman describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Container {
    /// Its id.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The image that it was made from.
    pub image: Option<String>,
    /// The runtime that ran it.
    pub runtime: Option<String>,
    /// When it was made.
    pub created: Option<String>,
    /// When it was checkpointed.
    pub checkpointed: Option<String>,
    /// Its mounts: what, and where.
    pub mounts: Vec<(String, String)>,
}

/// The files of a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileTotals {
    /// How many.
    pub count: u64,
    /// Their lengths.
    pub bytes: u64,
    /// What they take on the disk; `None` inside of an archive.
    pub allocated_bytes: Option<u64>,
    /// Of the lengths, what is memory of processes or of a machine.
    pub memory_bytes: u64,
}

/// Whether files are what a manifest says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// How many files were looked at.
    pub files: u64,
    /// What is wrong, one line each; empty is good.
    pub problems: Vec<String>,
}

/// What a process's memory holds of its beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Texts {
    /// Its arguments.
    pub arguments: Option<Vec<String>>,
    /// Its environment as it was started with.
    pub environment: Option<Vec<String>>,
    /// Why one of them is not there.
    pub unreadable: Option<String>,
}

/// What is in pages, counted by looking at them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PageContent {
    /// How many were looked at.
    pub pages: u64,
    /// Of those, with nothing but zeroes.
    pub zero: u64,
    /// Of those, equal to one that was looked at before, zeroes left out.
    pub duplicate: u64,
}

impl PageContent {
    /// Adds another count.
    pub fn add(&mut self, other: Self) {
        self.pages += other.pages;
        self.zero += other.zero;
        self.duplicate += other.duplicate;
    }
}

/// What is in the memory of all processes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemoryContent {
    /// Of all of it.
    pub total: PageContent,
    /// By process, in their order; and in it by area.
    pub processes: Vec<Vec<PageContent>>,
    /// Whether there were more different pages than are remembered, so that duplicates may be more than were counted.
    pub duplicates_at_least: bool,
    /// What could not be read, in words.
    pub unreadable: Vec<String>,
}
