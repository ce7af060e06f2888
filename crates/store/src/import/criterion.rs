//! criterion.rs: `target/criterion/**/new/{sample,estimates,benchmark}.json`.

use super::json::{self, Node};
use super::parts::{file_name, head, holds, numbers, sample, short, text_at, unread};
use super::{ImportError, Parsed, SourceFile, text_factor};
use isodyne_core::cell::BackendName;
use isodyne_core::factor::Factors;
use isodyne_core::imported::Statistic;
use isodyne_core::sample::Accuracy;
use std::collections::BTreeMap;

/// The files of one benchmark, by their directory.
#[derive(Default)]
struct Group<'a> {
    sample: Option<&'a SourceFile>,
    estimates: Option<&'a SourceFile>,
    benchmark: Option<&'a SourceFile>,
}

/// Whether these are some.
pub(super) fn recognise(files: &[SourceFile]) -> bool {
    let sample = |file: &SourceFile| holds(head(file), "\"sampling_mode\"") && holds(head(file), "\"iters\"");
    let estimates = |file: &SourceFile| holds(head(file), "\"median_abs_dev\"");
    files.iter().any(|file| sample(file) || (file_name(&file.name) == "estimates.json" && estimates(file)))
}

/// Reads a directory of benchmarks, or the files of one.
pub(super) fn parse(files: &[SourceFile]) -> Result<Parsed, ImportError> {
    let mut parsed = Parsed {
        format: "criterion".to_owned(),
        tool: Some("criterion.rs".to_owned()),
        title: "benchmarks of criterion.rs".to_owned(),
        ..Parsed::default()
    };
    let mut groups: BTreeMap<&str, Group<'_>> = BTreeMap::new();
    for file in files {
        let directory = file.name.strip_suffix(file_name(&file.name)).unwrap_or_default();
        match file_name(&file.name) {
            "sample.json" => groups.entry(directory).or_default().sample = Some(file),
            "estimates.json" => groups.entry(directory).or_default().estimates = Some(file),
            "benchmark.json" => groups.entry(directory).or_default().benchmark = Some(file),
            _ if files.len() == 1 => groups.entry(directory).or_default().sample = Some(file),
            _ => {}
        }
    }
    // Beside `new` lie `base` (the run before) and `change` (their difference).
    if groups.keys().any(|directory| is_new(directory)) {
        groups.retain(|directory, _| is_new(directory));
    }
    for (directory, group) in groups {
        add(&mut parsed, directory, &group)?;
    }
    if parsed.cells.is_empty() {
        let name = files.first().map_or("criterion", |file| file.name.as_str());
        return Err(ImportError::new(name, "no sample.json or estimates.json of criterion.rs among the files"));
    }
    Ok(parsed)
}

fn is_new(directory: &str) -> bool {
    directory == "new/" || directory.ends_with("/new/")
}

fn add(parsed: &mut Parsed, directory: &str, group: &Group<'_>) -> Result<(), ImportError> {
    let Some(first) = group.sample.or(group.estimates) else { return Ok(()) };
    let mut factors = Factors::new();
    let mut per_iteration = None;
    match group.benchmark {
        Some(file) => {
            let tree = json::parse(file)?;
            let root = Node::root(&file.name, &tree);
            for (key, factor) in [("group_id", "group"), ("function_id", "function"), ("value_str", "value")] {
                factors.extend(text_at(&root, key).map(|text| (factor.to_owned(), text_factor(text))));
            }
            per_iteration = throughput(parsed, &root)?;
        }
        None => {
            let path = directory.trim_end_matches('/').trim_end_matches("/new");
            factors.insert("path".to_owned(), text_factor(if path.is_empty() { &first.name } else { path }));
            parsed.remark(format!("`{}` has no benchmark.json beside it: its name is its path", short(&first.name)));
        }
    }
    let cell = parsed.cell(&first.name, BackendName::Imported, factors)?;
    if let Some(file) = group.sample {
        add_samples(parsed, cell, file, per_iteration)?;
    }
    match group.estimates {
        Some(file) => add_estimates(parsed, cell, file),
        None => Ok(()),
    }
}

/// What one iteration processes, as a metric of a rate.
fn throughput(parsed: &mut Parsed, root: &Node<'_>) -> Result<Option<(&'static str, f64)>, ImportError> {
    let Some(throughput) = root.get("throughput") else { return Ok(None) };
    let mut found = None;
    for (kind, amount) in throughput.entries()? {
        found = match kind {
            "Bytes" | "BytesDecimal" => Some(("throughput_bytes_per_s", amount.number()?)),
            "Bits" => Some(("throughput_bytes_per_s", amount.number()? / 8.0)),
            "Elements" => Some(("elements_per_s", amount.number()?)),
            other => {
                parsed.remark(format!("a throughput of `{}` is not understood", short(other)));
                found
            }
        };
    }
    Ok(found)
}

