//! The monitor against real processes.

use super::*;
use crate::host::HostFacts;
use std::io::Write;
use std::process::{Child, Command, Stdio};

const FAST: MonitorOptions =
    MonitorOptions { rate_hz: 200, shares: Shares::Every(Duration::from_millis(50)), pressure_every: Duration::ZERO };

fn shell(script: &str) -> Child {
    Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Lets a shell go on that waits in `read`, and waits for its end.
fn finish(mut child: Child) {
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    child.wait().unwrap();
}

fn seen(observed: &Observed) -> &Totals {
    &observed.subjects[0].totals
}

#[test]
fn what_a_tree_uses_is_counted_with_children_that_came_and_went() {
    let layout = HostFacts::gather().cgroups;
    let burn = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
    let child = shell(&format!(
        "read x; sh -c '{burn}'; for n in 1 2 3 4 5 6 7 8; do dd if=/dev/zero of=/dev/null bs=64k count=16 2>/dev/null; done; read x"
    ));
    let monitor = Monitor::start(&layout, vec![Subject::tree("a", [child.id()])], FAST).unwrap();
    let pid = child.id();
    let mut child = child;
    child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    // The shell sleeps in its second `read` once it has used what it will use.
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let usage = crate::host::accounting::process(pid).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
        let io = crate::host::accounting::text::Io::parse(stat.as_bytes()).unwrap();
        if io.syscall_read > 8 << 20 && usage.threads == 1 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "the shell did not get on");
        std::thread::sleep(Duration::from_millis(5));
    }
    let observed = monitor.stop().unwrap();
    // SAFETY: an all-zero rusage is a valid value of this plain C struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    finish_with_usage(child, &mut usage);
    let truth = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) as u64 * 1_000_000_000
        + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) as u64 * 1000;
    let totals = seen(&observed);
    let cpu = totals.cpu_ns.unwrap();
    assert!(cpu > 50_000_000 && cpu <= truth + 1_000_000, "{cpu} of {truth}");
    assert!(cpu as f64 > truth as f64 * 0.6, "{cpu} of {truth}");
    assert!(totals.syscall_read_bytes.unwrap() >= 8 << 20, "{totals:?}");
    assert!(totals.peak_processes >= 2 && totals.peak_rss_bytes.unwrap() > 0, "{totals:?}");
    assert!(totals.peak_uss_bytes.unwrap() <= totals.peak_pss_bytes.unwrap());
    assert!(observed.cost.cpu_ns > 0 && observed.cost.looks > 1);
    let readings = &observed.subjects[0].readings;
    assert!(readings.windows(2).all(|pair| pair[0].end <= pair[1].begin && pair[0].cpu_ns <= pair[1].cpu_ns));
}

fn finish_with_usage(mut child: Child, usage: &mut libc::rusage) {
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    // SAFETY: the pointers are to live, writable values; the child is ours and is waited for only here.
    unsafe { libc::wait4(child.id() as libc::pid_t, std::ptr::null_mut(), 0, usage) };
}

#[test]
fn children_that_come_later_belong_to_it_and_those_of_before_do_not() {
    let before = shell("read x");
    let subject = Subject::new_children_of("a", std::process::id());
    let monitor = Monitor::start(&CgroupLayout::default(), vec![subject], FAST).unwrap();
    let after = shell("sh -c 'echo; read x; exit 0' <&0; exit 0");
    let mut line = [0];
    let mut after = after;
    io::Read::read_exact(after.stdout.as_mut().unwrap(), &mut line).unwrap();
    let names = |monitor: &Monitor| monitor.shared.series().len();
    assert_eq!(names(&monitor), 1);
    let observed = monitor.stop().unwrap();
    let last = observed.subjects[0].readings.last().unwrap();
    // Tests beside this one have children too.
    assert!(last.processes >= 2, "{last:?}");
    finish(before);
    finish(after);
}

