//! The faults of the five seed systems and of published leaderboards, in data made here: each must be named.
//!
//! The numbers of the faults are those of `docs/auditing.md`. Nothing is copied: every value is made by a formula below from
//! the mechanism of the fault (a poll of 100 ms, an acknowledgement before the work, sleeps of 50 + 30 + 30 ms).

#[path = "../src/audit/testing.rs"]
#[allow(dead_code)]
mod testing;

use isodyne_core::audit::Weight::{self, Note, Suspect, Void};
use isodyne_core::calibration::LimitKind;
use isodyne_core::cell::{BackendName, CellId};
use isodyne_core::factor::FactorValue;
use isodyne_core::failure::FailureClass;
use isodyne_core::imported::Statistic as S;
use isodyne_core::stats::{Sorted, mean, sample_stddev};
use testing::{Made, noise, scattered};

const MIB: f64 = 1_048_576.0;

fn names(made: &Made, faults: &[(&str, &str, Weight)]) {
    for (fault, rule, weight) in faults {
        let said = made.says(rule);
        assert_eq!(said, Some(*weight), "{fault}: {rule} says {said:?}\n{:#?}", made.audit());
    }
}

fn text(value: &str) -> FactorValue {
    FactorValue::Text(value.to_owned())
}

/// Durations as `date` and `bc` write them.
fn hundredths(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0 * 1e9
}

#[test]
fn uploads_into_a_firecracker_guest() {
    let mut made = Made::imported();
    made.record.imported.as_mut().unwrap().facts.clear();
    made.fact("boot_method", "api socket exists, polled with sleep 0.1");
    made.fact("upload_method", "curl in a timeout process");
    for (ram, slow) in [(2048_u64, 1.0), (1024, 1.3), (512, 1.9)] {
        for (label, megabytes, mebibytes) in [("100M", 100_u64, 100.0), ("1G", 1000, 1024.0), ("5G", 5000, 5120.0)] {
            let factors = [
                ("ram", FactorValue::Bytes(ram << 20)),
                ("file_size", text(label)),
                ("file_size_bytes", FactorValue::Bytes(megabytes * 1_000_000)),
            ];
            let cell = made.cell_with(BackendName::Firecracker, &factors);
            let mut times = Vec::new();
            for iteration in 0..10_usize {
                let rate = 130e6 / (1.0 + mebibytes / 2000.0) / slow;
                let cold = if iteration == 0 { 1.6 } else { 1.0 };
                let seconds = hundredths(mebibytes * MIB / rate * cold * noise(iteration, 0.03));
                times.push(seconds);
                let rate = megabytes as f64 * 1e6 / seconds * 1e9;
                made.sample(&cell, &[("boot_ns", 1e8), ("upload_ns", seconds), ("upload_bytes_per_s", rate)]);
            }
            let refused = 1.34e9;
            made.failed(&cell, FailureClass::Http4xx, &[("upload_ns", refused)]);
            times.push(refused);
            made.claim(&cell, "upload_ns", S::Mean, mean(&times).unwrap(), None);
            made.claim_in(&cell, "upload_bytes_per_s", S::Median, 138.9e6, None, "stats.median_throughput_mbps");
        }
    }
    let empty = made.cell_with(BackendName::Firecracker, &[("ram", FactorValue::Bytes(256 << 20))]);
    made.sample(&empty, &[]);
    names(
        &made,
        &[
            ("000/1 boot is a poll tick", "poll-grid", Void),
            ("000/1 boot ends at a socket", "not-what-it-says", Void),
            ("000/3 1G is 1000 MB; mbps", "mixed-units", Suspect),
            ("000/4 failed uploads in the mean", "failures-averaged-in", Void),
            ("000/5 empty columns", "failure-counted", Suspect),
            ("000/6 one cell after the other", "order-confounded", Note),
            ("000/6 first iteration", "cold-start-counted", Suspect),
            ("000/7 small files end in a cache", "cache-cliff", Note),
            ("000/8 no host in the result", "baseline-elsewhere", Note),
        ],
    );
}

