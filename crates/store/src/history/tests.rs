//! The history: kept once, kept by many at once, brought up to date, and never trusted.

use super::*;
use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::columns::RunColumns;
use isodyne_core::factor::Factors;
use isodyne_core::fingerprint::Fingerprint;
use isodyne_core::ledger::Ledger;
use isodyne_core::plan::Plan;
use isodyne_core::record::{RUN_SCHEMA, RUN_VERSION, RunRecord};
use isodyne_core::sample::{Accuracy, Contamination, Provenance, Sample};
use isodyne_core::summary::{RunSummary, summarise};
use std::collections::BTreeMap;

/// A run of one cell with eight samples around a level.
fn run(number: u32, level: f64) -> (RunRecord, RunSummary) {
    let id = CellId("boot/runc".to_owned());
    let cell = Cell {
        id: id.clone(),
        benchmark: BenchmarkName::Boot,
        backend: BackendName::Runc,
        factors: Factors::new(),
        variant: None,
    };
    let record = RunRecord {
        schema: RUN_SCHEMA.to_owned(),
        version: RUN_VERSION,
        run_id: format!("{number:08x}"),
        isodyne_version: "0.1.0".to_owned(),
        created_at: format!("2026-{:02}-{:02}T04:12:33.5Z", number / 28 + 1, number % 28 + 1),
        command: Vec::new(),
        plan: Plan { title: "boot".to_owned(), samples: 8, ..Plan::default() },
        seed: 7,
        cells: vec![cell],
        skipped: Vec::new(),
        backends: Vec::new(),
        fingerprint: Fingerprint { kernel: Some("6.18".into()), ..Fingerprint::default() },
        tools: Vec::new(),
        assets: Vec::new(),
        signals: Vec::new(),
        shard: None,
        merged_from: Vec::new(),
        calibration: None,
        imported: None,
        ended: None,
    };
    let sample = |sequence: u64| Sample {
        cell: id.clone(),
        sequence,
        round: sequence as u32,
        warmup: false,
        started_at: record.created_at.clone(),
        started_ns: sequence,
        session: 0,
        provenance: Provenance::Measured,
        accuracy: Accuracy::Container,
        failure: None,
        ledger: Ledger::default(),
        metrics: BTreeMap::from([("total_ns".to_owned(), level + sequence as f64 + f64::from(number % 5))]),
        contamination: Contamination::default(),
        proofs: Vec::new(),
        logs: Vec::new(),
    };
    let samples: Vec<Sample> = (0..8).map(sample).collect();
    let summary = summarise(&record, &RunColumns::of(&samples));
    (record, summary)
}

fn add(history: &mut History, number: u32, level: f64) -> Added {
    let (record, summary) = run(number, level);
    history.add(&record, &summary, Path::new("/runs/x")).unwrap()
}

fn temporary() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

#[test]
fn a_run_is_kept_once_and_its_figures_come_back() {
    let directory = temporary();
    let path = directory.path().join("deep/er/history.sqlite");
    assert!(History::open_if_there(&path).unwrap().is_none());
    let mut history = History::open(&path).unwrap();
    assert_eq!(add(&mut history, 1, 1e6), Added::New);
    assert_eq!(add(&mut history, 1, 1e6), Added::Again);
    // A run that went on has other figures, and they replace the old ones.
    assert_eq!(add(&mut history, 1, 2e6), Added::Again);
    drop(history);
    let history = History::open_if_there(&path).unwrap().unwrap();
    assert_eq!(history.runs().unwrap().len(), 1);
    assert_eq!(history.metrics().unwrap(), ["total_ns"]);
    let trends = history.trends("total_ns", "*", None).unwrap();
    assert_eq!(trends.len(), 1);
    let (_, summary) = run(1, 2e6);
    let expected = &summary.cells[0].metrics["total_ns"];
    let point = &trends[0].points[0];
    assert_eq!((point.p50, point.ci95, point.n), (expected.p50, expected.ci95, expected.n));
    assert_eq!((trends[0].accuracy, trends[0].provenance), (Some(Accuracy::Container), Some(Provenance::Measured)));
    assert_eq!(history.trends("total_ns", "boot/qemu*", None).unwrap(), []);
    assert_eq!(history.trends("total_ns", "*", Some("0")).unwrap(), []);
    assert_eq!(history.hosts().unwrap()[0].runs, 1);
}