#[test]
fn several_are_watched_at_once_and_one_that_has_gone_keeps_its_totals() {
    let (one, two) = (shell("read x"), shell("read x"));
    let subjects = vec![Subject::tree("one", [one.id()])];
    let monitor = Monitor::start(&CgroupLayout::default(), subjects, FAST).unwrap();
    monitor.add(Subject::tree("two", [two.id()])).unwrap();
    assert!(matches!(monitor.add(Subject::tree("two", [two.id()])), Err(MonitorError::Twice(_))));
    assert!(matches!(monitor.add(Subject::tree("x", [u32::MAX])), Err(MonitorError::Subject { .. })));
    finish(one);
    let observed = monitor.stop().unwrap();
    let readings = &observed.subjects[0].readings;
    assert_eq!((readings[0].processes, readings.last().unwrap().processes), (1, 0));
    assert_eq!(observed.subjects[1].readings.last().unwrap().processes, 1);
    let metrics: std::collections::BTreeMap<String, f64> = observed.metrics().into_iter().collect();
    assert!(metrics["one_peak_rss_bytes"] > 0.0 && metrics["two_cpu_ns"] >= 0.0 && metrics["monitor_cpu_ns"] > 0.0);
    assert!(observed.csv().lines().count() > 2);
    finish(two);
}

#[test]
fn readings_can_be_taken_out_while_it_runs() {
    let child = shell("read x");
    let monitor = Monitor::start(&CgroupLayout::default(), vec![Subject::tree("a", [child.id()])], FAST).unwrap();
    let first = monitor.take_readings();
    assert_eq!((first[0].0.as_str(), first[0].1.is_empty()), ("a", false));
    let observed = monitor.stop().unwrap();
    let rest = &observed.subjects[0].readings;
    assert!(!rest.is_empty());
    assert_eq!(observed.subjects[0].totals.looks, (first[0].1.len() + rest.len()) as u64);
    finish(child);
}

#[test]
fn a_rate_out_of_bounds_is_refused() {
    for rate_hz in [0, RATE_MOST + 1] {
        let options = MonitorOptions { rate_hz, ..FAST };
        assert!(matches!(Monitor::start(&CgroupLayout::default(), Vec::new(), options), Err(MonitorError::Rate(_))));
    }
}

/// Waits until a shell says that it is done; it sleeps from then on.
fn until_done(child: &mut Child) {
    let mut said = [0];
    io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
}

fn cpu_ns(pid: u32) -> u64 {
    crate::host::accounting::CpuClock::of(pid).and_then(crate::host::accounting::CpuClock::now_ns).unwrap()
}

const BURN: &str = "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done";

#[test]
fn the_sum_over_many_is_what_their_own_clocks_say() {
    // More than are looked at every time, so that they have turns; half of them never run.
    let mut children: Vec<Child> = (0..24).map(|_| shell(&format!("read x; {BURN}; echo; read x"))).collect();
    let pids: Vec<u32> = children.iter().map(Child::id).collect();
    let before: u64 = pids.iter().map(|pid| cpu_ns(*pid)).sum();
    let monitor = Monitor::start(&CgroupLayout::default(), vec![Subject::tree("a", pids.clone())], FAST).unwrap();
    let since: u64 = pids.iter().map(|pid| cpu_ns(*pid)).sum();
    for child in children.iter_mut().take(12) {
        child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }
    children.iter_mut().take(12).for_each(until_done);
    // A shell has said it a moment before it sleeps.
    let truth = loop {
        let all = || pids.iter().map(|pid| cpu_ns(*pid)).sum::<u64>();
        let first = all();
        std::thread::sleep(Duration::from_millis(20));
        if all() == first {
            break first;
        }
    };
    let observed = monitor.stop().unwrap();
    let seen = seen(&observed).cpu_ns.unwrap();
    // Exactly, but for what the first look may not have been late for.
    assert!(seen <= truth - before && seen >= truth - since, "{seen} of {} to {}", truth - since, truth - before);
    assert!(truth - since > 10_000_000, "the shells worked too little: {}", truth - since);
    let readings = &observed.subjects[0].readings;
    assert!(readings.windows(2).all(|pair| pair[0].cpu_ns <= pair[1].cpu_ns));
    assert_eq!(readings.last().unwrap().processes, 24);
    children.into_iter().for_each(finish);
}

