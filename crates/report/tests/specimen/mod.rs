//! A made-up run for tests and for looking at: every value is scripted, none was measured.

use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::fingerprint::{Fingerprint, KvmState};
use isodyne_core::ledger::{Ledger, Milestone, MilestoneName as M, SignalName};
use isodyne_core::plan::{BenchmarkPlan, Plan};
use isodyne_core::probe::{Capabilities, Probe, ProbedBackend, Tool};
use isodyne_core::record::{Asset, RUN_SCHEMA, RUN_VERSION, RunEnd, RunRecord, SignalCost, SkippedCell};
use isodyne_core::sample::{Accuracy, Contamination, Provenance, Sample};
use std::collections::BTreeMap;

/// A message such as a hostile guest could cause.
pub const HOSTILE: &str =
    "no hello within 30 s; last console line: <script>alert('x')</script> \u{1b}[31m| **@everyone** `rm`";

struct Kind {
    backend: BackendName,
    machine: Option<&'static str>,
    accuracy: Accuracy,
    /// Milestone, its share of the total at which it comes, and whether the lab asks for it.
    steps: &'static [(M, f64, bool)],
    total_ms: f64,
    memory_mib: f64,
}

const KINDS: &[Kind] = &[
    Kind {
        backend: BackendName::Process,
        machine: None,
        accuracy: Accuracy::Process,
        steps: &[(M::Spawned, 0.30, false), (M::Agent, 0.62, false), (M::FirstExec, 1.0, true)],
        total_ms: 2.4,
        memory_mib: 1.4,
    },
    Kind {
        backend: BackendName::Runc,
        machine: None,
        accuracy: Accuracy::Container,
        steps: &[
            (M::Spawned, 0.02, false),
            (M::Created, 0.60, false),
            (M::Started, 0.85, true),
            (M::Agent, 0.93, false),
            (M::FirstExec, 1.0, true),
        ],
        total_ms: 61.0,
        memory_mib: 18.0,
    },
    Kind {
        backend: BackendName::Runsc,
        machine: None,
        accuracy: Accuracy::Container,
        steps: &[
            (M::Spawned, 0.01, false),
            (M::Created, 0.55, false),
            (M::Started, 0.80, true),
            (M::Agent, 0.95, false),
            (M::FirstExec, 1.0, true),
        ],
        total_ms: 240.0,
        memory_mib: 61.0,
    },
    Kind {
        backend: BackendName::Podman,
        machine: None,
        accuracy: Accuracy::Container,
        steps: &[
            (M::Spawned, 0.01, false),
            (M::Created, 0.50, false),
            (M::Started, 0.90, true),
            (M::Agent, 0.96, false),
            (M::FirstExec, 1.0, true),
        ],
        total_ms: 410.0,
        memory_mib: 74.0,
    },
    Kind {
        backend: BackendName::Qemu,
        machine: Some("q35"),
        accuracy: Accuracy::Tcg,
        steps: &[
            (M::Spawned, 0.001, false),
            (M::ApiReady, 0.02, true),
            (M::Firmware, 0.12, false),
            (M::Kernel, 0.30, false),
            (M::Init, 0.93, false),
            (M::Agent, 0.98, false),
            (M::FirstExec, 1.0, true),
        ],
        total_ms: 5_800.0,
        memory_mib: 212.0,
    },
    Kind {
        backend: BackendName::Qemu,
        machine: Some("microvm"),
        accuracy: Accuracy::Tcg,
        steps: &[
            (M::Spawned, 0.001, false),
            (M::ApiReady, 0.02, true),
            (M::Kernel, 0.08, false),
            (M::Init, 0.92, false),
            (M::Agent, 0.98, false),
            (M::FirstExec, 1.0, true),
        ],
        total_ms: 3_700.0,
        memory_mib: 174.0,
    },
];

/// A small deterministic generator (SplitMix64); good enough to scatter dots.
struct Scatter(u64);

impl Scatter {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64
    }
}

