//! Progress on standard error: live lines on a terminal, one plain line a round elsewhere.
//!
//! Nothing ticks by itself: lines change only between samples, so that drawing never runs beside a measurement.

use super::remaining::{Remaining, roughly};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use isodyne_core::cell::CellId;
use isodyne_core::event::{Ending, RunEvent};
use isodyne_core::sample::Sample;
use isodyne_core::unit::DisplayNs;
use std::collections::BTreeMap;
use std::io::IsTerminal;

/// How many of the last samples a line shows as marks.
const MARKS: usize = 20;

/// The longest label of a line, in characters.
const LABEL: usize = 44;

/// Shows how a run goes on.
pub struct Progress {
    screen: MultiProgress,
    total: Option<ProgressBar>,
    lines: BTreeMap<CellId, Line>,
    remaining: Remaining,
    /// Said before the time left, where a rule may stop the run.
    at_most: &'static str,
    live: bool,
    color: bool,
}

struct Line {
    bar: ProgressBar,
    label: String,
    marks: Vec<&'static str>,
    totals: Vec<f64>,
    failed: u32,
    last_failure: Option<String>,
}

impl Progress {
    /// Live on a terminal, plain lines elsewhere.
    pub fn new() -> Self {
        let live = std::io::stderr().is_terminal();
        let target = if live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let color = live && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            screen: MultiProgress::with_draw_target(target),
            total: None,
            lines: BTreeMap::new(),
            remaining: Remaining::new(BTreeMap::new()),
            at_most: "",
            live,
            color,
        }
    }

    /// Takes one event; returns a line to say where there is no terminal.
    pub fn hear(&mut self, event: &RunEvent, earlier: &[Sample]) -> Option<String> {
        match event {
            RunEvent::RunStarted { cells, samples_wanted, warmup_rounds, stop, .. } => {
                self.at_most = if stop.is_some() { "at most " } else { "" };
                let per_cell = samples_wanted + warmup_rounds;
                let taken = |id: &CellId| {
                    let counts = |sample: &&Sample| &sample.cell == id && (sample.warmup || sample.failure.is_none());
                    u32::try_from(earlier.iter().filter(counts).count()).unwrap_or(u32::MAX)
                };
                let wanted: BTreeMap<CellId, u32> =
                    cells.iter().map(|cell| (cell.id.clone(), per_cell.saturating_sub(taken(&cell.id)))).collect();
                self.begin(cells.iter().map(|cell| &cell.id), wanted);
                None
            }
            RunEvent::RoundStarted { round, warmup, .. } => {
                if let Some(total) = &self.total {
                    let kind = if *warmup { "warm-up" } else { "round" };
                    total.set_prefix(format!("{kind} {}", round + 1));
                    total.tick();
                }
                (!self.live).then(|| {
                    let left = self.remaining.left().map(|left| format!(", {}{}", self.at_most, roughly(left)));
                    let left = left.unwrap_or_default();
                    format!("{} {}{left}", if *warmup { "warm-up" } else { "round" }, round + 1)
                })
            }
            RunEvent::SampleStarted { cell, .. } => {
                self.remaining.begin();
                let line = self.lines.get(cell)?;
                line.bar.set_prefix("▸");
                line.bar.tick();
                None
            }
            RunEvent::SampleTaken { sample } => self.taken(sample),
            RunEvent::Looked { stops, words, .. } => {
                Some(if *stops { format!("{words}: the run stops here, by its rule") } else { words.clone() })
            }
            RunEvent::CellAbandoned { cell, reason } => {
                self.remaining.drop_cell(cell);
                Some(format!("{cell}: given up: {reason}"))
            }
            RunEvent::RunEnded { ending } => {
                self.end();
                (*ending == Ending::Interrupted).then(|| "interrupted".to_owned())
            }
            // What was skipped before the run began has been said.
            RunEvent::CellSkipped { cell, reason, hint } if self.total.is_some() => {
                self.remaining.drop_cell(&cell.id);
                let hint = if hint.is_empty() { String::new() } else { format!("\n  hint: {hint}") };
                Some(format!("skipped {}: {reason}{hint}", cell.id))
            }
            RunEvent::CellSkipped { .. } | RunEvent::LeakChecked { .. } => None,
        }
    }

    /// Takes the lines off the screen.
    pub fn end(&mut self) {
        for line in self.lines.values() {
            line.bar.finish_and_clear();
        }
        if let Some(total) = self.total.take() {
            total.finish_and_clear();
        }
        self.lines.clear();
    }

    fn begin<'a>(&mut self, ids: impl Iterator<Item = &'a CellId>, wanted: BTreeMap<CellId, u32>) {
        let total = self.screen.add(ProgressBar::new(u64::from(wanted.values().sum::<u32>())));
        // The template is a constant that a test builds; the default stands in if it were wrong.
        let style = ProgressStyle::with_template("{prefix:10} {bar:40} {percent:>3} %  {msg}");
        total.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─"));
        self.total = Some(total);
        let ids: Vec<&CellId> = ids.collect();
        let width = ids.iter().map(|id| label(id).chars().count()).max().unwrap_or(0);
        for id in ids {
            let bar = self.screen.add(ProgressBar::new(1));
            let style = ProgressStyle::with_template("{prefix:1} {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            let label = format!("{:width$}", label(id));
            bar.set_message(label.clone());
            let line = Line { bar, label, marks: Vec::new(), totals: Vec::new(), failed: 0, last_failure: None };
            self.lines.insert(id.clone(), line);
        }
        self.remaining = Remaining::new(wanted);
    }

    fn taken(&mut self, sample: &Sample) -> Option<String> {
        let good = sample.failure.is_none();
        self.remaining.end(&sample.cell, sample.warmup || good);
        if let Some(total) = &self.total {
            if sample.warmup || good {
                total.inc(1);
            }
            total.set_message(self.remaining.left().map(roughly).unwrap_or_default());
        }
        let line = self.lines.get_mut(&sample.cell)?;
        line.take(sample, self.color);
        match &sample.failure {
            Some(_) if sample.is_interrupted() => None,
            Some(failure) if !self.live => Some(format!("{}: failed: {failure}", sample.cell)),
            _ => None,
        }
    }
}

