//! From a plan to cells that can be launched: probe, resolve, skip with reasons.

use super::builds::{Builds, named_by, needed};
use super::resolve::Target;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use isodyne_core::cell::{BackendName, Cell};
use isodyne_core::plan::Plan;
use isodyne_core::plan::build::Build;
use isodyne_core::probe::{Probe, ProbedBackend, Tool};
use isodyne_core::record::{Asset, RUN_SCHEMA, RUN_VERSION, RunRecord, SkippedCell};
use isodyne_core::schedule::{Shard, shard};
use isodyne_engine::application;
use isodyne_engine::backend::{self, Description, Place, PrepareError, Step};
use isodyne_engine::build;
use isodyne_engine::host::signals;
use isodyne_engine::lab::Lab;
use isodyne_engine::ownership::name_prefix;
use isodyne_engine::schedule::Work;
use isodyne_engine::workload::WorkloadOptions;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Cells that can be launched, and those that cannot.
pub struct Prepared {
    /// Ready.
    pub work: Vec<Work>,
    /// Not here.
    pub skipped: Vec<SkippedCell>,
    /// What the backends of the plan said.
    pub backends: Vec<ProbedBackend>,
    /// What was made for them.
    pub builds: Builds,
}

/// Probes the plan's backends and resolves its cells, or those of one shard.
///
/// # Errors
/// If the plan asks for something that cannot be, such as a kernel that is none.
pub fn prepare(plan: &Plan, part: Option<Shard>, lab: &Lab, output: &Output) -> Result<Prepared, Trouble> {
    let builds = Builds::make(plan, lab, output)?;
    prepare_cells(cells_of(plan, part), builds, lab, output)
}

/// The same without making anything; the cells that name builds are left out.
pub fn prepare_dry(plan: &Plan, part: Option<Shard>, lab: &Lab, output: &Output) -> Result<Prepared, Trouble> {
    let cells = cells_of(plan, part).into_iter().filter(|cell| named_by(cell).is_empty()).collect();
    prepare_cells(cells, Builds::default(), lab, output)
}

fn cells_of(plan: &Plan, part: Option<Shard>) -> Vec<Cell> {
    match part {
        Some(part) => shard(&plan.cells(), part),
        None => plan.cells(),
    }
}

fn prepare_cells(cells: Vec<Cell>, builds: Builds, lab: &Lab, output: &Output) -> Result<Prepared, Trouble> {
    let mut probes: BTreeMap<BackendName, Probe> = BTreeMap::new();
    let mut prepared = Prepared { work: Vec::new(), skipped: Vec::new(), backends: Vec::new(), builds };
    for cell in cells {
        let backend = backend::find(cell.backend);
        let probe = probes.entry(cell.backend).or_insert_with(|| backend.probe(lab));
        // What the probe says is of the program in PATH: a cell that names another is tried by itself.
        if let (Probe::Unavailable { reason, hint, .. }, false) = (probe, cell.factors.contains_key("program")) {
            prepared.skipped.push(SkippedCell { cell, reason: reason.clone(), hint: hint.clone() });
            continue;
        }
        let resolved = prepared.builds.resolve(&cell);
        let ready = application::obtain(&cell, lab, &mut |event| output.say(&crate::commands::image::said(&event)))
            .and_then(|()| WorkloadOptions::of(&cell, lab))
            .and_then(|options| Ok((backend.prepare(&resolved, lab)?, options)))
            .and_then(|(launcher, options)| {
                options.check(launcher.as_ref(), cell.backend)?;
                Ok((launcher, options))
            });
        match ready {
            Ok((launcher, options)) => {
                prepared.work.push(Work { cell, launcher, options });
            }
            Err(PrepareError::Unavailable { reason, hint }) => {
                prepared.skipped.push(SkippedCell { cell, reason, hint });
            }
            Err(PrepareError::Invalid { key, message, hint }) => {
                return Err(Trouble::new(Exit::PlanInvalid, format!("{key}: {message}"), hint));
            }
        }
    }
    for skipped in &prepared.skipped {
        output.say(&format!("skipped {}: {}\n  hint: {}", skipped.cell.id, skipped.reason, skipped.hint));
    }
    prepared.backends = probes.into_iter().map(|(backend, probe)| ProbedBackend { backend, probe }).collect();
    Ok(prepared)
}

/// The programs and the files that take part, each once.
pub fn taking_part(prepared: &Prepared) -> (Vec<Tool>, Vec<Asset>) {
    let work = &prepared.work;
    let mut tools: Vec<Tool> = work.iter().flat_map(|work| work.launcher.tools()).collect();
    tools.sort_by(|a, b| a.path.cmp(&b.path));
    tools.dedup();
    let mut assets: Vec<Asset> = work.iter().flat_map(|work| work.launcher.assets()).collect();
    assets.extend(prepared.builds.assets().cloned());
    assets.sort_by(|a, b| (&a.role, &a.sha256).cmp(&(&b.role, &b.sha256)));
    assets.dedup();
    (tools, assets)
}