fn cell(backend: BackendName, machine: Option<&str>) -> Cell {
    let mut stated = Factors::new();
    if let Some(machine) = machine {
        stated.insert("machine".to_owned(), FactorValue::Text(machine.to_owned()));
    }
    let mut factors = stated.clone();
    factors.insert("memory".to_owned(), FactorValue::Bytes(256 << 20));
    Cell {
        id: CellId::new(BenchmarkName::Boot, backend, &stated),
        benchmark: BenchmarkName::Boot,
        backend,
        factors,
        variant: None,
    }
}

/// A run of `rounds` counted rounds after two warm-up rounds: six cells, three skipped, a failure and a stall.
pub fn specimen(rounds: u32) -> (RunRecord, Vec<Sample>) {
    let mut scatter = Scatter(0x7f3a);
    let mut samples = Vec::new();
    let mut started_ns = 0;
    for round in 0..rounds + 2 {
        for (index, kind) in KINDS.iter().enumerate() {
            let noise = 1.0 + 0.08 * scatter.next() + 0.05 * scatter.next() * scatter.next();
            let drift = 1.0 + 0.04 * f64::from(round) / f64::from(rounds);
            let stall = if index == 1 && round == 9 { 14.0 } else { 1.0 };
            let cold = if round == 0 { 1.6 } else { 1.0 };
            let total_ns = (kind.total_ms * 1e6 * noise * drift * stall * cold) as u64;
            started_ns += total_ns + 40_000_000;
            samples.push(sample(
                kind,
                &mut scatter,
                samples.len() as u64,
                round,
                total_ns,
                started_ns,
                index == 4 && round == 6,
            ));
        }
    }
    (record(rounds), samples)
}

fn sample(
    kind: &Kind,
    scatter: &mut Scatter,
    sequence: u64,
    round: u32,
    total_ns: u64,
    started_ns: u64,
    fails: bool,
) -> Sample {
    let cell = cell(kind.backend, kind.machine);
    let mut ledger = Ledger::default();
    let (mut residue_ns, mut before) = (0, 0);
    for (name, share, asked) in kind.steps {
        let share = if *share < 1.0 { share * (1.0 + 0.03 * (scatter.next() - 0.5)) } else { 1.0 };
        let at_ns = (total_ns as f64 * share) as u64;
        let gap = 9_000 + (scatter.next() * 6_000.0) as u64;
        let asked_ns = asked.then_some(before + gap);
        residue_ns += if *asked { gap } else { 0 };
        let signal = match name {
            M::Spawned => SignalName::Exec,
            M::ApiReady => SignalName::Reply,
            M::Kernel => SignalName::Console,
            M::Firmware => SignalName::DebugPort,
            M::Created => SignalName::Notify,
            M::Started => SignalName::Exit,
            _ => SignalName::Frame,
        };
        ledger.add(Milestone { name: *name, at_ns, asked_ns, signal });
        before = at_ns;
    }
    let stop_ns = total_ns / 20 + 800_000;
    ledger.add(Milestone {
        name: M::StopRequested,
        at_ns: total_ns + 30_000,
        asked_ns: None,
        signal: SignalName::Stamp,
    });
    ledger.add(Milestone {
        name: M::Gone,
        at_ns: total_ns + 30_000 + stop_ns,
        asked_ns: Some(total_ns + 30_000),
        signal: SignalName::Exit,
    });
    let mut metrics = BTreeMap::from([
        ("total_ns".to_owned(), total_ns as f64),
        ("residue_ns".to_owned(), residue_ns as f64),
        ("prepare_ns".to_owned(), 700_000.0 + (scatter.next() * 90_000.0).round()),
        ("stop_ns".to_owned(), stop_ns as f64),
        ("lifecycle_ns".to_owned(), (total_ns + 30_000 + stop_ns) as f64),
        ("lab_ns".to_owned(), 210.0),
        ("peak_memory_bytes".to_owned(), (kind.memory_mib * 1048576.0 * (1.0 + 0.02 * scatter.next())).round()),
        ("cpu_ns".to_owned(), total_ns as f64 * 0.9),
    ]);
    let mut failure = None;
    if fails {
        metrics = BTreeMap::new();
        ledger.milestones.truncate(3);
        let mut timeout = Failure::new(FailureClass::Timeout, HOSTILE);
        timeout.evidence = vec![format!("logs/{sequence:05}-qemu-console.log"), "logs/<b>x</b>.log".to_owned()];
        failure = Some(timeout);
    }
    Sample {
        cell: cell.id,
        sequence,
        round,
        warmup: round < 2,
        started_at: format!(
            "2026-11-22T04:{:02}:{:02}Z",
            started_ns / 60_000_000_000 % 60,
            started_ns / 1_000_000_000 % 60
        ),
        started_ns,
        session: u32::from(sequence > 90),
        provenance: Provenance::Scripted,
        accuracy: kind.accuracy,
        failure,
        ledger,
        metrics,
        contamination: Contamination {
            steal_ns: Some((scatter.next() * 900_000.0) as u64),
            pressure_cpu_ns: Some((scatter.next() * 4_000_000.0) as u64),
            pressure_memory_ns: Some(0),
            pressure_io_ns: Some((scatter.next() * 90_000.0) as u64),
            involuntary_switches_count: Some((scatter.next() * 5.0) as u64),
            other_cpu_ns: Some((scatter.next() * 30_000_000.0) as u64),
            throttled_count: None,
            load_1min: Some(0.4 + scatter.next()),
            page_cache: Some("warm".to_owned()),
        },
        proofs: vec!["nonce echoed".to_owned(), "exit code 0".to_owned()],
        logs: Vec::new(),
    }
}

