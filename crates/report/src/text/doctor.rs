//! What can be measured here, what not, why, and what would fix it.

use super::grid::{Heading, grid};
use super::{Style, paragraph};
use crate::escape::plain;
use crate::value::NONE;
use isodyne_core::fingerprint::{Fingerprint, KvmState};
use isodyne_core::probe::{Probe, ProbedBackend};
use isodyne_core::summary::host_line;

/// The table of `isodyne doctor`, with the host above it and what would fix things below it. `facts` are
/// lines with a label: whether the host has been calibrated, whether checkpoints work.
pub fn doctor_table(
    version: &str,
    backends: &[ProbedBackend],
    host: &Fingerprint,
    facts: &[(&str, &str)],
    style: Style,
) -> String {
    let width = style.columns();
    let mut lines: Vec<String> =
        paragraph("", &format!("Isodyne {} on {}", plain(version), plain(&host_line(host))), width)
            .iter()
            .map(|line| style.strong(line))
            .collect();
    lines.push(String::new());
    let headings = ["backend", "here", "version", "accuracy", "note"].map(Heading::left);
    let rows: Vec<Vec<String>> = backends.iter().map(row).collect();
    let mut found = grid(&headings, &rows, width).into_iter();
    lines.extend(found.next().map(|heading| style.quiet(&heading)));
    lines.extend(found);
    lines.push(String::new());
    lines.extend(paragraph("  kvm:    ", kvm(host.kvm), width));
    lines.extend(paragraph("  clock:  ", &clock(host), width));
    lines.extend(paragraph("  noise:  ", &noise(host), width));
    lines.extend(paragraph("  cgroup: ", &plain(host.cgroup_layout.as_deref().unwrap_or("unknown")), width));
    for (label, text) in facts {
        lines.extend(paragraph(&format!("  {:<7} ", format!("{label}:")), &plain(text), width));
    }
    let hints: Vec<(String, &String)> = backends
        .iter()
        .filter_map(|found| match &found.probe {
            Probe::Unavailable { hint, .. } if !hint.is_empty() => Some((found.backend.to_string(), hint)),
            _ => None,
        })
        .collect();
    if !hints.is_empty() {
        lines.push(format!("  {}", style.strong("To fix:")));
        // One remedy may help several backends; it is said once.
        let mut remedies: Vec<(&String, Vec<String>)> = Vec::new();
        for (backend, hint) in hints {
            match remedies.iter_mut().find(|(known, _)| *known == hint) {
                Some((_, backends)) => backends.push(backend),
                None => remedies.push((hint, vec![backend])),
            }
        }
        for (hint, backends) in remedies {
            lines.extend(paragraph(&format!("    {}: ", backends.join(", ")), &plain(hint), width));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

fn row(found: &ProbedBackend) -> Vec<String> {
    let version = |version: &Option<String>| version.as_deref().map_or_else(|| NONE.to_owned(), plain);
    match &found.probe {
        Probe::Available(able) => vec![
            found.backend.to_string(),
            "yes".to_owned(),
            version(&able.version),
            able.accuracy.to_string(),
            able.notes.iter().map(|note| plain(note)).collect::<Vec<_>>().join(" · "),
        ],
        Probe::Unavailable { reason, version: found_version, .. } => {
            vec![found.backend.to_string(), "no".to_owned(), version(found_version), String::new(), plain(reason)]
        }
    }
}

fn kvm(state: KvmState) -> &'static str {
    match state {
        KvmState::Absent => "no /dev/kvm: virtual machines run under TCG, 10–100 × slower and never compared with KVM",
        KvmState::Forbidden => "/dev/kvm is there, but this user may not open it (join the group `kvm`)",
        KvmState::Paravirtual => {
            "/dev/kvm opens, but no hardware is behind it (paravirtual): stock kernels run under TCG here"
        }
        KvmState::Works => "works",
    }
}

fn clock(host: &Fingerprint) -> String {
    let source = host.clock_source.as_deref().map_or_else(|| "source unknown".to_owned(), plain);
    match host.clock_step_ns {
        Some(step) => {
            format!("{source}, step {step} ns: times under {} ns are below resolution", step.saturating_mul(20))
        }
        None => source,
    }
}

fn noise(host: &Fingerprint) -> String {
    let governor = host.governor.as_deref().map_or_else(
        || {
            if host.hypervisor.is_some() {
                "governor unknown (virtualised)".to_owned()
            } else {
                "governor unknown".to_owned()
            }
        },
        |governor| format!("governor {}", plain(governor)),
    );
    let mut parts = vec![governor];
    parts.extend(host.turbo.map(|on| format!("turbo {}", on_off(on))));
    parts.extend(host.smt.map(|on| format!("SMT {}", on_off(on))));
    parts.extend(host.transparent_huge_pages.as_deref().map(|setting| format!("THP {}", plain(setting))));
    parts.extend(host.ksm.map(|on| format!("KSM {}", on_off(on))));
    if host.swap_bytes > 0 {
        parts.push(format!("swap {}", isodyne_core::unit::DisplayBytes(host.swap_bytes as f64)));
    }
    parts.join(" · ")
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}
