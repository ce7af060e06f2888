use super::*;
use crate::export::testing::Example;

const GOOD: &str = "# round_trip_ns: from, to, count\n303 303 3\n2048 2049 2\n\
                    # round_trip_series: at_ns, count, p50_ns, max_ns\n0 4 303 2048\n1500 1 2049 2049\n\
                    # trains: trips, took_ns\n64 15000\n\
                    # frames: copy_in_ns, answer_ns\n1000 5000\n1200 4000\n\
                    # round_trip_cpu0_cpu1_ns: from, to, count\nanything\n";

fn log(text: &str) -> Result<CellStreams, String> {
    let mut log = Log::default();
    text.lines().try_for_each(|line| log.line(line))?;
    Ok(log.end()?.into_streams(|windows| SampleSeries { sequence: 7, windows }))
}

#[test]
fn a_log_is_read_as_it_was_written() {
    let found = log(GOOD).unwrap();
    let trips = &found.latencies["round_trip"];
    assert_eq!((trips.histogram.len(), trips.histogram.min(), trips.histogram.max()), (5, Some(303), Some(2_049)));
    assert_eq!((trips.series[0].windows.len(), trips.series[0].windows[1].at_ns), (2, 1_500));
    assert_eq!(found.frames["copy_in_ns"].len(), 2);
    // Pairs of processors are in the metrics.
    assert_eq!(found.latencies.len(), 1);
}

#[test]
fn what_is_cut_or_changed_is_refused() {
    for (from, to, reason) in [
        ("1500 1 2049 2049\n", "", "5 values are counted, and 4 are in the series"),
        ("303 303 3", "303 303 x", "whole numbers"),
        ("303 303 3", "303 304 3", "significant digits"),
        ("303 303 3", "303 303 0", "not in order"),
        ("303 303 3", "3000 3000 3", "not in order"),
        ("0 4 303 2048", "0 4 303 200", "not in order"),
        ("1000 5000", "1000 5000 1", "do not belong"),
        ("# frames", "# <script>", "begins with a name"),
        ("# frames", "# round_trip_ns", "other columns"),
        ("1200 4000", "# round_trip_ns: from, to, count", "there twice"),
        ("1200 4000", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", "more numbers"),
        ("1200 4000", "99999999999999999999 1", "whole numbers"),
    ] {
        assert!(GOOD.contains(from));
        let said = log(&GOOD.replace(from, to)).unwrap_err();
        assert!(said.contains(reason), "{from} → {to}: {said}");
    }
    assert!(log("1 2 3\n").unwrap_err().contains("do not belong"));
    let many: String = (0..9).map(|kind| format!("# k{kind}_ns: from, to, count\n1 1 1\n")).collect();
    assert!(log(&many).unwrap_err().contains("kinds"));
    assert_eq!(log("").unwrap().latencies.len(), 0);
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_much(text in "(# [a-z_]{0,8}(_ns|_series): (from, to, count|at_ns, count, p50_ns, max_ns)\n|[0-9]{1,22} [0-9]{1,20} [0-9]{1,3}( 5)?\n|.{0,9}\n){0,12}") {
        let _ = log(&text);
    }
}

/// A run with one valid sample of `shm` for each of these texts; no text, no log.
fn run(logs: &[Option<&str>]) -> (tempfile::TempDir, RunRecord) {
    let directory = tempfile::tempdir().unwrap();
    let Example { mut record, samples, .. } = Example::new();
    record.cells[0].benchmark = BenchmarkName::Shm;
    let path = directory.path();
    std::fs::create_dir(path.join("logs")).unwrap();
    let mut lines = String::new();
    let valid =
        samples.into_iter().filter(|one| !one.warmup && one.failure.is_none() && one.cell == record.cells[0].id);
    for (mut sample, (place, text)) in valid.zip(logs.iter().enumerate()) {
        let name = format!("logs/{place}-process.latency.log");
        sample.logs = vec![format!("logs/{place}-process.console.log")];
        if let Some(text) = text {
            std::fs::write(path.join(&name), text).unwrap();
            sample.logs.push(name);
        }
        lines += &(serde_json::to_string(&sample).unwrap() + "\n");
    }
    std::fs::write(path.join(crate::SAMPLES_FILE), lines).unwrap();
    (directory, record)
}

#[test]
fn logs_of_a_cell_are_put_together_and_what_is_missing_is_said() {
    let cut = &GOOD[..GOOD.len() - 1];
    let (directory, record) = run(&[Some(GOOD), Some(GOOD), None, Some(cut), Some("\u{1b}[2J\n")]);
    std::fs::remove_file(directory.path().join("logs/1-process.latency.log")).unwrap();
    let streams = read_streams(directory.path(), &record).unwrap();
    let cell = &streams.cells[&record.cells[0].id];
    assert_eq!((cell.logs, cell.latencies["round_trip"].histogram.len()), (1, 5));
    assert_eq!(streams.notes.len(), 2, "{:?}", streams.notes);
    assert!(streams.notes[0].starts_with("1 samples of `shm` have no latency log"), "{}", streams.notes[0]);
    assert!(
        streams.notes[1]
            .starts_with("3 latency logs cannot be read and are in no figure: logs/1-process.latency.log: "),
        "{}",
        streams.notes[1]
    );
}

#[test]
fn links_are_not_followed() {
    let (directory, record) = run(&[Some(GOOD)]);
    let (path, other) = (directory.path(), tempfile::tempdir().unwrap());
    std::fs::rename(path.join("logs"), other.path().join("logs")).unwrap();
    std::os::unix::fs::symlink(other.path().join("logs"), path.join("logs")).unwrap();
    let streams = read_streams(path, &record).unwrap();
    assert!(streams.cells.is_empty() && streams.notes[0].contains("no directory of the run"), "{:?}", streams.notes);
}

#[test]
fn other_runs_have_none() {
    let (directory, mut record) = run(&[Some(GOOD)]);
    record.cells[0].benchmark = BenchmarkName::Boot;
    assert_eq!(read_streams(directory.path(), &record).unwrap(), RunStreams::default());
}
