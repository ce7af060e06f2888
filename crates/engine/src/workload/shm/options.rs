//! What a plan can set.

use super::{MOST_WARMUP, patience};
use crate::backend::PrepareError;
use crate::shm::WaitingMode;
use isodyne_core::cell::{BackendName, Cell};
use isodyne_core::factor::FactorValue;
use isodyne_core::unit::DisplayBytes;
use isodyne_shm::lie::Lie;
use isodyne_shm::ping_pong::{MOST, TRAIN};
use isodyne_shm::task::{Protocol, Task};
use std::time::Duration;

/// Messages of the protocol in two phases that count, where it is measured beside.
const MESSAGES_BESIDE: u32 = 500;

/// What a plan can set.
#[derive(Clone, Debug)]
pub struct ShmOptions {
    /// How long the sandbox may take to say hello, and then each session.
    pub timeout: Duration,
    /// How long the other side may take for one step.
    pub patience: Duration,
    /// What both sides do.
    pub task: Task,
    /// Trips in front that do not count.
    pub warmup: u32,
    /// How both sides wait.
    pub waiting: WaitingMode,
    /// Whether the memory is a file on tmpfs.
    pub file: bool,
    /// How a guest maps the device.
    pub mapping: String,
    /// The processors, as the plan says it.
    pub cores: String,
    /// The device of the machine, if it is one.
    pub device: Option<String>,
    /// The period with which the protocol in two phases is measured right after, if it is.
    pub beside: Option<Duration>,
    /// The open loop, if it is measured too.
    pub open_loop: Option<OpenLoop>,
    /// From the moment of one round trip to that of the next, in the open loop's own session.
    pub pace: Option<Duration>,
    /// Whether the guest drives the device through its interrupts: then it stays so for every session of the sample.
    pub interrupts: bool,
    /// Whether another session has come before in the same sandbox.
    pub follows: bool,
    /// How the other side lies. No plan can set it: it shows that lies are found.
    pub lie: Option<Lie>,
}

impl ShmOptions {
    /// Reads the factors of a cell; defaults are in there already.
    ///
    /// # Errors
    /// [`PrepareError`] if the sandbox shares no memory, or not enough, or cannot be waited for in this way.
    pub fn of(cell: &Cell, timeout: Duration) -> Result<Self, PrepareError> {
        let word = |key: &str| cell.factors.get(key).and_then(FactorValue::as_text);
        let count = |key: &str| cell.factors.get(key).and_then(FactorValue::as_count);
        let bytes = |key: &str| cell.factors.get(key).and_then(FactorValue::as_bytes);
        let counted = count("round_trips").unwrap_or(100_000);
        let warmup = u32::try_from(counted / 10).unwrap_or(MOST_WARMUP).min(MOST_WARMUP);
        let mut task = Task::default();
        let settings = [
            ("protocol", word("protocol").map(str::to_owned)),
            ("trips", Some((counted + u64::from(warmup)).to_string())),
            // A tenth of the trips again, in trains.
            ("trains", Some((counted / (10 * u64::from(TRAIN))).max(1).to_string())),
            ("message", bytes("message").map(|bytes| bytes.to_string())),
            // One more, which warms up.
            ("single", count("frames").map(|frames| if frames == 0 { 0 } else { frames + 1 }.to_string())),
            ("stream", count("stream").map(|frames| frames.to_string())),
            ("frame", bytes("frame").map(|bytes| bytes.to_string())),
            ("slots", count("slots").map(|slots| slots.to_string())),
            ("check", word("check").map(str::to_owned)),
            ("cache", word("cache").map(str::to_owned)),
        ];
        for (key, value) in settings {
            if value.as_ref().is_some_and(|value| !task.set(key, value)) {
                let value = value.unwrap_or_default();
                return Err(invalid(key, format!("`{value}` does not fit"), "see `docs/shared-memory.md`"));
            }
        }
        let period = cell.factors.get("poll_period").and_then(FactorValue::as_duration_ns).unwrap_or(10_000);
        let named = word("waiting").unwrap_or("spin");
        let waiting = WaitingMode::parse(named, Duration::from_nanos(period))
            .ok_or_else(|| invalid("waiting", format!("`{named}` is no way to wait"), "use `spin`"))?;
        let device = device(cell)?;
        fits(cell, &task, waiting, device.as_deref())?;
        let cores = word("cores").unwrap_or("auto").to_owned();
        super::cores::check(&cores)
            .map_err(|message| invalid("cores", message, "use `auto`, `every`, or two processors such as `0-1`"))?;
        super::cores::possible(&cores).map_err(|reason| PrepareError::Unavailable {
            reason,
            hint: "name the pairs that matter, each a cell (`cores = [\"0-1\", \"0-16\"]`), or give the lab fewer processors \
                   (`taskset -c 0-15 isodyne run …`)"
                .to_owned(),
        })?;
        Ok(Self {
            timeout,
            patience: patience(&task, timeout),
            task,
            warmup,
            waiting,
            file: word("transport") == Some("file"),
            mapping: word("mapping").unwrap_or("uncached").to_owned(),
            cores,
            device,
            beside: (word("beside") == Some("two-phase")).then_some(Duration::from_nanos(period)),
            open_loop: OpenLoop::of(count("rate"), cell.factors.get("duration"), task.protocol)?,
            pace: None,
            follows: false,
            interrupts: waiting == WaitingMode::Doorbell,
            lie: None,
        })
    }
}

/// Round trips at a fixed rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenLoop {
    /// From the moment of one to that of the next.
    pub pace: Duration,
    /// How long it takes.
    pub duration: Duration,
}