#[test]
fn one_upload_a_cell_and_branches_in_a_row() {
    let mut made = Made::imported();
    let mut drift = 1.0;
    for branch in ["base", "chunk", "wasm", "batch", "pool", "flat", "index"] {
        let cell = made.cell_with(BackendName::Firecracker, &[("branch", text(branch))]);
        for iteration in 0..10 {
            drift *= 0.985;
            made.sample(&cell, &[("upload_bytes_per_s", 91e6 * drift * noise(iteration, 0.005))]);
        }
    }
    names(&made, &[("000/6 drift of 3 times", "order-confounded", Suspect)]);
    let mut single = Made::imported();
    for size in ["100M", "500M", "1G"] {
        let cell = single.cell_with(BackendName::Firecracker, &[("file_size", text(size))]);
        let seconds = 0.77e9;
        single.sample(&cell, &[("upload_ns", seconds)]);
        single.claim(&cell, "upload_ns", S::Value, seconds, None);
    }
    names(&single, &[("000 one sample a cell", "small-n", Suspect)]);
    let mut rounded = Made::imported();
    let cell = rounded.cell("100M");
    for index in 0..10 {
        rounded.sample(&cell, &[("upload_ns", hundredths(0.77 * noise(index, 0.03)))]);
    }
    names(&rounded, &[("000/4 rounded to 0.01 s", "rounded", Note)]);
}

#[test]
fn hashes_and_boots_of_two_vmms() {
    let mut made = Made::imported();
    // A loop over 100 MB that appends to a slice and hashes nothing, on a host that hashes 0.3 GB/s.
    made.limit("sha256_bytes_per_s", LimitKind::Ceiling, 0.3e9);
    made.fact("kernel_boot_method", "dmesg: random: fast init done");
    let engine = |name: &str, set: &str| [("engine", text(name)), ("set", text(set))];
    let cell = |made: &mut Made, name: &str, set: &str| made.cell_with(BackendName::Imported, &engine(name, set));
    let (qemu, t2, c3) =
        (cell(&mut made, "qemu", "hash"), cell(&mut made, "firecracker", "T2"), cell(&mut made, "firecracker", "C3"));
    for value in scattered(10, 1.65e9, 0.05) {
        made.sample(&qemu, &[("hash_loop_bytes_per_s", value)]);
    }
    let boots: Vec<f64> =
        (0..40).map(|index| (if index % 3 == 0 { 167e6 } else { 905e6 } * noise(index, 0.03)).round()).collect();
    for (index, value) in boots.iter().enumerate() {
        let http = if index % 3 == 0 { 2.3e9 } else { 1.015e9 } + 8e6 * noise(index, 0.5);
        made.sample(&t2, &[("kernel_boot_ns", *value), ("first_http_ns", http)]);
    }
    made.samples(&c3, "kernel_boot_ns", &boots[5..25]);
    made.samples(&c3, "kernel_boot_ns", &[0.0]);
    let burst = cell(&mut made, "firecracker", "x20");
    made.claim(&burst, "kernel_boot_ns", S::Succeeded, 68.0, None);
    made.claim(&burst, "kernel_boot_ns", S::Failed, 12.0, None);
    names(
        &made,
        &[
            ("001/1 the hash loop hashes nothing", "beyond-ceiling", Void),
            ("001/2 an entropy event", "two-modes", Note),
            ("001/2 a stamp of dmesg", "not-what-it-says", Suspect),
            ("001/2 an absent line is 0", "missing-as-zero", Void),
            ("001/3 labels by substring", "label-contamination", Void),
            ("001/4 68 of 80", "survivorship", Suspect),
            ("001/5 a retry timer", "retry-timer", Suspect),
        ],
    );
}

#[test]
fn a_memory_test_that_is_a_hash_and_a_client_that_is_the_bottleneck() {
    let mut made = Made::imported();
    let cells: Vec<CellId> =
        ["qemu", "firecracker"].map(|name| made.cell_with(BackendName::Imported, &[("engine", text(name))])).to_vec();
    for (cell, values) in cells.iter().zip([[20.4e9, 19.2e9, 19.1e9], [20.3e9, 19.3e9, 19.15e9]]) {
        made.samples(cell, "hash_file_ns", &values);
        made.claim(cell, "hash_file_ns", S::Mean, mean(&values).unwrap(), None);
    }
    for (cell, rate) in cells.iter().zip([668.4, 669.1]) {
        made.claim(cell, "requests_per_s", S::Value, rate, Some(20_000));
        made.claim(cell, "response_ns", S::Quantile(0.5), 7e6, Some(20_000));
        made.claim(cell, "response_ns", S::Quantile(0.99), 14e6, Some(20_000));
    }
    names(
        &made,
        &[
            ("001/6 n = 3", "small-n", Suspect),
            ("001/6 the first run is cold", "cold-start-counted", Suspect),
            ("001 both tie: the client", "identical-across-backends", Suspect),
        ],
    );
}

