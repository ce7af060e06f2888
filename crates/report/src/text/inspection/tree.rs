//! The tree: the checkpoint, its processes below their parents, and below each what it had.

use super::super::Style;
use super::{facts, words};
use crate::escape::plain;
use crate::inspection::{InspectionParts, InspectionView};
use isodyne_criu::{Checkpoint, Process};
use std::collections::HashMap;

/// A line and what is below it.
struct Node {
    text: String,
    strong: bool,
    below: Vec<Node>,
}

impl Node {
    fn leaf(text: String) -> Self {
        Self { text, strong: false, below: Vec::new() }
    }

    fn group(text: impl Into<String>, below: Vec<Self>) -> Self {
        Self { text: text.into(), strong: true, below }
    }
}

/// The most levels of processes that are indented; deeper ones are shown at that level.
const DEPTH_LIMIT: usize = 64;

/// The tree of `isodyne inspect`.
pub fn inspection_tree(view: &InspectionView<'_>, parts: InspectionParts, style: Style) -> String {
    let mut below = Vec::new();
    if parts.summary {
        let facts = facts::summary(view).into_iter();
        below.extend(facts.map(|(name, value)| Node::leaf(format!("{name}: {value}"))));
    }
    if let Some(checkpoint) = view.checkpoint {
        if parts.process_tree || parts.environment || parts.files || parts.sockets || parts.memory {
            below.push(Node::group("processes", processes(view, checkpoint, parts)));
        }
        if parts.memory {
            below.extend(facts::pages(view).map(Node::leaf));
        }
        if parts.mounts {
            below.push(Node::group("mounts", mounts(view, checkpoint)));
        }
    }
    if let Some(machine) = &view.found.machine {
        if parts.memory || parts.summary {
            let block = |block: &isodyne_core::checkpoint::machine::MemoryBlock| {
                Node::leaf(format!("{}: {}", plain(&block.name), words::bytes(block.bytes)))
            };
            below.push(Node::group("memory", machine.blocks.iter().map(block).collect()));
        }
        if parts.process_tree || parts.files {
            let device = |device: &isodyne_core::checkpoint::machine::Device| {
                let backing = device.backing.as_deref().map(|path| format!(": {}", plain(path))).unwrap_or_default();
                Node::leaf(format!("{}{backing}", plain(&device.name)))
            };
            below.push(Node::group("devices", machine.devices.iter().map(device).collect()));
        }
    }
    let troubles = facts::troubles(view);
    if !troubles.is_empty() {
        below.push(Node::group("troubles", troubles.into_iter().map(Node::leaf).collect()));
    }
    let mut out = format!("{}\n", style.strong(&plain(view.path)));
    write(&below, &mut String::new(), style, &mut out);
    out
}

fn write(nodes: &[Node], indent: &mut String, style: Style, out: &mut String) {
    for (at, node) in nodes.iter().enumerate() {
        let last = at + 1 == nodes.len();
        let text = if node.strong { style.strong(&node.text) } else { node.text.clone() };
        out.push_str(&style.quiet(&format!("{indent}{}", if last { "└── " } else { "├── " })));
        out.push_str(&text);
        out.push('\n');
        let length = indent.len();
        indent.push_str(if last { "    " } else { "│   " });
        write(&node.below, indent, style, out);
        indent.truncate(length);
    }
}

/// Processes below their parents. The images have a process after its parent, so one pass finds out below whom each is
/// shown, and one from the end puts them there.
fn processes(view: &InspectionView<'_>, checkpoint: &Checkpoint, parts: InspectionParts) -> Vec<Node> {
    let list = &checkpoint.processes;
    // By pid: how deep it is shown, and below whom. 0 is nobody's number.
    let mut places = HashMap::from([(0, (0, 0))]);
    for process in list {
        let (depth, above) = places.get(&process.parent).copied().unwrap_or_default();
        let place = if depth < DEPTH_LIMIT { (depth + 1, process.parent) } else { (depth, above) };
        places.entry(process.pid).or_insert(place);
    }
    let mut below: HashMap<u32, Vec<Node>> = HashMap::new();
    for (at, process) in list.iter().enumerate().rev() {
        let mut node = Node::group(line(view, at, process), details(view, checkpoint, at, process, parts));
        if process.pid != 0 {
            let mut children = below.remove(&process.pid).unwrap_or_default();
            children.reverse();
            node.below.extend(children);
        }
        let (_, above) = places.get(&process.pid).copied().unwrap_or_default();
        below.entry(above).or_default().push(node);
    }
    let mut first = below.remove(&0).unwrap_or_default();
    first.reverse();
    first
}

