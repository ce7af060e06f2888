//! Why a checkpoint or a restore failed.

use crate::cell::{UnknownName, named};
use crate::failure::FailureClass;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

named! {
    /// What kind of failure a checkpoint or a restore ended in. The names are stable.
    CheckpointClass {
        /// There is no checkpoint at the path that was given.
        WrongPath = "wrong_path",
        /// A file that the manifest lists is not there, or the checkpoint was never finished.
        MissingFile = "missing_file",
        /// A file, or the manifest, is not as it was written.
        Altered = "altered",
        /// It was made on another kernel or architecture that cannot take it.
        OtherHost = "other_host",
        /// It was made by another runtime, or the runtime here cannot take it.
        OtherRuntime = "other_runtime",
        /// There is no such container, or it does not run.
        NotFound = "not_found",
        /// More than one container is meant.
        Ambiguous = "ambiguous",
        /// The name is taken already.
        NameInUse = "name_in_use",
        /// A process id that has to come back is taken already.
        PidInUse = "pid_in_use",
        /// What was mounted from outside is not there.
        MissingMount = "missing_mount",
        /// The engine refused.
        Refused = "refused",
        /// What came back is not what went in.
        Mismatch = "mismatch",
        /// A deadline passed.
        Timeout = "timeout",
        /// No space was left on a device.
        Enospc = "enospc",
        /// The caller may not do that.
        Permission = "permission",
        /// The user ended it.
        Interrupted = "interrupted",
        /// The host failed otherwise.
        Host = "host",
    }
}

impl CheckpointClass {
    /// The class of a sample that ends in this.
    pub fn of_sample(self) -> FailureClass {
        match self {
            Self::Enospc => FailureClass::Enospc,
            Self::Timeout => FailureClass::Timeout,
            Self::Altered | Self::MissingFile => FailureClass::Integrity,
            Self::Mismatch => FailureClass::RestoreMismatch,
            Self::Interrupted => FailureClass::Interrupted,
            _ => FailureClass::Launch,
        }
    }
}
