//! The counters of one cgroup, in whatever hierarchies it has them: opened once, read in place.

use super::layout::CgroupLayout;
use super::tree::processes_of;
use super::usage::keyed;
use crate::host::live::{BUFFER_BYTES, LiveFile};
use crate::host::pressure::{Pressure, PressureReading};
use std::path::{Component, Path, PathBuf};

/// The path of a cgroup from the root of its hierarchies (`/isodyne/NAME`), given so or as a directory below a mount
/// (`/sys/fs/cgroup/memory/isodyne/NAME`). `None` if it would leave the hierarchies.
pub fn path_in_hierarchies(layout: &CgroupLayout, given: &Path) -> Option<String> {
    let below = |mount: &PathBuf| given.strip_prefix(mount).ok().filter(|rest| *rest != Path::new(""));
    // The longest mount: a hybrid host has hierarchies below the mount of another one.
    let mounts = layout.hierarchies().into_iter().map(|hierarchy| &hierarchy.mount);
    let rest = mounts.filter_map(below).min_by_key(|rest| rest.components().count());
    let relative = rest.unwrap_or_else(|| given.strip_prefix("/").unwrap_or(given));
    let fits = relative.components().all(|part| matches!(part, Component::Normal(_)));
    (fits && relative != Path::new("")).then(|| format!("/{}", relative.display()))
}

/// Whether a cgroup is there, given as in [`path_in_hierarchies`].
pub fn exists(layout: &CgroupLayout, given: &str) -> bool {
    path_in_hierarchies(layout, Path::new(given)).is_some_and(|path| Counters::open(layout, &path).is_some())
}

/// The open counters of one cgroup, with all that is below it.
#[derive(Debug)]
pub(crate) struct Counters {
    directories: Vec<PathBuf>,
    memory: Option<LiveFile>,
    peak_memory: Option<LiveFile>,
    cpu: Cpu,
    io: Io,
    tasks: Option<LiveFile>,
    pressure: Option<Pressure>,
}

#[derive(Debug)]
enum Cpu {
    /// Nanoseconds: all, in user mode, in the kernel.
    V1([Option<LiveFile>; 3]),
    V2(LiveFile),
    None,
}

#[derive(Debug)]
enum Io {
    V1(LiveFile),
    V2(LiveFile),
    None,
}

/// One reading of a cgroup's counters. What the host does not count is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CgroupReading {
    /// Memory that is charged now, page cache included, in bytes.
    pub memory_bytes: Option<u64>,
    /// The most that ever was, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// CPU time of all that were ever in it, in nanoseconds.
    pub cpu_ns: Option<u64>,
    /// The same in user mode.
    pub user_ns: Option<u64>,
    /// The same in the kernel.
    pub system_ns: Option<u64>,
    /// Read from storage on its account, in bytes.
    pub read_bytes: Option<u64>,
    /// Written to storage on its account, in bytes.
    pub written_bytes: Option<u64>,
    /// Threads in it.
    pub tasks: Option<u64>,
    /// Pressure on it; v2 only.
    pub pressure: PressureReading,
}