#[test]
fn who_comes_and_goes_between_two_looks_is_counted_if_waited_for_and_said_to_be_unseen() {
    let slow = MonitorOptions { rate_hz: 1, ..FAST };
    let short = format!("sh -c '{BURN}'; ");
    let mut child = shell(&format!("read x; {}echo; read x", short.repeat(8)));
    let pid = child.id();
    let monitor = Monitor::start(&CgroupLayout::default(), vec![Subject::tree("a", [pid])], slow).unwrap();
    let own_before = cpu_ns(pid);
    child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    until_done(&mut child);
    let observed = monitor.stop().unwrap();
    let own = cpu_ns(pid) - own_before;
    // SAFETY: an all-zero rusage is a valid value of this plain C struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    finish_with_usage(child, &mut usage);
    let truth = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) as u64 * 1_000_000_000
        + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) as u64 * 1000;
    let seen = seen(&observed).cpu_ns.unwrap();
    // Far more than the shell itself used, and never more than there was; the kernel tells it in ticks of 10 ms.
    assert!(seen <= truth + 1_000_000, "{seen} of {truth}");
    assert!(seen + 2 * crate::host::tick_ns() + own > truth && seen > 2 * own, "{seen} of {truth}, {own} of its own");
    assert!(observed.cost.unseen >= 4, "{:?}", observed.cost);
}

#[test]
fn a_new_child_of_one_that_had_slept_among_many_is_found() {
    let mut children: Vec<Child> = (0..20).map(|_| shell("read x; sleep 600 & echo; wait")).collect();
    let pids: Vec<u32> = children.iter().map(Child::id).collect();
    let monitor = Monitor::start(&CgroupLayout::default(), vec![Subject::tree("a", pids)], FAST).unwrap();
    // Long enough that they are looked at in turns.
    std::thread::sleep(Duration::from_millis(300));
    children[7].stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    until_done(&mut children[7]);
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    let mut most = 0;
    while most < 21 && std::time::Instant::now() < deadline {
        let readings = monitor.take_readings();
        most = readings[0].1.iter().map(|reading| reading.processes).max().unwrap_or(0).max(most);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(most, 21);
    let found = crate::host::accounting::descendants(&[children[7].id()]);
    for pid in found {
        let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    drop(monitor);
    for mut child in children {
        drop(child.stdin.take());
        let _ = child.kill();
        child.wait().unwrap();
    }
}

#[test]
fn shares_are_read_in_rounds_and_once_for_those_that_sleep() {
    let children: Vec<Child> = (0..30).map(|_| shell("read x")).collect();
    let pids: Vec<u32> = children.iter().map(Child::id).collect();
    let options = MonitorOptions { shares: Shares::Cheaply, ..FAST };
    let monitor = Monitor::start(&CgroupLayout::default(), vec![Subject::tree("a", pids)], options).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let observed = monitor.stop().unwrap();
    let readings = &observed.subjects[0].readings;
    let rounds: Vec<&Reading> = readings.iter().filter(|reading| reading.pss_bytes.is_some()).collect();
    assert_eq!(rounds.len(), 1, "at the latest the last look completes the first round, and nobody ran since");
    let (pss, uss, rss) = (rounds[0].pss_bytes.unwrap(), rounds[0].uss_bytes.unwrap(), rounds[0].rss_bytes.unwrap());
    assert!(0 < uss && uss <= pss && pss <= rss, "{uss} {pss} {rss}");
    children.into_iter().for_each(finish);
}

#[test]
fn pressure_is_read_as_often_as_it_is_asked_for() {
    let child = shell("read x");
    let options = MonitorOptions { pressure_every: Duration::from_secs(600), ..FAST };
    let monitor = Monitor::start(&CgroupLayout::default(), vec![Subject::tree("a", [child.id()])], options).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let observed = monitor.stop().unwrap();
    if crate::host::pressure::Pressure::of_host(&crate::host::root::HostRoot::default()).read().cpu_ns.is_some() {
        let readings = &observed.subjects[0].readings;
        let with: Vec<bool> = readings.iter().map(|reading| reading.pressure.cpu_ns.is_some()).collect();
        assert_eq!(with.iter().filter(|with| **with).count(), 2, "{with:?}");
        assert!(with[0] && with[with.len() - 1]);
    }
    finish(child);
}
