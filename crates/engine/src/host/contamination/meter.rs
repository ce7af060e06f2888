//! The counters themselves: opened once, read in place.

use super::text::{counter, cpu_ticks, load_1min};
use crate::host::HostFacts;
use crate::host::cgroup::{CgroupLayout, Hierarchy};
use crate::host::live::{BUFFER_BYTES, LiveFile};
use crate::host::pressure::{Pressure, PressureReading};
use crate::host::root::HostRoot;
use std::collections::BTreeSet;

/// Processors whose own thermal counter is read; beyond that only those of the packages are, to keep a reading cheap.
const CORE_LIMIT: usize = 16;

/// The host's counters, open.
#[derive(Debug)]
pub struct Meter {
    stat: Option<LiveFile>,
    /// v1 only: CPU time of the whole host in nanoseconds, where `stat` counts in ticks.
    cpuacct: Option<LiveFile>,
    pressure: Pressure,
    load: Option<LiveFile>,
    /// Files with counters of throttling, with the key in each.
    throttled: Vec<(LiveFile, &'static str)>,
    tick_ns: u64,
    cpu_count: u64,
}

/// One reading of all counters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    pub steal_ns: Option<u64>,
    pub busy_ns: Option<u64>,
    pub lab_cpu_ns: Option<u64>,
    pub pressure: PressureReading,
    pub involuntary_switches: Option<u64>,
    pub throttled: Option<u64>,
    pub load_1min: Option<f64>,
}

impl Meter {
    /// Opens what this host has.
    pub fn open(facts: &HostFacts) -> Self {
        Self::open_under(&HostRoot::default(), &facts.cgroups, facts.in_container)
    }

    /// As [`Meter::open`], with the host's files under another root.
    pub fn open_under(root: &HostRoot, cgroups: &CgroupLayout, in_container: bool) -> Self {
        let open = |path: &str| LiveFile::open(root.path(path)).ok();
        // In a container the mounted root may be a part of the host only.
        let whole_host = cgroups.v1.get("cpuacct").filter(|_| !in_container);
        Self {
            stat: open("/proc/stat"),
            cpuacct: whole_host.and_then(|hierarchy| LiveFile::open(hierarchy.mount.join("cpuacct.usage")).ok()),
            pressure: Pressure::of_host(root),
            load: open("/proc/loadavg"),
            throttled: quota_counters(cgroups).chain(thermal_counters(root)).collect(),
            tick_ns: crate::host::tick_ns(),
            cpu_count: rustix::thread::sched_getaffinity(None).map_or(1, |set| u64::from(set.count())),
        }
    }

    /// How far the host's count of busy time may lag behind: two ticks for each processor.
    pub(super) fn slack_ns(&self) -> u64 {
        2 * self.tick_ns * self.cpu_count
    }

    pub(super) fn read(&self) -> Reading {
        let mut buffer = [0_u8; BUFFER_BYTES];
        let ticks = text(&self.stat, &mut buffer).and_then(cpu_ticks);
        let ns = |ticks: u64| ticks.checked_mul(self.tick_ns);
        let precise = text(&self.cpuacct, &mut buffer).and_then(|text| counter(text, ""));
        let mut throttled = None;
        for (file, key) in &self.throttled {
            if let Some(count) = file.text(&mut buffer).and_then(|text| counter(text, key)) {
                throttled = Some(throttled.unwrap_or(0) + count);
            }
        }
        let load_1min = text(&self.load, &mut buffer).and_then(load_1min);
        let thread = usage(libc::RUSAGE_THREAD);
        Reading {
            steal_ns: ticks.and_then(|ticks| ns(ticks.steal?)),
            busy_ns: precise.or_else(|| ns(ticks?.busy)),
            lab_cpu_ns: usage(libc::RUSAGE_SELF).map(|usage| time_ns(usage.ru_utime) + time_ns(usage.ru_stime)),
            pressure: self.pressure.read(),
            involuntary_switches: thread.and_then(|usage| u64::try_from(usage.ru_nivcsw).ok()),
            throttled,
            load_1min,
        }
    }
}

fn text<'a>(file: &Option<LiveFile>, buffer: &'a mut [u8; BUFFER_BYTES]) -> Option<&'a str> {
    file.as_ref()?.text(buffer)
}

fn usage(who: libc::c_int) -> Option<libc::rusage> {
    // SAFETY: an all-zero rusage is a valid value of this plain C struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live, writable local.
    (unsafe { libc::getrusage(who, &raw mut usage) } == 0).then_some(usage)
}

fn time_ns(time: libc::timeval) -> u64 {
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_usec).unwrap_or(0) * 1000
}

/// Counters of CPU quotas, of this program's cgroup and of all above it: a quota on any of them stops it.
fn quota_counters(cgroups: &CgroupLayout) -> impl Iterator<Item = (LiveFile, &'static str)> {
    let with_cpu: Vec<&Hierarchy> = cgroups.v1.get("cpu").or(cgroups.v2.as_ref()).into_iter().collect();
    with_cpu
        .into_iter()
        .flat_map(|hierarchy| {
            let above = hierarchy.own.ancestors();
            above.take_while(|directory| directory.starts_with(&hierarchy.mount)).collect::<Vec<_>>()
        })
        .filter_map(|directory| {
            let path = directory.join("cpu.stat");
            let text = std::fs::read_to_string(&path).ok()?;
            counter(&text, "nr_throttled")?;
            Some((LiveFile::open(path).ok()?, "nr_throttled"))
        })
}

/// Counters of thermal throttling: one per package, and one per core on a host with few.
fn thermal_counters(root: &HostRoot) -> impl Iterator<Item = (LiveFile, &'static str)> {
    let cpus: Vec<String> = root
        .names("/sys/devices/system/cpu")
        .into_iter()
        .filter(|name| name.strip_prefix("cpu").is_some_and(|number| number.parse::<u32>().is_ok()))
        .map(|name| format!("/sys/devices/system/cpu/{name}"))
        .collect();
    let cores: Vec<String> = if cpus.len() <= CORE_LIMIT {
        cpus.iter().map(|cpu| format!("{cpu}/thermal_throttle/core_throttle_count")).collect()
    } else {
        Vec::new()
    };
    let mut packages = BTreeSet::new();
    let of_packages: Vec<String> = cpus
        .iter()
        .filter(|cpu| packages.insert(root.value(format!("{cpu}/topology/physical_package_id"))))
        .map(|cpu| format!("{cpu}/thermal_throttle/package_throttle_count"))
        .collect();
    let files: Vec<LiveFile> =
        cores.iter().chain(&of_packages).filter_map(|path| LiveFile::open(root.path(path)).ok()).collect();
    files.into_iter().map(|file| (file, ""))
}
