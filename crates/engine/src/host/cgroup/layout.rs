//! How cgroups are mounted on this host: v1, hybrid, v2, or not at all.

use crate::host::mounts::Mount;
use crate::host::root::HostRoot;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// The layout of cgroups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CgroupKind {
    /// No hierarchy with controllers is mounted, and no v2 either.
    #[default]
    Absent,
    /// Only v1 hierarchies.
    V1,
    /// v1 hierarchies with the controllers, and a v2 hierarchy beside them.
    Hybrid,
    /// Only the v2 hierarchy.
    V2,
}

impl fmt::Display for CgroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Absent => "absent",
            Self::V1 => "v1",
            Self::Hybrid => "hybrid",
            Self::V2 => "v2",
        })
    }
}

/// One mounted hierarchy, and where this program is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// The directory of this program's own cgroup under the mount, or the mount itself if it lies outside.
    pub own: PathBuf,
}

/// How cgroups are mounted, and where this program is in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgroupLayout {
    /// Which layout.
    pub kind: CgroupKind,
    /// v1 hierarchies by controller (`memory`, `cpuacct`, …) or name (`name=systemd`); several may share one.
    pub v1: BTreeMap<String, Hierarchy>,
    /// The v2 hierarchy, if there is one.
    pub v2: Option<Hierarchy>,
    /// The controllers that the root of the v2 hierarchy offers.
    pub v2_controllers: Vec<String>,
}

impl CgroupLayout {
    /// Looks at the host's mounts.
    pub fn detect(root: &HostRoot) -> Self {
        let mountinfo = root.read("/proc/self/mountinfo").unwrap_or_default();
        let own = root.read("/proc/self/cgroup").unwrap_or_default();
        let mut layout = Self::parse(&mountinfo, &own, &|mount| root.path(mount));
        if let Some(v2) = &layout.v2
            && let Ok(controllers) = std::fs::read_to_string(v2.mount.join("cgroup.controllers"))
        {
            layout.v2_controllers = controllers.split_whitespace().map(str::to_owned).collect();
        }
        layout
    }

    /// Reads the texts of `mountinfo` and `/proc/self/cgroup`; `place` says where a mount point really is.
    pub fn parse(mountinfo: &str, own: &str, place: &dyn Fn(&Path) -> PathBuf) -> Self {
        let own = OwnPaths::parse(own);
        let mut layout = Self::default();
        for mount in Mount::parse_all(mountinfo) {
            match mount.kind.as_str() {
                "cgroup2" if layout.v2.is_none() => {
                    layout.v2 = Some(hierarchy(&mount, own.get(""), place));
                }
                "cgroup" => {
                    for option in mount.super_options.split(',') {
                        if let Some(path) = own.get(option)
                            && !option.is_empty()
                        {
                            layout.v1.entry(option.to_owned()).or_insert_with(|| hierarchy(&mount, Some(path), place));
                        }
                    }
                }
                _ => {}
            }
        }
        // A named hierarchy (systemd's) has no controllers and decides nothing.
        let no_v1_controllers = layout.v1.keys().all(|controller| controller.starts_with("name="));
        layout.kind = match (no_v1_controllers, &layout.v2) {
            (true, None) => CgroupKind::Absent,
            (true, Some(_)) => CgroupKind::V2,
            (false, None) => CgroupKind::V1,
            (false, Some(_)) => CgroupKind::Hybrid,
        };
        layout
    }

    /// Whether the controllers are in v2: what runtimes call "unified".
    pub fn is_v2(&self) -> bool {
        self.kind == CgroupKind::V2
    }

    /// The distinct v1 hierarchies of the given controllers, in the order asked, each once.
    pub fn v1_hierarchies(&self, controllers: &[&str]) -> Vec<&Hierarchy> {
        let mut found: Vec<&Hierarchy> = Vec::new();
        for hierarchy in controllers.iter().filter_map(|controller| self.v1.get(*controller)) {
            if !found.iter().any(|known| known.mount == hierarchy.mount) {
                found.push(hierarchy);
            }
        }
        found
    }

    /// All mounted hierarchies, each once.
    pub fn hierarchies(&self) -> Vec<&Hierarchy> {
        let controllers: Vec<&str> = self.v1.keys().map(String::as_str).collect();
        self.v1_hierarchies(&controllers).into_iter().chain(&self.v2).collect()
    }
}

/// The path of a process's cgroup from the root of the hierarchies: where its memory is charged, its CPU time counted, or in v2.
/// `None` if there is no such process, or it is in no cgroup of its own.
pub fn cgroup_of_process(layout: &CgroupLayout, pid: u32) -> Option<String> {
    path_of(layout, &HostRoot::default().read_at_most(format!("/proc/{pid}/cgroup"), 64 << 10)?)
}

