//! Why an image cannot be used: one variant for each thing that a user would do something else about.

use super::digest::{Digest, DigestError};
use super::tar::TarError;
use crate::image::cache::CacheError;
use crate::image::tool::ToolError;
use std::io;
use std::path::{Path, PathBuf};

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The host refused.
    #[error("failed to {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The host's answer.
        #[source]
        source: io::Error,
    },
    /// Neither a path that exists nor a reference.
    #[error("`{text}` is neither a path that exists nor a reference to an image in a registry: {problem}")]
    Reference {
        /// What the user wrote.
        text: String,
        /// What is wrong with it as a reference.
        problem: String,
    },
    /// A file or directory that holds no image.
    #[error("`{}` holds no image: {problem}", path.display())]
    NoImage {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Several images, and the user has not said which.
    #[error("`{}` holds several images ({names}); say which one with `{}#NAME`", path.display(), path.display())]
    Several {
        /// The file or directory.
        path: PathBuf,
        /// The names in it.
        names: String,
    },
    /// A JSON document that is not what it should be.
    #[error("the {what} is not valid: {problem}")]
    Document {
        /// Index, manifest or configuration.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A digest that is none.
    #[error("the {what} names something by a digest that cannot be used")]
    NoDigest {
        /// Where it stands.
        what: String,
        /// What is wrong with it.
        #[source]
        source: DigestError,
    },
    /// A media type that is not known.
    #[error("the {what} has the media type `{found}`, which is not known here; {hint}")]
    MediaType {
        /// What has it.
        what: String,
        /// The type.
        found: String,
        /// What would do.
        hint: &'static str,
    },
    /// A blob that a document promises is not there.
    #[error("the {what} ({name}) is missing from {place}; get the image again")]
    Missing {
        /// Manifest, configuration or layer.
        what: String,
        /// Its digest or path.
        name: String,
        /// Where it was looked for.
        place: String,
    },
    /// A blob that is not the one that was promised.
    #[error("the {what} is damaged: its digest should be {expected} and is {found}; get the image again")]
    Mismatch {
        /// Manifest, configuration or layer.
        what: String,
        /// What is promised.
        expected: Digest,
        /// What is there.
        found: Digest,
    },
    /// A blob that is not as long as was promised.
    #[error("the {what} is damaged: it should have {expected_bytes} bytes and has {found_bytes}; get the image again")]
    Length {
        /// Manifest, configuration or layer.
        what: String,
        /// What is promised.
        expected_bytes: u64,
        /// What is there; where reading stopped, if there is more.
        found_bytes: u64,
    },
    /// A compressed layer that cannot be unpacked.
    #[error("the {what} cannot be read or unpacked ({format})")]
    Compression {
        /// Which.
        what: String,
        /// gzip or zstd.
        format: &'static str,
        /// What the decoder said.
        #[source]
        source: io::Error,
    },
    /// Not for this machine.
    #[error("the image is for {found}, and this host runs {wanted}")]
    Platform {
        /// What there is.
        found: String,
        /// What is needed.
        wanted: String,
    },
    /// What is in a layer is refused.
    #[error("{place}")]
    Layer {
        /// Which layer.
        place: String,
        /// What in it, and why.
        #[source]
        source: TarError,
    },
    /// A limit.
    #[error("the image has more than {limit} {what}, which is the most that is taken")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many.
        limit: u64,
    },
    /// A tool is missing or too old.
    #[error("a disk with {format} needs `{tool}`: {problem}; install the package `{package}`")]
    NoTool {
        /// What for.
        format: &'static str,
        /// The tool.
        tool: &'static str,
        /// Missing, or what it cannot do.
        problem: String,
        /// Where it is in a distribution.
        package: &'static str,
    },
    /// A tool could not be run.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A tool ran and failed.
    #[error("`{tool}` failed: {message}")]
    Failed {
        /// The tool.
        tool: &'static str,
        /// What it said.
        message: String,
    },
    /// A disk that is too small for the image.
    #[error("the disk of {stated_bytes} bytes is too small for the image: it needs at least {needed_bytes} bytes")]
    TooSmall {
        /// What was asked for.
        stated_bytes: u64,
        /// What is needed.
        needed_bytes: u64,
    },
    /// A registry said no, or nothing.
    #[error("registry {registry}: {problem}")]
    Registry {
        /// Its host.
        registry: String,
        /// What it said.
        problem: String,
    },
}

/// What a parser says, which may quote what it was given.
pub(super) fn short(error: &impl std::fmt::Display) -> String {
    let text: String = error.to_string().chars().filter(|character| !character.is_control()).collect();
    if text.chars().count() <= 200 { text } else { text.chars().take(199).chain(['…']).collect() }
}

/// An error of the host on a path.
pub(super) fn host(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ImageError {
    let path = path.to_owned();
    move |source| ImageError::Io { action, path, source }
}
