//! Finding out what lies at a path, and reading it.

use super::folder::{Folder, parent_link};
use super::{InspectError, Inspection, machine, podman, verify};
use isodyne_core::checkpoint::inspection::{Container, FileTotals, Form, Found, Verified};
use isodyne_core::checkpoint::{Kind, LIMIT, Manifest};
use isodyne_criu::{Checkpoint, statistics};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The name of a manifest.
const MANIFEST: &str = "manifest.json";
/// Where images lie in directories that have more than images.
const INSIDE: [&str; 3] = ["checkpoint", "images", "criu"];
/// The most rounds before the freeze that are followed.
const ROUNDS_LIMIT: usize = 256;

/// What was found before its images are read.
struct Parts {
    form: Form,
    manifest: Option<Manifest>,
    container: Option<Container>,
    verified: Option<Verified>,
    images: Folder,
    /// What lies beside the images.
    beside: Folder,
    unreadable: Vec<String>,
}

pub(super) fn open(path: &Path, verify: bool) -> Result<Inspection, InspectError> {
    let metadata = std::fs::metadata(path).map_err(|source| InspectError::Host { path: path.to_owned(), source })?;
    let parts = if metadata.is_dir() {
        directory(path, verify)?
    } else if metadata.is_file() {
        exported(path)?
    } else {
        return Err(InspectError::NotOne {
            path: path.to_owned(),
            reason: "it is no directory and no file".to_owned(),
        });
    };
    finish(path, parts)
}

fn exported(path: &Path) -> Result<Parts, InspectError> {
    let mut unreadable = Vec::new();
    let exported = podman::open(&path.canonicalize().unwrap_or_else(|_| path.to_owned()))?;
    let container = podman::container(&exported.beside, &mut unreadable);
    Ok(Parts {
        form: Form::PodmanExport,
        manifest: None,
        container,
        verified: None,
        images: exported.images,
        beside: exported.beside,
        unreadable,
    })
}

fn directory(path: &Path, verify: bool) -> Result<Parts, InspectError> {
    let beside = Folder::read(path, &|_| None)?;
    let manifest = beside.small(MANIFEST, LIMIT).map_err(|reason| damaged(&path.join(MANIFEST), reason))?;
    if let Some(bytes) = manifest {
        let manifest = Manifest::read(&bytes).map_err(|error| damaged(&path.join(MANIFEST), error))?;
        return kept(path, beside, manifest, verify);
    }
    let parts = |form, images, beside, unreadable| Parts {
        form,
        manifest: None,
        container: None,
        verified: None,
        images,
        beside,
        unreadable,
    };
    if podman::has_images(&beside) {
        let (images, unreadable) = with_parents(path, beside)?;
        return Ok(parts(Form::Images, images, Folder::default(), unreadable));
    }
    if machine::read(&beside).map_err(|reason| damaged(path, reason))?.is_some() {
        return Ok(parts(Form::Machine, beside, Folder::default(), Vec::new()));
    }
    for name in INSIDE {
        let inside = path.join(name);
        if !std::fs::symlink_metadata(&inside).is_ok_and(|metadata| metadata.is_dir()) {
            continue;
        }
        let images = Folder::read(&inside, &|_| None)?;
        if podman::has_images(&images) {
            let (images, mut unreadable) = with_parents(&inside, images)?;
            let container = podman::container(&beside, &mut unreadable);
            return Ok(Parts { container, ..parts(Form::Images, images, beside, unreadable) });
        }
    }
    let reason = "it has no manifest, no inventory of CRIU's and no state of a machine".to_owned();
    Err(InspectError::NotOne { path: path.to_owned(), reason })
}

/// A checkpoint of our own.
fn kept(path: &Path, beside: Folder, manifest: Manifest, check: bool) -> Result<Parts, InspectError> {
    let verified = check.then(|| verify::verify(path, &manifest));
    let lengths = |directory: &str| {
        let prefix = format!("{directory}/");
        let known: BTreeMap<String, u64> = manifest
            .files
            .iter()
            .filter_map(|file| Some((file.path.strip_prefix(&prefix)?.to_owned(), file.unpacked_bytes?)))
            .collect();
        move |name: &str| known.get(name).copied()
    };
    let archive = path.join("podman.tar");
    let mut unreadable = Vec::new();
    let images = path.join("images");
    let (images, container) = if real_directory(&images) {
        let mut images = Folder::read(&images, &lengths("images"))?;
        // The oldest round comes first, and is the parent of the second.
        let mut parent = None;
        for name in manifest.parents.iter().take(ROUNDS_LIMIT) {
            let directory = path.join(name);
            if !real_directory(&directory) {
                unreadable.push(format!("{name}: it is not there"));
                continue;
            }
            let mut round = Folder::read(&directory, &lengths(name))?;
            round.parent = parent;
            parent = Some(Box::new(round));
        }
        images.parent = parent;
        (images, None)
    } else if archive.is_file() {
        let parts = exported(&archive)?;
        unreadable.extend(parts.unreadable);
        (parts.images, parts.container)
    } else {
        return Err(damaged(path, "it has neither images nor an archive of podman's"));
    };
    Ok(Parts { form: Form::Checkpoint, manifest: Some(manifest), container, verified, images, beside, unreadable })
}