fn path_of(layout: &CgroupLayout, text: &str) -> Option<String> {
    let paths = OwnPaths::parse(text);
    let of_v1 = ["memory", "cpuacct"].into_iter().filter(|controller| layout.v1.contains_key(*controller));
    let path = of_v1.chain([""]).filter_map(|controller| paths.get(controller)).find(|path| *path != "/")?;
    super::path_in_hierarchies(layout, Path::new(path))
}

/// The paths of `/proc/self/cgroup` by controller; `""` is v2.
struct OwnPaths<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> OwnPaths<'a> {
    fn parse(text: &'a str) -> Self {
        let mut paths = BTreeMap::new();
        for line in text.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            if let (Some(controllers), Some(path)) = (fields.next(), fields.next()) {
                paths.extend(controllers.split(',').map(|controller| (controller, path)));
            }
        }
        Self(paths)
    }

    fn get(&self, controller: &str) -> Option<&'a str> {
        self.0.get(controller).copied()
    }
}

fn hierarchy(mount: &Mount, own: Option<&str>, place: &dyn Fn(&Path) -> PathBuf) -> Hierarchy {
    let point = place(&mount.point);
    // In a container without a cgroup namespace only a part of the hierarchy is mounted; own paths start at its root.
    let own = own
        .and_then(|path| Path::new(path).strip_prefix(&mount.root).ok())
        .filter(|path| !path.components().any(|part| part == std::path::Component::ParentDir))
        .map_or_else(|| point.clone(), |path| point.join(path));
    Hierarchy { mount: point, own }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(mountinfo: &str, own: &str) -> CgroupLayout {
        CgroupLayout::parse(mountinfo, own, &|mount| mount.to_owned())
    }

    #[test]
    fn hybrid_with_controllers_in_v1() {
        let layout = parse(
            "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
             33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
             35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
            "4:memory:/api/865b\n2:cpu,cpuacct:/\n1:name=systemd:/\n0::/\n",
        );
        assert_eq!(layout.kind, CgroupKind::Hybrid);
        assert_eq!(layout.v1.keys().collect::<Vec<_>>(), ["cpu", "cpuacct", "memory", "name=systemd"]);
        assert_eq!(layout.v1["memory"].own, Path::new("/sys/fs/cgroup/memory/api/865b"));
        assert_eq!(layout.v1_hierarchies(&["memory", "cpu", "cpuacct", "pids"]).len(), 2);
        assert_eq!(layout.v2.as_ref().unwrap().mount, Path::new("/sys/fs/cgroup/unified"));
        assert_eq!(layout.hierarchies().len(), 4);
    }

    #[test]
    fn a_named_hierarchy_does_not_make_a_v2_host_hybrid() {
        let layout = parse(
            "29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n\
             40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n",
            "1:name=systemd:/\n0::/\n",
        );
        assert_eq!(layout.kind, CgroupKind::V2);
    }

    #[test]
    fn v2_of_a_desktop() {
        let layout = parse(
            "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n",
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope\n",
        );
        assert!(layout.is_v2());
        let own = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope";
        assert_eq!(layout.v2.unwrap().own, Path::new(own));
    }

    #[test]
    fn v1_in_a_container_sees_a_part_of_the_hierarchy() {
        let layout = parse(
            "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup memory rw,memory\n",
            "4:memory:/docker/abc/sub\n",
        );
        assert_eq!(layout.kind, CgroupKind::V1);
        assert_eq!(layout.v1["memory"].own, Path::new("/sys/fs/cgroup/memory/sub"));
        let outside = parse("29 23 0:26 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/../../x\n");
        assert_eq!(outside.v2.unwrap().own, Path::new("/sys/fs/cgroup/x"));
    }

    #[test]
    fn a_process_is_in_the_cgroup_that_counts_it() {
        let hybrid = parse(
            "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
            "4:memory:/\n0::/\n",
        );
        assert_eq!(path_of(&hybrid, "4:memory:/a/b\n2:cpuacct:/c\n0::/d\n").as_deref(), Some("/a/b"));
        assert_eq!(path_of(&hybrid, "4:memory:/\n0::/d\n").as_deref(), Some("/d"));
        // In no cgroup of its own, in one outside of what is mounted here, and nothing at all.
        for text in ["4:memory:/\n0::/\n", "4:memory:/../x\n", ""] {
            assert_eq!(path_of(&hybrid, text), None, "{text}");
        }
        assert_eq!(cgroup_of_process(&hybrid, u32::MAX), None);
    }

    #[test]
    fn no_cgroups_at_all() {
        assert_eq!(parse("", ""), CgroupLayout::default());
    }
}