#[test]
fn hosts_are_never_in_one_trend_and_changes_are_found() {
    let directory = temporary();
    let mut history = History::open(&directory.path().join("h")).unwrap();
    for number in 0..24 {
        let (mut record, summary) = run(number, if number < 12 { 1e6 } else { 1.1e6 });
        if number % 2 == 1 {
            record.fingerprint.kernel = Some("6.19".into());
        }
        history.add(&record, &summary, Path::new("x")).unwrap();
    }
    let trends = history.trends("total_ns", "boot/*", None).unwrap();
    assert_eq!(trends.len(), 2);
    for trend in &trends {
        assert_eq!(trend.points.len(), 12);
        assert_eq!(trend.change_points.iter().map(|change| change.index).collect::<Vec<_>>(), [6]);
        assert!(trend.points.is_sorted_by_key(|point| point.created_at.clone()));
    }
    assert_ne!(trends[0].host.id, trends[1].host.id);
}

#[test]
fn a_history_of_every_old_version_is_brought_up_to_date() {
    for version in 0..=schema::MIGRATIONS.len() {
        let directory = temporary();
        let path = directory.path().join("history.sqlite");
        schema::make_old(&path, version);
        if version > 0 {
            let old = Connection::open(&path).unwrap();
            old.execute_batch(
                "INSERT INTO runs VALUES (1, 'old', '2025-01-01T00:00:00Z', 't', 'p', '0.0.1', 'h', 'line', '{}', '[]');
                 INSERT INTO cells (id, run, cell, benchmark, backend, status, samples_valid, samples_failed)
                 VALUES (1, 1, 'boot/runc', 'boot', 'runc', 'measured', 9, 0);
                 INSERT INTO metrics (cell, metric, n, p50, min, max, mean) VALUES (1, 'total_ns', 9, 5.0, 1.0, 9.0, 5.0);",
            )
            .unwrap();
        }
        let mut history = History::open(&path).unwrap();
        assert_eq!(add(&mut history, 1, 1e6), Added::New, "version {version}");
        let points: usize = history.trends("total_ns", "*", None).unwrap().iter().map(|trend| trend.points.len()).sum();
        assert_eq!(points, 1 + usize::from(version > 0), "version {version}");
        let now: i64 = history.connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(now, schema::VERSION);
    }
}

#[test]
fn what_is_no_history_of_ours_is_refused_with_a_way_out() {
    let directory = temporary();
    let path = directory.path().join("h");
    let refused = |path: &Path| History::open(path).unwrap_err().to_string();
    std::fs::write(&path, "this is not a database, but it is long enough to be looked at ".repeat(50)).unwrap();
    let text = refused(&path);
    assert!(text.contains("not a database") && text.contains("history add"), "{text}");

    std::fs::remove_file(&path).unwrap();
    History::open(&path).unwrap().connection.execute_batch("PRAGMA user_version = 99").unwrap();
    let text = refused(&path);
    assert!(text.contains("version 99") && text.contains("newer"), "{text}");

    let other = directory.path().join("other");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE cookies (a)").unwrap();
    assert!(refused(&other).contains("another program"));

    // Statements of the file would run with ours, and these never end.
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n) SELECT x FROM n";
    for (name, hostile) in [
        ("view", format!("DROP TABLE metrics; CREATE VIEW Metrics AS {endless}")),
        ("trigger", "CREATE TRIGGER t BEFORE DELETE ON cells BEGIN SELECT 1; END".to_owned()),
    ] {
        let path = directory.path().join(name);
        History::open(&path).unwrap().connection.execute_batch(&hostile).unwrap();
        assert!(refused(&path).contains("did not make"), "{name}");
    }
    // A view of the user's own is beside ours.
    let own = directory.path().join("own");
    History::open(&own).unwrap().connection.execute_batch("CREATE VIEW mine AS SELECT * FROM runs").unwrap();
    assert_eq!(History::open(&own).unwrap().runs().unwrap(), []);
    // SQLite quotes names, and whoever makes a file chooses them.
    let named = directory.path().join("named");
    History::open(&named)
        .unwrap()
        .connection
        .execute_batch(
            "CREATE VIEW v AS SELECT 1; PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET name = 'v' || char(27) || '[2J', sql = 'CREATE VIEW v AS nothing' WHERE name = 'v'",
        )
        .unwrap();
    let text = refused(&named);
    assert!(text.contains("malformed") && !text.contains('\u{1b}'), "{text}");

    // Damaged in the middle: whatever is found first is said, and nothing panics.
    let damaged = directory.path().join("damaged");
    let mut history = History::open(&damaged).unwrap();
    for number in 0..40 {
        add(&mut history, number, 1e6);
    }
    history.compact(&Retention::default()).unwrap();
    drop(history);
    let mut bytes = std::fs::read(&damaged).unwrap();
    let length = bytes.len();
    bytes[4096..length].fill(0xa5);
    std::fs::write(&damaged, &bytes).unwrap();
    let text = match History::open(&damaged) {
        Ok(history) => history.trends("total_ns", "*", None).unwrap_err().to_string(),
        Err(error) => error.to_string(),
    };
    assert!(text.contains("history add"), "{text}");

    assert!(refused(directory.path()).contains("ISODYNE_HISTORY"));
    std::fs::write(directory.path().join("file"), "").unwrap();
    assert!(refused(&directory.path().join("file/below")).contains("ISODYNE_HISTORY"));
}

