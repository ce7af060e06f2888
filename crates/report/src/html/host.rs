//! The ground on which the figures stand: signals, host, tools.

use super::table::table;
use crate::escape::html_escape as e;
use crate::prepared::Prepared;
use crate::value::{NONE, time};
use isodyne_core::fingerprint::{Fingerprint, KvmState};
use isodyne_core::unit::{DisplayBytes, DisplayNs};

/// The signals with resolution and cost.
pub(super) fn signals(run: &Prepared<'_>) -> String {
    let record = run.view.record;
    if record.signals.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = record
        .signals
        .iter()
        .map(|signal| {
            vec![
                e(signal.signal.as_str()),
                e(&DisplayNs(signal.resolution_ns).to_string()),
                e(&time(signal.cost_ns, run.step())),
                e(&signal.method),
            ]
        })
        .collect();
    let headings = [("signal", false), ("resolution", true), ("cost", true), ("how that was measured", false)];
    let step = run.step().map_or_else(
        || "The step of this host's clock is not known.".to_owned(),
        |step| {
            format!(
                "The smallest step of this host's clock is {step} ns; a time under {} ns is shown as “below resolution”.",
                step.saturating_mul(isodyne_core::summary::STEPS_TO_RESOLVE)
            )
        },
    );
    format!(
        "<section id=\"signals\">\n<h2>How events were seen</h2>\n<p>Every stamp was taken on the host, on one monotonic \
         clock. {step} The cost is part of each phase that the signal ends; it was not subtracted.</p>\n{}</section>\n",
        table(&headings, rows)
    )
}

/// The host's fingerprint.
pub(super) fn host(run: &Prepared<'_>) -> String {
    let host = &run.view.record.fingerprint;
    if run.view.record.imported.is_some() {
        return told_host(host);
    }
    let text = |value: &Option<String>| value.as_deref().map_or_else(|| NONE.to_owned(), e);
    let flag = |value: Option<bool>| value.map_or(NONE, |on| if on { "on" } else { "off" }).to_owned();
    let kvm = match host.kvm {
        KvmState::Absent => "none",
        KvmState::Forbidden => "there, but not for this user",
        KvmState::Paravirtual => "paravirtual, without hardware behind it",
        KvmState::Works => "works",
    };
    let virtualised = match &host.hypervisor {
        Some(name) => format!("yes, under {}", e(name)),
        None => "no, as far as the host tells".to_owned(),
    };
    let mut rows: Vec<(&str, String)> = vec![
        ("system", text(&host.os)),
        ("kernel", text(&host.kernel)),
        ("kernel command line", text(&host.kernel_command_line)),
        ("machine", text(&host.platform)),
        ("processor", format!("{} × {} ({})", host.cpu_count, text(&host.cpu_model), e(&host.architecture))),
        (
            "processors the lab may use",
            host.cpu_allowed_count.map_or_else(|| NONE.to_owned(), |allowed| allowed.to_string()),
        ),
        ("identity, microcode", format!("{}, {}", text(&host.cpu_identity), text(&host.microcode))),
        ("virtual machine", virtualised),
        ("/dev/kvm", kvm.to_owned()),
        ("SMT, turbo, governor", format!("{}, {}, {}", flag(host.smt), flag(host.turbo), text(&host.governor))),
        (
            "memory, swap",
            format!("{}, {}", DisplayBytes(host.memory_bytes as f64), DisplayBytes(host.swap_bytes as f64)),
        ),
        ("huge pages (THP), KSM", format!("{}, {}", text(&host.transparent_huge_pages), flag(host.ksm))),
        ("NUMA nodes", host.numa_nodes.map_or_else(|| NONE.to_owned(), |nodes| nodes.to_string())),
        ("clock", text(&host.clock_source)),
        ("cgroups", text(&host.cgroup_layout)),
        ("storage of the run", text(&host.storage)),
    ];
    let mitigations: Vec<String> =
        host.mitigations.iter().map(|(name, state)| format!("{}: {}", e(name), e(state))).collect();
    if !mitigations.is_empty() {
        rows.push((
            "mitigations",
            format!("<details><summary>{}</summary>{}</details>", mitigations.len(), mitigations.join("<br>")),
        ));
    }
    if !host.cpu_flags.is_empty() {
        let flags = host.cpu_flags.iter().map(|flag| e(flag)).collect::<Vec<_>>().join(" ");
        rows.push((
            "processor flags",
            format!("<details><summary>{}</summary>{flags}</details>", host.cpu_flags.len()),
        ));
    }
    let list: String = rows.iter().map(|(name, value)| format!("<dt>{}</dt><dd>{value}</dd>\n", e(name))).collect();
    format!("<section id=\"host\">\n<h2>The host</h2>\n<dl>\n{list}</dl>\n</section>\n")
}

/// What another tool's files tell of the host, and no more: nothing here was looked at.
fn told_host(host: &Fingerprint) -> String {
    let known = |value: &Option<String>| value.as_deref().filter(|text| !text.is_empty()).map(e);
    let count = (host.cpu_count > 0).then(|| host.cpu_count.to_string());
    let memory = (host.memory_bytes > 0).then(|| DisplayBytes(host.memory_bytes as f64).to_string());
    let rows = [
        ("system", known(&host.os)),
        ("kernel", known(&host.kernel)),
        ("architecture", known(&Some(host.architecture.clone()))),
        ("processor", known(&host.cpu_model)),
        ("processors", count),
        ("virtual machine", known(&host.hypervisor)),
        ("governor", known(&host.governor)),
        ("memory", memory),
    ];
    let list: String = rows
        .into_iter()
        .filter_map(|(name, value)| Some(format!("<dt>{}</dt><dd>{}</dd>\n", e(name), value?)))
        .collect();
    let told = if list.is_empty() {
        "<p>The files say nothing of the host that they were made on.</p>\n".to_owned()
    } else {
        format!("<p>What the files say of the host that they were made on.</p>\n<dl>\n{list}</dl>\n")
    };
    format!("<section id=\"host\">\n<h2>The host</h2>\n{told}</section>\n")
}

/// Programs, kernels and images with their digests.
pub(super) fn tools(run: &Prepared<'_>) -> String {
    let record = run.view.record;
    let digest = |text: &str| format!("<code class=\"digest\">{}</code>", e(text));
    let mut out = String::new();
    if !record.tools.is_empty() {
        let rows: Vec<Vec<String>> = record
            .tools
            .iter()
            .map(|tool| {
                vec![
                    e(&tool.name),
                    tool.version.as_deref().map_or_else(|| NONE.to_owned(), e),
                    format!("<code>{}</code>", e(&tool.path)),
                    tool.sha256.as_deref().map_or_else(|| NONE.to_owned(), digest),
                ]
            })
            .collect();
        let headings = [("tool", false), ("version", false), ("path", false), ("SHA-256", false)];
        out.push_str(&table(&headings, rows));
    }
    if !record.assets.is_empty() {
        let rows: Vec<Vec<String>> = record
            .assets
            .iter()
            .map(|asset| {
                vec![
                    e(&asset.role),
                    e(&asset.name),
                    DisplayBytes(asset.size_bytes as f64).to_string(),
                    digest(&asset.sha256),
                ]
            })
            .collect();
        let headings = [("asset", false), ("from", false), ("size", true), ("SHA-256", false)];
        out.push_str(&table(&headings, rows));
    }
    if out.is_empty() {
        return out;
    }
    format!("<section id=\"tools\">\n<h2>Tools and assets</h2>\n{out}</section>\n")
}
