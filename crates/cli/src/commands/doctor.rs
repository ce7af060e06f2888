//! `isodyne doctor`: what can be measured here, what not, why, and what would fix it.

use crate::arguments::DoctorOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use crate::paths;
use isodyne_core::cell::BackendName;
use isodyne_core::probe::ProbedBackend;
use isodyne_engine::backend;
use isodyne_engine::checkpoint::criu;
use isodyne_engine::lab::{Lab, LabOptions};
use isodyne_report::{Style, doctor_table};
use serde_json::json;

/// Probes every backend and describes the host.
pub fn doctor(options: &DoctorOptions, output: &Output) -> Result<Exit, Trouble> {
    let run_id = format!("{:08x}", std::process::id());
    let lab = Lab::open(LabOptions {
        run_id: &run_id,
        session: 0,
        logs: &std::env::temp_dir(),
        cache: &paths::cache(),
        guardian: None,
    })
    .map_err(Trouble::unexpected)?;
    // The scripted backend measures nothing, so it is no answer to "what can be measured here".
    let backends: Vec<ProbedBackend> = backend::all()
        .iter()
        .filter(|backend| backend.name() != BackendName::Scripted)
        .map(|backend| ProbedBackend { backend: backend.name(), probe: backend.probe(&lab) })
        .collect();
    let host = lab.host.clone().with_storage(&std::env::current_dir().unwrap_or_default()).fingerprint;
    for survivor in lab.close() {
        output.warn(&format!("a probe left something behind: {survivor}"));
    }
    if options.clean {
        super::checkpoint::remove_orphans(output);
    }
    let checkpoint = criu::probe();
    let limits = super::calibrate::state(&host);
    let version = env!("CARGO_PKG_VERSION");
    if options.json {
        let found = json!({
            "schema": "isodyne-doctor", "version": 1, "isodyne_version": version, "host": host, "backends": backends,
            "checkpoint": checkpoint,
            "calibrated_at": limits.as_ref().ok().map(|calibration| &calibration.measured_at),
        });
        return output.json(&found);
    }
    let limits = match &limits {
        Ok(calibration) => {
            format!("{} limits known, measured at {}", calibration.limits.len(), calibration.measured_at)
        }
        Err(reason) => reason.clone(),
    };
    let hint = checkpoint.hint().map_or_else(String::new, |hint| format!(" · {hint}"));
    let checkpoint = checkpoint.line() + &hint;
    output.data(&doctor_table(
        version,
        &backends,
        &host,
        &[("limits", &limits), ("checkpoint", &checkpoint)],
        Style { color: output.color(), width: output.width() },
    ))
}
