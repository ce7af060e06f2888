//! What the auditor says: marks beside the numbers, and the section that they lead to.

use super::page::class;
use crate::SCRIPTED;
use crate::escape::html_escape as e;
use crate::findings::Findings;
use crate::value::count;
use isodyne_core::audit::{Finding, RULES, Weight};
use isodyne_core::cell::CellId;

/// The shape and the word of a weight: neither needs colour to be told apart.
fn sign(weight: Weight) -> (&'static str, &'static str) {
    match weight {
        Weight::Void => ("✕", "bad"),
        Weight::Suspect => ("▲", "warning"),
        Weight::Note => ("●", "quiet"),
    }
}

/// The marks of a metric of a cell: links to the findings. `page` tells the findings of one run from another's on the same
/// page. Notes have none: they stand in the section.
pub(super) fn marks(findings: &Findings, page: &str, cell: &CellId, metric: &str) -> String {
    let about = findings.about(cell, metric).filter(|(_, finding)| finding.weight != Weight::Note);
    about
        .map(|(place, finding)| {
            let (shape, class) = sign(finding.weight);
            format!(
                " <a class=\"mark {class}\" href=\"#finding-{page}{place}\" title=\"{}\">{shape} {}</a>",
                e(&format!("{}: {}", finding.rule, finding.message)),
                finding.weight.as_str()
            )
        })
        .collect()
}

/// A number, struck out if it is void. It is HTML already.
pub(super) fn number(void: bool, shown: String) -> String {
    if void { format!("<s class=\"void\">{shown}</s>") } else { shown }
}

/// The section with every finding; `name` names a cell and tells the class with which it is hidden.
pub(super) fn section(
    findings: &Findings,
    page: &str,
    heading: &str,
    name: impl Fn(&CellId) -> (String, Option<usize>),
) -> String {
    if findings.scripted {
        return format!(
            "<section id=\"findings{page}\">\n<h2>{}</h2>\n<p>Nothing was audited: {SCRIPTED}.</p>\n</section>\n",
            e(heading)
        );
    }
    if findings.list.is_empty() {
        return format!(
            "<section id=\"findings{page}\">\n<h2>{}</h2>\n<p>{} looked for ways in which these numbers could lie and \
             found none.</p>\n</section>\n",
            e(heading),
            count(RULES.len() as u64, "rule")
        );
    }
    let items: String = findings
        .list
        .iter()
        .enumerate()
        .map(|(place, finding)| item(finding, &format!("finding-{page}{place}"), &name))
        .collect();
    format!(
        "<section id=\"findings{page}\">\n<h2>{}</h2>\n<p>Void: the number cannot be true or does not mean what its name \
         says; it is struck out above. Suspect: it may be an artefact. A note is worth knowing when the number is read.</p>\n\
         <ul class=\"findings\">\n{items}</ul>\n</section>\n",
        e(heading)
    )
}

fn item(finding: &Finding, id: &str, name: impl Fn(&CellId) -> (String, Option<usize>)) -> String {
    let (shape, colour) = sign(finding.weight);
    let (cell, place) = match finding.cell.as_ref().map(name) {
        Some((label, place)) => (Some(label), place),
        None => (None, None),
    };
    let subject: Vec<String> = cell.into_iter().chain(finding.metric.clone()).map(|text| e(&text)).collect();
    let subject = match (finding.about.len(), subject.is_empty()) {
        (0, true) => "the whole run".to_owned(),
        (0, false) => subject.join(", "),
        (many, _) => format!("{many} numbers"),
    };
    let why = RULES.iter().find(|rule| rule.name == finding.rule).map_or("", |rule| rule.why);
    let evidence = if finding.evidence.is_empty() {
        String::new()
    } else {
        let lines: String = finding.evidence.iter().map(|line| format!("<li>{}</li>", e(line))).collect();
        format!("<details><summary>evidence</summary><ul>{lines}</ul></details>")
    };
    format!(
        "<li id=\"{id}\"{}><span class=\"tag {colour}\">{shape} {}</span> <code>{}</code> <b>{subject}</b>: {}\
         <br><small>{}</small>{evidence}</li>\n",
        class(place),
        finding.weight.as_str(),
        e(&finding.rule),
        e(&finding.message),
        e(why),
    )
}
