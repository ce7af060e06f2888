//! `isodyne export`, from the outside: files whole or not at all, errors with a way out, import and export in turn.

mod support;

use serde_json::Value;
use support::Bench;

/// hyperfine's form: one command that failed once.
const TIMES: &str =
    r#"{"results": [{"command": "true", "times": [0.010, 0.011, 0.012, 0.5], "exit_codes": [0, 0, 0, 1]}]}"#;

/// A working directory with a run that was imported.
fn bench_with_run() -> Bench {
    let bench = Bench::new();
    std::fs::write(bench.path("times.json"), TIMES).expect("written");
    let imported = bench.run(&["import", "times.json", "--out", "run"]);
    assert_eq!(imported.code, 5, "one sample failed: {}", imported.stderr);
    bench
}

#[test]
fn a_run_goes_out_and_comes_in_again() {
    let bench = bench_with_run();
    let exported = bench.run(&["export", "run", "--format", "hyperfine", "-o", "again.json"]);
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    assert!(exported.stdout.is_empty() && exported.stderr.contains("1 failed samples are left out"), "{exported:?}");
    let text = std::fs::read_to_string(bench.path("again.json")).expect("a file");
    let again: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(again["results"][0]["times"], serde_json::json!([0.010, 0.011, 0.012]));
    let left = std::fs::read_dir(bench.path(".")).expect("a directory");
    assert!(left.flatten().all(|entry| !entry.file_name().to_string_lossy().ends_with(".new")));
    assert_eq!(bench.run(&["import", "again.json", "--out", "second"]).code, 0);
}

#[test]
fn our_own_lines_come_in_again() {
    let bench = bench_with_run();
    assert_eq!(bench.run(&["export", "run", "--format", "jsonl", "-o", "own.jsonl"]).code, 0);
    let again = bench.run(&["import", "own.jsonl", "--out", "second"]);
    assert_eq!(again.code, 5, "one sample failed: {}", again.stderr);
    let (first, second) = (bench.show("run"), bench.show("second"));
    assert_eq!(first["cells"][0]["metrics"], second["cells"][0]["metrics"]);
    assert_eq!(second["cells"][0]["provenance"], "imported");
}

#[test]
fn the_table_of_samples_comes_in_by_a_mapping() {
    let bench = bench_with_run();
    let table = bench.run(&["show", "run", "--csv"]);
    std::fs::write(bench.path("table.csv"), table.stdout).expect("written");
    let map = "total_ns=col:total_ns,cell=col:cell,ok=col:valid,failure=col:failure_class,round=col:round,\
               warmup=col:warmup";
    let again = bench.run(&["import", "table.csv", "--map", map, "--out", "second"]);
    assert_eq!(again.code, 5, "one sample failed: {}", again.stderr);
    let (first, second) = (bench.show("run"), bench.show("second"));
    assert_eq!(first["cells"][0]["metrics"]["total_ns"], second["cells"][0]["metrics"]["total_ns"]);
    assert_eq!(first["cells"][0]["samples_failed"], second["cells"][0]["samples_failed"]);
}

#[test]
fn a_run_becomes_test_cases() {
    let bench = bench_with_run();
    let written = bench.run(&["export", "run", "--format", "junit", "-o", "junit.xml"]);
    assert_eq!(written.code, 0, "{}", written.stderr);
    let xml = std::fs::read_to_string(bench.path("junit.xml")).expect("a file");
    assert!(xml.contains("1 of 4 samples failed: 1 reported") && xml.contains("name=\"total_ns\""), "{xml}");
}

#[test]
fn data_goes_to_standard_output() {
    let bench = bench_with_run();
    let lines = bench.run(&["export", "run", "--format", "jsonl"]);
    assert_eq!((lines.code, lines.stdout.lines().count()), (0, 4), "{}", lines.stderr);
    let csv = bench.run(&["export", "run", "--format", "csv", "--metric", "total_ns"]);
    assert_eq!(csv.stdout.lines().count(), 5);
    assert_eq!(csv.stdout.lines().filter(|line| line.contains(",false,reported,,,")).count(), 1, "{}", csv.stdout);
    let metrics = bench.run(&["export", "run", "--format", "openmetrics"]);
    assert!(metrics.stdout.ends_with("# EOF\n"));
}

#[test]
fn what_cannot_be_exported_is_a_wrong_command_line_and_leaves_no_file() {
    let bench = bench_with_run();
    let unknown = bench.run(&["export", "run", "--format", "xlsx"]);
    assert_eq!(unknown.code, 2);
    assert!(
        unknown.stderr.contains("no format `xlsx`") && unknown.stderr.contains("openmetrics"),
        "{}",
        unknown.stderr
    );
    for arguments in [["--cell", "nonesuch"], ["--metric", "nonesuch_ns"]] {
        let mut command = vec!["export", "run", "--format", "csv", "-o", "none.csv"];
        command.extend(arguments);
        let refused = bench.run(&command);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains("nonesuch") && refused.stderr.contains("hint:"), "{}", refused.stderr);
        assert!(!bench.path("none.csv").exists() && !bench.path("none.csv.new").exists());
    }
    assert_eq!(bench.run(&["export", "nowhere", "--format", "csv"]).code, 1);
}

#[test]
fn the_list_says_what_is_not_built_in() {
    let listed: Value = serde_json::from_str(&Bench::new().run(&["export", "--list", "--json"]).stdout).expect("JSON");
    let formats = listed["formats"].as_array().expect("formats");
    let parquet = formats.iter().find(|format| format["name"] == "parquet").expect("named in any case");
    assert_eq!(parquet["built"], cfg!(feature = "parquet"));
    assert!(formats.iter().filter(|format| format["name"] != "parquet").all(|format| format["built"] == true));
}

#[test]
fn a_full_disk_is_said_and_a_pipe_stays_a_pipe() {
    let bench = bench_with_run();
    // Opened here, so that no path to a device is ever given to the program.
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("every Linux has it");
    let refused = bench.isodyne(&["export", "run", "--format", "csv"]).stdout(full).output().expect("isodyne starts");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("No space left on device"), "{refused:?}");

    let pipe = bench.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo starts").success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read_to_string(pipe).expect("read")
    });
    let written = bench.run(&["export", "run", "--format", "csv", "-o", "pipe"]);
    assert_eq!(written.code, 0, "{}", written.stderr);
    let printed = bench.run(&["export", "run", "--format", "csv"]).stdout;
    assert_eq!(reader.join().expect("it ends"), printed);
    assert!(!std::fs::metadata(&pipe).expect("still there").is_file());
}