fn line(view: &InspectionView<'_>, at: usize, process: &Process) -> String {
    let threads = match process.threads.len() {
        0 | 1 => String::new(),
        count => format!(", {count} threads"),
    };
    let state = match process.state {
        Some(isodyne_criu::State::Alive) => String::new(),
        _ => format!(", {}", words::state(process)),
    };
    let command = words::command(process, view.texts_of(at));
    format!("[{}] {}{threads}{state}: {command}", process.pid, words::name(process))
}

fn details(
    view: &InspectionView<'_>,
    checkpoint: &Checkpoint,
    at: usize,
    process: &Process,
    parts: InspectionParts,
) -> Vec<Node> {
    let mut nodes = Vec::new();
    let leaves = |lines: Vec<String>| lines.into_iter().map(Node::leaf).collect::<Vec<_>>();
    if parts.environment {
        let texts = view.texts_of(at);
        match texts.and_then(|texts| texts.environment.as_ref()) {
            Some(list) => {
                nodes.push(Node::group("environment", leaves(list.iter().map(|text| plain(text)).collect())));
            }
            None => {
                let reason = texts.and_then(|texts| texts.unreadable.as_deref()).unwrap_or("not looked at");
                nodes.push(Node::leaf(format!("environment not readable: {}", plain(reason))));
            }
        }
    }
    let open = |sockets: bool| {
        process.descriptors.iter().filter_map(move |descriptor| {
            let file = &checkpoint.files[descriptor.file?];
            (words::is_socket(&file.kind) == sockets).then_some((descriptor.number, file))
        })
    };
    if parts.files {
        let mut lines: Vec<String> =
            process.working_directory.iter().map(|path| format!("[cwd] {}", plain(path))).collect();
        lines.extend(open(false).map(|(number, file)| {
            let (kind, which) = words::file(file);
            format!("[{number}] {kind} {which}")
        }));
        if !lines.is_empty() {
            nodes.push(Node::group("files", leaves(lines)));
        }
    }
    if parts.sockets {
        let lines: Vec<String> = open(true)
            .map(|(number, file)| {
                let socket = words::socket(file);
                let remote = if socket.remote == "-" { String::new() } else { format!(" → {}", socket.remote) };
                let inside = if socket.inside == "-" { String::new() } else { format!(", {}", socket.inside) };
                format!("[{number}] {} {} {}{remote}{inside}", socket.protocol, socket.state, socket.local)
            })
            .collect();
        if !lines.is_empty() {
            nodes.push(Node::group("sockets", leaves(lines)));
        }
    }
    if let Some(memory) = process.memory.as_ref().filter(|_| parts.memory) {
        let lines = memory.areas.iter().enumerate().map(|(number, area)| {
            let what = area.file.as_deref().map_or_else(|| words::area(area.kind).to_owned(), plain);
            let content = view.content_of(at, number);
            let content = content
                .filter(|content| content.pages > 0)
                .map(|content| format!(" ({} zero, {} duplicate)", content.zero, content.duplicate))
                .unwrap_or_default();
            format!(
                "{:x}-{:x} {} {}, {} pages kept{content} {what}",
                area.start,
                area.end,
                area.protection,
                words::bytes(area.end - area.start),
                area.pages.present_pages,
            )
        });
        nodes.push(Node::group("memory", leaves(lines.collect())));
    }
    nodes
}

fn mounts(view: &InspectionView<'_>, checkpoint: &Checkpoint) -> Vec<Node> {
    let namespaces = checkpoint.mounts.iter();
    let mut lines: Vec<Node> = namespaces
        .flat_map(|namespace| &namespace.mounts)
        .map(|mount| {
            let outside = if mount.external { ", from outside" } else { "" };
            Node::leaf(format!("{} ({} {}{outside})", plain(&mount.place), plain(&mount.kind), plain(&mount.source)))
        })
        .collect();
    let kept = view.found.manifest.iter().flat_map(|manifest| &manifest.mounts).filter(|mount| mount.external);
    lines.extend(kept.map(|mount| {
        Node::leaf(format!("{} comes from {} of the host", plain(&mount.destination), plain(&mount.source)))
    }));
    if lines.is_empty() {
        lines.push(Node::leaf("the images have none: the processes had those of the host".to_owned()));
    }
    lines
}
