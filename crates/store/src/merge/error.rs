//! Why runs cannot be merged.

use crate::error::StoreError;
use std::path::PathBuf;

/// Why runs cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// Fewer than two, or too many.
    #[error("{found} runs cannot be merged: name from 2 to {most}")]
    Count {
        /// How many there are.
        found: usize,
        /// The most that are allowed.
        most: usize,
    },
    /// They are of different plans.
    #[error("`{}` and `{}` are of different plans: {difference}", first.display(), second.display())]
    Plans {
        /// The first part.
        first: PathBuf,
        /// Another one.
        second: PathBuf,
        /// What is not the same.
        difference: String,
    },
    /// Something is there twice.
    #[error("`{}` is there twice: {what} is also in another part", path.display())]
    Twice {
        /// The later part.
        path: PathBuf,
        /// What is there twice.
        what: String,
    },
    /// The numbers of a sample leave no room for those of the parts before.
    #[error("`{}` has a sample of `{cell}` whose session, round or sequence is too large", path.display())]
    Numbers {
        /// The part.
        path: PathBuf,
        /// The sample's cell.
        cell: String,
    },
    /// The new run has no name.
    #[error("`{}` is no name for a new directory", path.display())]
    Out {
        /// What was given.
        path: PathBuf,
    },
    /// A part cannot be read, or the new run cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MergeError {
    /// What to do.
    pub fn way_out(&self) -> &'static str {
        match self {
            Self::Count { .. } => "name the directories of all shards: isodyne merge DIR DIR… --out DIR",
            Self::Plans { .. } => "only parts of one plan become one run; `isodyne compare` compares two runs",
            Self::Twice { .. } => "leave out the copy: samples that count twice would look surer than they are",
            Self::Out { .. } => "name a directory that is not there yet",
            Self::Numbers { .. } => "restore the part from a copy: isodyne does not write such numbers",
            Self::Store(_) => "see above",
        }
    }
}
