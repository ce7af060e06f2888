//! Texts of the kernel, of programs and of apt.

use crate::backend::vmm::diagnose;
use crate::host::accounting::text as process;
use crate::host::contamination::text as counters;
use crate::host::mounts::Mount;
use crate::host::{CgroupLayout, cgroup, pressure, processor};
use crate::image::{modules, package};
use std::path::Path;

/// Every text parser on the same text, in two halves where one takes two.
pub fn texts(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (first, second) = text.split_once('\0').unwrap_or((&text, ""));
    let mounts = Mount::parse_all(first);
    assert!(mounts.len() <= first.lines().count());
    let _ = Mount::of(&mounts, Path::new("/a/b"));
    let layout = CgroupLayout::parse(first, second, &|path| path.to_owned());
    let _ = (layout.is_v2(), layout.v1_hierarchies(&["memory"]).len(), layout.hierarchies().len());
    let _ = (processor::Processor::parse(first), processor::count_in_list(first));
    if let Some(stat) = process::Stat::parse(bytes) {
        assert!(stat.name.len() + 2 <= bytes.len());
    }
    let _ =
        (process::Io::parse(bytes), process::resident_pages(bytes), process::shares(first), process::schedstat(first));
    let _ = (cgroup::io_of_v1(first), cgroup::io_of_v2(first), pressure::some_us(first));
    let _ = (counters::cpu_ticks(first), counters::counter(first, "nr_throttled"), counters::tasks_and_newest(first));
    assert!(counters::load_1min(first).is_none_or(f64::is_finite));
    let _ = (diagnose::read_console(first), diagnose::last_words(first));
    if let Some(record) = package::parse_record(first) {
        // These become arguments of a program.
        for name in record.depends.iter().chain([&record.name.name, &record.name.version]) {
            assert!(!name.starts_with('-') && !name.contains(['/', ' ', '\0']));
        }
    }
    assert!(modules::name_of_file(first).is_none_or(|name| !name.contains(['/', '-']) && !name.is_empty()));
}
