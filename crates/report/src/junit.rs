//! The gate's verdicts as JUnit XML: a test case for each budget and cell, for any CI that reads it.
//!
//! `fail` is a failure; `inconclusive` and `not comparable` are errors, because neither may look like a pass.

use isodyne_core::gate::{BudgetVerdict, GateResult, Verdict};
use std::fmt::Write;

/// The verdicts as one JUnit test suite.
pub fn junit(result: &GateResult) -> String {
    let count = |wanted: &[Verdict]| result.verdicts.iter().filter(|one| wanted.contains(&one.verdict)).count();
    let (tests, failures) = (result.verdicts.len(), count(&[Verdict::Fail]));
    let errors = count(&[Verdict::Inconclusive, Verdict::NotComparable]);
    let numbers = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\"");
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail.
    let _ = writeln!(out, "<testsuites name=\"isodyne gate\" {numbers}>");
    let _ = writeln!(out, "  <testsuite name=\"run {}\" {numbers} skipped=\"0\">", escape(&result.run_id));
    let _ = writeln!(out, "    <properties>");
    for (name, value) in [("schema", result.schema.as_str()), ("verdict", result.verdict.as_str())] {
        let _ = writeln!(out, "      <property name=\"{name}\" value=\"{}\"/>", escape(value));
    }
    let _ = writeln!(out, "    </properties>");
    for verdict in &result.verdicts {
        case(&mut out, verdict);
    }
    if !result.warnings.is_empty() {
        let _ = writeln!(out, "    <system-out>{}</system-out>", escape(&result.warnings.join("\n")));
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

fn case(out: &mut String, verdict: &BudgetVerdict) {
    let cell = if verdict.cell.as_str().is_empty() { "no cell" } else { verdict.cell.as_str() };
    let _ = write!(out, "    <testcase classname=\"{}\" name=\"{}\"", escape(cell), escape(&verdict.budget));
    let words = escape(&verdict.words);
    let _ = match verdict.verdict {
        Verdict::Pass => writeln!(out, ">\n      <system-out>{words}</system-out>\n    </testcase>"),
        Verdict::Fail => writeln!(out, ">\n      <failure type=\"fail\" message=\"{words}\"/>\n    </testcase>"),
        Verdict::Inconclusive | Verdict::NotComparable => {
            writeln!(out, ">\n      <error type=\"{}\" message=\"{words}\"/>\n    </testcase>", verdict.verdict)
        }
    };
}

/// Text for XML 1.0, in an element or a quoted attribute: what that has no place for, even escaped, becomes U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // In an attribute a parser would make a space of them.
            '\t' | '\n' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(character));
            }
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}
