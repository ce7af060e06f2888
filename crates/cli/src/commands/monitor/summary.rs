//! The summary: totals and peaks of each subject, and what the monitoring cost.

use super::child::Ended;
use crate::arguments::MonitorOptions;
use isodyne_core::unit::{DisplayNs, display_metric, unit_of_metric};
use isodyne_engine::clock::program_cpu_ns;
use isodyne_engine::monitor::{Observed, ObservedSubject};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::os::unix::process::ExitStatusExt;

const SCHEMA: &str = "isodyne-monitor";
const VERSION: u32 = 1;

/// The summary of a monitoring, as it is printed.
#[derive(Serialize)]
pub struct Summary {
    schema: &'static str,
    version: u32,
    started_at: String,
    rate_hz: u32,
    wall_ns: u64,
    subjects: Vec<SummarisedSubject>,
    monitor: Own,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<Value>,
    /// For people: how the command ended.
    #[serde(skip)]
    ended: Option<String>,
}

#[derive(Serialize)]
struct SummarisedSubject {
    name: String,
    looks: u64,
    missed: u64,
    widest_look_ns: u64,
    unreadable_processes: u32,
    /// For how long, at most, what a process changed was not read.
    memory_lag_ns: u64,
    counters_lag_ns: u64,
    metrics: BTreeMap<String, Value>,
    #[serde(skip)]
    values: Vec<(String, f64)>,
}

/// What the monitoring cost: the whole program's CPU time, from its start until this is printed.
#[derive(Serialize)]
struct Own {
    cpu_ns: u64,
    cpu_ratio: f64,
    /// The part of the first looks.
    first_look_cpu_ns: u64,
    /// The part of a look after those.
    look_cpu_ns: u64,
    looks: u64,
    missed: u64,
    /// Processes and threads of anybody on this host that came and went between two looks.
    unseen_tasks: u64,
}

impl Summary {
    /// Of what was seen.
    pub fn of(
        options: &MonitorOptions,
        observed: &Observed,
        started_at: jiff::Timestamp,
        ended: Option<&Ended>,
    ) -> Self {
        let cost = &observed.cost;
        let cpu_ns = program_cpu_ns();
        Self {
            schema: SCHEMA,
            version: VERSION,
            started_at: started_at.to_string(),
            rate_hz: options.rate,
            wall_ns: cost.wall_ns,
            subjects: observed.subjects.iter().map(SummarisedSubject::of).collect(),
            monitor: Own {
                cpu_ns,
                cpu_ratio: cpu_ns as f64 / cost.wall_ns.max(1) as f64,
                first_look_cpu_ns: cost.first_cpu_ns,
                look_cpu_ns: cost.per_look_ns() as u64,
                looks: cost.looks,
                missed: cost.missed,
                unseen_tasks: cost.unseen,
            },
            command: ended.map(command),
            ended: ended.map(Ended::words),
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let names = self.subjects.iter().flat_map(|subject| &subject.values).map(|(name, _)| name.chars().count());
        let width = names.max().unwrap_or(0).max("monitored".len());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:width$}  {}", "monitored", DisplayNs(self.wall_ns as f64));
        if let Some(ended) = &self.ended {
            let _ = writeln!(text, "{:width$}  {ended}", "ended");
        }
        for subject in &self.subjects {
            for (name, value) in &subject.values {
                let _ = writeln!(text, "{name:width$}  {}", display_metric(name, *value));
            }
            let lag_ns = subject.memory_lag_ns.max(subject.counters_lag_ns);
            if lag_ns > 0 {
                let _ = writeln!(
                    text,
                    "{:width$}  too many processes ran for all to be read at each look: memory is up to {} old, bytes up to {}",
                    subject.name,
                    DisplayNs(subject.memory_lag_ns as f64),
                    DisplayNs(subject.counters_lag_ns as f64),
                );
            }
            if subject.unreadable_processes > 0 {
                let _ = writeln!(
                    text,
                    "{:width$}  {} processes could not be looked into: not permitted, or too many open files (`ulimit -n`)",
                    subject.name, subject.unreadable_processes
                );
            }
        }
        let Own { cpu_ns, cpu_ratio, first_look_cpu_ns, look_cpu_ns, looks, missed, unseen_tasks } = &self.monitor;
        let _ = writeln!(
            text,
            "{:width$}  {}, {:.2} % of a processor: {} for the first look, {} for each of {looks} since; {missed} looks missed",
            "monitor",
            DisplayNs(*cpu_ns as f64),
            cpu_ratio * 100.0,
            DisplayNs(*first_look_cpu_ns as f64),
            DisplayNs(*look_cpu_ns as f64),
        );
        if *unseen_tasks > 0 {
            let _ = writeln!(
                text,
                "{:width$}  {unseen_tasks} tasks, of anybody on this host, came and went between two looks; CPU time of \
                 processes among them is in only where a monitored parent waited for them, or a cgroup is monitored",
                "unseen",
            );
        }
        text
    }
}

impl SummarisedSubject {
    fn of(subject: &ObservedSubject) -> Self {
        let totals = &subject.totals;
        let pressure = [
            ("pressure_cpu_ns", totals.pressure.cpu_ns),
            ("pressure_memory_ns", totals.pressure.memory_ns),
            ("pressure_io_ns", totals.pressure.io_ns),
            ("cgroup_pressure_cpu_ns", totals.cgroup_pressure.cpu_ns),
            ("cgroup_pressure_memory_ns", totals.cgroup_pressure.memory_ns),
            ("cgroup_pressure_io_ns", totals.cgroup_pressure.io_ns),
        ];
        let mut values = totals.metrics(&subject.name);
        values.extend(pressure.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value? as f64))));
        let front = format!("{}_", subject.name);
        let unprefixed = |name: &str| name.strip_prefix(&front).unwrap_or(name).to_owned();
        let metric =
            |(name, value): &(String, f64)| (unprefixed(name), json!({ "unit": unit_of_metric(name), "value": value }));
        Self {
            name: subject.name.clone(),
            looks: totals.looks,
            missed: totals.missed,
            widest_look_ns: totals.widest_ns,
            unreadable_processes: totals.unreadable,
            memory_lag_ns: subject.lag.memory_ns,
            counters_lag_ns: subject.lag.counters_ns,
            metrics: values.iter().map(metric).collect(),
            values,
        }
    }
}

/// What the kernel says of the command and of all that were waited for, beside what the monitor saw.
fn command(ended: &Ended) -> Value {
    let report = ended.report;
    json!({
        "argv": ended.argv,
        "exit_code": report.and_then(|report| report.status.code()),
        "signal": report.and_then(|report| report.status.signal()),
        "waited_user_ns": report.map(|report| report.user_ns),
        "waited_system_ns": report.map(|report| report.system_ns),
    })
}
