//! `isodyne compare`: two runs, or the variants of one.

use super::show::read_only;
use crate::arguments::CompareOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use crate::parallel::runner;
use isodyne_core::columns::RunColumns;
use isodyne_core::compare::{self, BASE, CompareError, ComparedRun, Comparison, compare_runs, compare_variants};
use isodyne_core::record::RunRecord;
use isodyne_report::{Style, comparison_markdown, comparison_table};
use std::path::Path;

/// Compares, and says so when the two sides may not be held against each other.
pub fn compare(options: &CompareOptions, output: &Output) -> Result<Exit, Trouble> {
    let chosen = compare::CompareOptions {
        metrics: options.metric.clone(),
        cells: options.cell.clone(),
        margin: options.margin,
    };
    let baseline = read_only(&options.run, output)?;
    let comparison = match &options.other {
        Some(other) if options.baseline.is_none() => {
            let candidate = read_only(other, output)?;
            compare_runs(side(&baseline, &options.run), side(&candidate, other), &chosen, runner())
        }
        Some(_) => {
            return Err(Trouble::usage(
                "--baseline names a variant of one run, and there are two runs",
                "leave one of them out: isodyne compare RUN --baseline NAME",
            ));
        }
        None => compare_variants(
            side(&baseline, &options.run),
            options.baseline.as_deref().unwrap_or(BASE),
            &chosen,
            runner(),
        ),
    };
    let comparison = comparison.map_err(refuse)?;
    if options.json {
        output.json(&comparison)?;
    } else if options.markdown {
        output.data(&comparison_markdown(&comparison))?;
    } else {
        output.data(&comparison_table(&comparison, Style { color: output.color(), width: output.width() }))?;
    }
    Ok(exit(&comparison))
}

/// A run as comparisons see it. Its name borrows from the path, so that path must be text to be shown whole.
pub fn side<'a>((record, columns): &'a (RunRecord, RunColumns), path: &'a Path) -> ComparedRun<'a> {
    let name = path.to_str().unwrap_or("(a path that is no text)");
    ComparedRun { name, record, columns }
}

/// Whether every pair may be compared.
pub fn exit(comparison: &Comparison) -> Exit {
    if comparison.cells.iter().all(|cell| cell.incomparable.is_empty()) { Exit::Ok } else { Exit::NotComparable }
}

/// Why nothing could be compared, with the way out.
pub fn refuse(error: CompareError) -> Trouble {
    let hint = match &error {
        CompareError::NoVariants => "name a second run: isodyne compare A B".to_owned(),
        CompareError::UnknownBaseline { hint, .. } | CompareError::UnknownMetric { hint, .. } => hint.clone(),
        CompareError::NothingInCommon { unmatched } if unmatched.is_empty() => {
            "isodyne show RUN names the cells; --cell takes a part of a cell's name".to_owned()
        }
        CompareError::NothingInCommon { unmatched } => unmatched.join("\n        "),
    };
    Trouble::new(Exit::NotComparable, error, hint)
}