fn record(rounds: u32) -> RunRecord {
    let skipped = |backend, reason: &str, hint: &str| SkippedCell {
        cell: cell(backend, None),
        reason: reason.to_owned(),
        hint: hint.to_owned(),
    };
    let hash = |digit: &str| digit.repeat(64);
    RunRecord {
        schema: RUN_SCHEMA.to_owned(),
        version: RUN_VERSION,
        run_id: "5ca1ab1e".to_owned(),
        isodyne_version: "0.1.0".to_owned(),
        created_at: "2026-11-22T04:01:02Z".to_owned(),
        command: [
            "isodyne",
            "run",
            "boot",
            "--on",
            "process,runc,runsc,podman,qemu",
            "-n",
            "20",
            "--out",
            "runs/specimen",
        ]
        .map(str::to_owned)
        .to_vec(),
        plan: Plan {
            stop: None,
            app: None,
            title: "boot, everywhere it works here".to_owned(),
            samples: rounds,
            warmup: 2,
            seed: None,
            monitor_hz: None,
            benchmarks: vec![BenchmarkPlan {
                benchmark: BenchmarkName::Boot,
                on: vec![BackendName::Process],
                factors: BTreeMap::new(),
            }],
            backends: BTreeMap::new(),
            variants: Vec::new(),
            builds: Vec::new(),
            budgets: Vec::new(),
        },
        seed: 0x7f3a,
        cells: KINDS.iter().map(|kind| cell(kind.backend, kind.machine)).collect(),
        skipped: vec![
            skipped(
                BackendName::Crun,
                "refuses hybrid cgroups",
                "boot with systemd.unified_cgroup_hierarchy=1, which leaves only cgroup v2",
            ),
            skipped(BackendName::Firecracker, "no /dev/kvm", "use a host with hardware virtualisation"),
            skipped(BackendName::CloudHypervisor, "no /dev/kvm", "use a host with hardware virtualisation"),
        ],
        backends: probed(),
        fingerprint: fingerprint(),
        tools: vec![
            Tool {
                name: "runc".to_owned(),
                path: "/usr/sbin/runc".to_owned(),
                version: Some("1.1.5".to_owned()),
                sha256: Some(hash("a")),
            },
            Tool {
                name: "qemu-system-x86_64".to_owned(),
                path: "/usr/bin/qemu-system-x86_64".to_owned(),
                version: Some("7.2.22".to_owned()),
                sha256: Some(hash("b")),
            },
        ],
        assets: vec![
            Asset {
                role: "kernel".to_owned(),
                name: "linux-image-6.1.0-39-cloud-amd64".to_owned(),
                sha256: hash("c"),
                size_bytes: 9_400_000,
            },
            Asset {
                role: "agent".to_owned(),
                name: "isodyne-agent".to_owned(),
                sha256: hash("d"),
                size_bytes: 640_000,
            },
        ],
        signals: vec![
            SignalCost {
                signal: SignalName::Frame,
                resolution_ns: 22.0,
                cost_ns: 14_000.0,
                method: "1000 echoes on a socket pair".to_owned(),
            },
            SignalCost {
                signal: SignalName::Exit,
                resolution_ns: 22.0,
                cost_ns: 41_000.0,
                method: "200 processes that end at once".to_owned(),
            },
        ],
        shard: None,
        merged_from: Vec::new(),
        calibration: None,
        imported: None,
        ended: Some(RunEnd {
            at: "2026-11-22T04:09:10Z".to_owned(),
            survivors: Vec::new(),
            abandoned: Vec::new(),
            stop: None,
        }),
    }
}

