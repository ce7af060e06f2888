//! `isodyne check`: validate a plan and run nothing.

use super::plans;
use crate::arguments::CheckOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use serde_json::json;

/// Validates a plan and says what it would measure.
pub fn check(options: &CheckOptions, output: &Output) -> Result<Exit, Trouble> {
    let plan = plans::load_file(&options.plan, &options.set)?;
    let cells = plan.cells();
    if options.json {
        return output.json(&json!({ "schema": "isodyne-check", "version": 1, "plan": plan, "cells": cells }));
    }
    let mut text = format!(
        "{}: {}\n{} cells × {} samples after {} warm-up rounds:\n",
        options.plan.display(),
        plan.title,
        cells.len(),
        plan.samples,
        plan.warmup
    );
    for cell in &cells {
        text.push_str(&format!("  {}\n", cell.id));
    }
    output.data(&text)
}
