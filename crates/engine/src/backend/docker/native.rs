//! Docker's own way of keeping a container: `checkpoint create`.
//!
//! It stands beside the runtime's way as a comparison. The daemon asks containerd, which has the runtime write the images,
//! packs them into its content store, and unpacks them again to where the daemon wants them: that is part of what is measured.
//! It knows neither established connections nor locks of files nor rounds. What 20.10 has made so, it refuses to start as it
//! is, since the same content is in its store already; a file that CRIU does not look at makes it another content.

use super::launcher::failed;
use super::sandbox::Parts;
use super::snapshot::launch;
use crate::backend::snapshot::{Compression, SnapshotKind, SnapshotOptions};
use crate::backend::text;
use crate::checkpoint::CheckpointError;
use crate::checkpoint::container::docker;
use crate::checkpoint::criu::{self, Witness};
use crate::checkpoint::kept::{self, IMAGES, Kept, LOGS};
use crate::checkpoint::sandbox::Dumped;
use crate::http::{Client, Request};
use isodyne_core::failure::Failure;
use isodyne_core::unit::HostInstant;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The directory that containerd has the runtime work in, below the container's own.
const WORK: &str = "work/criu-work";

/// Refuses what Docker's checkpoints do not have.
fn refuse(options: &SnapshotOptions) -> Result<(), Failure> {
    let asked = [
        ("a template", options.kind != SnapshotKind::Full),
        ("rounds before the freeze", options.rounds > 0),
        ("established connections", options.tcp_established),
        ("locks of files", options.file_locks),
        ("packing", options.compression != Compression::None),
    ];
    match asked.iter().find(|(_, asked)| *asked) {
        Some((what, _)) => {
            Err(launch(format!("Docker's own checkpoints know nothing of {what}: use `engine = \"runtime\"`")))
        }
        None => Ok(()),
    }
}

/// `POST /containers/{name}/checkpoints`.
fn target(name: &str) -> String {
    format!("/containers/{name}/checkpoints")
}

/// The images go to a directory of this name in the given one.
fn body(directory: &Path, options: &SnapshotOptions) -> Value {
    json!({ "CheckpointID": IMAGES, "CheckpointDir": text(directory), "Exit": !options.resume })
}

/// Where CRIU is going to write its log, made if it is not there. containerd removes it with everything in it.
fn work_of(pid: u32) -> Option<PathBuf> {
    let work = docker::bundle_of(pid)?.join(WORK);
    match std::fs::create_dir(&work) {
        Ok(()) => Some(work),
        Err(error) => (error.kind() == std::io::ErrorKind::AlreadyExists).then_some(work),
    }
}

/// Has Docker write the images of a container, whose first process is known to the host as `pid`, into a directory.
pub(super) fn dump(
    parts: &Parts,
    pid: u32,
    directory: &Path,
    options: &SnapshotOptions,
    record: Kept,
    deadline: HostInstant,
) -> Result<Dumped, Failure> {
    refuse(options)?;
    let logs = directory.join(LOGS);
    std::fs::create_dir(&logs).map_err(|error| CheckpointError::host("make", &logs, &error))?;
    let witness = work_of(pid).map(|work| Witness::put(&work));
    let (target, body) = (target(&parts.name), body(directory, options).to_string());
    let request = Request::new("POST", &target).with_body("application/json", body.as_bytes());
    let mut client = Client::connect(&parts.socket, parts.clock).map_err(|error| failed(&error))?;
    let reply = client.call(&request, deadline).map_err(|error| failed(&error))?;
    if let Some(witness) = witness {
        witness.tell(&logs).map_err(|error| CheckpointError::host("write to", &logs, &error))?;
    }
    let log = logs.join(criu::DUMP_LOG);
    if !reply.is_success() {
        return Err(criu::explain(&log, &reply.message()).into());
    }
    // What the daemon says is written must be there: 20.10 leaves nothing where its containerd kept it for itself.
    if !directory.join(IMAGES).join("inventory.img").is_file() {
        return Err(launch("Docker says that it has kept the container, and there are no images of CRIU's"));
    }
    let mut engine = vec![("docker_ns".to_owned(), reply.at.ns_since(reply.asked) as f64)];
    engine.extend(criu::total_ns(&log).map(|ns| ("criu_total_ns".to_owned(), ns as f64)));
    engine.extend(criu::statistics(&logs));
    let record = Kept { options: kept::options_of(options), ..record };
    Ok(Dumped::natively(reply.asked, engine, record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_says_where_and_whether_it_ends() {
        let stop = SnapshotOptions::of(SnapshotKind::Full, false);
        let expected = json!({ "CheckpointID": "images", "CheckpointDir": "/kept", "Exit": true });
        assert_eq!(body(Path::new("/kept"), &stop), expected);
        assert_eq!(body(Path::new("/kept"), &SnapshotOptions { resume: true, ..stop })["Exit"], false);
        assert_eq!(target("isodyne-1"), "/containers/isodyne-1/checkpoints");
    }

    #[test]
    fn what_docker_has_not_is_refused() {
        let plain = SnapshotOptions::of(SnapshotKind::Full, false);
        assert!(refuse(&plain).is_ok());
        let others = [
            SnapshotOptions { kind: SnapshotKind::Template, ..plain },
            SnapshotOptions { rounds: 1, ..plain },
            SnapshotOptions { tcp_established: true, ..plain },
            SnapshotOptions { file_locks: true, ..plain },
            SnapshotOptions { compression: Compression::Zstd, ..plain },
        ];
        for options in others {
            assert!(refuse(&options).is_err_and(|failure| failure.message.contains("engine")), "{options:?}");
        }
    }
}
