//! Concurrent agents: one sample an agent, and the averages that the file states.

use super::walk;
use crate::import::json::Node;
use crate::import::units::named;
use crate::import::{ImportError, Parsed, ParsedSample, SourceFile, text_factor};
use isodyne_core::cell::BackendName;
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::imported::Statistic;
use isodyne_core::sample::Accuracy;
use serde_json::Value;

pub(super) fn read(file: &SourceFile, test: &Node<'_>, name: &str, parsed: &mut Parsed) -> Result<(), ImportError> {
    let mut factors = Factors::from([("file".to_owned(), text_factor(name))]);
    let count = test.get("agent_count").map(|count| count.count()).transpose()?;
    if let Some(count) = count {
        factors.insert("agents".to_owned(), FactorValue::Count(count));
    }
    let cell = parsed.cell(&file.name, BackendName::Imported, factors)?;
    for (key, value) in test.entries()? {
        walk::mark(key, &value, parsed);
        match (key, value.value()) {
            ("agent_results", _) => agents(file, &value, cell, parsed)?,
            ("agent_count" | "timestamp", _) => {}
            ("scaling_factor", Value::Number(_)) => {
                parsed.claim(cell, "scaling_ratio", Statistic::Value, value.number()?, count, value.path());
            }
            (_, Value::Number(_)) => {
                let average = key.strip_prefix("avg_");
                let statistic = if average.is_some() { Statistic::Mean } else { Statistic::Value };
                let key = average.unwrap_or(key).trim_end_matches("_per_agent");
                let of_agents = if value.path().ends_with("_per_agent") { "_per_agent" } else { "" };
                match named(key) {
                    Some(found) if of_agents.is_empty() => {
                        parsed.claim(
                            cell,
                            &found.metric,
                            statistic,
                            value.number()? * found.factor,
                            count,
                            value.path(),
                        );
                    }
                    _ => parsed.remark(format!("`{}` was left out: its unit is not in its name", value.path())),
                }
            }
            (_, Value::Object(_)) => walk::walk(&value, cell, parsed)?,
            _ => {}
        }
    }
    Ok(())
}

fn agents(file: &SourceFile, list: &Node<'_>, cell: usize, parsed: &mut Parsed) -> Result<(), ImportError> {
    for (round, agent) in list.items()?.enumerate() {
        let mut sample = ParsedSample::new(cell, Accuracy::Process);
        // No import has as many samples as would not fit.
        sample.round = u32::try_from(round).unwrap_or(u32::MAX);
        for (key, value) in agent.entries()? {
            if let (Value::Number(_), Some(found)) = (value.value(), named(key)) {
                sample.set(&found.metric, value.number()? * found.factor);
            }
        }
        if agent.get("success").map(|flag| flag.flag()).transpose()? == Some(false) {
            let error = agent.text_of("error")?.unwrap_or_else(|| "it does not say why".to_owned());
            let error: String = error.chars().take(200).collect();
            let late = error.to_ascii_lowercase().contains("timeout");
            let class = if late { FailureClass::Timeout } else { FailureClass::Reported };
            sample.failure = Some(Failure::new(class, error.escape_debug().to_string()));
        }
        parsed.add(&file.name, sample)?;
    }
    Ok(())
}