#[test]
fn checkpoints_of_containers() {
    let mut made = Made::imported();
    made.fact("criu_version", "4.x.x");
    for (index, size) in [10_u64, 100, 500].into_iter().enumerate() {
        let cell = made.cell_with(BackendName::Docker, &[("image_size", FactorValue::Bytes(size << 20))]);
        for round in 0..5 {
            let checkpoint = 1.4e9 * noise(index * 10 + round, 0.02);
            made.sample(
                &cell,
                &[("checkpoint_ns", checkpoint), ("attempt_ns", 22e6 * noise(index * 10 + round + 50, 0.02))],
            );
        }
        made.claim(&cell, "checkpoint_ns", S::Mean, 1.4e9, Some(5));
    }
    names(
        &made,
        &[
            ("002/1 what is varied is not in the dump", "size-does-not-matter", Suspect),
            ("002/7 a version that nobody filled in", "simulated", Suspect),
            ("002/8 a mean of 5", "small-n", Suspect),
        ],
    );
    let mut doubled = Made::imported();
    let cell = doubled.cell("fallback");
    let values: Vec<f64> =
        (0..20).map(|index| if index % 4 == 0 { 2.9e9 } else { 1.4e9 } * noise(index, 0.03)).collect();
    doubled.samples(&cell, "checkpoint_ns", &values);
    names(&doubled, &[("002/4 a second dump inside the time", "two-modes", Note)]);
    let mut restored = Made::imported();
    let cell = restored.cell("wrong path");
    restored.samples(&cell, "restore_ns", &scattered(5, 0.2e6, 0.05));
    names(&restored, &[("002/3 an instant error timed as a restore", "beyond-physics", Suspect)]);
}

/// Frames over shared memory: only the first of each size is timed with the work.
fn frames() -> Made {
    let mut made = Made::imported();
    let latency = made.cell_with(BackendName::Qemu, &[("test", text("latency"))]);
    for index in 0..1_000 {
        let trip = 83e3 + 130e3 * noise(index, 0.5);
        made.sample(&latency, &[("roundtrip_ns", trip), ("one_way_ns", trip / 2.0)]);
    }
    for (frame, bytes) in [("1080p", 6_220_800_u64), ("1440p", 11_059_200), ("4K", 24_883_200)] {
        let cell =
            made.cell_with(BackendName::Qemu, &[("frame_type", text(frame)), ("test_size", FactorValue::Bytes(bytes))]);
        let mut rates = Vec::new();
        for index in 0..5 {
            let work = bytes as f64 / 61e6 * 1e9;
            let time = if index == 0 { work } else { 240e3 * noise(index + bytes as usize, 0.05) };
            let rate = bytes as f64 / time * 1e9;
            rates.push(rate);
            let verified = f64::from(u8::from(!(frame == "4K" && index == 0)));
            let values = [("transfer_ns", time), ("transfer_bytes_per_s", rate), ("data_verified_ratio", verified)];
            made.sample(&cell, &values);
        }
        made.claim(&cell, "transfer_bytes_per_s", S::Mean, mean(&rates).unwrap(), None);
    }
    made
}

#[test]
fn shared_memory_between_host_and_guest() {
    let mut made = frames();
    made.fact("boot_method", "ten sleeps of 1 s, then nc -z on a forwarded port");
    names(
        &made,
        &[
            ("003/1 acknowledged before the work", "acknowledged-before-work", Void),
            ("003/1 the size does not matter", "size-does-not-matter", Suspect),
            ("003/1 98 GB/s", "beyond-physics", Suspect),
            ("003/2 93.3 % verified", "integrity", Void),
            ("003/7 one way is half of there and back", "derived-not-measured", Suspect),
            ("003/8 boot is a sleep and a port", "not-what-it-says", Void),
            ("003/9 means of rates", "means-of-ratios", Suspect),
            ("003/9 a deviation above the mean", "mean-of-a-tail", Note),
            ("003/9 five iterations", "small-n", Suspect),
        ],
    );
    let mut calibrated = frames();
    calibrated.limit("memcpy_l2_bytes_per_s", LimitKind::Ceiling, 20e9);
    names(&calibrated, &[("003/3 beyond the host's copy", "beyond-ceiling", Void)]);
}