#[test]
fn a_run_with_a_time_that_is_none_is_refused_and_one_without_cells_is_nothing() {
    let directory = temporary();
    let mut history = History::open(&directory.path().join("h")).unwrap();
    let (mut record, summary) = run(1, 1e6);
    record.created_at = "yesterday\u{1b}[2J".into();
    let error = history.add(&record, &summary, Path::new("x")).unwrap_err().to_string();
    assert!(error.contains("no time") && !error.contains('\u{1b}'), "{error}");
    let (record, mut summary) = run(1, 1e6);
    summary.cells.clear();
    assert_eq!(history.add(&record, &summary, Path::new("x")).unwrap(), Added::Nothing);
    assert_eq!(history.runs().unwrap(), []);
}

#[test]
fn many_writers_at_once_lose_nothing() {
    // Making the file is the moment at which they can disturb each other most, so it is made several times.
    for _ in 0..8 {
        let directory = temporary();
        let path = directory.path().join("h");
        std::thread::scope(|scope| {
            (0..8).for_each(|number| {
                let path = &path;
                scope.spawn(move || assert_eq!(add(&mut History::open(path).unwrap(), number, 1e6), Added::New));
            });
        });
        assert_eq!(History::open(&path).unwrap().runs().unwrap().len(), 8);
    }
    let directory = temporary();
    let path = directory.path().join("h");
    std::thread::scope(|scope| {
        for writer in 0..6 {
            let path = &path;
            scope.spawn(move || {
                // Each opens the file by itself, also while it is made.
                for number in 0..5 {
                    let mut history = History::open(path).unwrap();
                    assert_eq!(add(&mut history, writer * 5 + number, 1e6), Added::New);
                }
            });
        }
    });
    let history = History::open(&path).unwrap();
    assert_eq!(history.runs().unwrap().len(), 30);
    assert_eq!(history.trends("total_ns", "*", None).unwrap()[0].points.len(), 30);
}

#[test]
fn retention_keeps_the_latest_and_gives_room_back() {
    let directory = temporary();
    let mut history = History::open(&directory.path().join("h")).unwrap();
    for number in 0..60 {
        add(&mut history, number, 1e6);
    }
    let before = Some("2026-02-01T00:00:00Z".to_owned());
    let done = history.compact(&Retention { before, per_cell: None }).unwrap();
    assert_eq!(done.runs_removed, 28);
    assert!(done.after_bytes < done.before_bytes, "{done:?}");
    let done = history.compact(&Retention { before: None, per_cell: Some(10) }).unwrap();
    assert_eq!((done.runs_removed, done.cells_removed), (22, 22));
    let runs = history.runs().unwrap();
    assert_eq!(runs.len(), 10);
    assert_eq!(runs[9].run_id, format!("{:08x}", 59));
    assert_eq!(history.remove(&format!("{:08x}", 59)).unwrap(), 1);
    assert_eq!(history.remove("nothing").unwrap(), 0);
    let points: i64 = history.connection.query_row("SELECT count(*) FROM metrics", [], |row| row.get(0)).unwrap();
    assert_eq!(points, 9, "what belongs to a run goes with it");
}
