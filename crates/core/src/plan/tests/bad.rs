//! Bad plans, and exactly what is said of them.

use super::*;

/// Compares what is said with what must be said.
macro_rules! says {
    ($text:expr, @$expected:literal) => { insta::assert_snapshot!(said($text), @$expected) };
}

#[test]
fn unknown_keys_and_sections() {
    says!("[boot]\non = \"runc\"\n  sampels = 3\n", @r#"
        error: plan.toml:3:3: unknown key `sampels` in [boot]
          hint: did you mean `samples`? it belongs at the top of the plan, above all sections
    "#);
    says!("sampels = 3\n[boot]\non = \"runc\"\nmachine = \"q35\"\nmemory = \"1 GiB\"\nxyzzy = 1\n", @r#"
        error: plan.toml:1:1: unknown key `sampels` at the top of the plan
          hint: did you mean `samples`?
        error: plan.toml:4:1: unknown key `machine` in [boot]
          hint: it belongs in [backend.qemu]
        error: plan.toml:5:1: unknown key `memory` in [boot]
          hint: it belongs in [backend.process] (or backend.runc, backend.crun, backend.runsc, backend.podman, backend.docker, backend.qemu, backend.firecracker, backend.cloud-hypervisor)
        error: plan.toml:6:1: unknown key `xyzzy` in [boot]
          hint: known: on, timeout, command
    "#);
    says!("[boot]\non = \"runc\"\n[backend.docker]\nlifecycle = \"run\"\n[backend.firecracker]\nx = 1\n[boto]\non = 1", @r#"
        error: plan.toml:3:10: [backend.docker] is stated, but no benchmark runs on `docker`
          hint: add "docker" to `on`, or remove the section
        error: plan.toml:4:1: unknown key `lifecycle` in [backend.docker]
          hint: it belongs in [backend.runc] (or backend.crun, backend.runsc)
        error: plan.toml:5:10: [backend.firecracker] is stated, but no benchmark runs on `firecracker`
          hint: add "firecracker" to `on`, or remove the section
        error: plan.toml:6:1: unknown key `x` in [backend.firecracker]
          hint: known: program, setup, memory, cpus, pin, smt, cpu_template, huge_pages, pci, jailer, seccomp, track_dirty_pages, boot_timer, kernel, cmdline, channel, console, entropy, balloon, network, nat, mmds
        error: plan.toml:7:2: unknown section `[boto]`
          hint: did you mean [boot]?
    "#);
    says!("[qemu]\nmemory = \"1 GiB\"\n[boot]\non = \"qemu\"\n[[variant]]\nname = \"x\"\n[app]\n[zzzzzz]\n[upload]\n", @r#"
        error: plan.toml:1:2: unknown section `[qemu]`
          hint: did you mean [backend.qemu]?
        error: plan.toml:5:1: the variant changes nothing
          hint: add `set = { "backend.qemu.cmdline" = "+quiet" }`
        error: plan.toml:7:2: [app] does not state `image`
          hint: add `image = "app.tar"`, or `--set app.image=app.tar`
        error: plan.toml:7:2: [app] does not state `ready`
          hint: add `ready = { http = "/" }`, or `--set app.ready.tcp=80`
        error: plan.toml:8:2: unknown section `[zzzzzz]`
          hint: known: boot, network, shm, checkpoint, backend, app, variant, stop, quick, build, budget
        error: plan.toml:9:2: `upload` is not in this version: the benchmark of a server inside a sandbox comes later
          hint: remove it for now
    "#);
}

#[test]
fn wrong_types() {
    says!("samples = \"20\"\nwarmup = 1.5\nseed = true\ntitle = 3\n[boot]\non = 5\ntimeout = [1, \"5 s\"]\ncommand = \"echo hi\"", @r#"
        error: plan.toml:1:11: `samples` needs a whole number, not text
          hint: write `samples = 20`
        error: plan.toml:2:10: `warmup` needs a whole number, not a number with a fraction
          hint: write `warmup = 20`
        error: plan.toml:3:8: `seed` needs a whole number, not `true` or `false`
          hint: write `seed = 20`
        error: plan.toml:4:9: `title` needs text, not a whole number
          hint: write `title = "text"`
        error: plan.toml:6:6: `on` needs a list of backends, not a whole number
          hint: write `on = ["process", "runc"]`
        error: plan.toml:7:12: `timeout` has no unit: `1` is a bare number
          hint: write `timeout = "1 s"`
        error: plan.toml:8:11: `command` needs a list of words, not text
          hint: write `command = ["echo", "hi"]`
    "#);
    says!("boot = \"qemu\"\nbackend = [1]\n", @r#"
        error: plan.toml:1:8: `boot` needs a section, not text
          hint: write [boot] and its keys below it
        error: plan.toml:2:11: `backend` needs a section, not a list
          hint: write [backend.qemu] and its keys below it
    "#);
    says!("[[boot]]\non = \"runc\"\n[backend]\nqemu = 3\n", @r#"
        error: plan.toml:1:1: `boot` needs a section, not a list
          hint: write [boot] and its keys below it
        error: plan.toml:4:8: `backend.qemu` needs a section, not a whole number
          hint: write [backend.qemu] and its keys below it
    "#);
    says!("samples = [1, 2]\n[boot]\non = [[\"runc\"], 3, 1979-05-27]\ncommand = [\"sh\", 3]", @r#"
        error: plan.toml:1:11: `samples` takes one value, not a list
          hint: write `samples = 20`
        error: plan.toml:3:7: `on` holds a list within a list
          hint: write `on = ["process", "runc", …]`
        error: plan.toml:3:17: `on` needs a list of backends, not a whole number
          hint: write `on = ["process", "runc"]`
        error: plan.toml:3:20: `on` needs a list of backends, not a date
          hint: write `on = ["process", "runc"]`
        error: plan.toml:4:18: `command` holds a whole number, not text
          hint: write `command = ["echo", "hi"]`
    "#);
    says!("[boot]\non = \"scripted\"\n[backend.scripted]\nhang = \"true\"\nfail = \"timeout\"\ntotal = { x = 1 }", @r#"
        error: plan.toml:4:8: `hang` needs `true` or `false`, not text
          hint: write `hang = true`
        error: plan.toml:5:8: `timeout` is not a class of failure with its share
          hint: write a class and a share, such as `"timeout:5%"`
        error: plan.toml:6:9: `total` needs a time, not a section
          hint: write `total = "60 s"`
    "#);
}

#[test]
fn quantities() {
    says!("[boot]\non = \"qemu\"\ntimeout = 60\n[backend.qemu]\nmemory = 256\n", @r#"
        error: plan.toml:3:11: `timeout` has no unit: `60` is a bare number
          hint: write `timeout = "60 s"`
        error: plan.toml:5:10: `memory` has no unit: `256` is a bare number
          hint: write `memory = "256 MiB"`
    "#);
    says!("[boot]\non = \"qemu\"\ntimeout = \"5 MB\"\n[backend.qemu]\nmemory = [\"256 ms\", \"256\", \"256 mib\", \"1 G\"]", @r#"
        error: plan.toml:3:11: `timeout` needs a time, and `MB` is a unit of memory
          hint: units: ns, us, ms, s, min, h
        error: plan.toml:5:11: `memory` needs an amount of memory, and `ms` is a unit of time
          hint: units: B, kB, MB, GB, KiB, MiB, GiB
        error: plan.toml:5:21: `memory` has no unit: `256` is a bare number
          hint: write `memory = "256 MiB"`
        error: plan.toml:5:28: `memory` needs an amount of memory, and `mib` is not a unit
          hint: did you mean `MiB`?
        error: plan.toml:5:39: `memory` needs an amount of memory, and `G` is not a unit
          hint: did you mean `GiB`?
    "#);
    says!("[boot]\non = \"qemu\"\ntimeout = [\"5 sec\", \"1 m\", \"1 lightyear\", \"-5 s\", \"soon\", -1, 0.5]", @r#"
        error: plan.toml:3:12: `timeout` needs a time, and `sec` is not a unit
          hint: did you mean `s`?
        error: plan.toml:3:21: `timeout` needs a time, and `m` is not a unit
          hint: did you mean `min`?
        error: plan.toml:3:28: `timeout` needs a time, and `lightyear` is not a unit
          hint: units: ns, us, ms, s, min, h
        error: plan.toml:3:43: `timeout` is negative
          hint: write it from 1 ms to 3600 s
        error: plan.toml:3:51: `soon` is not a time
          hint: write `timeout = "60 s"`
        error: plan.toml:3:59: `timeout` is negative
          hint: write it from 1 ms to 3600 s
        error: plan.toml:3:63: `timeout` has no unit: `0.5` is a bare number
          hint: write `timeout = "0.5 s"`
    "#);
    says!("[boot]\non = \"qemu\"\ntimeout = [\"0 s\", \"2 h\"]\n[backend.qemu]\nmemory = [\"1 MiB\", \"99999999999999999999 GiB\"]", @r#"
        error: plan.toml:3:12: `timeout` is 0 s, out of range
          hint: write it from 1 ms to 3600 s
        error: plan.toml:3:19: `timeout` is 2 h, out of range
          hint: write it from 1 ms to 3600 s
        error: plan.toml:5:11: `memory` is 1 MiB, out of range
          hint: write it from 16 MiB to 16384 GiB
        error: plan.toml:5:20: `99999999999999999999 GiB` is not an amount of memory
          hint: write `memory = "256 MiB"`
    "#);
}

#[test]
fn counts() {
    says!("samples = 0\nwarmup = -1\nseed = 9999999999999999999999999999999999999999999\n[boot]\non = \"qemu\"\n[backend.qemu]\ncpus = [0, 65]", @r#"
        error: plan.toml:1:11: `samples` is 0, out of range
          hint: write a whole number from 1 to 1000000
        error: plan.toml:2:10: `warmup` is negative
          hint: write a whole number from 0 to 10000
        error: plan.toml:3:8: `seed` is out of range
          hint: write a whole number from 0 to 9223372036854775807
        error: plan.toml:7:9: `cpus` is 0, out of range
          hint: write a whole number from 1 to 64
        error: plan.toml:7:12: `cpus` is 65, out of range
          hint: write a whole number from 1 to 64
    "#);
}

#[test]
fn lists() {
    says!("[boot]\non = []\ncommand = []\n", @r#"
        error: plan.toml:2:6: `on` is an empty list
          hint: write `on = ["process", "runc"]`
        error: plan.toml:3:11: `command` names no program
          hint: write `command = ["echo", "hi"]`
    "#);
    says!("[boot]\non = [\"qemu\", \"runc\", \"qemu\"]\n[backend.qemu]\nmemory = [\"1 GiB\", \"1024 MiB\"]\ncpus = [1, 1]\n", @r#"
        error: plan.toml:2:23: `on` holds `qemu` twice
          hint: remove one of them
        error: plan.toml:4:20: `memory` holds `1 GiB` twice
          hint: remove one of them
        error: plan.toml:5:12: `cpus` holds `1` twice
          hint: remove one of them
    "#);
}

#[test]
fn names() {
    says!("[boot]\non = [\"qmeu\", \"xen\"]\n[backend.docke]\n", @r#"
        error: plan.toml:2:7: unknown backend `qmeu`
          hint: did you mean `qemu`?
        error: plan.toml:2:15: unknown backend `xen`
          hint: known: process, runc, crun, runsc, podman, docker, qemu, firecracker, cloud-hypervisor, scripted
        error: plan.toml:3:10: unknown backend `docke`
          hint: did you mean `docker`?
    "#);
    says!("[boot]\non = \"qemu\"\n[backend.qemu]\nmachine = [\"mircovm\", \"i440fx\"]\nkernel = \"\"\ncmdline = \"a\\tb\"", @r#"
        error: plan.toml:4:12: `machine` cannot be `mircovm`
          hint: did you mean `microvm`?
        error: plan.toml:4:23: `machine` cannot be `i440fx`
          hint: known: q35, pc, microvm
        error: plan.toml:5:10: `kernel` is empty
          hint: remove the key, or say something
        error: plan.toml:6:11: `cmdline` holds a control character
          hint: write it in one line, without tabs and escapes
    "#);
    says!("[boot]\non = \"scripted\"\n[backend.scripted]\nfail = [\"timout:5%\", \"timeout:200%\", \"timeout:x\"]\n", @r#"
        error: plan.toml:4:9: unknown class of failure `timout`
          hint: did you mean `timeout`?
        error: plan.toml:4:22: `200%` is not from 0 % to 100 %
          hint: write a class and a share, such as `"timeout:5%"`
        error: plan.toml:4:38: `x` is not a share in percent
          hint: write a class and a share, such as `"timeout:5%"`
    "#);
}

#[test]
fn nothing_to_measure() {
    says!("", @r#"
        error: plan.toml: the plan measures nothing
          hint: add a benchmark: [boot] with `on = ["process", "runc"]`
    "#);
    says!("samples = 3\n[backend.qemu]\n", @r#"
        error: plan.toml: the plan measures nothing
          hint: add a benchmark: [boot] with `on = ["process", "runc"]`
    "#);
    says!("[boot]\ntimeout = \"5 s\"\n", @r#"
        error: plan.toml:1:2: [boot] does not state `on`
          hint: add `on = ["process", "runc"]`
    "#);
}

#[test]
fn impossible_combinations() {
    says!("[boot]\non = \"qemu\"\n[backend.qemu]\nmachine = [\"q35\", \"microvm\"]\nchannel = \"virtio-serial\"\n", @r#"
        error: plan.toml:5:11: `machine = "microvm"` and `channel = "virtio-serial"` cannot be together: without ACPI a stock kernel cannot find the virtio devices of a microvm
          hint: leave `channel` at "auto" or "serial", or put the machines into plans of their own
    "#);
    says!("[boot]\non = \"runc\"\n[backend.qemu]\nmemory = \"1 GiB\"\n", @r#"
        error: plan.toml:3:10: [backend.qemu] is stated, but no benchmark runs on `qemu`
          hint: add "qemu" to `on`, or remove the section
    "#);
}

#[test]
fn too_much() {
    let numbers: Vec<String> = (1..=64).map(|number| number.to_string()).collect();
    let memory: Vec<String> = (100..300).map(|number| format!("\"{number} MiB\"")).collect();
    says!(&format!("[boot]\non = \"qemu\"\n[backend.qemu]\ncpus = [{}]\nmemory = [{}]\n", numbers.join(","), memory.join(",")), @r#"
        error: plan.toml:1:2: the plan has 12800 cells, more than 10000
          hint: shorten the lists: cells are the product of all of them
    "#);
    says!(&" ".repeat(MAX_PLAN_BYTES + 1), @r#"
        error: plan.toml: the plan is 1048577 bytes long, more than 1048576
          hint: a plan is short: is this the right file?
    "#);
}

#[test]
fn syntax() {
    says!("samples = 20\n\n[boot\non = \"runc\"\ntitle = \"x\n", @r#"
        error: plan.toml:3:6: not valid TOML: unclosed table, expected `]`
    "#);
    says!("samples = 20\nsamples = 30\n", @r#"
        error: plan.toml:2:1: not valid TOML: duplicate key
    "#);
    says!("[boot]\non = [runc, qemu]\n[backend.qemu]\nmemory = 256 MiB\nmachine = q35 # x\n", @r#"
        error: plan.toml:2:7: not valid TOML: string values must be quoted, expected literal string
          hint: write it in quotes: `"runc"`
        error: plan.toml:2:13: not valid TOML: string values must be quoted, expected literal string
          hint: write it in quotes: `"qemu"`
        error: plan.toml:4:10: not valid TOML: string values must be quoted, expected literal string
          hint: write it in quotes: `"256 MiB"`
        error: plan.toml:5:11: not valid TOML: string values must be quoted, expected literal string
          hint: write it in quotes: `"q35"`
    "#);
    says!("\u{feff}samples = \u{7}", @r#"
        error: plan.toml:1:11: not valid TOML: string values must be quoted, expected literal string
          hint: write it in quotes: `"\u{7}"`
    "#);
}

#[test]
fn arguments() {
    insta::assert_snapshot!(said_with("[boot]\non = \"runc\"\n", &[
        "boot.timeot=5s", "boot.timeout=5MB", "backend.qemu.memory=96MiB", "samples=x", "warmup=1,2", "boot.command=echo",
        "backend.runc.memory=[1", "title=", "backend=x",
    ]), @r#"
        error: --set backend: `backend` needs a section, not text
          hint: write [backend.qemu] and its keys below it
        error: --set backend.runc.memory: not a valid TOML value: unclosed array, expected `]`
        error: --set boot.command: `command` needs a list of words, not `echo`
          hint: write it as `["echo", "hi"]`
        error: --set boot.timeot: unknown key `timeot` in [boot]
          hint: did you mean `timeout`?
        error: --set boot.timeout: `timeout` needs a time, and `MB` is a unit of memory
          hint: units: ns, us, ms, s, min, h
        error: --set samples: `samples` needs a whole number, not `x`
          hint: write it as `20`
        error: --set title: `title` is empty
          hint: remove the key, or say something
        error: --set warmup: `warmup` needs a whole number, not `1,2`
          hint: write it as `20`
    "#);
    insta::assert_snapshot!(said_with("[boot]\non = [\"runc\"]\n[backend.qemu]\nmemory = \"1 GiB\"\n", &["boot=x"]), @r#"
        error: --set boot: `boot` needs a section, not text
          hint: write [boot] and its keys below it
    "#);
    let error = |overrides: &[Override]| render(&Plan::from_arguments("boot", overrides).unwrap_err());
    insta::assert_snapshot!(error(&[Override::on("procss,runc,"), Override::samples("-3")]), @r#"
        error: --on: unknown backend `procss`
          hint: did you mean `process`?
        error: --on: `on` has an empty value
          hint: write it as `process, runc`
        error: -n: `samples` is negative
          hint: write a whole number from 1 to 1000000
    "#);
    insta::assert_snapshot!(error(&[]), @r#"
        error: [boot] does not state `on`
          hint: say where: `--on process,runc`
    "#);
    insta::assert_snapshot!(render(&Plan::from_arguments("bot", &[]).unwrap_err()), @r#"
        error: unknown benchmark `bot`
          hint: did you mean `boot`?
    "#);
    let narrowed = Plan::parse(
        "plan.toml",
        "[boot]\non = \"qemu\"\n[backend.qemu]\nmemory = \"1 GiB\"",
        &[Override::on("runc"), Override::set("backend.qemu.cpus=2").unwrap()],
    );
    insta::assert_snapshot!(render(&narrowed.unwrap_err()), @r#"
        error: --set backend.qemu.cpus: [backend.qemu] is stated, but no benchmark runs on `qemu`
          hint: add "qemu" to `on`, or remove the section
    "#);
    insta::assert_snapshot!(Override::set("samples").unwrap_err(), @r#"
        error: --set: `samples` has no value
          hint: write `--set KEY=VALUE`, such as `--set backend.qemu.memory=96MiB`
    "#);
    insta::assert_snapshot!(Override::set("a..b=1").unwrap_err(), @r#"
        error: --set: `a..b` is not the path of a key
          hint: write `--set KEY=VALUE`, such as `--set backend.qemu.memory=96MiB`
    "#);
}
