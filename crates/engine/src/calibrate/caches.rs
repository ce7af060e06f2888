//! The sizes of a processor's caches, as sysfs tells them.

use crate::host::root::HostRoot;

/// Data caches of one processor, in bytes; `None` where the host does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Caches {
    pub l1: Option<u64>,
    pub l2: Option<u64>,
    pub l3: Option<u64>,
}

impl Caches {
    /// Those of one processor.
    pub(super) fn of(root: &HostRoot, cpu: usize) -> Self {
        let directory = format!("/sys/devices/system/cpu/cpu{cpu}/cache");
        let mut found = Self::default();
        for index in root.names(&directory).iter().filter(|name| name.starts_with("index")) {
            let value = |file: &str| root.value(format!("{directory}/{index}/{file}"));
            if value("type").is_none_or(|kind| kind == "Instruction") {
                continue;
            }
            let size = value("size").and_then(|size| bytes(&size));
            match value("level").as_deref() {
                Some("1") => found.l1 = size,
                Some("2") => found.l2 = size,
                Some("3") => found.l3 = size,
                _ => {}
            }
        }
        found
    }

    /// The largest that is known.
    pub(super) fn last(self) -> Option<u64> {
        [self.l1, self.l2, self.l3].into_iter().flatten().max()
    }
}

/// `48K`, `2M`.
fn bytes(size: &str) -> Option<u64> {
    let digits = size.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &size[digits.len()..] {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor).filter(|size| *size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_come_from_sysfs() {
        let directory = tempfile::tempdir().unwrap();
        let put = |index: u32, level: &str, kind: &str, size: &str| {
            let path = directory.path().join(format!("sys/devices/system/cpu/cpu0/cache/index{index}"));
            std::fs::create_dir_all(&path).unwrap();
            for (file, text) in [("level", level), ("type", kind), ("size", size)] {
                std::fs::write(path.join(file), format!("{text}\n")).unwrap();
            }
        };
        put(0, "1", "Data", "48K");
        put(1, "1", "Instruction", "32K");
        put(2, "2", "Unified", "2M");
        put(3, "3", "Unified", "much");
        let root = HostRoot::under(directory.path());
        let found = Caches::of(&root, 0);
        assert_eq!(found, Caches { l1: Some(48 << 10), l2: Some(2 << 20), l3: None });
        assert_eq!(found.last(), Some(2 << 20));
        assert_eq!(Caches::of(&root, 7), Caches::default());
    }
}