fn add_samples(
    parsed: &mut Parsed,
    cell: usize,
    file: &SourceFile,
    per_iteration: Option<(&'static str, f64)>,
) -> Result<(), ImportError> {
    let tree = json::parse(file)?;
    let root = Node::root(&file.name, &tree);
    let (iterations, times) = (numbers(&root.need("iters")?)?, numbers(&root.need("times")?)?);
    if iterations.len() != times.len() {
        return Err(root.fail(format_args!("{} `iters` for {} `times`", iterations.len(), times.len())));
    }
    for (index, (iterations, ns)) in iterations.iter().zip(&times).enumerate() {
        if *iterations < 1.0 || *ns < 0.0 {
            return Err(root.fail(format_args!("sample {index} has {iterations} iterations in {ns} ns")));
        }
        let each = ns / iterations;
        let rate = per_iteration.filter(|_| each > 0.0).map(|(name, amount)| (name, amount * 1e9 / each));
        let values = [("iteration_ns", each), ("iterations_count", *iterations)];
        parsed.add(&file.name, sample(cell, index, Accuracy::Process, values.into_iter().chain(rate)))?;
    }
    let most = iterations.iter().copied().fold(0.0, f64::max);
    if most > 1.0 {
        parsed.remark(
            "a sample of criterion.rs is the mean over its iterations (`iterations_count`): its spread is not the spread \
             of single iterations, and its quantiles are not theirs",
        );
    }
    match text_at(&root, "sampling_mode") {
        Some(mode @ ("Linear" | "Flat")) => {
            parsed.fact("sampling_mode", mode.to_lowercase());
        }
        other => parsed.remark(format!("sampling mode `{}` is not known", short(other.unwrap_or_default()))),
    }
    unread(parsed, "sample.", root.entries()?.map(|(key, _)| key), &["sampling_mode", "iters", "times"]);
    Ok(())
}

fn add_estimates(parsed: &mut Parsed, cell: usize, file: &SourceFile) -> Result<(), ImportError> {
    let tree = json::parse(file)?;
    let root = Node::root(&file.name, &tree);
    for (key, statistic) in [
        ("mean", Statistic::Mean),
        ("median", Statistic::Median),
        ("std_dev", Statistic::Stddev),
        // Robust and fitted estimates have no word of their own among ours: the field tells what they are.
        ("median_abs_dev", Statistic::Value),
        ("slope", Statistic::Value),
    ] {
        let Some(estimate) = root.get(key) else { continue };
        let metric = match key {
            "slope" => "iteration_slope_ns",
            "median_abs_dev" => "iteration_median_absolute_deviation_ns",
            _ => "iteration_ns",
        };
        let value = estimate.need("point_estimate")?.number()?;
        parsed.claim(cell, metric, statistic, value, None, &format!("{key}.point_estimate"));
    }
    let known = ["mean", "median", "median_abs_dev", "slope", "std_dev"];
    unread(parsed, "estimates.", root.entries()?.map(|(key, _)| key), &known);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::fixtures;
    use super::*;

    #[test]
    fn samples_are_per_iteration_and_estimates_are_claims() {
        let parsed = parse(&fixtures("criterion")).unwrap();
        assert_eq!(parsed.cells.len(), 1);
        assert_eq!(parsed.cells[0].id.as_str(), "imported/imported[function=copy,group=pages,value=4096]");
        assert_eq!(parsed.samples.len(), 3, "base/ and change/ are not read");
        assert_eq!(parsed.samples[1].metrics["iteration_ns"], 105.0);
        assert_eq!(parsed.samples[1].metrics["iterations_count"], 200.0);
        assert_eq!(parsed.samples[0].metrics["throughput_bytes_per_s"], 4096.0 * 1e9 / 100.0);
        assert_eq!(parsed.claims.len(), 5);
        assert!(parsed.claims.iter().any(|claim| claim.statistic == Statistic::Stddev && claim.value == 4.0));
        assert!(parsed.remarks.iter().any(|remark| remark.contains("mean over its iterations")));
    }

    #[test]
    fn no_iterations_is_an_error() {
        let text = r#"{"sampling_mode": "Flat", "iters": [0.0], "times": [5.0]}"#;
        let file = SourceFile { name: "sample.json".into(), bytes: text.into() };
        let error = parse(&[file]).unwrap_err();
        assert_eq!(error.to_string(), "sample.json: sample 0 has 0 iterations in 5 ns");
    }
}
