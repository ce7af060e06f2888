//! Memory: areas, and which of their pages are kept.

use super::bits;
use super::file::{Files, shared_text};
use super::pages::{self, Where};
use super::reader::Reader;
use crate::image::Kind;
use crate::messages::memory::{AddressSpace, AreaEntry};
use serde::Serialize;
use std::sync::Arc;

/// The memory of a process.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Memory {
    /// The size of a page, in bytes.
    pub page_bytes: u64,
    /// Its areas, by address.
    pub areas: Vec<Area>,
    /// The sum over all kept pages; `None` if the map of pages cannot be read.
    pub total: Option<PageTotals>,
    /// Where kept pages are, by address; empty if the map cannot be read.
    #[serde(skip)]
    pub runs: Vec<PageRun>,
    /// The image with the pages.
    pub pages_file: Option<String>,
    /// From where to where its arguments were.
    #[serde(skip)]
    pub arguments: (u64, u64),
    /// From where to where its environment was.
    #[serde(skip)]
    pub environment: (u64, u64),
}

/// An area of memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Area {
    /// Its first address.
    pub start: u64,
    /// The address behind its last.
    pub end: u64,
    /// What may be done with it: `rwx`.
    pub protection: String,
    /// Whether what is written is seen by others.
    pub shared: bool,
    /// What it is.
    pub kind: AreaKind,
    /// The file that it shows.
    #[serde(serialize_with = "shared_text")]
    pub file: Option<Arc<str>>,
    /// From where on in the file, in bytes.
    pub offset: u64,
    /// The pages of it that are kept.
    #[serde(flatten)]
    pub pages: PageTotals,
}

/// What an area of memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AreaKind {
    /// Of no file, the process's own.
    Anonymous,
    /// Of no file, shared with its children.
    AnonymousShared,
    /// A file's.
    File,
    /// The stack of the first thread.
    Stack,
    /// The heap.
    Heap,
    /// What the kernel brings: code for fast system calls.
    Vdso,
    /// What the kernel brings: data for them.
    Vvar,
    /// What the kernel brings: as the vdso of old.
    Vsyscall,
    /// Shared memory of System V.
    SystemV,
    /// A nameless file.
    MemoryFile,
    /// A socket's buffers.
    Socket,
    /// Buffers of asynchronous input and output.
    Aio,
    /// Something else.
    Other,
}

/// Numbers of pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PageTotals {
    /// Whose content is in the images here.
    pub present_pages: u64,
    /// Whose content is in the images of the round before.
    pub parent_pages: u64,
    /// Which are fetched when they are touched; those that are present as well are counted there too.
    pub lazy_pages: u64,
}

impl PageTotals {
    /// Adds pages of a sort.
    pub(super) fn add(&mut self, pages: u64, place: Where, lazy: bool) {
        match place {
            Where::Here(_) => self.present_pages = self.present_pages.saturating_add(pages),
            Where::Parent => self.parent_pages = self.parent_pages.saturating_add(pages),
            Where::Nowhere => {}
        }
        if lazy {
            self.lazy_pages = self.lazy_pages.saturating_add(pages);
        }
    }
}

/// Pages that follow one another, in memory and in the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRun {
    /// The first address.
    pub start: u64,
    /// How many.
    pub pages: u64,
    /// Where they begin in the image of pages; `None` if they are not there.
    pub offset: Option<u64>,
    /// Whether the round before has them.
    pub in_parent: bool,
}

/// Memory that processes share without a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SharedMemory {
    /// The number that CRIU gave it; areas of kind `anonymous-shared` refer to it.
    pub id: u64,
    /// Its pages.
    #[serde(flatten)]
    pub pages: PageTotals,
    /// The image with the pages.
    pub pages_file: String,
    /// Where they are.
    #[serde(skip)]
    pub runs: Vec<PageRun>,
}

/// The size of pages where the images do not say it.
const PAGE_BYTES: u64 = 4096;
/// The name of the page size in what the kernel gives to a new program.
const AT_PAGESZ: u64 = 6;

/// Reads `mm-PID.img` and what belongs to it; also the number of the program's file.
pub(super) fn read(reader: &mut Reader<'_>, files: &Files, pid: u32) -> Option<(Memory, u32)> {
    let space: AddressSpace = reader.message(&format!("mm-{pid}.img"), Kind::Memory)?;
    let mut entries = space.areas.0;
    if entries.is_empty() {
        entries = reader.messages(&format!("vmas-{pid}.img"), Kind::Areas).unwrap_or_default();
    }
    let page_bytes = page_bytes(&space.auxiliary.0);
    let mut memory = Memory {
        page_bytes,
        areas: Vec::new(),
        total: None,
        runs: Vec::new(),
        pages_file: None,
        arguments: (space.arguments_start, space.arguments_end),
        environment: (space.environment_start, space.environment_end),
    };
    let program = space.program;
    // Guards lie inside of other areas.
    entries.retain(|entry| entry.status & status::GUARD == 0);
    entries.sort_by_key(|entry| entry.start);
    match reader.areas_left.checked_sub(entries.len()) {
        Some(left) => reader.areas_left = left,
        None => {
            reader.note(&format!("mm-{pid}.img"), "all processes together have more areas than are read");
            return Some((memory, program));
        }
    }
    let wrong = entries.iter().any(|entry| entry.start > entry.end);
    if wrong || entries.windows(2).any(|pair| pair[0].end > pair[1].start) {
        reader.note(&format!("mm-{pid}.img"), "its areas lie on one another");
        return Some((memory, program));
    }
    memory.areas = entries.iter().map(|entry| area(entry, files)).collect();
    let name = format!("pagemap-{pid}.img");
    let map = reader.image(&name, |bytes| pages::map(bytes, page_bytes));
    match map {
        Some(map) => {
            memory.total = Some(spread(&map.runs, &mut memory.areas, page_bytes));
            memory.pages_file = Some(map.file);
            memory.runs = map.runs.into_iter().map(pages::Run::shown).collect();
        }
        None if !reader.names.contains(&name) => reader.note(&name, "it is not there"),
        None => {}
    }
    Some((memory, program))
}

