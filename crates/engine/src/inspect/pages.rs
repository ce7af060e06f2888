//! Looking at the pages of processes: how many are zero, and how many are there twice.

use super::folder::Folder;
use crate::image::app::store::is_zero;
use isodyne_core::checkpoint::inspection::{MemoryContent, PageContent};
use isodyne_criu::{Area, Checkpoint, Images as _, Memory};
use std::collections::HashSet;
use twox_hash::XxHash3_128;

/// The most different pages that are remembered: their digests take 16 bytes each, and twice that in a table.
const REMEMBERED: usize = 4 << 20;
/// How much is read at once, in bytes.
const CHUNK: u64 = 1 << 20;

/// Pages that were seen.
struct Seen {
    digests: HashSet<u128>,
    full: bool,
}

/// Looks at all pages that are in the images of this round.
pub(super) fn look(checkpoint: &Checkpoint, folder: &Folder) -> MemoryContent {
    let mut content = MemoryContent::default();
    let mut seen = Seen { digests: HashSet::new(), full: false };
    for process in &checkpoint.processes {
        let mut areas = Vec::new();
        if let Some(memory) = &process.memory {
            areas = vec![PageContent::default(); memory.areas.len()];
            if let Err(reason) = process_pages(memory, folder, &mut areas, &mut content.total, &mut seen) {
                content.unreadable.push(format!("process {}: {reason}", process.pid));
            }
        }
        content.processes.push(areas);
    }
    content.duplicates_at_least = seen.full;
    content
}

fn process_pages(
    memory: &Memory,
    folder: &Folder,
    areas: &mut [PageContent],
    total: &mut PageContent,
    seen: &mut Seen,
) -> Result<(), String> {
    let Some(file) = &memory.pages_file else { return Ok(()) };
    let length = folder.length(file)?.ok_or_else(|| format!("{file} is not there"))?;
    let mut buffer = vec![0; CHUNK as usize];
    for run in &memory.runs {
        let Some(mut offset) = run.offset else { continue };
        let end = run.pages.checked_mul(memory.page_bytes).and_then(|bytes| offset.checked_add(bytes));
        // What is not there is not counted: a map can say anything.
        let end = end.filter(|end| *end <= length).ok_or_else(|| format!("{file} ends before its pages do"))?;
        let mut address = run.start;
        while offset < end {
            let chunk = &mut buffer[..(end - offset).min(CHUNK) as usize];
            folder.read_at(file, offset, chunk).map_err(|reason| format!("{file}: {reason}"))?;
            for page in chunk.chunks(memory.page_bytes as usize) {
                let found = seen.look(page);
                total.add(found);
                if let Some(area) = area_of(&memory.areas, address) {
                    areas[area].add(found);
                }
                address = address.saturating_add(memory.page_bytes);
            }
            offset += chunk.len() as u64;
        }
    }
    Ok(())
}

fn area_of(areas: &[Area], address: u64) -> Option<usize> {
    let at = areas.partition_point(|area| area.end <= address);
    areas.get(at).filter(|area| area.start <= address).map(|_| at)
}

impl Seen {
    fn look(&mut self, page: &[u8]) -> PageContent {
        if is_zero(page) {
            return PageContent { pages: 1, zero: 1, duplicate: 0 };
        }
        let digest = XxHash3_128::oneshot(page);
        let duplicate = if self.digests.len() < REMEMBERED {
            !self.digests.insert(digest)
        } else {
            let known = self.digests.contains(&digest);
            self.full |= !known;
            known
        };
        PageContent { pages: 1, zero: 0, duplicate: duplicate.into() }
    }
}
