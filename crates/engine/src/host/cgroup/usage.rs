//! What a cgroup has used, from its files.

use super::layout::CgroupLayout;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// What a cgroup has used since it was made. A value that the host does not tell is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CgroupUsage {
    /// The most memory that was charged to it at any one time, page cache included, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// CPU time of all processes that were ever in it, in nanoseconds.
    pub cpu_ns: Option<u64>,
    /// Processes that the kernel killed because it ran out of memory.
    pub oom_kills: Option<u64>,
    /// Periods in which it was throttled by a CPU quota.
    pub throttled: Option<u64>,
}

/// The directories of one cgroup, by what they tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Directories {
    pub v1_memory: Option<PathBuf>,
    pub v1_cpuacct: Option<PathBuf>,
    pub v1_cpu: Option<PathBuf>,
    pub v2: Option<PathBuf>,
}

impl Directories {
    /// The directories of a path in every hierarchy. `None` if the path would leave the hierarchies.
    pub fn of(layout: &CgroupLayout, path: &str) -> Option<Self> {
        let relative = Path::new(path).strip_prefix("/").unwrap_or(Path::new(path));
        if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return None;
        }
        let v1 = |controller: &str| Some(layout.v1.get(controller)?.mount.join(relative));
        Some(Self {
            v1_memory: v1("memory"),
            v1_cpuacct: v1("cpuacct"),
            v1_cpu: v1("cpu"),
            v2: layout.v2.as_ref().map(|hierarchy| hierarchy.mount.join(relative)),
        })
    }

    pub fn usage(&self) -> CgroupUsage {
        let memory = |name| text(self.v1_memory.as_ref(), name);
        let v2 = |name| text(self.v2.as_ref(), name);
        let v2_cpu = v2("cpu.stat");
        CgroupUsage {
            // memory.current is not a peak: a kernel before 5.19 does not tell one in v2.
            peak_memory_bytes: number(memory("memory.max_usage_in_bytes")).or_else(|| number(v2("memory.peak"))),
            cpu_ns: number(text(self.v1_cpuacct.as_ref(), "cpuacct.usage"))
                .or_else(|| keyed(v2_cpu.as_deref()?, "usage_usec")?.checked_mul(1000)),
            oom_kills: memory("memory.oom_control")
                .and_then(|text| keyed(&text, "oom_kill"))
                .or_else(|| keyed(&v2("memory.events")?, "oom_kill")),
            throttled: text(self.v1_cpu.as_ref(), "cpu.stat")
                .and_then(|text| keyed(&text, "nr_throttled"))
                .or_else(|| keyed(v2_cpu.as_deref()?, "nr_throttled")),
        }
    }
}

/// What the cgroup with this path (`/isodyne/NAME`) has used, whoever made it.
pub fn usage_of_path(layout: &CgroupLayout, path: &str) -> CgroupUsage {
    Directories::of(layout, path).map(|directories| directories.usage()).unwrap_or_default()
}

/// The text of a file in one of the directories, at most 64 KiB.
fn text(directory: Option<&PathBuf>, name: &str) -> Option<String> {
    let mut text = String::new();
    File::open(directory?.join(name)).ok()?.take(64 << 10).read_to_string(&mut text).ok()?;
    Some(text)
}

fn number(text: Option<String>) -> Option<u64> {
    text?.trim().parse().ok()
}

/// The value of a line `key value`.
pub(crate) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        if name == key { value.trim().parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    #[test]
    fn v2_tells_peak_only_where_the_kernel_keeps_one() {
        let group = directory(&[
            ("memory.peak", "5242880\n"),
            ("memory.current", "4096\n"),
            ("cpu.stat", "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 3\nnr_throttled 2\n"),
            ("memory.events", "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n"),
        ]);
        let directories = Directories { v2: Some(group.path().to_owned()), ..Directories::default() };
        let usage = directories.usage();
        assert_eq!(usage.peak_memory_bytes, Some(5 << 20));
        assert_eq!(usage.cpu_ns, Some(1_500_000));
        assert_eq!((usage.oom_kills, usage.throttled), (Some(1), Some(2)));
        std::fs::remove_file(group.path().join("memory.peak")).unwrap();
        assert_eq!(directories.usage().peak_memory_bytes, None);
    }

    #[test]
    fn v1_goes_before_the_empty_v2_of_a_hybrid_host() {
        let memory = directory(&[
            ("memory.max_usage_in_bytes", "1048576\n"),
            ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
        ]);
        let cpu = directory(&[
            ("cpuacct.usage", "123456789\n"),
            ("cpu.stat", "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n"),
        ]);
        let v2 = directory(&[("cpu.stat", "usage_usec 9\n")]);
        let usage = Directories {
            v1_memory: Some(memory.path().to_owned()),
            v1_cpuacct: Some(cpu.path().to_owned()),
            v1_cpu: Some(cpu.path().to_owned()),
            v2: Some(v2.path().to_owned()),
        }
        .usage();
        let expected = CgroupUsage {
            peak_memory_bytes: Some(1 << 20),
            cpu_ns: Some(123_456_789),
            oom_kills: Some(3),
            throttled: Some(0),
        };
        assert_eq!(usage, expected);
    }

    #[test]
    fn nothing_is_known_of_what_is_not_there_or_lies_outside() {
        assert_eq!(usage_of_path(&CgroupLayout::default(), "/isodyne/x"), CgroupUsage::default());
        assert_eq!(Directories::of(&CgroupLayout::default(), "/isodyne/../../etc"), None);
        assert_eq!(keyed("oom_kill x\n", "oom_kill"), None);
    }
}
