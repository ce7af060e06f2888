//! Grades: names for bounds, from the best to the worst.

use super::Table;
use super::bound::{self, Bound, Holder, Side};
use crate::diagnostic::quoted;
use crate::gate::Figure;
use crate::plan::findings::{Findings, Place};
use crate::plan::tree::{Node, Raw};

/// The most grades of a figure.
const MAX_GRADES: usize = 16;

impl Table<'_> {
    /// Grades in the order in which they are written. A bound without a sign has the side of its metric.
    pub(super) fn grades(
        &self,
        metric: &str,
        node: &Node,
        key: &str,
        findings: &mut Findings<'_>,
    ) -> Option<Vec<(String, Bound)>> {
        let path = self.key(key);
        let example = Holder::of(metric, Figure::Max).example();
        let Raw::Section(entries) = &node.raw else {
            let message = format!("`{key}` needs names with bounds, not {}", node.raw.noun());
            findings.add(&node.at, &path, message, Some(format!("write `{key} = {{ good = \"{example}\" }}`")));
            return None;
        };
        if entries.is_empty() || entries.len() > MAX_GRADES {
            let message = format!("`{key}` has {} grades", entries.len());
            findings.add(&node.at, &path, message, Some(format!("write from 1 to {MAX_GRADES} of them")));
            return None;
        }
        let mut grades = Vec::new();
        for entry in entries {
            let Raw::Text(text) = &entry.node.raw else {
                let message = format!("grade {} needs a bound as text", quoted(&entry.key));
                findings.add(&entry.node.at, &path, message, Some(format!("write `{} = \"{example}\"`", entry.key)));
                continue;
            };
            match bound::read_grade(&entry.key, metric, text) {
                Ok(bound) => grades.push((entry.key.clone(), bound)),
                Err((message, hint)) => findings.add(&entry.node.at, &path, message, Some(hint)),
            }
        }
        (grades.len() == entries.len()).then_some(grades)
    }

    /// The numbers of grades that stand from the best to the worst and on the side of the limit.
    pub(super) fn checked_grades(
        &self,
        limit: &Bound,
        grades: &Option<Vec<(String, Bound)>>,
        at: &Place,
        findings: &mut Findings<'_>,
    ) -> Vec<(String, f64)> {
        let Some(grades) = grades else { return Vec::new() };
        let better = |one: f64, other: f64| if limit.side == Side::Below { one < other } else { one > other };
        let path = self.key("grades");
        if limit.relative {
            let hint = "grade a limit such as `p50 = \"< 200 ms\"`".to_owned();
            findings.add(at, &path, "a relative limit has no grades", Some(hint));
        } else if grades.iter().any(|(_, bound)| bound.side != limit.side) {
            let hint = "write all of them as ceilings, or all of them as floors (`> 1 GB/s`)".to_owned();
            findings.add(at, &path, "grades and limit are not on one side", Some(hint));
        } else if let Some(pair) = grades.windows(2).find(|pair| !better(pair[0].1.value, pair[1].1.value)) {
            let message = format!("grade {} is not better than {}", quoted(&pair[0].0), quoted(&pair[1].0));
            findings.add(at, &path, message, Some("write them from the best to the worst".to_owned()));
        }
        grades.iter().map(|(name, bound)| (name.clone(), bound.value)).collect()
    }
}