#[test]
fn an_uncached_mapping_and_a_thousand_times_too_little() {
    let mut made = Made::imported();
    let cell = made.cell_with(BackendName::Qemu, &[("frame_size", FactorValue::Bytes(24_883_200))]);
    for index in 0..20 {
        let (hot, cold) = (60.2e6 * noise(index, 0.003), 60.2e6 * noise(index + 40, 0.003));
        // Milliseconds were written as microseconds, beside the rate that belongs to milliseconds.
        let copied = 24_883_200.0 / 94e6 * 1e9 * noise(index, 0.01);
        made.sample(
            &cell,
            &[
                ("guest_hot_cache_ns", hot),
                ("guest_cold_cache_ns", cold),
                ("guest_memcpy_ns", copied / 1e3),
                ("guest_memcpy_bytes_per_s", 24_883_200.0 / copied * 1e9),
                ("host_memcpy_ns", if index < 2 { 0.0 } else { 3.07e6 * noise(index, 0.02) }),
            ],
        );
    }
    names(
        &made,
        &[
            ("003/5 hot equals cold", "hot-equals-cold", Suspect),
            ("003/6 mislabelled by 1000", "mixed-units", Void),
            ("003 failed rows as zeros", "missing-as-zero", Void),
        ],
    );
}

#[test]
fn agents_that_sleep() {
    let mut made = Made::imported();
    let spawn = made.cell("baseline");
    let values: Vec<f64> = (0..100).map(|index| 110.06e6 + 0.4e6 * (noise(index, 0.5) - 0.6).abs()).collect();
    made.samples(&spawn, "vm_spawn_ns", &values);
    let sorted = Sorted::new(values.iter().copied()).unwrap();
    let ordered = sorted.as_slice();
    let population = sample_stddev(&values).unwrap() * 0.99_f64.sqrt();
    for (statistic, value) in [
        (S::Median, ordered[50]),
        (S::Quantile(0.99), ordered[99]),
        (S::Max, ordered[99]),
        (S::Stddev, population),
        (S::Met, 1.0),
    ] {
        made.claim(&spawn, "vm_spawn_ns", statistic, value, Some(100));
    }
    // Elapsed milliseconds of code that was optimised away, under the name of memory and CPU.
    made.claim(&spawn, "memory_bytes", S::Median, 20.97, Some(100));
    made.claim(&spawn, "memory_bytes", S::Met, 1.0, None);
    made.claim(&spawn, "cpu_ratio", S::Mean, 0.0, Some(100));
    made.claim(&spawn, "cpu_ratio", S::Met, 1.0, None);
    made.fact("memory_snapshot", "PLACEHOLDER_MEMORY_SNAPSHOT");
    made.fact("spawn_method", "InstanceStart answered 204");
    names(
        &made,
        &[
            ("004 sleeps of 50 + 30 + 30 ms", "sleep-grid", Suspect),
            ("004 p99 is the maximum", "p99-is-max", Void),
            ("004 the upper middle value", "upper-median", Note),
            ("004 a population's deviation", "population-stddev", Note),
            ("004 memory and CPU met by nonsense", "met-by-nonsense", Void),
            ("004 CPU 0.0 %", "missing-as-zero", Suspect),
            ("004 a placeholder for a snapshot", "simulated", Suspect),
            ("004 the spawn ends at a 204", "not-what-it-says", Void),
        ],
    );
}

