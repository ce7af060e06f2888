//! Options of `shm`.

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use isodyne_core::unit::{parse_bytes, parse_duration_ns};
use isodyne_shm::lie::Lie;
use std::path::PathBuf;

/// Options of `shm`.
#[derive(Debug, Args)]
pub struct ShmOptions {
    /// What to do
    #[command(subcommand)]
    pub action: ShmAction,
}

/// What `shm` does.
#[derive(Debug, Subcommand)]
pub enum ShmAction {
    /// Be one side of a measurement through shared memory; start the other one likewise, before or after
    Peer(ShmPeerOptions),
    /// Serve memory and interrupts to machines with QEMU's ivshmem-doorbell, until Ctrl-C
    Serve(ShmServeOptions),
}

/// Options of `shm serve`.
#[derive(Debug, Args)]
pub struct ShmServeOptions {
    /// Where to listen; the file is made, and removed at the end
    pub socket: PathBuf,
    /// The memory, a power of two
    #[arg(long, default_value = "16MiB", value_parser = parse_bytes, value_name = "SIZE")]
    pub size: u64,
    /// Interrupts that a peer can tell apart
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub vectors: u16,
    /// Peers at one time
    #[arg(long, default_value_t = 16, value_name = "N")]
    pub peers: u16,
    /// Print JSON at the end
    #[arg(long)]
    pub json: bool,
}

/// Options of `shm peer`: all but the processor, the rate, the output and the times must be the same on both sides.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("memory").required(true).args(["file", "socket", "ivshmem"]))]
pub struct ShmPeerOptions {
    /// Which side: the one that asks and measures, or the one that answers
    #[arg(value_enum)]
    pub side: Side,
    /// Share a file, on tmpfs (/dev/shm/NAME) unless a file system is to be measured; who asks makes it
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Share memory without a name, which who asks hands over through this socket, with event counters
    #[arg(long, value_name = "SOCKET")]
    pub socket: Option<PathBuf>,
    /// Join an ivshmem server (`isodyne shm serve`, or QEMU's example) as one more peer, and share its memory
    #[arg(long, value_name = "SOCKET")]
    pub ivshmem: Option<PathBuf>,
    /// With --ivshmem: which peer the other side is, where there are several
    #[arg(long, value_name = "NUMBER", requires = "ivshmem")]
    pub other: Option<u16>,
    /// How to wait for the other side
    #[arg(long, value_enum, default_value_t = Mode::Spin, value_name = "MODE")]
    pub waiting: Mode,
    /// The period of `poll`
    #[arg(long, default_value = "10us", value_parser = parse_duration_ns, value_name = "TIME")]
    pub poll_period: u64,
    /// Stay on this processor
    #[arg(long, value_name = "NUMBER")]
    pub cpu: Option<usize>,
    /// Round trips, a tenth of which (at most 10,000) go before those that count
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    pub round_trips: u32,
    /// An open loop: so many round trips a second, each at its moment (who asks only)
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "N")]
    pub rate: Option<u32>,
    /// Numbered words and a ring of frames, or one header that is acknowledged in two phases
    #[arg(long, value_parser = ["sequence", "two-phase"], default_value = "sequence", value_name = "NAME")]
    pub protocol: String,
    /// The size of a message of `two-phase`
    #[arg(long, default_value = "0B", value_parser = parse_bytes, value_name = "SIZE")]
    pub message: u64,
    /// The size of a frame
    #[arg(long, default_value = "24883200B", value_parser = parse_bytes, value_name = "SIZE")]
    pub frame: u64,
    /// Frames sent one by one, phase by phase; the first only warms up
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub frames: u32,
    /// Frames sent as a stream
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub stream: u32,
    /// Slots of the ring of frames
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub slots: u32,
    /// The proof over every byte of a frame
    #[arg(long, value_parser = ["fast", "sha256"], default_value = "fast", value_name = "NAME")]
    pub check: String,
    /// Frame and slot as they are, or out of all caches before each copy
    #[arg(long, value_parser = ["hot", "cold"], default_value = "hot", value_name = "STATE")]
    pub cache: String,
    /// When all must be over
    #[arg(long, default_value = "60s", value_parser = parse_duration_ns, value_name = "TIME")]
    pub timeout: u64,
    /// How long the other side may take for one step
    #[arg(long, default_value = "5s", value_parser = parse_duration_ns, value_name = "TIME")]
    pub patience: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Lie to the other side, to see it find out (who answers only)
    #[arg(long, hide = true, value_parser = lie)]
    pub lie: Option<Lie>,
}

/// A side of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Side {
    /// Asks, measures and prints
    Ask,
    /// Answers, and says what its side took
    Answer,
}

/// How a side waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Look again at once
    Spin,
    /// Look again after the processor's hint for such loops
    Pause,
    /// Let others run between two looks
    Yield,
    /// Sleep between two looks
    Poll,
    /// Sleep on a word of the memory
    Futex,
    /// Sleep on an event counter (with --socket)
    Eventfd,
    /// Sleep until the server's interrupt (with --ivshmem)
    Doorbell,
}

fn lie(name: &str) -> Result<Lie, String> {
    Lie::parse(name).ok_or_else(|| format!("the lies are {}", Lie::ALL.map(|(name, _)| name).join(", ")))
}
