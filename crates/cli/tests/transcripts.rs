//! What the program says, word for word: the texts of the command line are pinned, and change only on purpose.

mod support;

use support::Bench;

/// A command with everything that it says, as a terminal would show it.
fn transcript(bench: &Bench, arguments: &[&str]) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut command = bench.isodyne(arguments);
    let output = command.current_dir(root).env("COLUMNS", "100").output().expect("isodyne starts");
    let run = support::Finished::of(&output);
    let mut text = format!("$ isodyne {}\n{}", arguments.join(" "), run.stdout);
    if !run.stderr.is_empty() {
        text.push_str(&format!("--- on standard error ---\n{}", run.stderr));
    }
    text.push_str(&format!("--- exit code {} ---\n", run.code));
    text
}

macro_rules! pinned {
    ($($test:ident: $arguments:expr;)*) => {
        $(#[test]
        fn $test() {
            insta::assert_snapshot!(transcript(&Bench::new(), &$arguments));
        })*
    };
}

pinned! {
    help: ["--help"];
    help_of_sandbox: ["sandbox", "--help"];
    help_of_sandbox_start: ["sandbox", "start", "--help"];
    help_of_sandbox_exec: ["sandbox", "exec", "--help"];
    help_of_doctor: ["doctor", "--help"];
    help_of_setup: ["setup", "--help"];
    help_of_image: ["image", "--help"];
    image_that_is_none: ["image", "no-such-image.tar"];
    help_of_inspect: ["inspect", "--help"];
    inspect_what_is_none: ["inspect", "docs"];
    inspect_what_is_nowhere: ["inspect", "nowhere"];
    inspect_images: ["inspect", "crates/criu/tests/images/process", "--process-tree"];
    inspect_everything:
        ["inspect", "crates/criu/tests/images/process", "--env", "--files", "--sockets", "--mounts", "--memory"];
    inspect_as_a_tree:
        ["inspect", "crates/criu/tests/images/process", "--format", "tree", "--process-tree", "--env", "--sockets"];
    help_of_list: ["list", "--help"];
    help_of_calibrate: ["calibrate", "--help"];
    help_of_check: ["check", "--help"];
    help_of_run: ["run", "--help"];
    help_of_show: ["show", "--help"];
    help_of_report: ["report", "--help"];
    help_of_import: ["import", "--help"];
    help_of_export: ["export", "--help"];
    help_of_history: ["history", "--help"];
    help_of_trend: ["trend", "--help"];
    help_of_merge: ["merge", "--help"];
    help_of_audit: ["audit", "--help"];
    help_of_compare: ["compare", "--help"];
    help_of_gate: ["gate", "--help"];
    help_of_checkpoint: ["checkpoint", "--help"];
    help_of_restore: ["restore", "--help"];
    checkpoint_nobody: ["checkpoint", "nobody-has-this-name", "-o", "kept", "--name", "one", "--runtime", "runc"];
    restore_from_nowhere: ["restore", "--from", "no/such/checkpoint"];
    help_of_monitor: ["monitor", "--help"];
    monitor_nothing: ["monitor"];
    monitor_a_process_that_is_none: ["monitor", "--pid", "4194305"];
    help_of_selfcheck: ["selfcheck", "--help"];
    no_command: [];
    list_benchmarks: ["list", "benchmarks"];
    list_backends: ["list", "backends"];
    check_a_plan: ["check", "plans/boot.toml"];
    check_with_wrong_arguments: ["check", "plans/boot.toml", "--set", "backend.qemu.memory=96", "--set", "sampels=3"];
    run_an_unknown_benchmark: ["run", "bot"];
    run_on_an_unknown_backend: ["run", "boot", "--on", "runk"];
}

#[test]
fn a_wrong_plan() {
    let bench = Bench::new();
    let plan =
        "samples = 3\nwarmup = -1\n\n[boot]\non = [\"proces\"]\ntimeout = \"5 sec\"\n\n[bakend.qemu]\nmemory = 96\n";
    std::fs::write(bench.path("plan.toml"), plan).expect("written");
    let run = bench.run(&["check", "plan.toml"]);
    insta::assert_snapshot!(format!("{}{}--- exit code {} ---\n", run.stdout, run.stderr, run.code));
}
