//! `isodyne gate`: a run held to its budgets.

mod webhook;

use super::compare::side;
use super::plans::read_text;
use super::show::read_only;
use crate::arguments::GateOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use crate::parallel::runner;
use isodyne_core::diagnostic::render;
use isodyne_core::gate::{Budget, GateResult, Settings, Verdict, default_budgets, evaluate_with};
use isodyne_core::plan::parse_budgets;
use isodyne_core::record::RunRecord;
use isodyne_report::{Style, gate_markdown, gate_table, junit};
use std::path::Path;

/// Holds the run to its budgets; the exit code is the verdict.
pub fn gate(options: &GateOptions, output: &Output) -> Result<Exit, Trouble> {
    let webhook = options.webhook.as_deref().map(webhook::Webhook::parse).transpose()?;
    let run = read_only(&options.run, output)?;
    let against = match &options.against {
        Some(path) => {
            Some(read_only(path, output).map_err(|trouble| Trouble { exit: Exit::NotComparable, ..trouble })?)
        }
        None => None,
    };
    let budgets = budgets(options, &run.0, output)?;
    let against = against.as_ref().zip(options.against.as_deref()).map(|(run, path)| side(run, path));
    let result = evaluate_with(side(&run, &options.run), against, &budgets, &Settings::default(), runner());
    if let Some(path) = &options.junit {
        write(path, &junit(&result))?;
    }
    if options.json {
        output.json(&result)?;
    } else if options.markdown {
        output.data(&gate_markdown(&result))?;
    } else {
        output.data(&gate_table(&result, Style { color: output.color(), width: output.width() }))?;
    }
    if let Some(webhook) = webhook {
        // Whoever is told does not change what is true.
        if let Err(problem) = webhook.post(&result) {
            output.warn(&format!("the webhook was not told: {problem}"));
        }
    }
    Ok(exit(&result))
}

/// The budgets of the file, else of the run's plan, else the default.
fn budgets(options: &GateOptions, record: &RunRecord, output: &Output) -> Result<Vec<Budget>, Trouble> {
    if let Some(path) = &options.budgets {
        let (name, text) = read_text(path, "budgets")?;
        return parse_budgets(&name, &text).map_err(|wrong| Trouble {
            exit: Exit::PlanInvalid,
            message: render(&wrong),
            hint: None,
        });
    }
    if !record.plan.budgets.is_empty() {
        return Ok(record.plan.budgets.clone());
    }
    let budgets = default_budgets(record, options.against.is_some());
    if budgets.is_empty() {
        return Err(Trouble::new(
            Exit::NotComparable,
            "there is nothing to hold the run to: its plan has no budget, and it has no variants",
            "write [[budget]] into the plan or into --budgets FILE, or name a stored run with --against RUN",
        ));
    }
    output.say("no budget is stated: the median of total_ns may get worse by 2 %");
    Ok(budgets)
}

fn write(path: &Path, text: &str) -> Result<(), Trouble> {
    std::fs::write(path, text).map_err(|error| {
        Trouble::unexpected(anyhow::Error::new(error).context(format!("cannot write {}", path.display())))
    })
}

fn exit(result: &GateResult) -> Exit {
    match result.verdict {
        Verdict::Pass => Exit::Ok,
        Verdict::Fail => Exit::Regression,
        Verdict::Inconclusive => Exit::Inconclusive,
        Verdict::NotComparable => Exit::NotComparable,
    }
}