/// The cell without its benchmark, shortened in front of its variant: that is what tells it from its neighbours.
fn label(id: &CellId) -> String {
    let base = id.base();
    let variant = &id.as_str()[base.len()..];
    let base = base.split_once('/').map_or(base, |(_, rest)| rest);
    let room = LABEL.saturating_sub(variant.chars().count());
    if base.chars().count() <= room {
        return format!("{base}{variant}");
    }
    let short: String = base.chars().take(room.saturating_sub(1)).collect();
    format!("{short}…{variant}")
}

impl Line {
    fn take(&mut self, sample: &Sample, color: bool) {
        let mark = match (&sample.failure, sample.warmup, color) {
            (None, true, _) => "○",
            (None, false, _) => "●",
            (Some(_), _, true) => "\x1b[31m✗\x1b[0m",
            (Some(_), _, false) => "✗",
        };
        self.marks.push(mark);
        let total = sample.metrics.get("total_ns").copied();
        if let (Some(total), true) = (total, sample.counts()) {
            self.totals.push(total);
            self.totals.sort_by(f64::total_cmp);
        }
        if let Some(failure) = sample.failure.as_ref().filter(|_| sample.is_failed()) {
            self.failed += 1;
            self.last_failure = Some(failure.message.chars().take(60).collect());
        }
        let marks = self.marks[self.marks.len().saturating_sub(MARKS)..].join(" ");
        let last = total.map(|total| format!("  last {}", DisplayNs(total))).unwrap_or_default();
        let median = self.totals.get(self.totals.len() / 2).map(|p50| format!("  p50 {}", DisplayNs(*p50)));
        let failed = self.last_failure.as_ref().map(|text| format!("  {} failed: {text}", self.failed));
        self.bar.set_prefix(" ");
        self.bar.set_message(format!(
            "{}  {marks}{last}{}{}",
            self.label,
            median.unwrap_or_default(),
            failed.unwrap_or_default()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_label_keeps_its_variant() {
        let base = CellId("boot/qemu[cmdline=\"nokaslr quiet\",machine=microvm]".to_owned());
        assert_eq!(label(&CellId("boot/runc".to_owned()).of_variant("new")), "runc~new");
        assert_eq!(label(&base), "qemu[cmdline=\"nokaslr quiet\",machine=microv…");
        assert_eq!(label(&base.of_variant("no mitigations")), "qemu[cmdline=\"nokaslr quiet\"…~no mitigations");
        let longest = "x".repeat(40);
        assert_eq!(label(&base.of_variant(&longest)), format!("qe…~{longest}"));
    }
}