/// What `run.json` says before the first sample.
pub fn record(target: &Target, prepared: &Prepared, lab: &Lab, output: &Output) -> RunRecord {
    let (tools, assets) = taking_part(prepared);
    let fingerprint = lab.host.clone().with_storage(&lab.logs).fingerprint;
    // Scripted times have no ceiling.
    let measures = prepared.work.iter().any(|work| work.cell.backend != BackendName::Scripted);
    let calibration = crate::commands::calibrate::state(&fingerprint);
    if let Some(reason) = calibration.as_ref().err().filter(|_| measures) {
        output.say(&format!("limits of this host: {reason}"));
    }
    RunRecord {
        schema: RUN_SCHEMA.to_owned(),
        version: RUN_VERSION,
        run_id: target.run_id.clone(),
        isodyne_version: env!("CARGO_PKG_VERSION").to_owned(),
        created_at: jiff::Timestamp::now().to_string(),
        command: std::env::args().collect(),
        plan: prepared.builds.pinned(&target.plan),
        seed: target.seed,
        cells: prepared.work.iter().map(|work| work.cell.clone()).collect(),
        skipped: prepared.skipped.clone(),
        backends: prepared.backends.clone(),
        fingerprint,
        tools,
        assets,
        signals: signals::measure(lab.clock, &lab.scratch),
        shard: target.shard.map(|shard| shard.to_string()),
        merged_from: Vec::new(),
        calibration: calibration.ok().filter(|_| measures),
        imported: None,
        ended: None,
    }
}

/// What one cell would do.
#[derive(Debug, Serialize)]
pub struct DescribedCell {
    cell: Cell,
    #[serde(flatten)]
    description: Description,
}

/// What one build would do.
#[derive(Debug, Serialize)]
pub struct DescribedBuild {
    name: String,
    #[serde(flatten)]
    description: Description,
}

/// What would be made before the run.
pub fn describe_builds(plan: &Plan, lab: &Lab) -> Vec<DescribedBuild> {
    let one =
        |build: &Build| DescribedBuild { name: build.name.clone(), description: build::describe(build, &lab.cache) };
    needed(plan).into_iter().map(one).collect()
}

/// A cell whose files are not made yet.
#[derive(Debug, Serialize)]
pub struct WaitingCell {
    cell: Cell,
    builds: Vec<String>,
}

/// The cells that name builds.
pub fn waiting(plan: &Plan) -> Vec<WaitingCell> {
    let names = |cell: &Cell| named_by(cell).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let cells = plan.cells().into_iter().map(|cell| WaitingCell { builds: names(&cell), cell });
    cells.filter(|waiting| !waiting.builds.is_empty()).collect()
}

/// What every cell would do, with a place that stands for all.
pub fn describe(prepared: &Prepared, lab: &Lab) -> Vec<DescribedCell> {
    let place = Place {
        name: format!("{}-0", name_prefix(&lab.run_id)),
        directory: lab.scratch.join("0"),
        log_prefix: lab.logs.join("0"),
        agent_patience_s: 90,
    };
    let one = |work: &Work| DescribedCell { cell: work.cell.clone(), description: work.launcher.describe(&place) };
    prepared.work.iter().map(one).collect()
}

/// The same for people.
pub fn text(builds: &[DescribedBuild], cells: &[DescribedCell], waiting: &[WaitingCell]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for build in builds {
        let _ = writeln!(text, "build {}, unless the cache has it", build.name);
        text.push_str(&steps(&build.description.steps));
    }
    for described in cells {
        let _ = writeln!(text, "{}", described.cell.id);
        text.push_str(&steps(&described.description.steps));
    }
    for waiting in waiting {
        let _ = writeln!(text, "{}\n  known when `{}` is built", waiting.cell.id, waiting.builds.join("`, `"));
    }
    text
}

fn steps(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        let _ = match step {
            Step::Write { path, content } => writeln!(text, "  write {path}\n{}", indent(content)),
            Step::Run { argv } => {
                let words: Vec<String> = argv.iter().map(|word| super::quote(word)).collect();
                writeln!(text, "  run   {}", words.join(" "))
            }
            Step::Request { socket, call, body } => {
                let body = body.as_ref().map(|body| format!("\n{}", indent(&format!("{body:#}")))).unwrap_or_default();
                writeln!(text, "  call  {call} on {socket}{body}")
            }
            Step::Pin { virtual_processor, processor } => {
                writeln!(text, "  pin   virtual processor {virtual_processor} to processor {processor} of the host")
            }
        };
    }
    text
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("        {line}")).collect::<Vec<_>>().join("\n")
}
