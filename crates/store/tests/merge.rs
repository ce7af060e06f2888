//! Merging: nothing is lost, nothing counts twice, and what is foreign stays where it is.

mod common;

use isodyne_core::cell::{BackendName, CellId};
use isodyne_core::columns::RunColumns;
use isodyne_core::plan::Plan;
use isodyne_core::record::{RunEnd, RunRecord};
use isodyne_core::sample::Sample;
use isodyne_core::summary::{CellStatus, summarise};
use isodyne_store::merge::{MergeError, Merged, merge};
use isodyne_store::{RunDirectory, StoreError, read};
use std::path::{Path, PathBuf};

const PLAN: &str = "title = \"shards\"\nsamples = 3\nwarmup = 1\n[boot]\non = [\"runc\", \"crun\", \"process\"]\n";

/// A shard of the plan with one cell, and four samples of it.
fn shard(directory: &Path, number: u32, backend: BackendName) -> PathBuf {
    shard_with(directory, number, backend, |_| {})
}

fn shard_with(directory: &Path, number: u32, backend: BackendName, change: impl Fn(&mut RunRecord)) -> PathBuf {
    let plan = Plan::parse("plan.toml", PLAN, &[]).unwrap();
    let mut record = RunRecord {
        run_id: format!("{number:08x}"),
        created_at: format!("2026-11-22T04:12:{number:02}Z"),
        cells: plan.cells().into_iter().filter(|cell| cell.backend == backend).collect(),
        plan,
        shard: Some(format!("{number}/3")),
        ended: Some(RunEnd {
            at: format!("2026-11-22T05:00:{number:02}Z"),
            survivors: vec![],
            abandoned: vec![],
            stop: None,
        }),
        ..common::record()
    };
    change(&mut record);
    let path = directory.join(format!("part-{number}"));
    let mut run = RunDirectory::create(&path, &record).unwrap();
    for sequence in 0..4 {
        let name = format!("logs/{sequence}-runc.console.log");
        std::fs::write(path.join(&name), format!("console {number} {sequence}")).unwrap();
        run.append(&Sample {
            cell: record.cells[0].id.clone(),
            started_at: format!("2026-11-22T04:{number:02}:{sequence:02}Z"),
            logs: vec![name],
            ..common::sample(sequence)
        })
        .unwrap();
    }
    path
}

fn merged(parts: &[PathBuf], out: &Path) -> Result<Merged, MergeError> {
    merge(parts, out, "abcdef01", vec!["isodyne".to_owned(), "merge".to_owned()])
}

#[test]
fn shards_become_one_run_and_nothing_is_lost() {
    let directory = common::temporary();
    // Named in another order than they were begun.
    let second = shard(directory.path(), 2, BackendName::Crun);
    let first = shard(directory.path(), 1, BackendName::Runc);
    let third = shard(directory.path(), 3, BackendName::Process);
    let out = directory.path().join("out");
    let done = merged(&[second, first, third], &out).unwrap();
    assert_eq!(done, Merged { samples: 12, notes: vec![] });
    let run = read(&out).unwrap();
    assert_eq!(run.notes, [""; 0]);
    let ids: Vec<&str> = run.record.cells.iter().map(|cell| cell.id.as_str()).collect();
    assert_eq!(ids, ["boot/runc", "boot/crun", "boot/process"], "in the plan's order");
    assert_eq!(run.record.run_id, "abcdef01");
    assert_eq!(run.record.shard, None);
    assert_eq!(run.record.ended.as_ref().unwrap().at, "2026-11-22T05:00:03Z");
    assert!(run.samples.is_sorted_by_key(|sample| sample.sequence));
    let sequences: Vec<u64> = run.samples.iter().map(|sample| sample.sequence).collect();
    assert_eq!(sequences, (0..12).collect::<Vec<_>>());
    for (number, part) in (0_u32..).zip(&run.record.merged_from) {
        let own: Vec<&Sample> = run.samples.iter().filter(|sample| sample.session == number).collect();
        assert_eq!(own.len(), 4);
        assert_eq!((part.samples.first, part.samples.count), (u64::from(number) * 4, 4));
        assert_eq!((part.rounds.first, part.sessions.first), (u64::from(number) * 4, u64::from(number)));
        assert_eq!(part.shard, Some(format!("{}/3", number + 1)));
        for (sequence, sample) in own.iter().enumerate() {
            let text = std::fs::read_to_string(out.join(&sample.logs[0])).unwrap();
            assert_eq!(text, format!("console {} {sequence}", number + 1));
            assert_eq!(sample.warmup, sequence == 0, "warm-ups stay what they are");
        }
    }
    let rounds: std::collections::BTreeSet<u32> = run.samples.iter().map(|sample| sample.round).collect();
    assert_eq!(rounds.len(), 12, "no pair is made of samples of different parts");
    let failed = run.samples.iter().find_map(|sample| sample.failure.as_ref()).unwrap();
    assert_eq!(failed.evidence, ["logs/part1/2-runc.log"]);
    let summary = summarise(&run.record, &RunColumns::of(&run.samples));
    assert!(summary.complete && summary.cells.iter().all(|cell| cell.status == CellStatus::Measured));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 4, "nothing is left beside it");
}

