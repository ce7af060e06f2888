//! `[stop]`: when a run may end before every cell has its samples.

use super::Plan;
use super::check::Stated;
use super::findings::{Findings, Place};
use super::key::{DefaultValue, Key, Kind};
use super::value::share_of;
use crate::compare::{HEADLINE, MARGIN};
use crate::diagnostic::quoted;
use crate::factor::FactorValue;
use crate::stats::LEAST_FOR_INTERVAL;
use crate::stop::{Goal, MOST_LOOKS, StopRule};

/// So many looks a rule has whose plan does not say how many.
const USUAL_LOOKS: u32 = 5;
/// No closer than this are they then.
const USUAL_APART: u32 = 5;
/// The most samples of a plan with a rule that does not say how many.
const USUAL_SAMPLES: u32 = 100;

/// The keys of `[stop]`.
pub const STOP_KEYS: &[Key] = &[
    key(
        "precision",
        Kind::Share,
        "no such goal",
        "Stop when the interval of the median of every cell is within ± this share of it.",
    ),
    key(
        "decide",
        Kind::Flag,
        "no such goal",
        "Stop when every variant surely differs from `base`, or surely does not.",
    ),
    key("margin", Kind::Share, "`2 %`", "With `decide`: a change below this share is none."),
    key("metric", Kind::Text, "`total_ns`", "The metric that is looked at."),
    key(
        "at_least",
        Kind::Count { min: 1, max: 1_000_000 },
        "as `look_every`, and at least 15",
        "Samples a cell before the first look.",
    ),
    key(
        "look_every",
        Kind::Count { min: 1, max: 1_000_000 },
        "a fifth of `samples`, and at least 5",
        "Samples a cell from one look to the next; at most 20 looks.",
    ),
];

const fn key(name: &'static str, kind: Kind, otherwise: &'static str, doc: &'static str) -> Key {
    Key { name, kind, default: DefaultValue::Absent(otherwise), factor: false, doc }
}

/// Checks the section and puts its rule into the plan. `samples` is what the plan states for its maximum.
pub(super) fn apply(
    plan: &mut Plan,
    at: &Place,
    stated: &Stated,
    samples: Option<&Vec<(FactorValue, Place)>>,
    findings: &mut Findings<'_>,
) {
    let samples_at = samples.and_then(|values| values.first()).map(|(_, at)| at);
    if samples_at == Some(&Place::Argument("--quick".to_owned())) {
        // A first look at a plan is over before its rule could say anything.
        return;
    }
    if samples.is_none() {
        plan.samples = USUAL_SAMPLES;
    }
    let section = Section { at, stated };
    let Some(goal) = section.goal(plan, findings) else { return };
    let Some(metric) = section.metric(findings) else { return };
    let looks = section.looks(plan.samples, samples_at, findings);
    plan.stop = looks.map(|looks| StopRule { goal, metric, looks });
}

struct Section<'s> {
    at: &'s Place,
    stated: &'s Stated,
}

