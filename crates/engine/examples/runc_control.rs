//! Writes what `runc run` needs to do by hand exactly what the `boot` benchmark does with runc: a bundle (the same
//! configuration and image) and the frames that the lab would send. `scripts/harness_tax.py` times that with another tool.
//!
//! `cargo run --release -p isodyne-engine --example runc_control -- DIRECTORY`

use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::factor::Factors;
use isodyne_engine::backend::{Place, Step, find};
use isodyne_engine::channel::{ExecRequest, ShutdownHow, agent_binary};
use isodyne_engine::image::rootfs::Rootfs;
use isodyne_engine::lab::{Lab, LabOptions};
use isodyne_proto::{Message, VERSION_NEWEST};
use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::args().nth(1).ok_or("usage: runc_control DIRECTORY")?);
    std::fs::create_dir_all(&directory)?;
    let directory = directory.canonicalize()?;
    let options = LabOptions { run_id: "control", session: 0, logs: &directory, cache: &directory, guardian: None };
    let lab = Lab::open(options)?;
    let factors = Factors::new();
    let id = CellId::new(BenchmarkName::Boot, BackendName::Runc, &factors);
    let cell = Cell { id, benchmark: BenchmarkName::Boot, backend: BackendName::Runc, factors, variant: None };
    let launcher = find(BackendName::Runc).prepare(&cell, &lab)?;
    let place = Place {
        name: "isodyne-control".to_owned(),
        directory: directory.clone(),
        log_prefix: directory.join("control"),
        agent_patience_s: 90,
    };
    let rootfs = directory.join("rootfs");
    Rootfs::with_agent(agent_binary()).write_to(&rootfs)?;
    for step in launcher.describe(&place).steps {
        match step {
            Step::Write { content, .. } => {
                let config = content.replace(&*lab.scratch.join("rootfs").to_string_lossy(), &rootfs.to_string_lossy());
                std::fs::write(directory.join("config.json"), config)?;
            }
            Step::Run { argv } => std::fs::write(directory.join("command"), argv.join("\n"))?,
            Step::Request { .. } | Step::Pin { .. } => {}
        }
    }
    let mut frames = Vec::new();
    let argv = ["/proc/self/exe", "echo", "0123456789abcdef"].map(|word| word.as_bytes().to_vec()).to_vec();
    let request =
        ExecRequest { id: 1, argv, env: Vec::new(), stdin: Vec::new(), timeout_ms: 60_000, output_limit: 4096 };
    Message::Welcome { version: VERSION_NEWEST }.encode(&mut frames)?;
    Message::ExecRequest(request).encode(&mut frames)?;
    Message::Shutdown(ShutdownHow::Exit).encode(&mut frames)?;
    std::fs::write(directory.join("frames"), frames)?;
    drop(launcher);
    lab.close();
    Ok(())
}
