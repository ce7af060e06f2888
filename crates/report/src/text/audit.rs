//! What the auditor says, as a terminal shows it.

use super::{Style, paragraph};
use crate::escape::plain;
use crate::value::count;
use isodyne_core::audit::{Finding, RULES, Weight};

/// How many lines of evidence a finding shows; `--json` has all.
const MOST_EVIDENCE: usize = 6;

/// The findings by weight, the worst first, with their evidence; `title` says of what.
pub fn audit_table(title: &str, findings: &[Finding], style: Style) -> String {
    let mut lines = vec![style.strong(&format!("audit: {}", plain(title)))];
    for weight in [Weight::Void, Weight::Suspect, Weight::Note] {
        let found: Vec<&Finding> = findings.iter().filter(|finding| finding.weight == weight).collect();
        if found.is_empty() {
            continue;
        }
        lines.push(String::new());
        let heading = format!("{}: {}", weight.as_str(), meaning(weight));
        lines.extend(paragraph("", &heading, style.columns()).iter().map(|line| paint(weight, line, style)));
        for finding in found {
            lines.extend(one(finding, style));
        }
    }
    lines.push(String::new());
    lines.push(counts(findings));
    lines.push(String::new());
    lines.join("\n")
}

fn one(finding: &Finding, style: Style) -> Vec<String> {
    let place = subject(finding);
    let mut lines = paragraph(&format!("  {}  ", finding.rule), &place, style.columns());
    lines.extend(paragraph("    ", &plain(&finding.message), style.columns()));
    for evidence in finding.evidence.iter().take(MOST_EVIDENCE) {
        let wrapped = paragraph("      ", &plain(evidence), style.columns());
        lines.extend(wrapped.iter().map(|line| style.quiet(line)));
    }
    let rest = finding.evidence.len().saturating_sub(MOST_EVIDENCE);
    if rest > 0 {
        lines.push(style.quiet(&format!("      {} more", count(rest as u64, "line"))));
    }
    lines
}

/// What a finding is about, in words.
pub(crate) fn subject(finding: &Finding) -> String {
    if let many @ 1.. = finding.about.len() {
        return format!("{many} numbers");
    }
    match (&finding.metric, &finding.cell) {
        (Some(metric), Some(cell)) => format!("{} of {}", plain(metric), plain(cell.as_str())),
        (Some(metric), None) => plain(metric),
        (None, Some(cell)) => plain(cell.as_str()),
        (None, None) => "the whole run".to_owned(),
    }
}

fn meaning(weight: Weight) -> &'static str {
    match weight {
        Weight::Void => "it cannot be true, or does not mean what its name says",
        Weight::Suspect => "it may be an artefact",
        Weight::Note => "worth knowing when the number is read",
    }
}

fn paint(weight: Weight, line: &str, style: Style) -> String {
    match weight {
        Weight::Void => style.bad(line),
        Weight::Suspect => style.warning(line),
        Weight::Note => style.strong(line),
    }
}

/// `2 void, 1 suspect, 3 notes`, or that nothing was found.
fn counts(findings: &[Finding]) -> String {
    let of = |weight| findings.iter().filter(|finding| finding.weight == weight).count() as u64;
    if findings.is_empty() {
        return format!("{} found nothing.", count(RULES.len() as u64, "rule"));
    }
    format!("{} void, {} suspect, {}", of(Weight::Void), of(Weight::Suspect), count(of(Weight::Note), "note"))
}

/// The rules with what they look for and why.
pub fn rules_table(style: Style) -> String {
    let mut lines = Vec::new();
    for rule in RULES {
        lines.push(style.strong(rule.name));
        lines.extend(paragraph("  ", &format!("looks for {}", rule.summary), style.columns()));
        let why = paragraph("  ", rule.why, style.columns());
        lines.extend(why.iter().map(|line| style.quiet(line)));
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use isodyne_core::cell::CellId;

    fn finding(weight: Weight) -> Finding {
        Finding {
            weight,
            rule: "poll-grid".to_owned(),
            cell: Some(CellId("imported/firecracker[\u{1b}[31mram=2GiB]".to_owned())),
            metric: Some("boot_ns".to_owned()),
            message: "all 20 values are 100 ms".to_owned(),
            evidence: (0..8).map(|line| format!("line {line}")).collect(),
            about: Vec::new(),
        }
    }

    #[test]
    fn findings_stand_by_weight_and_foreign_text_is_plain() {
        let text =
            audit_table("a file", &[finding(Weight::Void), finding(Weight::Note)], Style { color: false, width: 80 });
        assert!(text.find("void: it cannot").unwrap() < text.find("note: worth").unwrap());
        assert!(text.contains("1 void, 0 suspect, 1 note") && text.contains("2 lines more"));
        assert!(!text.contains('\u{1b}'));
        assert!(text.lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn nothing_found_is_said() {
        assert!(audit_table("x", &[], Style::default()).contains("rules found nothing."));
        assert!(rules_table(Style::default()).contains("sleep-grid"));
    }
}
