//! `shm-peer`: the answering side of the benchmark `shm`.
//!
//! Words of the form `key=value` say where the memory is, how to wait and what to do; the task's own keys are those of
//! [`isodyne_shm::task`], and the other side is told the same. What comes of it goes line by line to standard output:
//! `ready`, then `part NAME cpu_ns N wall_ns N` after each part, then `missed_rings N` and `done`; a fault goes to standard error.

mod bells;
mod options;
mod transport;

use crate::complain;
use crate::sys::poll::{Moment, cpu_ns};
use crate::sys::{file, shared};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use isodyne_shm::copy::{LINE_SPARE, on_a_line};
use isodyne_shm::lie::Lie;
use isodyne_shm::peer::Peer;
use isodyne_shm::session;
use isodyne_shm::wait::{Limits, System, Waiting};
use options::{Options, WaitingName};

/// The kernel under the agent.
#[derive(Default)]
pub(crate) struct Kernel {
    /// Rings that did not wake it.
    missed: Cell<u32>,
}

impl System for Kernel {
    fn now_ns(&self) -> u64 {
        Moment::now().ns()
    }

    fn yield_now(&self) {
        shared::yield_now();
    }

    fn sleep_ns(&self, time_ns: u64) {
        shared::sleep_ns(time_ns);
    }

    fn missed_ring(&self) {
        self.missed.set(self.missed.get().saturating_add(1));
    }
}

/// Answers one session; the exit code is 3 where the device cannot be had in this guest.
pub(crate) fn run(arguments: &[&[u8]]) -> u8 {
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(error) => {
            complain(&format!("shm-peer: {error}"));
            return 2;
        }
    };
    match answer(&options) {
        Ok(()) => 0,
        Err(refused) => {
            let (error, code) = match refused {
                Refused::Failed(error) => (error, 1),
                Refused::Unavailable(error) => (error, 3),
            };
            complain(&format!("shm-peer: {error}"));
            code
        }
    }
}

/// Why it does not do what it is told.
enum Refused {
    /// Something went wrong.
    Failed(String),
    /// The device cannot be had in this guest.
    Unavailable(String),
}

impl From<String> for Refused {
    fn from(error: String) -> Self {
        Self::Failed(error)
    }
}

impl From<&str> for Refused {
    fn from(error: &str) -> Self {
        Self::Failed(error.into())
    }
}

fn say(line: &str) {
    let _ = file::write_all(1, format!("{line}\n").as_bytes());
}

fn answer(options: &Options) -> Result<(), Refused> {
    if let Some(processor) = options.processor {
        shared::stay_on(processor).map_err(|errno| format!("it cannot stay on processor {processor}: {errno}"))?;
    }
    let needed = options.task.region_bytes().ok_or("no memory is large enough")?;
    let limits = Limits {
        deadline_ns: Moment::after_ms(options.deadline_ms).ns(),
        patience_ns: options.patience_ms.saturating_mul(1_000_000),
    };
    let transport = transport::open(&options.region, options.socket.as_deref(), needed, limits.deadline_ns)?;
    let bell = transport.bell(options.waiting)?;
    let waiting = match (options.waiting, &bell) {
        (_, Some(bell)) => Waiting::Bell(bell.as_ref()),
        (WaitingName::Pause, _) => Waiting::Pause,
        (WaitingName::Yield, _) => Waiting::Yield,
        (WaitingName::Poll(period_ns), _) => Waiting::Poll { period_ns },
        _ => Waiting::Spin,
    };
    let mut copy: Vec<u8> = Vec::new();
    let length = options.task.copy_bytes();
    copy.try_reserve_exact(length.saturating_add(LINE_SPARE))
        .map_err(|_| format!("no memory for a frame of {length} B"))?;
    // Every page is written, so that the first copy finds it.
    copy.resize(length + LINE_SPARE, 1);
    let copy = on_a_line(&mut copy, length);
    say(&format!("ready {}", transport.mapping));
    let kernel = Kernel::default();
    let peer = Peer { region: transport.region, system: &kernel, waiting, limits, lie: options.lie };
    let mut before = (cpu_ns(), Moment::now());
    session::answer(&peer, &options.task, copy, |part| {
        let now = (cpu_ns(), Moment::now());
        say(&format!("part {part} cpu_ns {} wall_ns {}", now.0.saturating_sub(before.0), now.1.ns_since(before.1)));
        before = now;
    })
    .map_err(|fault| format!("{fault}"))?;
    // A liar that stops says nothing more either.
    if options.lie != Some(Lie::Stop) {
        say(&format!("missed_rings {}", kernel.missed.get()));
        say("done");
    }
    Ok(())
}
