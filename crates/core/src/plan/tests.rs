//! Tests of the whole loader: bad plans and exactly what is said of them, good plans and what becomes of them.

use super::*;
use crate::diagnostic::render;

mod app;
mod bad;
mod good;
mod hostile;
mod variants;

/// What is said of a plan.
fn said(text: &str) -> String {
    said_with(text, &[])
}

/// What is said of a plan with `--set` arguments.
fn said_with(text: &str, set: &[&str]) -> String {
    match Plan::parse("plan.toml", text, &sets(set)) {
        Ok(plan) => format!("{plan:#?}"),
        Err(diagnostics) => render(&diagnostics),
    }
}

fn sets(set: &[&str]) -> Vec<Override> {
    set.iter().map(|text| Override::set(text).unwrap()).collect()
}
