//! Any text at all: the loader answers, and does not panic, loop or blow the stack.

use super::*;
use proptest::prelude::*;

/// Pieces of plans, so that random texts get beyond the TOML parser.
const PIECES: &[&str] = &[
    "[boot]\n",
    "[backend.qemu]\n",
    "[backend]\n",
    "[[boot]]\n",
    "[app]\n",
    "on",
    "samples",
    "seed",
    "timeout",
    "command",
    "memory",
    "machine",
    "fail",
    ".",
    " = ",
    "=",
    "\n",
    ",",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    "#",
    "20",
    "-1",
    "0x1F",
    "1e9",
    "nan",
    "99999999999999999999999999999999999999999",
    "true",
    "1979-05-27",
    "\"256 MiB\"",
    "\"5 s\"",
    "\"microvm\"",
    "\"process\"",
    "\"runc\"",
    "[\"qemu\", \"runc\"]",
    "[[1], {a = 2}]",
    "\u{feff}",
    "\u{e4}",
    "\0",
    "\r",
];

fn pieces() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..40).prop_map(|pieces| pieces.concat())
}

fn check(text: &str, set: &[String]) {
    let overrides: Vec<Override> = set.iter().filter_map(|text| Override::set(text).ok()).collect();
    match Plan::parse("plan.toml", text, &overrides) {
        Ok(plan) => {
            let json = serde_json::to_string(&plan).unwrap();
            assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
            let cells = plan.cells();
            let ids: std::collections::BTreeSet<_> = cells.iter().map(|cell| &cell.id).collect();
            assert!(!cells.is_empty() && ids.len() == cells.len());
            assert!(plan.samples >= 1);
        }
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty());
            let lines = text.matches('\n').count() as u32 + 1;
            assert!(
                diagnostics.iter().all(|diagnostic| diagnostic.line.is_none_or(|line| (1..=lines).contains(&line)))
            );
            assert!(!render(&diagnostics).chars().any(|c| c.is_control() && c != '\n'));
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}", set in prop::collection::vec("\\PC{0,30}", 0..3)) {
        check(&text, &set);
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&String::from_utf8_lossy(&bytes), &[]);
    }

    #[test]
    fn any_pieces_are_answered(text in pieces(), value in pieces(), path in "(boot|backend|samples)(\\.(qemu|on|x)){0,2}") {
        check(&text, &[format!("{path}={value}")]);
        check(&format!("[boot]\non = \"qemu\"\n{text}"), &[]);
    }

    #[test]
    fn sound_plans_are_accepted(
        samples in 1_u32..1000,
        backends in prop::sample::subsequence(BackendName::ALL, 1..=BackendName::ALL.len()),
        cpus in prop::sample::subsequence((1..=64_u32).collect::<Vec<_>>(), 1..5),
    ) {
        let on: Vec<&str> = backends.iter().map(|name| name.as_str()).collect();
        let mut text = format!("samples = {samples}\n[boot]\non = {on:?}\n");
        if on.contains(&"qemu") {
            text.push_str(&format!("[backend.qemu]\ncpus = {cpus:?}\n"));
        }
        let plan = Plan::parse("plan.toml", &text, &[]).unwrap();
        let factor = if on.contains(&"qemu") { cpus.len() } else { 1 };
        prop_assert_eq!(plan.cells().len(), on.len() - 1 + if on.contains(&"qemu") { factor } else { 1 });
        prop_assert_eq!(plan.samples, samples);
        check(&text, &[]);
    }
}

#[test]
fn deep_nesting_is_refused_without_blowing_the_stack() {
    let brackets = "[".repeat(10_000);
    let dotted = vec!["a"; 79].join(".");
    let inline = format!("{{ {dotted} = ").repeat(70) + "1" + &" }".repeat(70);
    for text in [
        format!("x = {brackets}"),
        format!("{} = 1", vec!["a"; 10_000].join(".")),
        format!("[{}]\nx = 1", vec!["a"; 10_000].join(".")),
        format!("x = {inline}"),
        format!("[boot]\non = {}\"runc\"{}", "[".repeat(40), "]".repeat(40)),
    ] {
        assert!(Plan::parse("plan.toml", &text, &[]).is_err());
    }
    let overrides = sets(&[&format!("boot.on={inline}"), &format!("boot.on={brackets}")]);
    assert!(Plan::from_arguments("boot", &overrides).is_err());
}

#[test]
fn many_errors_on_one_long_line_are_answered_quickly() {
    let text = format!("[boot]\non = [{}]", "1,".repeat(MAX_PLAN_BYTES / 2 - 100));
    let diagnostics = Plan::parse("plan.toml", &text, &[]).unwrap_err();
    assert_eq!(diagnostics.len(), 51);
    let text = format!("boot = {{{}}}", (0..5_000).map(|key| format!("a{key}=1,")).collect::<String>());
    assert_eq!(Plan::parse("plan.toml", &text, &[]).unwrap_err().len(), 51);
}