#[test]
fn agents_at_once_and_chaos_from_a_text() {
    let mut made = Made::imported();
    for agents in [5_u64, 10, 25, 50] {
        let cell = made.cell_with(BackendName::Imported, &[("agent_count", FactorValue::Count(agents))]);
        for index in 0..6 {
            let memory = 200e6 * noise(index, 0.2);
            let values = [
                ("total_ns", 120e6 + 20e6 * noise(index, 0.2)),
                ("memory_bytes", memory),
                ("peak_memory_bytes", memory * 1.5),
                ("disk_ratio", 0.1),
            ];
            made.sample(&cell, &values);
        }
    }
    names(
        &made,
        &[
            ("004 concurrency of sleeps", "free-concurrency", Suspect),
            ("004 a peak of 1.5 times", "derived-not-measured", Suspect),
            ("004 constants as measurements", "constant-metric", Note),
        ],
    );
    let mut chaos = Made::imported();
    let cell = chaos.cell("chaos");
    chaos.claim(&cell, "recovered_ratio", S::Value, 0.788, Some(20));
    chaos.claim(&cell, "recovery_ns", S::Mean, 45.2e6, None);
    chaos.fact("simulated", "printed by a script, nothing ran");
    names(
        &chaos,
        &[
            ("004 figures from a heredoc", "simulated", Void),
            ("004 figures without samples", "no-raw-samples", Suspect),
            ("004 a share that 20 cannot give", "impossible-figures", Void),
        ],
    );
    let mut pool = Made::imported();
    let cell = pool.cell("criterion");
    for index in 0..20 {
        let values =
            [("cold_spawn_ns", 160e3 * noise(index, 0.004)), ("pool_spawn_ns", 160e3 * noise(index + 60, 0.004))];
        pool.sample(&cell, &values);
    }
    names(&pool, &[("004 cold and from the pool are one function", "hot-equals-cold", Suspect)]);
    let mut loose = Made::imported();
    let cell = loose.cell("a label");
    loose.claim(&cell, "memory_bytes", S::Median, 20.97, Some(100));
    loose.samples(&cell, "memory_bytes", &scattered(10, 20.97, 0.1));
    names(&loose, &[("004 memory of 21 B", "beyond-physics", Void)]);
}

#[test]
fn leaderboards_and_other_published_numbers() {
    let mut board = Made::imported();
    let cell = board.cell("provider");
    let mut values = scattered(100, 491e6, 0.15);
    values[17] = 22.258e9;
    values[51] = 9.1e9;
    values[77] = 2.4e9;
    board.samples(&cell, "tti_ns", &values);
    let sorted = Sorted::new(values.iter().copied()).unwrap();
    let inner = Sorted::new(sorted.as_slice()[5..95].iter().copied()).unwrap();
    board.claim(&cell, "tti_ns", S::Quantile(0.99), inner.quantile(0.99).unwrap().round(), Some(90));
    names(&board, &[("trimmed and then called p99", "trimmed-quantiles", Void)]);

    let mut wraps = Made::imported();
    let cell = wraps.cell("resume");
    for index in 0..20 {
        let time = 1.9e9 * noise(index, 0.3);
        wraps.sample(&cell, &[("resume_ns", time % 1e9), ("wall_ns", time + 0.2e6)]);
    }
    names(&wraps, &[("timedelta.microseconds", "wrapping-subsecond", Void)]);

    let mut clocks = Made::imported();
    let cell = clocks.cell("launch");
    clocks.samples(&cell, "to_workload_ns", &[-12.4e9, -12.5e9, 0.7e9]);
    names(&clocks, &[("guest minus host", "guest-clock", Void)]);

    let mut five = Made::imported();
    let cell = five.cell("boot");
    let values = scattered(5, 106e6, 0.04);
    five.samples(&cell, "boot_ns", &values);
    five.claim(&cell, "boot_ns", S::Stddev, sample_stddev(&values).unwrap() * 0.8_f64.sqrt(), None);
    names(&five, &[("a population's deviation at n = 5", "population-stddev", Suspect)]);

    let mut polled = Made::imported();
    let cell = polled.cell("claim");
    let values: Vec<f64> =
        (0..80).map(|index| (280e6 * noise(index, 0.25) / 50e6).ceil() * 50e6 + 1.5e6 * noise(index, 0.5)).collect();
    polled.samples(&cell, "handover_ns", &values);
    names(&polled, &[("a poll of 50 ms", "poll-grid", Suspect)]);

    let mut dump = Made::imported();
    dump.limit("memcpy_dram_bytes_per_s", LimitKind::Ceiling, 12e9);
    let cell = dump.cell("10.97 GB in 0.41 s");
    dump.samples(&cell, "dump_bytes_per_s", &scattered(3, 27e9, 0.05));
    names(&dump, &[("pages dumped faster than copied", "beyond-ceiling", Void)]);
}
