//! The live lines on a terminal: one for each subject, of the last fraction of a second.

use super::series::Readings;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use isodyne_core::unit::DisplayBytes;
use isodyne_engine::monitor::Reading;
use std::collections::BTreeMap;
use std::io::IsTerminal;

/// Live lines; hidden where standard error is no terminal.
pub struct Live {
    screen: MultiProgress,
    lines: BTreeMap<String, Line>,
}

struct Line {
    bar: ProgressBar,
    last: Option<Reading>,
    /// Shares are not in every look.
    pss_bytes: Option<u64>,
}

impl Live {
    /// Shows nothing yet.
    pub fn new() -> Self {
        let live = std::io::stderr().is_terminal();
        let target = if live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { screen: MultiProgress::with_draw_target(target), lines: BTreeMap::new() }
    }

    /// Shows what the newest readings say.
    pub fn show(&mut self, readings: &[Readings]) {
        if self.screen.is_hidden() {
            return;
        }
        for (name, readings) in readings {
            let Some(now) = readings.last() else { continue };
            let line = self.lines.entry(name.clone()).or_insert_with(|| {
                let bar = self.screen.add(ProgressBar::new_spinner());
                let style = ProgressStyle::with_template("{prefix:8} {wide_msg}");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar.set_prefix(name.clone());
                Line { bar, last: None, pss_bytes: None }
            });
            line.pss_bytes = readings.iter().rev().find_map(|reading| reading.pss_bytes).or(line.pss_bytes);
            line.bar.set_message(words(line.last.as_ref(), now, line.pss_bytes));
            // Drawn here, between two looks of this command; nothing ticks by itself.
            line.bar.tick();
            line.last = Some(*now);
        }
    }

    /// Takes the lines off the screen.
    pub fn end(&mut self) {
        self.lines.values().for_each(|line| line.bar.finish_and_clear());
    }
}

fn words(before: Option<&Reading>, now: &Reading, pss_bytes: Option<u64>) -> String {
    let bytes = |value: Option<u64>| value.map_or("–".to_owned(), |value| DisplayBytes(value as f64).to_string());
    let apart_ns = before.map_or(0, |before| now.begin.ns_since(before.begin));
    let growth = |of: fn(&Reading) -> Option<u64>| {
        let grown = of(now)?.saturating_sub(of(before?)?);
        (apart_ns > 0).then(|| grown as f64 / apart_ns as f64)
    };
    let cpu = growth(|reading| reading.cpu_ns).map_or("–".to_owned(), |share| format!("{:.0} %", share * 100.0));
    let rate = |of: fn(&Reading) -> Option<u64>| {
        growth(of).map_or("–".to_owned(), |per_ns| format!("{}/s", DisplayBytes(per_ns * 1e9)))
    };
    let memory = now.cgroup_memory_bytes.map(|value| format!("  cgroup {}", DisplayBytes(value as f64)));
    format!(
        "cpu {cpu}  rss {}  pss {}{}  read {}  written {}  {} processes  {} threads  ({:.1} s)",
        bytes(now.rss_bytes),
        bytes(pss_bytes),
        memory.unwrap_or_default(),
        rate(|reading| reading.read_bytes),
        rate(|reading| reading.written_bytes),
        now.processes,
        now.threads,
        now.cpu_ns.unwrap_or(0) as f64 / 1e9,
    )
}
