//! Sections with tables.

use super::super::grid::{Heading, grid};
use super::super::{Style, paragraph};
use super::{facts, words};
use crate::escape::plain;
use crate::inspection::{InspectionParts, InspectionView};
use isodyne_criu::{Checkpoint, File, Process};
use std::collections::HashMap;

/// The sections of `isodyne inspect --format text`, and by default.
pub fn inspection_text(view: &InspectionView<'_>, parts: InspectionParts, style: Style) -> String {
    let mut lines = vec![style.strong(&plain(view.path))];
    let width = style.columns();
    if parts.summary {
        for (name, value) in facts::summary(view) {
            lines.extend(paragraph(&format!("  {:<12}", format!("{name}:")), &value, width));
        }
    }
    let mut section = |title: &str, body: Vec<String>| {
        lines.push(String::new());
        lines.push(style.strong(title));
        lines.extend(body);
    };
    if let Some(checkpoint) = view.checkpoint {
        if parts.process_tree {
            section("Processes", processes(view, checkpoint, style));
        }
        if parts.environment {
            section("Environment", environment(view, checkpoint, style));
        }
        if parts.files {
            section("Files", files(checkpoint, style));
        }
        if parts.sockets {
            section("Sockets", sockets(checkpoint, style));
        }
        if parts.mounts {
            section("Mounts", mounts(view, checkpoint, style));
        }
        if parts.memory {
            section("Memory", memory(view, checkpoint, style));
        }
    }
    if let Some(machine) = &view.found.machine {
        if parts.memory || parts.summary {
            let rows = machine.blocks.iter().map(|block| vec![plain(&block.name), words::bytes(block.bytes)]).collect();
            section("Memory", table(&[Heading::left("part"), Heading::right("size")], rows, style, "not described"));
        }
        if parts.process_tree || parts.files {
            let rows = machine.devices.iter().map(|device| {
                let number = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
                let backing = device.backing.as_deref().map_or_else(|| "-".to_owned(), plain);
                vec![plain(&device.name), number(device.instance), number(device.version), backing]
            });
            let headings = ["device", "instance", "version", "connected to"].map(Heading::left);
            section("Devices", table(&headings, rows.collect(), style, "not described"));
        }
    }
    let troubles = facts::troubles(view);
    if !troubles.is_empty() {
        lines.push(String::new());
        let found = troubles.iter().flat_map(|line| paragraph("  ", line, width));
        lines.extend(found.map(|line| style.warning(&line)));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn table(headings: &[Heading], rows: Vec<Vec<String>>, style: Style, none: &str) -> Vec<String> {
    if rows.is_empty() {
        return vec![format!("  {none}")];
    }
    let mut lines = grid(headings, &rows, style.columns()).into_iter();
    let heading = lines.next().map(|line| style.quiet(&line));
    heading.into_iter().chain(lines).collect()
}

/// How deep a process's name is indented at most.
const DEPTH_LIMIT: usize = 12;

fn processes(view: &InspectionView<'_>, checkpoint: &Checkpoint, style: Style) -> Vec<String> {
    let mut depths: HashMap<u32, usize> = HashMap::new();
    let rows = in_order(checkpoint).into_iter().map(|at| {
        let process = &checkpoint.processes[at];
        let depth = depths.get(&process.parent).map_or(0, |depth| depth + 1);
        depths.insert(process.pid, depth);
        let user = process.credentials.as_ref().map_or_else(|| "-".to_owned(), |it| it.uid.to_string());
        let kept = process
            .memory
            .as_ref()
            .and_then(|memory| Some(words::bytes(memory.total?.present_pages.saturating_mul(memory.page_bytes))));
        vec![
            process.pid.to_string(),
            format!("{}{}", "\u{a0}\u{a0}".repeat(depth.min(DEPTH_LIMIT)), words::name(process)),
            words::state(process),
            process.threads.len().to_string(),
            user,
            kept.unwrap_or_else(|| "-".to_owned()),
            words::command(process, view.texts_of(at)),
        ]
    });
    let rows = rows.collect();
    let headings = [
        Heading::right("pid"),
        Heading::left("name"),
        Heading::left("state"),
        Heading::right("threads"),
        Heading::right("uid"),
        Heading::right("memory"),
        Heading::left("command"),
    ];
    table(&headings, rows, style, "none")
}

/// The places of the processes so that children follow their parent.
fn in_order(checkpoint: &Checkpoint) -> Vec<usize> {
    let mut children: HashMap<u32, Vec<usize>> = HashMap::new();
    for (at, process) in checkpoint.processes.iter().enumerate().rev() {
        children.entry(process.parent).or_default().push(at);
    }
    // 0 is nobody's number: the first process has it for a parent.
    let (mut order, mut open) = (Vec::new(), children.remove(&0).unwrap_or_default());
    while let Some(at) = open.pop() {
        order.push(at);
        open.extend(children.remove(&checkpoint.processes[at].pid).unwrap_or_default());
    }
    order
}

fn environment(view: &InspectionView<'_>, checkpoint: &Checkpoint, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, process) in checkpoint.processes.iter().enumerate() {
        lines.push(style.quiet(&format!("  [{}] {}", process.pid, words::name(process))));
        let texts = view.texts_of(at);
        match texts.and_then(|texts| texts.environment.as_ref()) {
            Some(list) => lines.extend(list.iter().map(|text| format!("    {}", plain(text)))),
            None => {
                let reason = texts.and_then(|texts| texts.unreadable.as_deref()).unwrap_or("not looked at");
                lines.push(format!("    not readable: {}", plain(reason)));
            }
        }
    }
    lines
}

/// Every descriptor of every process, of sockets or of other files.
fn open(checkpoint: &Checkpoint, sockets: bool) -> impl Iterator<Item = (&Process, u32, bool, &File)> {
    checkpoint.processes.iter().flat_map(move |process| {
        process.descriptors.iter().filter_map(move |descriptor| {
            let file = &checkpoint.files[descriptor.file?];
            (words::is_socket(&file.kind) == sockets).then_some((
                process,
                descriptor.number,
                descriptor.close_on_exec,
                file,
            ))
        })
    })
}

fn files(checkpoint: &Checkpoint, style: Style) -> Vec<String> {
    let rows = open(checkpoint, false).map(|(process, number, close, file)| {
        let (kind, which) = words::file(file);
        let mut flags = file.flags.join(" ");
        if close {
            flags.push_str(" cloexec");
        }
        vec![process.pid.to_string(), number.to_string(), kind.to_owned(), which, flags]
    });
    let headings = [
        Heading::right("pid"),
        Heading::right("fd"),
        Heading::left("kind"),
        Heading::left("which"),
        Heading::left("opened to"),
    ];
    table(&headings, rows.collect(), style, "none")
}

fn sockets(checkpoint: &Checkpoint, style: Style) -> Vec<String> {
    let rows = open(checkpoint, true).map(|(process, number, _, file)| {
        let socket = words::socket(file);
        let (pid, number) = (process.pid.to_string(), number.to_string());
        vec![pid, number, socket.protocol, socket.state.to_owned(), socket.local, socket.remote, socket.inside]
    });
    let headings = [
        Heading::right("pid"),
        Heading::right("fd"),
        Heading::left("protocol"),
        Heading::left("state"),
        Heading::left("local"),
        Heading::left("remote"),
        Heading::left("inside"),
    ];
    table(&headings, rows.collect(), style, "none")
}

fn mounts(view: &InspectionView<'_>, checkpoint: &Checkpoint, style: Style) -> Vec<String> {
    let mounts = checkpoint.mounts.iter().flat_map(|namespace| &namespace.mounts);
    let rows = mounts.map(|mount| {
        let outside = match (&mount.external_key, mount.external) {
            (Some(key), _) => plain(key),
            (None, true) => "yes".to_owned(),
            (None, false) => "-".to_owned(),
        };
        vec![plain(&mount.place), plain(&mount.kind), plain(&mount.source), mount.flags.join(" "), outside]
    });
    let headings = ["place", "type", "source", "flags", "from outside"].map(Heading::left);
    let mut lines =
        table(&headings, rows.collect(), style, "the images have none: the processes had those of the host");
    let kept = view.found.manifest.iter().flat_map(|manifest| &manifest.mounts).filter(|mount| mount.external);
    let rows: Vec<Vec<String>> = kept
        .map(|mount| vec![plain(&mount.destination), plain(&mount.source), plain(&mount.options.join(" "))])
        .collect();
    if !rows.is_empty() {
        lines.push(String::new());
        lines.push("  What a restore has to find on the host:".to_owned());
        lines.extend(table(&["place", "on the host", "options"].map(Heading::left), rows, style, "none"));
    }
    lines
}

fn memory(view: &InspectionView<'_>, checkpoint: &Checkpoint, style: Style) -> Vec<String> {
    let mut lines: Vec<String> = facts::pages(view).map(|text| format!("  {text}")).into_iter().collect();
    for (at, process) in checkpoint.processes.iter().enumerate() {
        let Some(memory) = &process.memory else { continue };
        lines.push(style.quiet(&format!("  [{}] {}", process.pid, words::name(process))));
        let rows = memory.areas.iter().enumerate().map(|(number, area)| {
            let content = view.content_of(at, number).filter(|content| content.pages > 0);
            let counted = |value: fn(&isodyne_core::checkpoint::inspection::PageContent) -> u64| {
                content.as_ref().map_or_else(|| "-".to_owned(), |content| value(content).to_string())
            };
            vec![
                format!("{:x}", area.start),
                words::bytes(area.end - area.start),
                format!("{}{}", area.protection, if area.shared { 's' } else { 'p' }),
                area.pages.present_pages.to_string(),
                counted(|content| content.zero),
                counted(|content| content.duplicate),
                area.pages.parent_pages.to_string(),
                area.file.as_deref().map_or_else(|| words::area(area.kind).to_owned(), plain),
            ]
        });
        let headings = [
            Heading::right("address"),
            Heading::right("size"),
            Heading::left("may"),
            Heading::right("kept"),
            Heading::right("zero"),
            Heading::right("twice"),
            Heading::right("before"),
            Heading::left("what"),
        ];
        lines.extend(table(&headings, rows.collect(), style, "no areas"));
    }
    lines
}