fn page_bytes(auxiliary: &[u64]) -> u64 {
    let said = auxiliary.chunks_exact(2).find(|pair| pair[0] == AT_PAGESZ).map(|pair| pair[1]);
    said.filter(|bytes| bytes.is_power_of_two() && (4096..=65536).contains(bytes)).unwrap_or(PAGE_BYTES)
}

/// Bits of an area's status, `VMA_*` of CRIU.
mod status {
    pub const VSYSCALL: u32 = 1 << 2;
    pub const VDSO: u32 = 1 << 3;
    pub const HEAP: u32 = 1 << 5;
    pub const FILE_PRIVATE: u32 = 1 << 6;
    pub const FILE_SHARED: u32 = 1 << 7;
    pub const ANONYMOUS_SHARED: u32 = 1 << 8;
    pub const ANONYMOUS_PRIVATE: u32 = 1 << 9;
    pub const SYSTEM_V: u32 = 1 << 10;
    pub const SOCKET: u32 = 1 << 11;
    pub const VVAR: u32 = 1 << 12;
    pub const AIO: u32 = 1 << 13;
    pub const MEMORY_FILE: u32 = 1 << 14;
    pub const GUARD: u32 = 1 << 16;
}

/// `MAP_SHARED`.
const MAP_SHARED: u32 = 1;
/// `MAP_GROWSDOWN`: the stack.
const MAP_GROWSDOWN: u32 = 0x100;

fn area(entry: &AreaEntry, files: &Files) -> Area {
    let of_file = entry.status & (status::FILE_PRIVATE | status::FILE_SHARED) != 0;
    let named = of_file.then(|| u32::try_from(entry.object).ok()).flatten();
    Area {
        start: entry.start,
        end: entry.end,
        protection: bits::protection(entry.protection),
        shared: entry.flags & MAP_SHARED != 0,
        kind: area_kind(entry),
        file: named.and_then(|id| files.path(id)),
        offset: entry.offset,
        pages: PageTotals::default(),
    }
}

fn area_kind(entry: &AreaEntry) -> AreaKind {
    let by_status = [
        (status::VDSO, AreaKind::Vdso),
        (status::VVAR, AreaKind::Vvar),
        (status::VSYSCALL, AreaKind::Vsyscall),
        (status::HEAP, AreaKind::Heap),
        (status::SYSTEM_V, AreaKind::SystemV),
        (status::MEMORY_FILE, AreaKind::MemoryFile),
        (status::SOCKET, AreaKind::Socket),
        (status::AIO, AreaKind::Aio),
        (status::FILE_PRIVATE | status::FILE_SHARED, AreaKind::File),
        (status::ANONYMOUS_SHARED, AreaKind::AnonymousShared),
    ];
    if let Some((_, kind)) = by_status.iter().find(|(bits, _)| entry.status & bits != 0) {
        return *kind;
    }
    match (entry.status & status::ANONYMOUS_PRIVATE != 0, entry.flags & MAP_GROWSDOWN != 0) {
        (true, true) => AreaKind::Stack,
        (true, false) => AreaKind::Anonymous,
        (false, _) => AreaKind::Other,
    }
}

/// Counts each run's pages in the areas that it lies in. Both are in the order of addresses and do not overlap, so one
/// pass does.
fn spread(runs: &[pages::Run], areas: &mut [Area], page_bytes: u64) -> PageTotals {
    let mut total = PageTotals::default();
    let mut first = 0;
    for run in runs {
        total.add(run.pages, run.place, run.lazy);
        while areas.get(first).is_some_and(|area| area.end <= run.start) {
            first += 1;
        }
        for area in areas[first..].iter_mut().take_while(|area| area.start < run.end) {
            let inside = area.end.min(run.end) - area.start.max(run.start);
            area.pages.add(inside / page_bytes, run.place, run.lazy);
        }
    }
    total
}

/// Reads `pagemap-shmem-*.img`.
pub(super) fn shared(reader: &mut Reader<'_>) -> Vec<SharedMemory> {
    let files = reader.numbered("pagemap-shmem-");
    let read = |(id, name): (u64, String)| {
        let map = reader.image(&name, |bytes| pages::map(bytes, PAGE_BYTES))?;
        let mut pages = PageTotals::default();
        map.runs.iter().for_each(|run| pages.add(run.pages, run.place, run.lazy));
        let runs = map.runs.into_iter().map(pages::Run::shown).collect();
        Some(SharedMemory { id, pages, pages_file: map.file, runs })
    };
    files.into_iter().filter_map(read).collect()
}
