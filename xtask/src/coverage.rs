//! `cargo xtask coverage`: whether intervals hold what they promise, on data whose truth is known.
//!
//! Makes the tables between the marks in docs/statistics.md. Everything is drawn from fixed seeds, so the same code gives
//! the same tables. It takes minutes without optimisation: `cargo run --release --package xtask -- coverage`.

mod absolute;
mod alarms;
pub mod data;
mod paired;
mod printed;
mod separate;
mod series;
mod stopping;

use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Data sets of each kind and size.
const SETS: u32 = 1_000;
/// Data sets of each kind and size for the bootstrap, which takes hundreds of times as long.
const BOOTSTRAPPED: u32 = 200;
/// Resamples of each bootstrap.
const RESAMPLES: u32 = 400;
/// The least share of intervals that must hold the truth.
const LEAST: f64 = 0.93;
const DOCUMENT: &str = "docs/statistics.md";
const BEGIN: &str = "<!-- coverage: made by `cargo xtask coverage` -->";
const END: &str = "<!-- /coverage -->";

/// What came out.
#[derive(Default)]
struct Outcome {
    /// The tables, in Markdown.
    text: String,
    /// Intervals that hold less than they must.
    problems: Vec<String>,
}

impl Outcome {
    fn line(&mut self, line: impl AsRef<str>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{}", line.as_ref());
    }

    /// Notes a coverage that is too low.
    fn hold(&mut self, what: &str, covered: f64) {
        if covered < LEAST {
            self.problems.push(format!("{what}: {covered:.3}"));
        }
    }
}

/// Writes the tables into the document; with `check` it compares only. Fails if an interval holds less than it must.
pub fn run(root: &Path, check: bool) -> Result<()> {
    let outcome = whole()?;
    let path = root.join(DOCUMENT);
    let document = fs::read_to_string(&path).with_context(|| format!("cannot read {DOCUMENT}"))?;
    let wanted = replaced(&document, &outcome.text)?;
    if wanted != document {
        if check {
            bail!("{DOCUMENT} is not up to date; run `cargo xtask coverage`");
        }
        fs::write(&path, wanted).with_context(|| format!("cannot write {DOCUMENT}"))?;
    }
    if !outcome.problems.is_empty() {
        bail!("intervals hold the truth in less than {LEAST}:\n  {}", outcome.problems.join("\n  "));
    }
    Ok(())
}

/// All tables. Each has its own seeds, so they can be made side by side.
fn whole() -> Result<Outcome> {
    let tables = [
        series::table,
        series::tails,
        paired::table,
        separate::table,
        printed::table,
        absolute::table,
        alarms::table,
        stopping::table,
    ];
    let made = std::thread::scope(|scope| {
        let threads = tables.map(|table| {
            scope.spawn(move || {
                let mut outcome = Outcome::default();
                table(&mut outcome);
                outcome
            })
        });
        threads.map(std::thread::ScopedJoinHandle::join)
    });
    let mut whole = Outcome::default();
    for outcome in made {
        let outcome = outcome.map_err(|_| anyhow::anyhow!("a table could not be made"))?;
        whole.text.push_str(&outcome.text);
        whole.problems.extend(outcome.problems);
    }
    Ok(whole)
}

/// The document with what is between the marks replaced.
fn replaced(document: &str, text: &str) -> Result<String> {
    let marks = document.find(BEGIN).zip(document.find(END)).filter(|(begin, end)| begin < end);
    let (begin, end) = marks.with_context(|| format!("{DOCUMENT} has lost its marks of the coverage"))?;
    Ok(format!("{}{BEGIN}\n\n{}\n\n{}", &document[..begin], text.trim_end(), &document[end..]))
}

/// The seed of one block of the tables: what is drawn for it does not depend on the others.
fn seed(table: u64, kind: data::Kind, n: usize) -> u64 {
    table * 1_000_003 + kind as u64 * 10_007 + n as u64
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// How often intervals of one method held the truth, and how wide they were.
#[derive(Default)]
struct Tally {
    covered: u32,
    widths: Vec<f64>,
}

impl Tally {
    fn add(&mut self, low: f64, high: f64, truth: f64) {
        self.covered += u32::from(low <= truth && truth <= high);
        self.widths.push(high - low);
    }

    fn covered(&self) -> f64 {
        f64::from(self.covered) / self.widths.len() as f64
    }

    fn width(&self) -> f64 {
        median(self.widths.clone())
    }

    /// Of all data sets, how many had an interval.
    fn printed(&self) -> f64 {
        self.widths.len() as f64 / f64::from(SETS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let document = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let new = replaced(&document, "new\n").unwrap();
        assert_eq!(new, format!("before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"));
        assert_eq!(replaced(&new, "new\n").unwrap(), new);
        assert!(replaced("no marks", "new").is_err());
    }

    #[test]
    fn a_tally_counts_what_holds_the_truth() {
        let mut tally = Tally::default();
        tally.add(0.0, 2.0, 1.0);
        tally.add(2.0, 6.0, 1.0);
        assert_eq!((tally.covered(), tally.width()), (0.5, 4.0));
    }
}
