//! The JSON that `phoronix-test-suite result-file-to-json` writes.

use super::super::parts::unread;
use super::super::tree::{Place, json, short};
use super::super::{ImportError, Parsed, SourceFile};
use super::result::{Outcome, Test, add as add_result};

pub(super) fn add(parsed: &mut Parsed, file: &SourceFile) -> Result<(), ImportError> {
    let tree = json(file)?;
    let root = Place::root(&file.name, &tree);
    if let Some(title) = root.text_at("title") {
        parsed.title = short(title);
    }
    if let Some(systems) = root.get("systems") {
        for (_, system) in systems.entries()? {
            let version = system.text_at("client_version").map(|version| format!("Phoronix Test Suite v{}", short(version)));
            parsed.tool = parsed.tool.take().or(version);
            let Some(hardware) = system.get("hardware").filter(|_| !parsed.facts.contains_key("host")) else { continue };
            let parts = hardware.entries()?.filter_map(|(key, value)| Some(format!("{key}: {}", value.value.as_str()?)));
            parsed.facts.insert("host".to_owned(), short(&parts.collect::<Vec<_>>().join(", ")));
        }
    }
    for (_, result) in root.need("results")?.entries()? {
        let text = |key: &str| result.text_at(key).unwrap_or_default();
        let test = Test {
            identifier: text("identifier"),
            description: text("description"),
            scale: text("scale"),
            proportion: text("proportion"),
            display: text("display_format"),
            path: result.path.clone(),
        };
        if test.identifier.is_empty() {
            return Err(result.wrong("key `identifier` is missing"));
        }
        let Some(outcomes) = result.get("results") else { continue };
        for (system, outcome) in outcomes.entries()? {
            let value = outcome.get("value").map(|place| place.value.as_str().map_or_else(|| place.value.to_string(), str::to_owned));
            let list = |key: &str| outcome.get(key).map(|place| place.numbers()).transpose().map(Option::unwrap_or_default);
            let found = Outcome {
                system,
                value: value.as_deref().unwrap_or_default(),
                raw: list("raw_values")?,
                run_seconds: list("test_run_times")?,
            };
            add_result(parsed, &file.name, &test, &found)?;
            let known = ["value", "raw_values", "test_run_times", "details", "min_result", "max_result"];
            unread(parsed, "results[].results[].", outcome.entries()?.map(|(key, _)| key), &known);
        }
    }
    Ok(())
}
