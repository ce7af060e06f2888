//! The auditor: rules that look for the ways in which numbers lie, over our own runs and other tools' files.
//!
//! A rule is pure, small and named; [`RULES`] is the table of all of them, and `docs/auditing.md` says for people what
//! each looks for and when it speaks. A rule says `void` only if a number cannot be true or does not mean what its
//! name says, and every criterion that rests on chance is set so that clean runs of any size do not trigger it.

mod case;
mod digits;
mod finding;
mod rules;
mod series;
#[cfg(test)]
mod testing;
mod word;

pub use finding::{Finding, Subject, Weight};
pub use rules::RULES;

use crate::calibration::Calibration;
use crate::columns::RunColumns;
use crate::record::RunRecord;
use crate::runner::Runner;
use case::Case;

/// The most findings of one rule that are listed; the rest is counted in one more.
pub const FINDINGS_OF_A_RULE: usize = 12;

/// What is looked at.
#[derive(Clone, Copy)]
pub struct Audited<'a> {
    /// What the run set out to do, on what host, with what signals; for imported runs also what the file claims.
    pub record: &'a RunRecord,
    /// The samples.
    pub columns: &'a RunColumns,
    /// This host's limits, if they are known: those of the run, or else those of the same host.
    pub calibration: Option<&'a Calibration>,
}

/// One way in which numbers lie, and how it is recognised.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Its stable name: `beyond-ceiling`.
    pub name: &'static str,
    /// What it looks for, in one line.
    pub summary: &'static str,
    /// Why that makes a number unbelievable, in one line.
    pub why: &'static str,
    /// Looks.
    check: fn(&Case<'_>) -> Vec<Finding>,
}

/// Applies every rule: the worst first, then in the order of [`RULES`], then in the order of the run's cells.
///
/// The same run gives the same findings in the same order. No rule lists more than [`FINDINGS_OF_A_RULE`].
pub fn audit(audited: &Audited<'_>) -> Vec<Finding> {
    audit_with(audited, Runner::ALONE)
}

/// As [`audit`], with series prepared and rules applied where the runner says.
pub fn audit_with(audited: &Audited<'_>, runner: Runner<'_>) -> Vec<Finding> {
    let case = Case::new(*audited, runner);
    let found = runner.map(RULES.len(), |index| bounded(&RULES[index], (RULES[index].check)(&case)));
    let mut findings: Vec<Finding> = found.into_iter().flatten().collect();
    findings.sort_by_key(|finding| finding.weight);
    findings
}

/// The findings of one rule, signed by it, the worst first; what is beyond the limit becomes one line.
fn bounded(rule: &Rule, mut found: Vec<Finding>) -> Vec<Finding> {
    found.sort_by_key(|finding| finding.weight);
    let rest = found.split_off(found.len().min(FINDINGS_OF_A_RULE));
    // A line for each weight: what is only worth knowing must not be called void.
    for alike in rest.chunk_by(|one, next| one.weight == next.weight) {
        let Some(first) = alike.first() else { continue };
        let more = Finding::new(first.weight, format!("{} more of the same kind are not listed", alike.len()));
        let mut about: Vec<Subject> = alike.iter().flat_map(Finding::subjects).collect();
        about.sort_by(|one, other| (&one.cell, &one.metric).cmp(&(&other.cell, &other.metric)));
        about.dedup();
        found.push(Finding { about, ..more });
    }
    found.into_iter().map(|finding| Finding { rule: rule.name.to_owned(), ..finding }).collect()
}

#[cfg(test)]
mod tests {
    use super::testing::Made;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_rule_has_its_own_name_and_stands_in_the_documentation() {
        let documentation = include_str!("../../../../docs/auditing.md");
        let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), RULES.len());
        for rule in RULES {
            assert!(documentation.contains(&format!("| `{}` |", rule.name)), "{} is not documented", rule.name);
            assert!(!rule.summary.is_empty() && !rule.why.is_empty());
        }
    }

    #[test]
    fn nothing_has_no_findings() {
        let made = Made::measured();
        assert_eq!(made.audit(), []);
    }

    #[test]
    fn findings_are_bounded_ordered_and_the_same_each_time() {
        let mut made = Made::imported();
        let mut cells = Vec::new();
        for index in 0..40 {
            let cell = made.cell(&format!("many{index}"));
            cells.push(cell.clone());
            made.samples(&cell, "copy_bytes_per_s", &[5e12, 5.1e12, 5.2e12]);
        }
        let found = made.audit();
        let absurd = || found.iter().filter(|finding| finding.rule == "beyond-physics");
        assert_eq!(absurd().count(), FINDINGS_OF_A_RULE + 1);
        let more = absurd().find(|finding| finding.message.starts_with("28 more")).unwrap();
        assert!(more.weight == Weight::Void && more.about.len() == 28 && !more.is_of_whole_run());
        let is_void = |cell: &_, metric: &str| absurd().any(|finding| finding.concerns(cell, metric));
        assert!(cells.iter().all(|cell| is_void(cell, "copy_bytes_per_s") && !is_void(cell, "total_ns")), "{more:?}");
        assert!(found.is_sorted_by_key(|finding| finding.weight));
        assert_eq!(found, made.audit());
    }
}
