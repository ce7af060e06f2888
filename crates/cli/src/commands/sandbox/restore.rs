//! `isodyne restore` of a sandbox that had an owner: this program is its owner then.

use super::owner::{Wanted, own};
use crate::arguments::RestoreOptions;
use crate::commands::checkpoint::trouble;
use crate::commands::restore::SCHEMA;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use isodyne_core::checkpoint::CheckpointClass;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_engine::backend::snapshot::MemoryBackend;
use isodyne_engine::checkpoint::CheckpointError;
use isodyne_engine::checkpoint::archive::Archive;
use isodyne_engine::checkpoint::machine::restorable;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::time::Duration;

/// Brings it back and owns it until its end.
pub fn restore(archive: &Archive, options: &RestoreOptions, output: &Output) -> Result<Exit, Trouble> {
    let failed = |error: &CheckpointError| trouble(error, SCHEMA, options.json, output);
    let flags = [
        ("--auto-fix-mounts", options.auto_fix_mounts),
        ("--skip-mount", !options.skip_mount.is_empty()),
        ("--bundle", options.bundle.is_some()),
    ];
    if let Some((flag, _)) = flags.iter().find(|(_, asked)| *asked) {
        let message = format!("`{flag}` is for containers, and this was a sandbox with an owner");
        return Err(failed(&CheckpointError::new(CheckpointClass::Refused, message).hint("leave it out")));
    }
    let kept = restorable(archive).map_err(|error| failed(&error))?;
    let wanted = Wanted {
        name: options.new_name.clone().unwrap_or_else(|| kept.name.clone()),
        cell: kept.cell.clone(),
        restored_from: Some(archive.directory.clone()),
        says_hello: kept.hello_again,
        timeout: Duration::from_nanos(options.timeout),
        json: options.json,
    };
    own(wanted, output, |launcher, place, lab| {
        let refused = |message: String| Failure::new(FailureClass::Launch, message);
        let Some(restorer) = launcher.restorer() else {
            return Err(refused(format!("{} brings no kept state back", kept.cell.backend)));
        };
        // Beside the sandbox's own directory: it goes with the lab.
        let scratch = lab.scratch.join("state");
        DirBuilder::new().mode(0o700).create(&scratch).map_err(|error| refused(error.to_string()))?;
        let state = kept.state(&scratch)?;
        restorer.restore(&state, MemoryBackend::File, place, lab)
    })
}
