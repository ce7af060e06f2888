//! The smallest real program: fork, exec and end of the agent's own `true`, as the lab starts everything, and plainly.

use super::trials::{Trials, Window};
use super::{Found, skip};
use crate::channel::agent_binary;
use crate::lab::Lab;
use isodyne_core::calibration::{Limit, LimitKind};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const NAMES: [&str; 3] = ["fork_exec_ns", "fork_exec_exit_ns", "lab_spawn_ns"];
/// So long no such program takes, on whatever host.
const PATIENCE: Duration = Duration::from_secs(5);

/// The times of one trial, in nanoseconds.
struct Times {
    fork_exec: f64,
    exit: f64,
    overhead: f64,
}

/// Fork and exec, the whole life, and what the lab's way of starting adds.
pub(super) fn fork_exec(lab: &Lab, window: Window) -> Found {
    let program = match write_program(&lab.scratch) {
        Ok(program) => program,
        Err(error) => {
            let reason = format!("the program cannot be written to the temporary directory: {error}");
            return NAMES.iter().map(|name| skip(name, &reason)).collect();
        }
    };
    let mut times = Vec::new();
    let tried = window.trials(5, 5_000, || {
        let found = one(lab, &program, times.len() % 2 == 0)?;
        times.push(found);
        Ok::<_, String>(0.0)
    });
    let of = |value: fn(&Times) -> f64| {
        tried.as_ref().map_err(Clone::clone).and_then(|_| Trials::of(times.iter().map(value).collect()))
    };
    let what = format!("a static program of {} KiB that ends at once", agent_binary().len() >> 10);
    vec![
        Trials::limit(
            of(|times| times.fork_exec),
            NAMES[0],
            LimitKind::Floor,
            format!("from before the fork to the return that says that the exec succeeded: {what}"),
        ),
        Trials::limit(
            of(|times| times.exit),
            NAMES[1],
            LimitKind::Floor,
            format!("from before the fork until its end was seen through a pidfd: {what}"),
        ),
        // A difference of two noisy times has no best: the typical one stands for it.
        Trials::limit(
            of(|times| times.overhead),
            NAMES[2],
            LimitKind::Cost,
            format!(
                "what the lab's own spawn and wait (journal, mark, process group, pidfd, usage) add to a plain spawn and \
                 wait of {what}: median of the differences within pairs in alternating order; it lies outside of the \
                 stamps around fork and exec, and can come out below 0 where noise is larger; best repeats it"
            ),
        )
        .map(|limit| Limit { best: limit.typical, ..limit }),
    ]
}

fn one(lab: &Lab, program: &Path, lab_first: bool) -> Result<Times, String> {
    let command = || {
        let mut command = Command::new(program);
        command.arg("true").env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let plainly = || -> Result<f64, String> {
        let mut command = command();
        command.process_group(0);
        let begin = lab.clock.now();
        let status = command.status().map_err(|error| error.to_string())?;
        let took = lab.clock.now().ns_since(begin) as f64;
        if status.success() { Ok(took) } else { Err(format!("the program ended with {status}")) }
    };
    let by_lab = || -> Result<(f64, f64, f64), String> {
        let begin = lab.clock.now();
        let mut process = lab.owner.spawn(command()).map_err(|error| crate::backend::chain(&error))?;
        let exit = process.wait(lab.clock.after(PATIENCE)).ok_or("the program did not end")?;
        if !exit.status.success() {
            return Err(format!("the program ended with {}", exit.status));
        }
        process.end_group()?;
        let whole = lab.clock.now().ns_since(begin) as f64;
        let since_fork = |at: isodyne_core::unit::HostInstant| at.ns_since(process.forked_at) as f64;
        Ok((since_fork(process.spawned_at), since_fork(exit.at), whole))
    };
    let (plain, (fork_exec, exit, whole)) = if lab_first {
        let found = by_lab()?;
        (plainly()?, found)
    } else {
        (plainly()?, by_lab()?)
    };
    Ok(Times { fork_exec, exit, overhead: whole - plain })
}

fn write_program(scratch: &Path) -> io::Result<PathBuf> {
    let path = scratch.join("calibrate-true");
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o755).open(&path)?;
    file.write_all(agent_binary())?;
    Ok(path)
}
