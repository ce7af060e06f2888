//! hyperfine's `--export-json`: wall-clock times of commands.

use super::json::{self, Node};
use super::parts::{Rounds, head, holds, length, ns_of_seconds, numbers, reported, sample, unread};
use super::{ImportError, Parsed, SourceFile, text_factor};
use isodyne_core::cell::BackendName;
use isodyne_core::factor::Factors;
use isodyne_core::imported::Statistic;
use isodyne_core::sample::Accuracy;

/// Whether this is one.
pub(super) fn recognise(files: &[SourceFile]) -> bool {
    matches!(files, [file] if holds(head(file), "\"results\"") && holds(head(file), "\"command\"")
        && (holds(head(file), "\"mean\"") || holds(head(file), "\"times\"")))
}

/// Reads one.
pub(super) fn parse(files: &[SourceFile]) -> Result<Parsed, ImportError> {
    let mut parsed = Parsed {
        format: "hyperfine".to_owned(),
        tool: Some("hyperfine".to_owned()),
        title: "commands timed by hyperfine".to_owned(),
        ..Parsed::default()
    };
    let mut rounds = Rounds::default();
    for file in files {
        let tree = json::parse(file)?;
        let root = Node::root(&file.name, &tree);
        for result in root.need("results")?.items()? {
            add_result(&mut parsed, &file.name, &result, &mut rounds)?;
        }
        unread(&mut parsed, "", root.entries()?.map(|(key, _)| key), &["results"]);
    }
    Ok(parsed)
}

const KEYS: &[&str] = &[
    "command",
    "mean",
    "stddev",
    "median",
    "user",
    "system",
    "min",
    "max",
    "times",
    "memory_usage_byte",
    "exit_codes",
    "parameters",
];

fn add_result(parsed: &mut Parsed, file: &str, result: &Node<'_>, rounds: &mut Rounds) -> Result<(), ImportError> {
    let command = result.need("command")?.text()?;
    let mut factors = Factors::from([("command".to_owned(), text_factor(command))]);
    if let Some(parameters) = result.get("parameters") {
        for (name, value) in parameters.entries()? {
            let name = format!("parameter.{}", name.chars().take(60).collect::<String>());
            factors.insert(name, text_factor(value.text()?));
        }
    }
    let before = parsed.cells.len();
    let cell = parsed.cell(file, BackendName::Imported, factors)?;
    if parsed.cells.len() == before {
        parsed.remark(format!("`{}`: this command stands more than once; its samples are one cell", result.path()));
    }
    add_samples(parsed, file, cell, result, rounds)?;
    add_claims(parsed, cell, result)?;
    unread(parsed, "results[].", result.entries()?.map(|(key, _)| key), KEYS);
    Ok(())
}

fn add_samples(
    parsed: &mut Parsed,
    file: &str,
    cell: usize,
    result: &Node<'_>,
    rounds: &mut Rounds,
) -> Result<(), ImportError> {
    let Some(times) = result.get("times") else {
        parsed.remark(format!("`{}` has no single times, only figures", result.path()));
        return Ok(());
    };
    let values = numbers(&times)?;
    if let Some(index) = values.iter().position(|value| *value < 0.0) {
        return Err(times.fail(format_args!("time {index} is negative")));
    }
    let codes = same_length(result, "exit_codes", values.len())?;
    let memory = same_length(result, "memory_usage_byte", values.len())?.map(|place| numbers(&place)).transpose()?;
    for (index, seconds) in values.iter().enumerate() {
        let mut made = sample(cell, rounds.next(cell), Accuracy::Process, [("total_ns", ns_of_seconds(*seconds))]);
        let bytes = memory.as_ref().and_then(|memory| memory.get(index).copied());
        made.metrics.extend(bytes.map(|bytes| ("peak_memory_bytes".to_owned(), bytes)));
        if let Some(codes) = &codes {
            made.failure = match codes.value().get(index) {
                Some(code) if code.is_null() => Some(reported("the command was ended by a signal")),
                Some(code) if code.as_i64() == Some(0) => None,
                Some(code) if code.is_i64() => Some(reported(format!("the command ended with code {code}"))),
                _ => return Err(codes.fail(format_args!("code {index} is no whole number"))),
            };
        }
        parsed.add(file, made)?;
    }
    Ok(())
}

