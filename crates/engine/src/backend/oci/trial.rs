//! Whether a runtime really starts a container here: a version alone does not say.

use super::diagnose::log_path;
use super::launcher::{command, path_of};
use super::{Runtime, command as call, rootfs};
use crate::backend::{Place, PrepareError};
use crate::image::rootfs::AGENT_PATH;
use crate::lab::Lab;
use crate::network::NetworkKind;
use isodyne_core::cell::BackendName;
use std::time::Duration;

/// How long the trial may take.
const PATIENCE: Duration = Duration::from_secs(20);
const WORD: &str = "isodyne-trial";

/// Runs the agent's `echo` in a container with such a network; on failure says why and what would fix it.
pub(super) fn run(runtime: &Runtime, network: NetworkKind, lab: &Lab) -> Result<(), (String, String)> {
    let (rootfs, _) = rootfs(lab, "rootfs").map_err(|error| match error {
        PrepareError::Unavailable { reason, hint } | PrepareError::Invalid { message: reason, hint, .. } => {
            (reason, hint)
        }
    })?;
    let name = format!("{}-trial-{}", crate::ownership::name_prefix(&lab.run_id), runtime.name);
    let place = Place {
        directory: lab.scratch.join(format!("trial-{}", runtime.name)),
        log_prefix: lab.scratch.join(format!("trial-{}", runtime.name)),
        agent_patience_s: 0,
        name,
    };
    let outcome = attempt(runtime, &place, &rootfs, network, lab);
    // The scratch directory goes at the end of the run in any case.
    let _ = std::fs::remove_dir_all(&place.directory);
    let _ = std::fs::remove_file(log_path(&place, "trial"));
    outcome.map_err(|reason| {
        let hint = hint(runtime, &reason);
        (format!("a trial container did not start: {reason}"), hint)
    })
}

fn attempt(
    runtime: &Runtime,
    place: &Place,
    rootfs: &std::path::Path,
    network: NetworkKind,
    lab: &Lab,
) -> Result<(), String> {
    std::fs::create_dir_all(&place.directory).map_err(|error| format!("{}: {error}", place.directory.display()))?;
    let args = [AGENT_PATH, "echo", WORD].map(str::to_owned).to_vec();
    let network = network.for_container(&place.name, lab).map_err(|failure| failure.message)?;
    let config = runtime.config(place, rootfs, args, None, false, path_of(network.as_deref()).as_deref());
    runtime.write_bundle(place, &config).map_err(|failure| failure.message)?;
    let _guard = lab.owner.own(runtime.resource(place));
    let bundle = crate::backend::text(&place.directory);
    let mut run = command(&runtime.argv(place, &["run", "--bundle", &bundle, &place.name]));
    run.current_dir(&place.directory);
    let finished = call::run(run, PATIENCE).map_err(|error| error.to_string())?;
    if finished.is_success() && finished.stdout.trim() == WORD {
        return Ok(());
    }
    Err(if finished.is_success() { "its output did not arrive".to_owned() } else { finished.complaint() })
}

/// What would fix it, from what the runtime says.
fn hint(runtime: &Runtime, reason: &str) -> String {
    let says = |part: &str| reason.to_lowercase().contains(part);
    let hint = if says("hybrid mode") {
        "crun wants cgroups v1 or v2 alone: boot with `systemd.unified_cgroup_hierarchy=1`, or run the lab by \
         `tests/with-cgroups.sh v1 isodyne …`"
    } else if says("root network namespace") {
        "this runsc takes every network namespace of this kernel for the host's: install a newer one, or leave `network` at \
         \"none\""
    } else if runtime.name == BackendName::Runsc && runtime.options.iter().any(|option| option.ends_with("=kvm")) {
        "the kvm platform needs /dev/kvm with hardware behind it; use `platform = \"auto\"`"
    } else if runtime.rootless.is_some() && runtime.name == BackendName::Runsc {
        "run as root: gVisor's `run` needs it"
    } else if runtime.rootless.is_some() {
        "run as root, or allow user namespaces: `sysctl kernel.unprivileged_userns_clone=1`"
    } else if says("cgroup") {
        "the runtime must be able to make cgroups under /sys/fs/cgroup: run as root, outside of a restricted container"
    } else if says("permission") || says("not permitted") {
        "run as root, outside of a restricted container"
    } else {
        "run the runtime by hand to see more: `runc spec && runc run x`"
    };
    hint.to_owned()
}
