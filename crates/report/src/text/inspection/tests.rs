//! What golden transcripts of the program do not show: hostile names, and trees without end.

use super::super::Style;
use super::*;
use crate::inspection::{InspectionParts, InspectionView, inspection_json};
use isodyne_core::checkpoint::inspection::{FileTotals, Form, Found};
use isodyne_criu::{Checkpoint, InMemory};

fn image(magic: u32, entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = magic.to_le_bytes().to_vec();
    for entry in entries {
        bytes.extend((entry.len() as u32).to_le_bytes());
        bytes.extend(entry);
    }
    bytes
}

/// A number below 2^21 in three bytes.
fn number(value: u32) -> [u8; 3] {
    [value as u8 & 0x7f | 0x80, (value >> 7) as u8 & 0x7f | 0x80, (value >> 14) as u8]
}

/// Processes, each the child of the one before, the first with a name.
fn chain(length: u32, name: &[u8]) -> Checkpoint {
    let process = |pid: u32| {
        let fields = [(1, pid), (2, pid - 1), (3, 1), (4, 1)];
        fields.iter().flat_map(|(field, value)| [&[field << 3_u8][..], &number(*value)].concat()).collect()
    };
    let mut task = [0x08, 1, 0x10, 0, 0x18, 0, 0x20, 0, 0x28, 0, 0x32, name.len() as u8].to_vec();
    task.extend(name);
    let core = [&[0x08, 1, 0x1a, task.len() as u8][..], &task].concat();
    let mut images = InMemory::default();
    images.files.insert("inventory.img".to_owned(), image(0x5831_3116, &[vec![0x08, 1]]));
    images.files.insert("pstree.img".to_owned(), image(0x5027_3030, &(1..=length).map(process).collect::<Vec<_>>()));
    images.files.insert("core-1.img".to_owned(), image(0x5505_3847, &[core]));
    Checkpoint::read(&images).unwrap()
}

fn found() -> Found {
    Found {
        form: Form::Images,
        manifest: None,
        container: None,
        machine: None,
        files: FileTotals::default(),
        statistics: std::collections::BTreeMap::new(),
        verified: None,
        unreadable: vec!["stats\u{1b}]0;x".to_owned()],
    }
}

const PARTS: InspectionParts = InspectionParts {
    summary: true,
    process_tree: true,
    environment: true,
    files: true,
    sockets: true,
    mounts: true,
    memory: true,
};

#[test]
fn no_control_character_reaches_a_terminal() {
    let (found, checkpoint) = (found(), chain(2, b"a\x1b[2Jb\nc"));
    let checkpoint = Some(&checkpoint);
    let view = InspectionView { path: "x\u{7}", found: &found, checkpoint, texts: &[], memory: None };
    for text in [inspection_text(&view, PARTS, Style::default()), inspection_tree(&view, PARTS, Style::default())] {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        assert!(text.contains("[2Jb c") && text.contains("not readable: stats"), "{text}");
    }
    let json = inspection_json(&view);
    assert_eq!(json["checkpoint"]["processes"][0]["name"], "a\u{1b}[2Jb\nc");
}

#[test]
fn a_chain_of_processes_without_end_is_shown_whole() {
    let (found, checkpoint) = (found(), chain(30_000, b"deep"));
    let checkpoint = Some(&checkpoint);
    let view = InspectionView { path: "x", found: &found, checkpoint, texts: &[], memory: None };
    let parts = InspectionParts { process_tree: true, ..InspectionParts::default() };
    let tree = inspection_tree(&view, parts, Style::default());
    assert_eq!(tree.lines().filter(|line| line.contains("── [")).count(), 30_000);
    assert!(tree.lines().all(|line| line.chars().count() < 400));
    assert!(tree.find("[20000]").unwrap() < tree.find("[20001]").unwrap());
}
