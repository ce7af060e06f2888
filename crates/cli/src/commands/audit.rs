//! `isodyne audit`: the ways in which numbers lie, looked for in a run or in another tool's files.

use super::run::resolve::fresh_random;
use crate::arguments::AuditOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use isodyne_core::audit::{Audited, Finding, RULES, Weight, audit_with};
use isodyne_core::calibration::Calibration;
use isodyne_core::columns::RunColumns;
use isodyne_core::record::RunRecord;
use isodyne_report::{Style, audit_markdown, audit_table, rules_table};
use isodyne_store::import::{ImportContext, ImportError, into_run, load_noting, parse};
use serde::Serialize;
use serde_json::json;
use std::path::Path;

/// The name of the format.
const AUDIT_SCHEMA: &str = "isodyne-audit";
/// The version of the format.
const AUDIT_VERSION: u32 = 1;

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    version: u32,
    /// The run or file, as the user named it.
    source: String,
    title: &'a str,
    run_id: &'a str,
    /// How many of each weight.
    void: usize,
    suspect: usize,
    note: usize,
    /// The limits of the host that results were held against; null if none are known.
    limits: Option<UsedLimits<'a>>,
    findings: &'a [Finding],
}

#[derive(Serialize)]
struct UsedLimits<'a> {
    /// `run`: recorded with it. `kept`: the cache's, for hosts like the run's.
    from: &'static str,
    measured_at: &'a str,
}

/// Where the limits of the run's host come from.
enum Limits<'a> {
    Run(&'a Calibration),
    Kept(Box<Calibration>),
    Unknown,
}

impl Limits<'_> {
    fn calibration(&self) -> Option<&Calibration> {
        match self {
            Self::Run(calibration) => Some(calibration),
            Self::Kept(calibration) => Some(calibration),
            Self::Unknown => None,
        }
    }

    fn source(&self) -> &'static str {
        match self {
            Self::Run(_) => "run",
            Self::Kept(_) => "kept",
            Self::Unknown => "unknown",
        }
    }
}

/// The limits that were recorded with the run, else those that are kept for hosts like its own, and says which. What other
/// tools measured is of a host that is not known well enough.
fn limits<'a>(record: &'a RunRecord, output: &Output) -> Limits<'a> {
    if record.imported.is_some() {
        return Limits::Unknown;
    }
    if let Some(calibration) = &record.calibration {
        output.say(&format!("limits: of the run itself, measured {}", calibration.measured_at));
        return Limits::Run(calibration);
    }
    match super::calibrate::state(&record.fingerprint) {
        Ok(calibration) => {
            output.say(&format!(
                "limits: the run has none; those kept for its host are used, measured {}",
                calibration.measured_at
            ));
            Limits::Kept(Box::new(calibration))
        }
        Err(why) => {
            output.say(&format!("limits: the run has none, and those of its host are {why}; no ceiling is checked"));
            Limits::Unknown
        }
    }
}

/// Audits a run, or files that are read as one.
pub fn audit(options: &AuditOptions, output: &Output) -> Result<Exit, Trouble> {
    let Some(source) = options.source.as_deref().filter(|_| !options.rules) else { return rules(options, output) };
    let (record, columns) = read(source, options.format.as_deref(), output)?;
    let limits = limits(&record, output);
    let audited = Audited { record: &record, columns: &columns, calibration: limits.calibration() };
    let findings = audit_with(&audited, crate::parallel::runner());
    let of = |weight| findings.iter().filter(|finding| finding.weight == weight).count();
    if options.json {
        output.json(&Answer {
            schema: AUDIT_SCHEMA,
            version: AUDIT_VERSION,
            source: source.display().to_string(),
            title: &record.plan.title,
            run_id: &record.run_id,
            void: of(Weight::Void),
            suspect: of(Weight::Suspect),
            note: of(Weight::Note),
            limits: limits
                .calibration()
                .map(|calibration| UsedLimits { from: limits.source(), measured_at: &calibration.measured_at }),
            findings: &findings,
        })?;
    } else if options.markdown {
        output.data(&audit_markdown(&record.plan.title, &findings))?;
    } else {
        output.data(&audit_table(
            &record.plan.title,
            &findings,
            Style { color: output.color(), width: output.width() },
        ))?;
    }
    Ok(if of(Weight::Void) > 0 { Exit::CellsFailed } else { Exit::Ok })
}

/// What the auditor says of a run as read.
pub fn findings(record: &RunRecord, columns: &RunColumns) -> Vec<Finding> {
    audit_with(&Audited { record, columns, calibration: record.calibration.as_ref() }, crate::parallel::runner())
}

/// A run from its directory, or another tool's files as a run that is written nowhere.
fn read(source: &Path, format: Option<&str>, output: &Output) -> Result<(RunRecord, RunColumns), Trouble> {
    if source.join(isodyne_store::RECORD_FILE).is_file() {
        return super::show::read_only(source, output);
    }
    let refuse = |error: ImportError| {
        let hint = "name a run directory, or the format of the files with --format (`isodyne import --list` has them)";
        Trouble::usage(error, hint)
    };
    let mut notes = Vec::new();
    let files = load_noting(source, &mut notes).map_err(refuse)?;
    let mut parsed = parse(&files, format).map_err(refuse)?;
    notes.into_iter().for_each(|note| parsed.remark(note));
    for remark in &parsed.remarks {
        output.say(&format!("note: {remark}"));
    }
    let context = ImportContext {
        run_id: format!("{:08x}", fresh_random() as u32),
        now: jiff::Timestamp::now().to_string(),
        command: std::env::args().collect(),
    };
    let (record, samples) = into_run(parsed, &files, &context);
    let mut columns = RunColumns::default();
    samples.for_each(|sample| columns.add(&sample));
    columns.sort();
    Ok((record, columns))
}

fn rules(options: &AuditOptions, output: &Output) -> Result<Exit, Trouble> {
    if !options.json {
        return output.data(&rules_table(Style { color: output.color(), width: output.width() }));
    }
    let list: Vec<_> =
        RULES.iter().map(|rule| json!({ "name": rule.name, "looks_for": rule.summary, "why": rule.why })).collect();
    output.json(&json!({ "schema": "isodyne-audit-rules", "version": 1, "rules": list }))
}
