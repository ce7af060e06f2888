//! Builds: a program or kernel made from a revision of a git repository, before the run and outside any measured time.
//!
//! A clean work tree of the commit lies in the cache under a name made from repository, commit, command and output. What
//! was made there once is used again, as long as its digest is the one that was noted.

mod error;
mod git;
mod record;
mod task;

pub use error::BuildError;

use crate::backend::{Description, Step, text};
use crate::host::sha256_of;
use crate::lab::Lab;
use isodyne_core::plan::build::Build;
use isodyne_core::record::Asset;
use record::Record;
use rustix::fs::FlockOperation;
use sha2::{Digest, Sha256};
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use task::Task;

/// A build whose revision is known.
#[derive(Debug)]
pub struct Resolved<'a> {
    build: &'a Build,
    /// The commit, in hexadecimal.
    pub commit: String,
    /// Where the repository is read from.
    source: PathBuf,
    /// The directory in the cache.
    directory: PathBuf,
}

/// A file that was made.
#[derive(Clone, Debug)]
pub struct Built {
    /// The file.
    pub path: PathBuf,
    /// What it is, for the run's record.
    pub asset: Asset,
}

/// Finds out which commit a build's revision stands for. A repository behind a URL is brought into the cache.
///
/// # Errors
/// [`BuildError`] if there is no git, no such repository or no such revision.
pub fn resolve<'a>(build: &'a Build, lab: &Lab) -> Result<Resolved<'a>, BuildError> {
    let (source, commit) = git::commit_of(build, lab)?;
    let directory = lab.cache.join("builds").join(name_of(build, &source, &commit));
    Ok(Resolved { build, commit, source, directory })
}

/// What would be done, without looking at anything: for `--dry-run`.
pub fn describe(build: &Build, cache: &Path) -> Description {
    let directory = cache.join("builds").join("<name>");
    let tree = directory.join("tree");
    let mut steps: Vec<Step> = git::describe(build, cache, &tree).into_iter().map(|argv| Step::Run { argv }).collect();
    let within = ["env".to_owned(), format!("--chdir={}", text(&tree))];
    steps.push(Step::Run { argv: within.into_iter().chain(build.command.iter().cloned()).collect() });
    steps.push(Step::Write { path: text(&tree.join(&build.output)), content: "[made by the command]".to_owned() });
    Description { steps }
}

/// The name of the directory: whatever decides what is made decides the name.
fn name_of(build: &Build, source: &Path, commit: &str) -> String {
    let repository = if git::is_url(&build.repository) { build.repository.clone() } else { text(source) };
    let parts = [repository.as_str(), commit, &build.output].into_iter();
    format!("{}-{}", build.name, digest_of(parts.chain(build.command.iter().map(String::as_str))))
}

/// The name of a URL's repository in the cache.
fn name_of_url(url: &str) -> String {
    digest_of([url].into_iter())
}

/// A short name for several texts: different ones have different names.
fn digest_of<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

impl Resolved<'_> {
    /// What was made before and is still there unchanged.
    pub fn cached(&self) -> Option<Built> {
        let record = Record::read(&self.directory)?;
        let built = self.built().ok()?;
        (built.asset.sha256 == record.sha256).then_some(built)
    }

    /// Where the output of git and of the command goes.
    pub fn log(&self) -> PathBuf {
        self.directory.join("build.log")
    }

    /// Makes a clean work tree and runs the command in it.
    ///
    /// # Errors
    /// [`BuildError`] says what failed and where its log is.
    pub fn make(&self, lab: &Lab) -> Result<Built, BuildError> {
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source| BuildError::Io { action, path, source }
        };
        let parent = lab.cache.join("builds");
        DirBuilder::new().recursive(true).mode(0o755).create(&parent).map_err(io("make", &parent))?;
        let lock_path = self.directory.with_extension("lock");
        let lock = File::create(&lock_path).map_err(io("make", &lock_path))?;
        if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(BuildError::Busy { name: self.build.name.clone() });
        }
        if let Err(error) = std::fs::remove_dir_all(&self.directory)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(io("remove", &self.directory)(error));
        }
        std::fs::create_dir(&self.directory).map_err(io("make", &self.directory))?;
        let tree = self.tree();
        git::check_out(&self.source, &self.commit, &tree, &self.log(), lab)?;
        let patience = Duration::from_nanos(self.build.timeout_ns);
        let task = Task { argv: &self.build.command, directory: Some(&tree), log: &self.log(), patience };
        task.run(lab).map_err(|failure| BuildError::Command {
            name: self.build.name.clone(),
            failure,
            log: self.log(),
        })?;
        let built = self.built()?;
        Record { commit: self.commit.clone(), sha256: built.asset.sha256.clone() }
            .write(&self.directory)
            .map_err(io("write", &self.directory))?;
        Ok(built)
    }

    fn tree(&self) -> PathBuf {
        self.directory.join("tree")
    }

    /// The output, if it is a file within the work tree.
    fn built(&self) -> Result<Built, BuildError> {
        let output = |problem: String| BuildError::Output {
            name: self.build.name.clone(),
            output: self.build.output.clone(),
            problem,
            log: self.log(),
        };
        let tree = self.tree().canonicalize().map_err(|error| output(error.to_string()))?;
        let path = tree.join(&self.build.output).canonicalize().map_err(|error| output(error.to_string()))?;
        if !path.starts_with(&tree) {
            return Err(output("it leads out of the work tree".to_owned()));
        }
        let status = path.metadata().map_err(|error| output(error.to_string()))?;
        if !status.is_file() {
            return Err(output("it is not a file".to_owned()));
        }
        let sha256 = sha256_of(&path).ok_or_else(|| output("it cannot be read".to_owned()))?;
        let Build { name, repository, output, .. } = self.build;
        let asset = Asset {
            role: "build".to_owned(),
            name: format!("{name}: {output} of {repository} at {}", self.commit),
            sha256,
            size_bytes: status.len(),
        };
        Ok(Built { path, asset })
    }
}
