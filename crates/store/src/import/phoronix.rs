//! Phoronix Test Suite: `composite.xml`, or the JSON that it makes of one.

mod json;
mod result;
mod xml;

use super::parts::{Rounds, head, holds};
use super::{ImportError, Parsed, SourceFile};

/// Whether this is one.
pub(super) fn recognise(files: &[SourceFile]) -> bool {
    files.iter().any(|file| holds(head(file), "<PhoronixTestSuite"))
        || matches!(files, [file] if holds(head(file), "\"systems\"") && holds(head(file), "\"client_version\""))
}

/// Reads one. In a directory of results, only `composite.xml` is read.
pub(super) fn parse(files: &[SourceFile]) -> Result<Parsed, ImportError> {
    let mut parsed = Parsed {
        format: "phoronix".to_owned(),
        title: "results of the Phoronix Test Suite".to_owned(),
        ..Parsed::default()
    };
    let mut rounds = Rounds::default();
    let several = files.len() > 1;
    for file in files.iter().filter(|file| !several || holds(head(file), "<PhoronixTestSuite")) {
        if holds(head(file), "<PhoronixTestSuite") {
            xml::add(&mut parsed, file, &mut rounds)?;
        } else {
            json::add(&mut parsed, file, &mut rounds)?;
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::super::testing::fixture;
    use super::*;
    use isodyne_core::imported::Statistic;

    #[test]
    fn both_forms_say_the_same() {
        let [xml, json] = ["phoronix.xml", "phoronix.json"].map(|name| parse(&[fixture(name)]).unwrap());
        for parsed in [&xml, &json] {
            assert_eq!(parsed.tool.as_deref(), Some("Phoronix Test Suite v10.8.4"));
            assert_eq!(parsed.cells.len(), 3, "{:?}", parsed.cells);
            assert_eq!(parsed.samples.len(), 4);
            assert_eq!(parsed.samples[0].metrics["result_ns"], 1_410_000_000.0);
            assert_eq!(parsed.samples[0].metrics["test_run_ns"], 5_000_000_000.0);
            assert_eq!(parsed.samples[3].metrics["result_bytes_per_s"], 5_210_500_000.0);
            let mean = parsed.claims.iter().find(|claim| claim.statistic == Statistic::Mean).unwrap();
            assert_eq!((mean.value, mean.n), (1_420_000_000.0, Some(3)));
            assert!(parsed.claims.iter().any(|claim| claim.statistic == Statistic::Met && claim.value == 1.0));
            assert!(parsed.facts["host"].contains("Processor: Example 9"), "{:?}", parsed.facts);
        }
        assert_eq!(xml.samples, json.samples);
        let ids = |parsed: &Parsed| parsed.cells.iter().map(|cell| cell.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&xml), ids(&json));
    }

    #[test]
    fn hostile_xml_is_refused() {
        let read = |text: &str| {
            let text = format!("{text}<!-- <PhoronixTestSuite -->");
            parse(&[SourceFile { name: "c.xml".into(), bytes: text.into() }]).map_err(|error| error.to_string())
        };
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><x>&b;</x>";
        assert!(read(bomb).unwrap_err().contains("DTD"), "{:?}", read(bomb));
        assert!(read(&"<a>".repeat(50_000)).is_err());
        assert!(read(&("<a>".repeat(50_000) + &"</a>".repeat(50_000))).is_err());
        assert_eq!(read("<a/>").unwrap_err(), "c.xml: the outermost element is `a`, not `PhoronixTestSuite`");
    }
}
