//! The JSON that `phoronix-test-suite result-file-to-json` writes.

use super::super::json::{self, Node};
use super::super::parts::{Rounds, numbers, short, text_at, unread};
use super::super::{ImportError, Parsed, SourceFile, when};
use super::result::{Outcome, Test, add as add_result};

pub(super) fn add(parsed: &mut Parsed, file: &SourceFile, rounds: &mut Rounds) -> Result<(), ImportError> {
    let tree = json::parse(file)?;
    let root = Node::root(&file.name, &tree);
    if let Some(title) = text_at(&root, "title") {
        parsed.title = short(title);
    }
    if let Some(systems) = root.get("systems") {
        for (_, system) in systems.entries()? {
            let version =
                text_at(&system, "client_version").map(|version| format!("Phoronix Test Suite v{}", short(version)));
            parsed.tool = parsed.tool.take().or(version);
            if let Some(time) = text_at(&system, "timestamp").and_then(when::rfc3339) {
                parsed.remark("the time of a system has no zone and was taken for UTC");
                parsed.created_at.get_or_insert(time);
            }
            let Some(hardware) = system.get("hardware") else { continue };
            let parts =
                hardware.entries()?.filter_map(|(key, value)| Some(format!("{key}: {}", value.value().as_str()?)));
            parsed.fact("host", parts.collect::<Vec<_>>().join(", "));
        }
    }
    for (_, result) in root.need("results")?.entries()? {
        let text = |key: &str| text_at(&result, key).unwrap_or_default();
        let test = Test {
            identifier: text("identifier"),
            description: text("description"),
            scale: text("scale"),
            proportion: text("proportion"),
            display: text("display_format"),
            path: result.path().to_owned(),
        };
        if test.identifier.is_empty() {
            return Err(result.fail("key `identifier` is missing"));
        }
        let Some(outcomes) = result.get("results") else { continue };
        for (system, outcome) in outcomes.entries()? {
            let value = outcome
                .get("value")
                .map(|place| place.value().as_str().map_or_else(|| place.value().to_string(), str::to_owned));
            let list =
                |key: &str| outcome.get(key).map(|place| numbers(&place)).transpose().map(Option::unwrap_or_default);
            let found = Outcome {
                system,
                value: value.as_deref().unwrap_or_default(),
                raw: list("raw_values")?,
                run_seconds: list("test_run_times")?,
            };
            add_result(parsed, &file.name, &test, &found, rounds)?;
            let known = ["value", "raw_values", "test_run_times", "details", "min_result", "max_result"];
            unread(parsed, "results[].results[].", outcome.entries()?.map(|(key, _)| key), &known);
        }
    }
    Ok(())
}