/// An array that goes with the times; an empty one counts as absent.
fn same_length<'a>(result: &Node<'a>, key: &str, wanted: usize) -> Result<Option<Node<'a>>, ImportError> {
    let Some(place) = result.get(key) else { return Ok(None) };
    match length(&place)? {
        0 => Ok(None),
        found if found == wanted => Ok(Some(place)),
        found => Err(place.fail(format_args!("{found} entries for {wanted} times"))),
    }
}

fn add_claims(parsed: &mut Parsed, cell: usize, result: &Node<'_>) -> Result<(), ImportError> {
    let n = result.get("times").and_then(|times| Some(times.value().as_array()?.len() as u64));
    for (key, metric, statistic) in [
        ("mean", "total_ns", Statistic::Mean),
        ("stddev", "total_ns", Statistic::Stddev),
        ("median", "total_ns", Statistic::Median),
        ("min", "total_ns", Statistic::Min),
        ("max", "total_ns", Statistic::Max),
        ("user", "cpu_user_ns", Statistic::Mean),
        ("system", "cpu_system_ns", Statistic::Mean),
    ] {
        if let Some(seconds) = result.number_of(key)? {
            parsed.claim(cell, metric, statistic, ns_of_seconds(seconds), n, &format!("{}.{key}", result.path()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::fixture;
    use super::*;

    #[test]
    fn times_codes_memory_and_figures() {
        let parsed = parse(&[fixture("hyperfine.json")]).unwrap();
        assert_eq!(parsed.cells.len(), 2);
        assert_eq!(parsed.cells[0].id.as_str(), "imported/imported[command=\"sleep 0.01\",parameter.wait=0.01]");
        assert_eq!(parsed.samples.len(), 7);
        assert_eq!(parsed.samples[0].metrics["total_ns"], 11_204_350.0);
        assert_eq!(parsed.samples[0].metrics["peak_memory_bytes"], 2_100_000.0);
        let failed: Vec<&str> =
            parsed.samples.iter().filter_map(|sample| Some(sample.failure.as_ref()?.message.as_str())).collect();
        assert_eq!(failed, ["the command ended with code 3", "the command was ended by a signal"]);
        assert_eq!(parsed.samples.iter().map(|sample| sample.round).collect::<Vec<_>>(), [0, 1, 2, 3, 0, 1, 2]);
        let claim = |field: &str| parsed.claims.iter().find(|claim| claim.field == field).unwrap();
        assert_eq!(claim("results[0].median").value, 11_250_000.0);
        assert_eq!(claim("results[0].median").n, Some(4));
        assert_eq!(claim("results[1].user").metric, "cpu_user_ns");
        assert_eq!(parsed.remarks, ["`results[].note` is not understood and was left out"]);
    }

    #[test]
    fn what_does_not_fit_together_is_an_error() {
        let read = |text: &str| {
            parse(&[SourceFile { name: "h.json".into(), bytes: text.into() }]).map_err(|error| error.to_string())
        };
        assert_eq!(
            read(r#"{"results": [{"command": "a", "times": [1, 2], "exit_codes": [0]}]}"#).unwrap_err(),
            "h.json: `results[0].exit_codes`: 1 entries for 2 times"
        );
        assert_eq!(
            read(r#"{"results": [{"command": "a", "times": [1, -2]}]}"#).unwrap_err(),
            "h.json: `results[0].times`: time 1 is negative"
        );
        assert_eq!(read(r#"{"results": {}}"#).unwrap_err(), "h.json: `results`: {} is no list");
        assert_eq!(read("[]").unwrap_err(), "h.json: key `results` is missing");
    }
}