impl OpenLoop {
    fn of(rate: Option<u64>, duration: Option<&FactorValue>, protocol: Protocol) -> Result<Option<Self>, PrepareError> {
        let Some(rate) = rate else { return Ok(None) };
        if protocol == Protocol::TwoPhase {
            let message = "the protocol in two phases has no open loop".to_owned();
            return Err(invalid("rate", message, "leave it out, or use `protocol = \"sequence\"`"));
        }
        let duration = duration.and_then(FactorValue::as_duration_ns).unwrap_or(3_000_000_000);
        let pace = Duration::from_nanos(1_000_000_000 / rate.max(1));
        Ok(Some(Self { pace, duration: Duration::from_nanos(duration) }))
    }

    fn trips(self) -> u32 {
        let trips = self.duration.as_nanos() / self.pace.as_nanos().max(1);
        u32::try_from(trips).unwrap_or(MOST).clamp(1, MOST)
    }
}

impl ShmOptions {
    /// The longest that the sessions of a sample may take beyond [`ShmOptions::timeout`].
    pub fn extra_time(&self) -> Duration {
        self.open_loop.map_or(Duration::ZERO, |open| open.duration)
    }

    /// Whether these are the options of a sandbox's first session.
    pub(super) fn is_first(&self) -> bool {
        !self.follows
    }

    /// The open loop's own session, if there is one. What `pause` and the others cost is the waiting for a question, which
    /// is most of the time here.
    pub(super) fn of_open_loop(&self) -> Option<Self> {
        let open = self.open_loop?;
        let task = Task { trips: open.trips(), trains: 0, single: 0, stream: 0, ..self.task };
        let timeout = self.timeout.saturating_add(open.duration);
        let patience = self.patience.saturating_add(2 * open.pace);
        Some(Self {
            task,
            timeout,
            patience,
            pace: Some(open.pace),
            follows: true,
            warmup: 0,
            beside: None,
            ..self.clone()
        })
    }

    /// The protocol in two phases with its sleeps, if it is measured beside.
    pub(super) fn of_beside(&self) -> Option<Self> {
        let task = Task {
            protocol: Protocol::TwoPhase,
            trips: MESSAGES_BESIDE + MESSAGES_BESIDE / 10,
            trains: 0,
            ..self.task
        };
        let waiting = WaitingMode::Poll(self.beside?);
        Some(Self { task, waiting, warmup: MESSAGES_BESIDE / 10, follows: true, beside: None, ..self.clone() })
    }
}

fn invalid(key: &str, message: String, hint: &str) -> PrepareError {
    PrepareError::Invalid { key: format!("shm.{key}"), message, hint: hint.to_owned() }
}

/// The device through which a machine shares memory; `None` for processes and containers, which share it by the kernel.
fn device(cell: &Cell) -> Result<Option<String>, PrepareError> {
    let unavailable = |reason: &str, hint: String| Err(PrepareError::Unavailable { reason: reason.to_owned(), hint });
    match cell.backend {
        BackendName::Process | BackendName::Runc | BackendName::Crun | BackendName::Scripted => Ok(None),
        BackendName::Qemu => match cell.factors.get("ivshmem").and_then(FactorValue::as_text) {
            None | Some("none") => unavailable(
                "the machine would share no memory",
                "add `--set backend.qemu.ivshmem=plain`, or `ivshmem = \"plain\"` to [backend.qemu]".to_owned(),
            ),
            Some(device) => Ok(Some(device.to_owned())),
        },
        BackendName::Runsc => unavailable(
            "gVisor has memory of its own: what the host maps it does not map the same way",
            "measure another backend".to_owned(),
        ),
        BackendName::Firecracker | BackendName::CloudHypervisor => unavailable(
            "this monitor has no device that shares memory with the host",
            "measure `qemu` with `ivshmem`".to_owned(),
        ),
        _ => unavailable("the lab shares no directory with it", "measure `runc`".to_owned()),
    }
}

/// Whether the device has room for the task and can be waited for in this way.
fn fits(cell: &Cell, task: &Task, waiting: WaitingMode, device: Option<&str>) -> Result<(), PrepareError> {
    let impossible =
        |message: String, hint: &str| Err(PrepareError::Unavailable { reason: message, hint: hint.to_owned() });
    match (waiting, device) {
        (WaitingMode::Doorbell, None) => {
            return impossible("only a machine's device has a doorbell".to_owned(), "use `waiting = \"eventfd\"`");
        }
        (WaitingMode::Doorbell, Some("plain")) => {
            return impossible("this device has no interrupts".to_owned(), "use `ivshmem = \"doorbell\"`");
        }
        (WaitingMode::Futex | WaitingMode::Eventfd, Some(_)) => {
            let message = format!("two kernels share no `{}`", waiting.word());
            return impossible(message, "use `waiting = \"doorbell\"`, or a mode that looks");
        }
        _ => {}
    }
    let Some(needed) = task.region_bytes() else {
        return impossible("no memory is large enough".to_owned(), "use smaller frames or fewer slots");
    };
    let size = cell.factors.get("ivshmem_size").and_then(FactorValue::as_bytes);
    match size.filter(|size| device.is_some() && *size < needed as u64) {
        None => Ok(()),
        Some(size) => impossible(
            format!(
                "the device has {}, and {} slots of this frame take {}",
                DisplayBytes(size as f64),
                task.ring.slots,
                DisplayBytes(needed as f64)
            ),
            "raise backend.qemu.ivshmem_size, or use smaller frames or fewer slots",
        ),
    }
}
