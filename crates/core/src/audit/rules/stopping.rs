//! Stopping: whether a run that its rule stopped was stopped as the rule says.

use crate::audit::case::Case;
use crate::audit::finding::{Finding, Weight};
use crate::cell::CellId;
use crate::stop::{LookRecord, StopRule, Values, judge};

/// Recorded looks that the plan did not declare, or that come out differently when they are made again.
///
/// The criterion: each look stands in the plan, later than the one before it; none follows one that stopped the run; and
/// judged again, with the samples up to its round of the cells that had as many as it says, each finds what it found. Merged
/// runs keep the looks of their parts elsewhere, and are not judged.
pub(super) fn stopped_unlike_declared(case: &Case<'_>) -> Vec<Finding> {
    let record = case.record;
    let Some(stop) = record.ended.as_ref().and_then(|end| end.stop.as_ref()).filter(|_| record.merged_from.is_empty())
    else {
        return Vec::new();
    };
    let void = |message: String| vec![Finding::new(Weight::Void, message)];
    let Some(rule) = &record.plan.stop else {
        return void("the run was stopped by looks at its samples, and its plan declares no rule for that".to_owned());
    };
    if stop.looks.windows(2).any(|pair| pair[0].after >= pair[1].after || pair[0].round >= pair[1].round) {
        return void("its looks are not in the order of their samples".to_owned());
    }
    let values = values(case, rule);
    let found = stop.looks.iter().find_map(|look| contradiction(rule, look, &values));
    let last = stop.looks.last();
    let unfounded = stop.stopped_after.filter(|after| last.is_none_or(|look| look.after != *after || !look.sure));
    let unfounded =
        unfounded.map(|after| format!("it was stopped after {after} samples, and its last look does not say so"));
    found.or(unfounded).map_or(Vec::new(), void)
}

fn contradiction(rule: &StopRule, look: &LookRecord, values: &Values) -> Option<String> {
    let after = look.after;
    let Some(index) = rule.looks.iter().position(|declared| *declared == after) else {
        return Some(format!("it was looked at after {after} samples, which the plan does not declare"));
    };
    let upto = |all: &[(u32, f64)]| all.partition_point(|(round, _)| *round <= look.round);
    // A cell that was given up before has fewer, and was not asked.
    let in_play = values.iter().filter(|(_, all)| upto(all) >= look.samples as usize);
    let cells: Vec<CellId> = in_play.map(|(cell, _)| cell.clone()).collect();
    let again = judge(rule, index, &cells, values, look.round)?;
    (again.sure != look.sure || again.samples != look.samples).then(|| {
        let word = |sure: bool| if sure { "met" } else { "not met" };
        format!(
            "the look after {after} samples says that the rule was {} with {} samples a cell; judged again it was {} with {}",
            word(look.sure),
            look.samples,
            word(again.sure),
            again.samples
        )
    })
}

/// The values of the rule's metric by cell and round.
fn values(case: &Case<'_>, rule: &StopRule) -> Values {
    let of_cell = |cell: &crate::columns::CellColumns| -> Vec<(u32, f64)> {
        let Some(column) = cell.metrics.get(&rule.metric) else { return Vec::new() };
        let rows = cell.valid().filter_map(|row| Some((cell.rows.get(row)?.round, *column.get(row)?)));
        let mut values: Vec<(u32, f64)> = rows.filter(|(_, value)| value.is_finite()).collect();
        values.sort_by_key(|(round, _)| *round);
        values
    };
    case.columns.cells.iter().map(|(id, cell)| (id.clone(), of_cell(cell))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Audited, audit};
    use crate::compare::tests::run;
    use crate::stop::{Goal, StopRecord};

    /// The looks of a run of 60 samples that was stopped there, as they were made.
    fn stopped(change: impl Fn(&mut StopRule, &mut StopRecord)) -> Vec<String> {
        let mut random = fastrand::Rng::with_seed(4);
        let values: Vec<f64> = (0..60).map(|_| 1e6 * (1.0 + 0.05 * (random.f64() - 0.5))).collect();
        let (mut record, columns) = run(&[(None, values.clone())]);
        let mut rule =
            StopRule { goal: Goal::Precision(0.016), metric: "total_ns".to_owned(), looks: vec![20, 40, 60, 200] };
        let cells: Vec<CellId> = record.cells.iter().map(|cell| cell.id.clone()).collect();
        let all: Values = [(cells[0].clone(), (0..).zip(values).collect())].into();
        let mut looks: Vec<LookRecord> = [19, 39, 59]
            .iter()
            .enumerate()
            .filter_map(|(look, round)| judge(&rule, look, &cells, &all, *round))
            .collect();
        let first = looks.iter().position(|look| look.sure).map_or(looks.len(), |first| first + 1);
        looks.truncate(first);
        let mut stop =
            StopRecord { stopped_after: looks.last().filter(|look| look.sure).map(|look| look.after), looks };
        assert_eq!(
            (stop.looks.len(), stop.stopped_after),
            (3, Some(60)),
            "the series meets the rule at its third look"
        );
        change(&mut rule, &mut stop);
        record.plan.stop = Some(rule);
        record.ended.as_mut().unwrap().stop = Some(stop);
        let found = audit(&Audited { record: &record, columns: &columns, calibration: None });
        let found = found.into_iter().filter(|finding| finding.rule == "stopped-unlike-declared");
        found.inspect(|finding| assert_eq!(finding.weight, Weight::Void)).map(|finding| finding.message).collect()
    }

    #[test]
    fn what_was_stopped_as_declared_is_left_alone() {
        assert_eq!(stopped(|_, _| {}), [""; 0]);
    }

    #[test]
    fn a_moment_that_was_chosen_is_found() {
        let says = |change: fn(&mut StopRule, &mut StopRecord), text: &str| {
            let found = stopped(change);
            assert!(found.len() == 1 && found[0].contains(text), "{text}: {found:?}");
        };
        says(|rule, _| rule.looks = vec![20, 40, 70, 200], "does not declare");
        says(|rule, _| rule.goal = Goal::Precision(0.001), "judged again it was not met");
        says(|_, stop| stop.looks[0].sure = true, "judged again it was not met");
        says(|_, stop| stop.looks.swap(0, 1), "not in the order");
        says(|_, stop| stop.looks[1].samples = 38, "with 38 samples a cell");
        says(|_, stop| stop.looks.truncate(2), "does not say so");
    }
}