impl Counters {
    /// Opens what there is of the cgroup with this path; `None` if it is in no hierarchy.
    pub fn open(layout: &CgroupLayout, path: &str) -> Option<Self> {
        let relative = Path::new(path).strip_prefix("/").unwrap_or(Path::new(path));
        if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return None;
        }
        let v1 = |controller: &str| {
            Some(layout.v1.get(controller)?.mount.join(relative)).filter(|directory| directory.is_dir())
        };
        let v2 = layout.v2.as_ref().map(|hierarchy| hierarchy.mount.join(relative)).filter(|path| path.is_dir());
        let (memory, cpuacct, blkio, pids) = (v1("memory"), v1("cpuacct"), v1("blkio"), v1("pids"));
        let freezer = v1("freezer");
        let first = [&memory, &cpuacct, &blkio, &pids, &freezer].into_iter().flatten().next();
        let directories: Vec<PathBuf> = first.into_iter().chain(&v2).cloned().collect();
        if directories.is_empty() {
            return None;
        }
        let open = |directory: &Option<PathBuf>, name: &str| LiveFile::open(directory.as_ref()?.join(name)).ok();
        // On a hybrid host the controllers are in v1, and what v2 tells of the group may be of an empty one.
        let either = |of_v1: Option<LiveFile>, name: &str| of_v1.or_else(|| open(&v2, name));
        Some(Self {
            memory: either(open(&memory, "memory.usage_in_bytes"), "memory.current"),
            peak_memory: either(open(&memory, "memory.max_usage_in_bytes"), "memory.peak"),
            cpu: if cpuacct.is_some() {
                Cpu::V1(["usage", "usage_user", "usage_sys"].map(|name| open(&cpuacct, &format!("cpuacct.{name}"))))
            } else {
                open(&v2, "cpu.stat").map_or(Cpu::None, Cpu::V2)
            },
            io: match ["_recursive", ""]
                .iter()
                .find_map(|end| open(&blkio, &format!("blkio.throttle.io_service_bytes{end}")))
            {
                Some(file) => Io::V1(file),
                None => open(&v2, "io.stat").map_or(Io::None, Io::V2),
            },
            tasks: either(open(&pids, "pids.current"), "pids.current"),
            pressure: v2.as_deref().map(Pressure::of_cgroup),
            directories,
        })
    }

    /// Reads all of them, pressure if it is asked for.
    pub fn read(&self, pressure: bool) -> CgroupReading {
        let mut buffer = [0_u8; BUFFER_BYTES];
        let mut number = |file: &Option<LiveFile>| file.as_ref()?.text(&mut buffer)?.trim().parse::<u64>().ok();
        let (memory_bytes, peak_memory_bytes) = (number(&self.memory), number(&self.peak_memory));
        let tasks = number(&self.tasks);
        let [cpu_ns, user_ns, system_ns] = match &self.cpu {
            Cpu::V1([all, user, system]) => [number(all), number(user), number(system)],
            Cpu::V2(file) => {
                let text = file.text(&mut buffer);
                ["usage_usec", "user_usec", "system_usec"].map(|key| keyed(text?, key)?.checked_mul(1000))
            }
            Cpu::None => [None; 3],
        };
        let io = match &self.io {
            Io::V1(file) => file.text(&mut buffer).and_then(io_of_v1),
            Io::V2(file) => file.text(&mut buffer).and_then(io_of_v2),
            Io::None => None,
        };
        CgroupReading {
            memory_bytes,
            peak_memory_bytes,
            cpu_ns,
            user_ns,
            system_ns,
            read_bytes: io.map(|(read, _)| read),
            written_bytes: io.map(|(_, written)| written),
            tasks,
            pressure: self.pressure.as_ref().filter(|_| pressure).map(Pressure::read).unwrap_or_default(),
        }
    }

    /// The processes in it and below it, in the first of its hierarchies of v1 and in v2: whoever is in one of v1 is in the
    /// others as a rule. This looks up paths.
    pub fn processes(&self) -> Vec<u32> {
        let mut found: Vec<u32> = self.directories.iter().flat_map(|directory| processes_of(directory)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Read and written bytes over all devices, from `blkio.throttle.io_service_bytes` of v1.
pub(crate) fn io_of_v1(text: &str) -> Option<(u64, u64)> {
    let (mut read, mut written) = (0_u64, 0_u64);
    for line in text.lines() {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (Some(kind), Some(value)) = (fields.next(), fields.next()) else { continue };
        match kind {
            "Read" => read = read.checked_add(value.parse().ok()?)?,
            "Write" => written = written.checked_add(value.parse().ok()?)?,
            _ => {}
        }
    }
    Some((read, written))
}

/// Read and written bytes over all devices, from `io.stat` of v2.
pub(crate) fn io_of_v2(text: &str) -> Option<(u64, u64)> {
    let (mut read, mut written) = (0_u64, 0_u64);
    for field in text.lines().flat_map(|line| line.split_ascii_whitespace().skip(1)) {
        if let Some(value) = field.strip_prefix("rbytes=") {
            read = read.checked_add(value.parse().ok()?)?;
        } else if let Some(value) = field.strip_prefix("wbytes=") {
            written = written.checked_add(value.parse().ok()?)?;
        }
    }
    Some((read, written))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::cgroup::{CgroupKind, Hierarchy};

    fn write(directory: &Path, files: &[(&str, &str)]) {
        std::fs::create_dir_all(directory).unwrap();
        for (name, text) in files {
            std::fs::write(directory.join(name), text).unwrap();
        }
    }

    fn hierarchy(mount: &Path) -> Hierarchy {
        Hierarchy { mount: mount.to_owned(), own: mount.to_owned() }
    }

    const CPU_V2: &str = "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n";

    #[test]
    fn v2_is_read_from_its_one_directory() {
        let root = tempfile::tempdir().unwrap();
        let files = [
            ("memory.current", "4096\n"),
            ("memory.peak", "8192\n"),
            ("cpu.stat", CPU_V2),
            ("io.stat", "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=1 wbytes=2\n"),
            ("pids.current", "3\n"),
            ("cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"),
            ("cgroup.procs", "12\n11\n"),
        ];
        write(&root.path().join("a/b"), &files);
        let layout = CgroupLayout { kind: CgroupKind::V2, v2: Some(hierarchy(root.path())), ..CgroupLayout::default() };
        let counters = Counters::open(&layout, "/a/b").unwrap();
        let pressure = PressureReading { cpu_ns: Some(7000), ..PressureReading::default() };
        let expected = CgroupReading {
            memory_bytes: Some(4096),
            peak_memory_bytes: Some(8192),
            cpu_ns: Some(1_500_000),
            user_ns: Some(1_000_000),
            system_ns: Some(500_000),
            read_bytes: Some(11),
            written_bytes: Some(22),
            tasks: Some(3),
            pressure,
        };
        assert_eq!(counters.read(true), expected);
        assert_eq!(counters.processes(), [11, 12]);
        assert!(Counters::open(&layout, "/a/c").is_none());
        assert!(Counters::open(&layout, "/a/../a/b").is_none());
    }

    #[test]
    fn v1_goes_before_the_empty_v2_of_a_hybrid_host() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        write(&at("memory/x"), &[("memory.usage_in_bytes", "5\n"), ("memory.max_usage_in_bytes", "6\n")]);
        write(
            &at("cpuacct/x"),
            &[("cpuacct.usage", "70\n"), ("cpuacct.usage_user", "40\n"), ("cpuacct.usage_sys", "30\n")],
        );
        let io = "8:0 Read 4096\n8:0 Write 512\n8:0 Total 4608\n8:16 Read 1\nTotal 4609\n";
        write(&at("blkio/x"), &[("blkio.throttle.io_service_bytes", io)]);
        write(&at("unified/x"), &[("cpu.stat", CPU_V2), ("memory.current", "1\n"), ("cgroup.procs", "5\n")]);
        let v1 = ["memory", "cpuacct", "blkio"].map(|name| (name.to_owned(), hierarchy(&at(name)))).into();
        let v2 = Some(hierarchy(&at("unified")));
        let layout = CgroupLayout { kind: CgroupKind::Hybrid, v1, v2, ..CgroupLayout::default() };
        let counters = Counters::open(&layout, "x").unwrap();
        let reading = counters.read(true);
        assert_eq!((reading.memory_bytes, reading.peak_memory_bytes), (Some(5), Some(6)));
        assert_eq!((reading.cpu_ns, reading.user_ns, reading.system_ns), (Some(70), Some(40), Some(30)));
        assert_eq!((reading.read_bytes, reading.written_bytes), (Some(4097), Some(512)));
        assert_eq!((reading.tasks, counters.processes()), (None, vec![5]));
    }

    #[test]
    fn a_path_is_taken_from_the_root_or_from_a_mount() {
        let v1 = [("memory".to_owned(), hierarchy(Path::new("/sys/fs/cgroup/memory")))].into();
        let v2 = Some(hierarchy(Path::new("/sys/fs/cgroup")));
        let layout = CgroupLayout { v1, v2, ..CgroupLayout::default() };
        let path = |given: &str| path_in_hierarchies(&layout, Path::new(given));
        assert_eq!(path("/a/b").as_deref(), Some("/a/b"));
        assert_eq!(path("a").as_deref(), Some("/a"));
        assert_eq!(path("/sys/fs/cgroup/memory/a/b").as_deref(), Some("/a/b"));
        assert_eq!(path("/sys/fs/cgroup/a/b").as_deref(), Some("/a/b"));
        assert_eq!((path("/a/../b"), path("/"), path("")), (None, None, None));
    }

    #[test]
    fn numbers_that_do_not_fit_are_not_known() {
        assert_eq!(io_of_v2("8:0 rbytes=18446744073709551615 wbytes=1\n8:1 rbytes=1\n"), None);
        assert_eq!(io_of_v1("8:0 Read x\n"), None);
        assert_eq!((io_of_v1(""), io_of_v2("")), (Some((0, 0)), Some((0, 0))));
    }
}
