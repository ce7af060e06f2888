//! `isodyne run`: from plan to report.

mod builds;
mod prepare;
pub mod resolve;
mod resume;
mod session;

use crate::arguments::RunOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use crate::{parallel, paths};
use isodyne_core::columns::RunColumns;
use isodyne_core::event::Ending;
use isodyne_core::record::RunRecord;
use isodyne_core::summary::{RunSummary, summarise_with};
use isodyne_engine::lab::{Lab, LabOptions};
use isodyne_engine::ownership::sweep;
use isodyne_engine::schedule::Interrupt;
use isodyne_report::RunView;
use isodyne_store::RunDirectory;
use resolve::Target;
use serde_json::json;
use std::path::Path;
use std::process::Command;

pub use resolve::fresh_run_id;

/// Runs a plan or a benchmark, or goes on with a run.
pub fn run(options: &RunOptions, output: &Output) -> Result<Exit, Trouble> {
    if options.json && options.streams_events() {
        return Err(Trouble::usage(
            "--json and --events - would both write to standard output",
            "name a file: --events FILE",
        ));
    }
    let target = resolve::target(options)?;
    if options.dry_run {
        return dry_run(&target, options, output);
    }
    if let Some(done) = target.resumed.as_ref().filter(|resumed| resume::is_complete(resumed)) {
        output.say("this run is complete: nothing is measured");
        let columns = RunColumns::of(&done.samples);
        return conclude(&target.out, &done.record, &columns, Ending::Complete, options, output);
    }
    let interrupt = Interrupt::listen().map_err(Trouble::unexpected)?;
    for survivor in sweep(&target.run_id) {
        output.warn(&format!("left by an earlier session of this run: {survivor}"));
    }
    let lab = open_lab(&target.run_id, target.session(), &target.out.join("logs"), output)?;
    interrupt.ends(lab.owner.clone());
    let prepared = prepare::prepare(&target.plan, target.shard, &lab, output);
    if let (Some(shard), Ok(prepared)) = (target.shard, &prepared)
        && prepared.work.is_empty()
        && prepared.skipped.is_empty()
    {
        output.say(&format!("shard {shard} of this plan has no cell"));
    }
    if interrupt.is_asked() {
        // What the probes have found is worth nothing: they were interrupted too.
        drop(prepared);
        lab.close().iter().for_each(|survivor| output.warn(&format!("something survived: {survivor}")));
        output.say("interrupted before the first sample");
        return Ok(Exit::Interrupted);
    }
    let mut prepared = prepared?;
    let (directory, record, earlier) = match target.resumed {
        Some(resumed) => {
            let host = lab.host.clone().with_storage(&lab.logs).fingerprint;
            for note in resume::compare(&resumed.record, &mut prepared, &host) {
                output.warn(&note);
            }
            (resumed.directory, resumed.record, resumed.samples)
        }
        None => {
            let record = prepare::record(&target, &prepared, &lab, output);
            let directory = RunDirectory::create(&target.out, &record).map_err(Trouble::unexpected)?;
            (directory, record, Vec::new())
        }
    };
    session::session(lab, prepared, session::Session { directory, record, earlier, options, interrupt }, output)
}

/// Says exactly what would be run and sent.
fn dry_run(target: &Target, options: &RunOptions, output: &Output) -> Result<Exit, Trouble> {
    let lab = open_lab(&target.run_id, target.session(), &target.out.join("logs"), output)?;
    let prepared = prepare::prepare_dry(&target.plan, target.shard, &lab, output)?;
    let described = prepare::describe(&prepared, &lab);
    let builds = prepare::describe_builds(&target.plan, &lab);
    let waiting = prepare::waiting(&target.plan);
    let skipped = prepared.skipped.clone();
    let nothing = prepared.work.is_empty() && waiting.is_empty();
    drop(prepared);
    lab.close();
    if options.json {
        output.json(&json!({
            "schema": "isodyne-dry-run", "version": 1, "builds": builds, "cells": described, "waiting": waiting,
            "skipped": skipped,
        }))?
    } else {
        output.data(&prepare::text(&builds, &described, &waiting))?
    };
    Ok(if nothing { Exit::NothingRan } else { Exit::Ok })
}

/// Opens a lab with a guardian.
///
/// # Errors
/// If its scratch directory cannot be made.
pub fn open_lab(run_id: &str, session: u32, logs: &Path, output: &Output) -> Result<Lab, Trouble> {
    let guardian = std::env::current_exe().map(|program| {
        let mut command = Command::new(program);
        command.arg("guardian");
        command
    });
    if guardian.is_err() {
        output.warn("this program cannot find its own file: nothing cleans up after it if it is killed");
    }
    let lab = Lab::open(LabOptions { run_id, session, logs, cache: &paths::cache(), guardian: guardian.ok() });
    lab.map_err(|error| {
        let error = anyhow::Error::new(error).context("cannot make a scratch directory");
        Trouble {
            hint: Some("free some space, or name another place with TMPDIR".to_owned()),
            ..Trouble::unexpected(error)
        }
    })
}

/// What the user sees at the end, and the exit code.
fn conclude(
    path: &Path,
    record: &RunRecord,
    columns: &RunColumns,
    ending: Ending,
    options: &RunOptions,
    output: &Output,
) -> Result<Exit, Trouble> {
    let summary = summarise_with(record, columns, parallel::runner());
    let location = path.display().to_string();
    let view = RunView {
        record,
        columns,
        summary: &summary,
        streams: None,
        location: Some(&location),
        runner: parallel::runner(),
    };
    if options.json {
        output.json(&summary)?;
    } else if !options.streams_events() && !options.quiet {
        super::show::table(view, output)?;
    }
    if !options.no_report && summary.cells.iter().any(|cell| cell.samples_valid > 0) {
        let file = path.join("report.html");
        let streams = super::report::streams(path, record, output)?;
        super::report::write_html(RunView { streams: Some(&streams), ..view }, &file)?;
        output.say(&format!("report  {}", file.display()));
    }
    if ending == Ending::Complete && !options.no_history {
        super::history::keep(record, &summary, path, output);
    }
    Ok(exit(&summary, record, ending))
}

/// The exit code that a run deserves.
pub fn exit(summary: &RunSummary, record: &RunRecord, ending: Ending) -> Exit {
    let failed = summary.cells.iter().any(|cell| !cell.samples_failed.is_empty());
    let survivors = record.ended.as_ref().is_some_and(|end| !end.survivors.is_empty() || !end.abandoned.is_empty());
    match ending {
        Ending::Interrupted => Exit::Interrupted,
        // With more shards than cells some have nothing to do, and nothing is wrong with that.
        Ending::Complete if record.cells.is_empty() && record.skipped.is_empty() && record.shard.is_some() => Exit::Ok,
        Ending::Complete if record.cells.is_empty() => Exit::NothingRan,
        Ending::Complete if failed || survivors => Exit::CellsFailed,
        Ending::Complete => Exit::Ok,
    }
}

/// A word as a shell reads it back.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