fn real_directory(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// Follows CRIU's own links to the rounds before.
fn with_parents(directory: &Path, folder: Folder) -> Result<(Folder, Vec<String>), InspectError> {
    let (mut rounds, mut unreadable, mut at) = (vec![folder], Vec::new(), directory.to_owned());
    while rounds.len() <= ROUNDS_LIMIT {
        match parent_link(&at) {
            Ok(None) => break,
            Ok(Some(next)) => {
                rounds.push(Folder::read(&next, &|_| None)?);
                at = next;
            }
            Err(reason) => {
                unreadable.push(reason);
                break;
            }
        }
    }
    let join = |older: Option<Box<Folder>>, newer: Folder| Some(Box::new(Folder { parent: older, ..newer }));
    let joined = rounds.into_iter().rev().fold(None, join);
    Ok((joined.map(|folder| *folder).unwrap_or_default(), unreadable))
}

fn finish(path: &Path, parts: Parts) -> Result<Inspection, InspectError> {
    let Parts { form, manifest, container, verified, images, beside, mut unreadable } = parts;
    let is_machine = form == Form::Machine || manifest.as_ref().is_some_and(|manifest| manifest.kind == Kind::Machine);
    let files = totals(manifest.as_ref(), &images, &beside, &mut unreadable);
    let mut found =
        Found { form, manifest, container, machine: None, files, statistics: BTreeMap::new(), verified, unreadable };
    if is_machine {
        let machine = machine::read(&images).map_err(|reason| damaged(path, reason))?;
        found.machine = Some(machine.ok_or_else(|| damaged(path, "it has no state of a machine"))?);
        return Ok(Inspection { found, checkpoint: None, folder: None });
    }
    let checkpoint = Checkpoint::read(&images).map_err(|error| damaged(path, error))?;
    found.statistics = of_criu(&images, &beside, &mut found.unreadable);
    if let Some(manifest) = found.manifest.as_ref().filter(|_| found.statistics.is_empty()) {
        found.statistics.clone_from(&manifest.engine);
    }
    Ok(Inspection { found, checkpoint: Some(checkpoint), folder: Some(images) })
}

fn damaged(path: &Path, reason: impl ToString) -> InspectError {
    InspectError::Damaged { path: PathBuf::from(path), reason: reason.to_string() }
}

/// CRIU's statistics lie among the images or, with a working directory of its own, beside them.
fn of_criu(images: &Folder, beside: &Folder, unreadable: &mut Vec<String>) -> BTreeMap<String, f64> {
    const NAME: &str = "stats-dump";
    let read = [images, beside].into_iter().find_map(|folder| folder.small(NAME, 1 << 20).transpose());
    let read = read.map(|bytes| bytes.and_then(|bytes| statistics(&bytes).map_err(|error| error.to_string())));
    match read {
        None => BTreeMap::new(),
        Some(Ok(statistics)) => {
            statistics.metrics().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
        }
        Some(Err(reason)) => {
            unreadable.push(format!("{NAME}: {reason}"));
            BTreeMap::new()
        }
    }
}

fn totals(manifest: Option<&Manifest>, images: &Folder, beside: &Folder, unreadable: &mut Vec<String>) -> FileTotals {
    let mut totals = FileTotals { allocated_bytes: Some(0), ..FileTotals::default() };
    for (name, item) in images.all().chain(&beside.files) {
        totals.count += 1;
        totals.bytes = totals.bytes.saturating_add(item.bytes);
        totals.allocated_bytes = totals.allocated_bytes.zip(item.allocated_bytes).map(|(sum, add)| sum + add);
        if is_pages(name) || machine::is_memory(name) {
            match item.length() {
                Ok(length) => totals.memory_bytes = totals.memory_bytes.saturating_add(length),
                Err(reason) => unreadable.push(format!("{name}: {reason}")),
            }
        }
    }
    if let Some(manifest) = manifest {
        let sum = |value: fn(&isodyne_core::checkpoint::KeptFile) -> u64| {
            manifest.files.iter().fold(0_u64, |sum, file| sum.saturating_add(value(file)))
        };
        totals.count = manifest.files.len() as u64;
        totals.bytes = sum(|file| file.bytes);
        totals.allocated_bytes = Some(sum(|file| file.allocated_bytes));
    }
    totals
}

fn is_pages(name: &str) -> bool {
    name.strip_prefix("pages-").is_some_and(|rest| rest.ends_with(".img"))
}