impl Section<'_> {
    fn value(&self, key: &str) -> Option<(&FactorValue, &Place)> {
        self.stated.get(key)?.first().map(|(value, at)| (value, at))
    }

    fn goal(&self, plan: &Plan, findings: &mut Findings<'_>) -> Option<Goal> {
        let precision = self.value("precision").and_then(|(value, at)| Some((share_of(value)?, at)));
        let decide = self.value("decide").filter(|(value, _)| **value == FactorValue::Flag(true));
        let margin = self.value("margin").and_then(|(value, at)| Some((share_of(value)?, at)));
        match (precision, decide) {
            (Some(_), Some((_, at))) => {
                let hint = "remove one of them: a run has one rule".to_owned();
                findings.add(at, "stop.decide", "`precision` and `decide` are both stated", Some(hint));
                None
            }
            (Some((precision, _)), None) => {
                if let Some((_, at)) = margin {
                    let hint = "remove it, or write `decide = true` instead of `precision`".to_owned();
                    findings.add(at, "stop.margin", "`margin` means nothing to `precision`", Some(hint));
                    return None;
                }
                Some(Goal::Precision(precision))
            }
            (None, Some((_, at))) => {
                if plan.variants.is_empty() {
                    let hint = "add a [[variant]], or write `precision = \"2 %\"` instead".to_owned();
                    findings.add(at, "stop.decide", "there is nothing to decide: the plan has no variant", Some(hint));
                    return None;
                }
                Some(Goal::Decide { margin: margin.map_or(MARGIN, |(margin, _)| margin) })
            }
            (None, None) => {
                let hint = "add `precision = \"2 %\"`, or `decide = true` for a plan with variants".to_owned();
                findings.add(self.at, "stop", "[stop] does not say when", Some(hint));
                None
            }
        }
    }

    fn metric(&self, findings: &mut Findings<'_>) -> Option<String> {
        let Some((value, at)) = self.value("metric") else { return Some(HEADLINE.to_owned()) };
        let text = value.as_text()?;
        let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if text.chars().all(sound) {
            return Some(text.to_owned());
        }
        let hint = format!("write it without a benchmark: `metric = \"{HEADLINE}\"`");
        findings.add(at, "stop.metric", format!("{} is not the name of a metric", quoted(text)), Some(hint));
        None
    }

    /// The looks: the first, one every so many samples, and the maximum.
    fn looks(&self, most: u32, samples_at: Option<&Place>, findings: &mut Findings<'_>) -> Option<Vec<u32>> {
        const LEAST: u32 = LEAST_FOR_INTERVAL as u32;
        let count = |key: &str| {
            let (value, at) = self.value(key)?;
            Some((u32::try_from(value.as_count()?).unwrap_or(u32::MAX), at))
        };
        if most < LEAST {
            let message = format!("`samples` is {most}, too few for a rule: fewer than {LEAST} have no interval");
            let hint = format!("write `samples = {USUAL_SAMPLES}` or more, or remove [stop]");
            findings.add(samples_at.unwrap_or(self.at), "samples", message, Some(hint));
            return None;
        }
        let every = count("look_every");
        let apart = every.map_or(most.div_ceil(USUAL_LOOKS).max(USUAL_APART), |(every, _)| every);
        let first = match count("at_least") {
            Some((first, at)) if first < LEAST => {
                let message = format!("`at_least` is {first}: fewer than {LEAST} samples have no interval");
                findings.add(at, "stop.at_least", message, Some(format!("write {LEAST} or more")));
                return None;
            }
            Some((first, at)) if first > most => {
                let message = format!("the first look is after {first} samples, but the run ends after {most}");
                let hint = format!("write `at_least = {LEAST}`, or more `samples`");
                findings.add(at, "stop.at_least", message, Some(hint));
                return None;
            }
            Some((first, _)) => first,
            None => apart.clamp(LEAST, most),
        };
        let count = u64::from(most - first).div_ceil(u64::from(apart)) + 1;
        if count > MOST_LOOKS as u64 {
            let message =
                format!("the rule looks {count} times, more than {MOST_LOOKS}: each look widens every interval");
            let wanted = (most - first).div_ceil(MOST_LOOKS as u32 - 1);
            let at = every.map_or(self.at, |(_, at)| at);
            findings.add(at, "stop.look_every", message, Some(format!("write `look_every = {wanted}` or more")));
            return None;
        }
        let step = usize::try_from(apart).unwrap_or(usize::MAX);
        Some((first..most).step_by(step).chain([most]).collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::{Override, Plan};
    use crate::stop::Goal;

    fn plan(text: &str, sets: &[&str]) -> Result<Plan, String> {
        let overrides: Vec<Override> = sets.iter().map(|set| Override::set(set).unwrap()).collect();
        let text = format!("{text}\n[boot]\non = [\"scripted\"]\n");
        Plan::parse("plan.toml", &text, &overrides).map_err(|wrong| crate::diagnostic::render(&wrong))
    }

    #[test]
    fn a_rule_declares_all_its_looks() {
        let looks = |text: &str| plan(text, &[]).unwrap().stop.unwrap().looks;
        assert_eq!(looks("[stop]\nprecision = \"2 %\""), [20, 40, 60, 80, 100]);
        assert_eq!(looks("samples = 20\n[stop]\nprecision = \"2 %\""), [15, 20]);
        assert_eq!(looks("samples = 15\n[stop]\nprecision = \"2 %\""), [15]);
        assert_eq!(looks("samples = 100\n[stop]\nprecision = \"2 %\"\nat_least = 30\nlook_every = 40"), [30, 70, 100]);
        assert_eq!(looks("samples = 210\n[stop]\nprecision = \"2 %\"\nat_least = 20\nlook_every = 10").len(), 20);
    }

    #[test]
    fn the_command_line_states_it_too() {
        let plan = plan("", &["stop.precision=1.5%", "samples=60"]).unwrap();
        let rule = plan.stop.unwrap();
        assert_eq!((plan.samples, rule.goal, rule.metric.as_str()), (60, Goal::Precision(0.015), "total_ns"));
        let until =
            Plan::from_arguments("boot", &[Override::on("scripted"), Override::until_precision("3 %")]).unwrap();
        assert_eq!((until.samples, until.stop.unwrap().goal), (100, Goal::Precision(0.03)));
        let mut quick = Override::quick().to_vec();
        quick.extend([Override::on("scripted"), Override::until_precision("3 %")]);
        let quick = Plan::from_arguments("boot", &quick).unwrap();
        assert_eq!((quick.samples, quick.stop), (3, None));
    }

    #[test]
    fn a_decision_needs_variants() {
        let variant = "[[variant]]\nname = \"new\"\nset = { \"boot.timeout\" = \"5 s\" }";
        let rule = plan(&format!("[stop]\ndecide = true\nmargin = \"3 %\"\n{variant}"), &[]).unwrap().stop.unwrap();
        assert_eq!(rule.goal, Goal::Decide { margin: 0.03 });
        let wrong = plan("[stop]\ndecide = true", &[]).unwrap_err();
        assert!(wrong.contains("plan.toml:2") && wrong.contains("no variant"), "{wrong}");
    }

    #[test]
    fn nonsense_is_refused_with_its_place_and_a_way_out() {
        for (text, place, message, hint) in [
            ("[stop]\nlook_every = 10", "plan.toml:1", "does not say when", "precision = "),
            ("[stop]\nprecision = 0.02", "plan.toml:2", "a share in percent", "\"2 %\""),
            ("[stop]\nprecision = \"0 %\"", "plan.toml:2", "above 0 %", "\"2 %\""),
            ("[stop]\nprecision = \"-1 %\"", "plan.toml:2", "above 0 %", "\"2 %\""),
            ("[stop]\nprecision = \"NaN %\"", "plan.toml:2", "above 0 %", "\"2 %\""),
            ("[stop]\nprecision = \"2 %\"\nat_least = 200", "plan.toml:3", "ends after 100", "at_least"),
            ("[stop]\nprecision = \"2 %\"\nat_least = 14", "plan.toml:3", "fewer than 15", "15 or more"),
            ("samples = 14\n[stop]\nprecision = \"2 %\"", "plan.toml:1", "too few", "remove [stop]"),
            ("[stop]\nprecision = \"2 %\"\nlook_every = 1", "plan.toml:3", "more than 20", "look_every = 5"),
            ("[stop]\nprecision = \"2 %\"\nmargin = \"2 %\"", "plan.toml:3", "means nothing", "decide"),
            ("[stop]\nprecision = \"2 %\"\ndecide = true", "plan.toml:3", "both stated", "remove one"),
            ("[stop]\nprecision = \"2 %\"\nmetric = \"boot.total_ns\"", "plan.toml:3", "not the name", "total_ns"),
            ("[stop]\nprecission = \"2 %\"", "plan.toml:2", "unknown key", "did you mean `precision`"),
            ("stop = \"2 %\"", "plan.toml:1", "needs a section", "[stop]"),
        ] {
            let wrong = plan(text, &[]).unwrap_err();
            assert!(wrong.contains(place) && wrong.contains(message) && wrong.contains(hint), "{text}\n{wrong}");
        }
        // What is advised is taken.
        assert_eq!(plan("[stop]\nprecision = \"2 %\"\nlook_every = 5", &[]).unwrap().stop.unwrap().looks.len(), 18);
    }
}
