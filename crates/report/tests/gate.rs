//! Verdicts as JUnit, Markdown and a table: safe with any text, and readable by another parser.

use isodyne_core::cell::CellId;
use isodyne_core::gate::{BudgetVerdict, GateResult, Verdict};
use isodyne_report::{Style, gate_markdown, gate_table, junit};

/// Everything that XML, Markdown and terminals stumble over.
const HOSTILE: &str = "a<b>&\"'\u{1}\u{b}\u{1f}\u{85}\u{fffe}\u{ffff}]]>\u{1b}[31m@team|`x`\n\t\u{202e}€";

fn verdict(verdict: Verdict, text: &str) -> BudgetVerdict {
    BudgetVerdict {
        budget: format!("budget {text}"),
        cell: CellId(format!("boot/runc~{text}")),
        metric: "total_ns".to_owned(),
        figure: "p50".to_owned(),
        verdict,
        observed: Some(1.031e8),
        observed_ci95: None,
        allowed: 0.02,
        baseline: Some(1e8),
        change: Some(0.031),
        change_ci95: Some([0.028, 0.034]),
        grade: None,
        minimum_detectable: Some(0.004),
        samples_needed: None,
        words: format!("100 ms → 103 ms {text}"),
    }
}

fn result(text: &str) -> GateResult {
    let all = [Verdict::Fail, Verdict::Pass, Verdict::Inconclusive, Verdict::NotComparable];
    GateResult {
        schema: "isodyne-gate".to_owned(),
        version: 1,
        run_id: format!("1a2b{text}"),
        verdict: Verdict::Fail,
        verdicts: all.map(|one| verdict(one, text)).to_vec(),
        warnings: vec![format!("other kernel {text}")],
    }
}

#[test]
fn junit_is_read_by_another_parser_whatever_the_text() {
    for text in ["", HOSTILE] {
        let xml = junit(&result(text));
        let document = roxmltree::Document::parse(&xml).expect("well-formed");
        let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).expect("a suite");
        assert_eq!(
            ["tests", "failures", "errors"].map(|name| suite.attribute(name)),
            [Some("4"), Some("1"), Some("2")]
        );
        let cases: Vec<_> = document.descendants().filter(|node| node.has_tag_name("testcase")).collect();
        assert_eq!(cases.len(), 4);
        let child = |index: usize| cases[index].children().find(|node| node.is_element()).expect("a child");
        assert_eq!(child(0).tag_name().name(), "failure");
        assert_eq!(child(1).tag_name().name(), "system-out");
        assert_eq!(child(3).attribute("type"), Some("not_comparable"));
        assert!(xml.chars().all(|c| c == '\n' || !(c < ' ' || ('\u{7f}'..='\u{9f}').contains(&c) || c == '\u{fffe}')));
    }
    let xml = junit(&result(HOSTILE));
    let document = roxmltree::Document::parse(&xml).expect("well-formed");
    let case = document.descendants().find(|node| node.has_tag_name("testcase")).expect("a case");
    // What XML can carry comes back as it was; what it cannot is marked.
    let name = case.attribute("name").expect("a name");
    assert!(
        name.starts_with("budget a<b>&\"'\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}]]>\u{fffd}[31m@team|`x`\n\t")
    );
}

#[test]
fn markdown_has_no_foreign_markup() {
    let text = gate_markdown(&result(HOSTILE));
    assert!(!text.contains("<b>") && !text.contains("@team") && !text.contains('\u{1b}'), "{text}");
    assert!(text.contains("+3.1 %") && text.contains("+2.8 to +3.4 %"));
}

#[test]
fn the_table_fits_and_says_the_worst_last() {
    for width in [60, 100, 160] {
        let text = gate_table(&result(""), Style { color: false, width });
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        assert!(text.trim_end().ends_with("FAIL: 1 fail, 1 not comparable, 1 inconclusive, 1 pass"), "{text}");
    }
    assert!(!gate_table(&result(HOSTILE), Style::default()).contains('\u{1b}'));
}
