//! Good plans, and what arguments make of them.

use super::*;
use BackendName::{Process, Qemu, Runc};

const BOOT: &str = r#"
title = "boot, here"
samples = 5
warmup = 1
seed = 7

[boot]
on = ["process", "runc", "qemu"]
timeout = "30 s"

[backend.qemu]
machine = ["q35", "microvm"]
memory = "256 MiB"
"#;

fn plan(text: &str, overrides: &[Override]) -> Plan {
    Plan::parse("plan.toml", text, overrides).unwrap_or_else(|diagnostics| panic!("{}", render(&diagnostics)))
}

#[test]
fn a_plan_holds_what_is_stated() {
    let plan = plan(BOOT, &[]);
    assert_eq!((plan.title.as_str(), plan.samples, plan.warmup, plan.seed), ("boot, here", 5, 1, Some(7)));
    assert_eq!(plan.benchmarks[0].on, [Process, Runc, Qemu]);
    assert_eq!(plan.benchmarks[0].factors["timeout"], [FactorValue::DurationNs(30_000_000_000)]);
    assert_eq!(plan.backends[&Qemu]["memory"], [FactorValue::Bytes(256 << 20)]);
    assert_eq!(plan.cells().len(), 4);
}

#[test]
fn what_is_not_stated_has_defaults() {
    let plan = plan("[boot]\non = [\"process\", \"runc\"]\n", &[]);
    assert_eq!((plan.title.as_str(), plan.samples, plan.warmup), ("boot on process, runc", 20, 2));
    assert_eq!(plan.seed, None);
}

#[test]
fn arguments_win_over_the_file_and_later_ones_over_earlier_ones() {
    let set = sets(&[
        "boot.timeout=5s",
        "samples=4",
        "samples = 6",
        "backend.qemu.memory=96MiB, 128 MiB",
        "backend.qemu.machine=[\"pc\"]",
        "backend.qemu.cmdline=console=ttyS0,115200 quiet",
        "boot.command=[\"sh\", \"-c\", \"a\\nb\"]",
        "title=mine",
    ]);
    let plan = plan(BOOT, &set);
    assert_eq!((plan.title.as_str(), plan.samples), ("mine", 6));
    assert_eq!(plan.benchmarks[0].factors["timeout"], [FactorValue::DurationNs(5_000_000_000)]);
    assert_eq!(plan.backends[&Qemu]["memory"], [FactorValue::Bytes(96 << 20), FactorValue::Bytes(128 << 20)]);
    assert_eq!(plan.backends[&Qemu]["machine"], [FactorValue::Text("pc".to_owned())]);
    assert_eq!(plan.backends[&Qemu]["cmdline"], [FactorValue::Text("console=ttyS0,115200 quiet".to_owned())]);
    assert_eq!(plan.benchmarks[0].factors["command"][0].as_words().unwrap()[2], "a\nb");
}

#[test]
fn an_argument_can_put_a_broken_value_right() {
    assert_eq!(plan("samples = -1\n[boot]\non = \"runc\"", &sets(&["samples=3"])).samples, 3);
}

#[test]
fn on_narrows_a_plan_and_leaves_unused_sections_aside() {
    let plan = plan(BOOT, &[Override::on("process,runc"), Override::samples("3")]);
    assert_eq!(plan.benchmarks[0].on, [Process, Runc]);
    assert_eq!(plan.samples, 3);
    assert!(plan.backends.is_empty());
}

#[test]
fn a_benchmark_by_name_is_the_same_plan_as_a_file() {
    let mut overrides = vec![Override::on("process,runc"), Override::samples("3")];
    overrides.extend(sets(&["boot.timeout=5s", "backend.runc.lifecycle=run,split"]));
    let from_arguments = Plan::from_arguments("boot", &overrides).unwrap();
    let text = "samples = 3\n[boot]\non = [\"process\", \"runc\"]\ntimeout = \"5 s\"\n\
                [backend.runc]\nlifecycle = [\"run\", \"split\"]\n";
    assert_eq!(from_arguments, plan(text, &[]));
}

#[test]
fn quick_is_weaker_than_what_stands_behind_it() {
    let mut overrides = Override::quick().to_vec();
    overrides.push(Override::samples("9"));
    let plan = plan(BOOT, &overrides);
    assert_eq!((plan.samples, plan.warmup), (9, 1));
}

#[test]
fn a_share_of_failures_is_canonical() {
    let text = "[boot]\non = \"scripted\"\n[backend.scripted]\nfail = \"oom_guest: 2.50 %\"";
    assert_eq!(plan(text, &[]).backends[&BackendName::Scripted]["fail"][0].as_text(), Some("oom_guest:2.5%"));
}

#[test]
fn the_ready_plans_are_good() {
    let boot = plan(include_str!("../../../../../plans/boot.toml"), &[]);
    assert_eq!(boot.cells().len(), 8);
    let compare = plan(include_str!("../../../../../plans/compare.toml"), &[]);
    assert_eq!((compare.cells().len(), compare.variants.len()), (6, 2));
    let small = plan(include_str!("../../../../../plans/boot-small-vm.toml"), &[]);
    assert!(small.cells().iter().all(|cell| cell.factors["memory"] == FactorValue::Bytes(96 << 20)));
    let network = plan(include_str!("../../../../../plans/network.toml"), &[]);
    assert_eq!(network.cells().len(), 14);
    assert!(network.cells().iter().all(|cell| cell.factors["network"].as_text() != Some("none")));
    let shared = plan(include_str!("../../../../../plans/ivshmem.toml"), &[]);
    assert_eq!((shared.cells().len(), shared.variants.len()), (24, 5));
    let kept = plan(include_str!("../../../../../plans/checkpoint.toml"), &[]);
    assert_eq!(kept.cells().len(), 8);
    let docker_cr = plan(include_str!("../../../../../plans/docker-cr.toml"), &[]);
    assert_eq!(docker_cr.variants.len(), 11);
    assert!(docker_cr.cells().iter().any(|cell| cell.factors["resident"] == FactorValue::Bytes(1_000_000_000)));
    let quick = plan(include_str!("../../../../../plans/ivshmem.toml"), &Override::quick());
    assert_eq!((quick.samples, quick.warmup), (2, 0));
    let waiting = plan(include_str!("../../../../../plans/waiting.toml"), &[]);
    assert!(waiting.cells().iter().all(|cell| cell.factors["rate"] == FactorValue::Count(1_000)));
}
