//! A lab with a guest for QEMU, in which one test at a time makes machines: they would only slow each other down.

use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_engine::backend::qemu::QemuBackend;
use isodyne_engine::backend::{Backend, Launcher, Place, PrepareError};
use isodyne_engine::channel::ExecRequest;
use isodyne_engine::lab::Lab;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
static BENCHES: AtomicU32 = AtomicU32::new(0);

pub struct Bench {
    /// Taken when the bench is dropped, which checks that nothing is left.
    lab: Option<Lab>,
    pub directory: tempfile::TempDir,
    places: AtomicU32,
    _turn: MutexGuard<'static, ()>,
}

/// `None`, with the reason printed, where there is no QEMU or no kernel to be had.
pub fn bench() -> Option<Bench> {
    let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let run_id = format!("{:x}{:02x}", std::process::id(), BENCHES.fetch_add(1, Ordering::Relaxed));
    let (directory, lab) = super::qemu_lab(&run_id)?;
    Some(Bench { lab: Some(lab), directory, places: AtomicU32::new(1), _turn: turn })
}

impl Drop for Bench {
    fn drop(&mut self) {
        super::close(self.lab.take());
    }
}

/// A command whose answer is known.
pub fn echo() -> ExecRequest {
    ExecRequest {
        id: 1,
        argv: ["/init", "echo", "0123456789abcdef"].map(|word| word.as_bytes().to_vec()).to_vec(),
        env: Vec::new(),
        stdin: Vec::new(),
        timeout_ms: 30_000,
        output_limit: 4096,
    }
}

impl Bench {
    pub fn lab(&self) -> &Lab {
        self.lab.as_ref().unwrap()
    }

    pub fn prepare(&self, stated: &[(&str, FactorValue)]) -> Result<Box<dyn Launcher>, PrepareError> {
        let factors: Factors = stated.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let id = CellId::new(BenchmarkName::Boot, BackendName::Qemu, &factors);
        let cell = Cell { id, benchmark: BenchmarkName::Boot, backend: BackendName::Qemu, factors, variant: None };
        QemuBackend.prepare(&cell, self.lab())
    }

    pub fn launcher(&self, stated: &[(&str, FactorValue)]) -> Box<dyn Launcher> {
        self.prepare(stated).unwrap()
    }

    /// A place for the next machine; the first one's logs are `1-qemu.….log`.
    pub fn place(&self) -> Place {
        let number = self.places.fetch_add(1, Ordering::Relaxed);
        let directory = self.lab().scratch.join(number.to_string());
        std::fs::create_dir_all(&directory).unwrap();
        let log_prefix = self.lab().logs.join(format!("{number}-qemu"));
        Place { name: format!("isodyne-{}-{number}", self.lab().run_id), directory, log_prefix, agent_patience_s: 200 }
    }

    /// The processes of this run that live.
    pub fn machines(&self) -> Vec<rustix::process::Pid> {
        let mark = format!("ISODYNE_RUN={}", self.lab().run_id);
        let marked = |entry: std::fs::DirEntry| {
            let environment = std::fs::read(entry.path().join("environ")).ok()?;
            let marked = environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes());
            rustix::process::Pid::from_raw(entry.file_name().to_str()?.parse().ok()?).filter(|_| marked)
        };
        std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).filter_map(marked).collect()
    }
}