#[test]
fn what_is_missing_or_of_another_host_is_said() {
    let directory = common::temporary();
    let parts = [
        shard(directory.path(), 1, BackendName::Runc),
        shard_with(directory.path(), 3, BackendName::Process, |record| {
            record.fingerprint.governor = Some("powersave".into());
            record.ended = None;
        }),
    ];
    let out = directory.path().join("deep/out");
    std::fs::create_dir_all(&out).unwrap();
    let done = merged(&parts, &out).unwrap();
    let notes = done.notes.join("\n");
    for words in ["another host", "powersave", "not complete", "shards are missing: 2/3"] {
        assert!(notes.contains(words), "{words}: {notes}");
    }
    let record = read(&out).unwrap().record;
    assert!(record.ended.is_none() && record.calibration.is_none());
    assert_eq!(record.merged_from[1].fingerprint.governor.as_deref(), Some("powersave"));
    assert_eq!(record.skipped.len(), 1);
    assert_eq!(record.skipped[0].cell.id, CellId("boot/crun".into()));
    assert!(record.skipped[0].reason.contains("none of the parts"));
}

#[test]
fn parts_of_one_cell_keep_all_their_samples() {
    let directory = common::temporary();
    let parts = [1, 2].map(|number| shard(directory.path(), number, BackendName::Runc));
    let out = directory.path().join("out");
    let done = merged(&parts, &out).unwrap();
    assert!(done.notes.iter().any(|note| note.contains("more than one part")), "{done:?}");
    let run = read(&out).unwrap();
    let columns = RunColumns::of(&run.samples);
    let cell = &columns.cells[&CellId("boot/runc".into())];
    assert_eq!(cell.rows.len(), 8);
    assert_eq!(cell.by_round("total_ns").len(), cell.valid().count(), "each valid sample has a round of its own");
    // A merged run can be merged again, but not with what is in it already.
    let third = shard(directory.path(), 3, BackendName::Process);
    let again = merge(&[out.clone(), third], &directory.path().join("more"), "1", vec![]).unwrap();
    assert_eq!(again.samples, 12);
    let twice = merged(&[out, parts[1].clone()], &directory.path().join("no"));
    assert!(matches!(twice, Err(MergeError::Twice { .. })), "{twice:?}");
}

#[test]
fn what_does_not_belong_together_is_refused_and_nothing_is_made() {
    let directory = common::temporary();
    let first = shard(directory.path(), 1, BackendName::Runc);
    let out = directory.path().join("out");
    let refused = |parts: &[PathBuf]| {
        let error = merged(parts, &out).unwrap_err();
        assert!(!out.exists() || std::fs::read_dir(&out).unwrap().count() == 0);
        error.to_string()
    };
    assert!(refused(&[]).contains("from 2 to"));
    assert!(refused(std::slice::from_ref(&first)).contains("from 2 to"));
    assert!(refused(&[first.clone(), first.clone()]).contains("twice"));
    assert!(refused(&[first.clone(), directory.path().join("nothing")]).contains("not a run"));
    let other = shard_with(directory.path(), 2, BackendName::Crun, |record| record.plan.samples = 99);
    assert!(refused(&[first.clone(), other]).contains("99 samples"));
    let foreign = shard_with(directory.path(), 4, BackendName::Crun, |record| {
        record.plan = Plan::parse("p", &PLAN.replace("\"process\"", "\"podman\""), &[]).unwrap();
    });
    assert!(refused(&[first.clone(), foreign]).contains("cells"));
    // A copy under another name: its samples give it away.
    let copy = shard(directory.path(), 5, BackendName::Runc);
    std::fs::copy(first.join("samples.jsonl"), copy.join("samples.jsonl")).unwrap();
    assert!(refused(&[first.clone(), copy]).contains("twice"));
    // Something is at the place already.
    let second = shard(directory.path(), 6, BackendName::Crun);
    let taken = merged(&[first.clone(), second.clone()], &second).unwrap_err();
    assert!(matches!(taken, MergeError::Store(StoreError::NotEmpty { .. })), "{taken}");
    assert!(matches!(merged(&[first, second], Path::new("/")), Err(MergeError::Out { .. })));
}

#[test]
fn hostile_parts_do_no_harm() {
    let directory = common::temporary();
    let first = shard(directory.path(), 1, BackendName::Runc);
    let second = shard(directory.path(), 2, BackendName::Crun);
    let out = directory.path().join("out");
    let lines = std::fs::read_to_string(second.join("samples.jsonl")).unwrap();
    for (from, to) in [
        ("logs/1-runc.console.log", "../../../etc/passwd"),
        ("\"sequence\":3", "\"sequence\":18446744073709551615"),
        ("\"round\":3", "\"round\":4294967295"),
        ("\"sequence\":3", "\"sequence\":1e999"),
        ("\"session\":0", "\"session\":-1"),
    ] {
        let changed = lines.replace(from, to);
        assert_ne!(changed, lines, "{from}");
        std::fs::write(second.join("samples.jsonl"), changed).unwrap();
        let error = merged(&[first.clone(), second.clone()], &out).unwrap_err();
        assert!(!error.way_out().is_empty() && !out.exists(), "{error}");
    }
    std::fs::write(second.join("samples.jsonl"), &lines).unwrap();
    // Links and pipes in the place of files.
    std::os::unix::fs::symlink("/etc/passwd", second.join("logs/link")).unwrap();
    std::fs::remove_dir_all(second.join("artifacts")).unwrap();
    std::os::unix::fs::symlink("/etc", second.join("artifacts")).unwrap();
    let done = merged(&[first, second], &out).unwrap();
    assert!(done.notes.iter().any(|note| note.contains("2 entries")), "{done:?}");
    assert!(!out.join("logs/part2/link").exists() && !out.join("artifacts/part2").exists());
    assert!(out.join("logs/part2/1-runc.console.log").exists());
}
