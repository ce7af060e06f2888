//! What one look of the monitor costs, by the number of processes and whether they run: CPU time of its thread, which other
//! load disturbs less than time on the wall.
//!
//! `cargo bench -p isodyne-engine --bench look`

use isodyne_engine::host::cgroup::CgroupLayout;
use isodyne_engine::monitor::{Monitor, MonitorOptions, Shares, Subject};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Looks of one turn, at this rate.
const RATE_HZ: u32 = 100;
const TURN: Duration = Duration::from_secs(2);
const TURNS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(place) = arguments.iter().position(|word| word == "--child") {
        return live(arguments.get(place + 1).is_some_and(|kind| kind == "busy"));
    }
    let mut out = std::io::stdout();
    let _ = writeln!(out, "CPU time of a look at {RATE_HZ} looks a second, medians of {TURNS} turns of {TURN:?}");
    for kind in ["idle", "busy"] {
        for count in [1, 10, 100] {
            match measure(kind, count) {
                Ok(found) => {
                    let _ = writeln!(out, "{kind} {count:4} processes  {found}");
                }
                Err(error) => {
                    let _ = writeln!(out, "{kind} {count:4} processes  cannot be measured: {error}");
                }
            }
        }
    }
}

/// A process until its standard input ends: asleep, or awake a hundred times a second.
fn live(busy: bool) {
    if busy {
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(Duration::from_millis(10));
                std::hint::black_box((0..20_000_u64).sum::<u64>());
            }
        });
    }
    let _ = std::io::stdin().read(&mut [0]);
}

fn measure(kind: &str, count: usize) -> Result<String, Box<dyn std::error::Error>> {
    let program = std::env::current_exe()?;
    let start = || Command::new(&program).args(["--child", kind]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
    let children: Vec<Child> = (0..count).map(|_| start()).collect::<Result<_, _>>()?;
    std::thread::sleep(Duration::from_millis(500));
    let pids: Vec<u32> = children.iter().map(Child::id).collect();
    let (mut looks, mut firsts) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let options = MonitorOptions { rate_hz: RATE_HZ, shares: Shares::Never, ..MonitorOptions::default() };
        let subject = Subject::tree("a", pids.clone());
        let monitor = Monitor::start(&CgroupLayout::default(), vec![subject], options)?;
        std::thread::sleep(TURN);
        let cost = monitor.stop()?.cost;
        looks.push(cost.per_look_ns() / 1e3);
        firsts.push(cost.first_cpu_ns as f64 / 1e3);
    }
    for mut child in children {
        drop(child.stdin.take());
        child.wait()?;
    }
    looks.sort_by(f64::total_cmp);
    firsts.sort_by(f64::total_cmp);
    Ok(format!(
        "{:7.1} µs ({:.1} to {:.1}); the first {:7.0} µs",
        looks[TURNS / 2],
        looks[0],
        looks[TURNS - 1],
        firsts[TURNS / 2]
    ))
}
