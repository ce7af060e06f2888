//! Why a build cannot be had.

use std::io;
use std::path::PathBuf;

/// Why a build cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
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
    /// There is no git.
    #[error("there is no program `git` in PATH")]
    NoGit,
    /// Git failed.
    #[error("build `{name}`: git cannot {action}: {complaint}")]
    Git {
        /// The build, or the work tree.
        name: String,
        /// What it was to do.
        action: String,
        /// The end of what it said.
        complaint: String,
    },
    /// Another run makes it now.
    #[error("build `{name}` is being made by another run")]
    Busy {
        /// The build.
        name: String,
    },
    /// The command failed.
    #[error("build `{name}`: the command {failure}; see {}", log.display())]
    Command {
        /// The build.
        name: String,
        /// How.
        failure: String,
        /// What it said.
        log: PathBuf,
    },
    /// The command made no file.
    #[error("build `{name}`: the output `{output}` cannot be used: {problem}; see {}", log.display())]
    Output {
        /// The build.
        name: String,
        /// The output.
        output: String,
        /// Why not.
        problem: String,
        /// What the command said.
        log: PathBuf,
    },
}

impl BuildError {
    /// What to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => "free some space, or name another cache with ISODYNE_CACHE",
            Self::NoGit => "install it: `apt install git`",
            Self::Git { .. } => "check `repository` and `revision` of the build: `git ls-remote REPOSITORY` lists them",
            Self::Busy { .. } => "wait for it, or stop it",
            Self::Command { .. } => "run the command by hand in the `tree` beside the log",
            Self::Output { .. } => "name the file that the command makes, by its path within the work tree",
        }
    }
}
