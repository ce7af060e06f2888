//! What the lab itself costs: `runc run` from fork to gone, as the `boot` benchmark measures it, and as a plain spawn and
//! wait of the same command with the same bytes on its standard input, in turns and in one process.
//!
//! `cargo run --release -p isodyne-engine --example harness_tax -- CONTROL [PAIRS]`, where CONTROL is a directory that
//! the example `runc_control` has written. Prints tab-separated times in milliseconds: lab, plain.

#![expect(clippy::print_stdout, reason = "an example prints its result")]

use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::factor::Factors;
use isodyne_engine::backend::{Launcher, Place, find};
use isodyne_engine::lab::{Lab, LabOptions};
use isodyne_engine::workload::{BootOptions, boot};
use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let control = PathBuf::from(arguments.next().ok_or("usage: harness_tax CONTROL [PAIRS]")?);
    let pairs: u32 = arguments.next().map_or(Ok(100), |text| text.parse())?;
    let options = LabOptions { run_id: "harnesstax", session: 0, logs: &control, cache: &control, guardian: None };
    let lab = Lab::open(options)?;
    let factors = Factors::new();
    let id = CellId::new(BenchmarkName::Boot, BackendName::Runc, &factors);
    let cell = Cell { id, benchmark: BenchmarkName::Boot, backend: BackendName::Runc, factors, variant: None };
    let launcher = find(BackendName::Runc).prepare(&cell, &lab)?;
    for pair in 0..pairs {
        let lab_first = fastrand::bool();
        let first = if lab_first { by_lab(launcher.as_ref(), &lab, pair)? } else { plainly(&control)? };
        let second = if lab_first { plainly(&control)? } else { by_lab(launcher.as_ref(), &lab, pair)? };
        let (with, without) = if lab_first { (first, second) } else { (second, first) };
        println!("{with:.3}\t{without:.3}");
    }
    drop(launcher);
    lab.close();
    Ok(())
}

/// One sample of `boot`, in milliseconds from fork to gone.
fn by_lab(launcher: &dyn Launcher, lab: &Lab, pair: u32) -> Result<f64, Box<dyn Error>> {
    let directory = lab.scratch.join(pair.to_string());
    std::fs::create_dir(&directory)?;
    let place = Place {
        name: format!("isodyne-harnesstax-{pair}"),
        directory,
        log_prefix: lab.logs.join("harness-tax"),
        agent_patience_s: 90,
    };
    let attempt =
        boot(launcher, &place, lab, &BootOptions { timeout: Duration::from_secs(60), command: None, app: None });
    match attempt.failure {
        Some(failure) => Err(failure.into()),
        None => Ok(attempt.metrics.get("lifecycle_ns").ok_or("no lifecycle")? / 1e6),
    }
}

/// The same command without the lab, in milliseconds from before its fork to its end.
fn plainly(control: &Path) -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string(control.join("command"))?;
    let mut words = text.split('\n');
    let mut command = Command::new(words.next().ok_or("an empty command")?);
    command.args(words).stdin(File::open(control.join("frames"))?).stdout(Stdio::null());
    let begun = Instant::now();
    let status = command.status()?;
    let time = begun.elapsed();
    if !status.success() {
        return Err(format!("runc ended with {status}").into());
    }
    Ok(time.as_secs_f64() * 1e3)
}