/// A host such as the sketches show.
pub fn fingerprint() -> Fingerprint {
    Fingerprint {
        os: Some("Debian GNU/Linux 12".to_owned()),
        kernel: Some("Linux 6.18.0-specimen #1 SMP".to_owned()),
        architecture: "x86_64".to_owned(),
        cpu_model: Some("Intel Xeon 2.5 GHz".to_owned()),
        cpu_identity: Some("GenuineIntel 6/143/8".to_owned()),
        microcode: None,
        cpu_count: 2,
        cpu_allowed_count: Some(2),
        cpu_flags: ["avx", "avx2", "sse4_2"].map(str::to_owned).to_vec(),
        smt: Some(false),
        governor: None,
        turbo: None,
        numa_nodes: Some(1),
        memory_bytes: 24 << 30,
        swap_bytes: 0,
        transparent_huge_pages: Some("always".to_owned()),
        ksm: Some(false),
        mitigations: vec![("meltdown".to_owned(), "Not affected".to_owned())],
        hypervisor: Some("kvm".to_owned()),
        platform: Some("specimen board".to_owned()),
        kvm: KvmState::Absent,
        clock_source: Some("tsc".to_owned()),
        clock_step_ns: Some(22),
        cgroup_layout: Some("hybrid".to_owned()),
        storage: Some("ext4 on /dev/vda".to_owned()),
        kernel_command_line: Some("root=/dev/vda ro quiet".to_owned()),
    }
}

/// Answers of backends such as the sketches show.
pub fn probed() -> Vec<ProbedBackend> {
    let here = |backend, version: Option<&str>, accuracy, notes: &[&str]| ProbedBackend {
        backend,
        probe: Probe::Available(Capabilities {
            version: version.map(str::to_owned),
            accuracy,
            tools: Vec::new(),
            notes: notes.iter().map(|note| (*note).to_owned()).collect(),
        }),
    };
    let gone = |backend, version: Option<&str>, reason: &str, hint: &str| ProbedBackend {
        backend,
        probe: Probe::Unavailable {
            reason: reason.to_owned(),
            hint: hint.to_owned(),
            version: version.map(str::to_owned),
        },
    };
    vec![
        here(BackendName::Process, None, Accuracy::Process, &[]),
        here(BackendName::Runc, Some("1.1.5"), Accuracy::Container, &[]),
        gone(
            BackendName::Crun,
            Some("1.8.1"),
            "refuses hybrid cgroups",
            "boot with systemd.unified_cgroup_hierarchy=1",
        ),
        here(
            BackendName::Qemu,
            Some("7.2.22"),
            Accuracy::Tcg,
            &["no /dev/kvm: 10–100 × slower than KVM, never compared with it"],
        ),
        gone(
            BackendName::Firecracker,
            None,
            "needs /dev/kvm (this host has none) and a firecracker binary on PATH",
            "use a host with hardware virtualisation",
        ),
    ]
}
