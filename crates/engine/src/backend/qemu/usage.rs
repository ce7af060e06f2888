//! What QEMU uses, from `/proc`: its guest's memory apart from its own, its virtual processors apart from the rest.

/// Sums over the mappings of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident bytes of the mapping that is the guest's memory.
    pub guest_bytes: u64,
    /// Proportional share of everything else.
    pub other_bytes: u64,
}

/// Splits `/proc/<pid>/smaps` by the guest's memory: one anonymous mapping of at least its size that QEMU asked huge
/// pages and merging for (`hg`), or that has exactly its size. `None` if there is no such mapping, or more than one.
pub fn split_memory(smaps: &str, guest_size: u64) -> Option<Memory> {
    let mut memory = Memory::default();
    let mut guests = 0;
    let mut mapping = Mapping::default();
    for line in smaps.lines() {
        if let Some(value) = line.strip_prefix("Rss:") {
            mapping.resident = kilobytes(value)?;
        } else if let Some(value) = line.strip_prefix("Pss:") {
            mapping.share = kilobytes(value)?;
        } else if let Some(flags) = line.strip_prefix("VmFlags:") {
            // The flags are the last line of a mapping.
            let wanted = flags.split_whitespace().any(|flag| flag == "hg");
            if mapping.anonymous && (mapping.size == guest_size || (wanted && mapping.size >= guest_size)) {
                guests += 1;
                memory.guest_bytes += mapping.resident;
            } else {
                memory.other_bytes += mapping.share;
            }
        } else if let Some((size, anonymous)) = mapping_head(line) {
            mapping = Mapping { size, anonymous, ..Mapping::default() };
        }
    }
    (guests == 1).then_some(memory)
}

#[derive(Default)]
struct Mapping {
    size: u64,
    anonymous: bool,
    resident: u64,
    share: u64,
}

/// `7f..-7f.. rw-p 00000000 00:00 0 [name]`: the size, and whether no file is behind it.
fn mapping_head(line: &str) -> Option<(u64, bool)> {
    let mut words = line.split_whitespace();
    let (begin, end) = words.next()?.split_once('-')?;
    let size = u64::from_str_radix(end, 16).ok()?.checked_sub(u64::from_str_radix(begin, 16).ok()?)?;
    let inode = words.nth(3)?;
    Some((size, inode == "0"))
}

fn kilobytes(value: &str) -> Option<u64> {
    value.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The value of a line such as `VmHWM:  1234 kB` of `/proc/<pid>/status`, in bytes.
pub fn status_bytes(status: &str, key: &str) -> Option<u64> {
    kilobytes(status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?)
}

/// The time on a processor in nanoseconds, from `/proc/<pid>/task/<tid>/schedstat`.
pub fn schedstat_ns(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

/// CPU time of a process so far in nanoseconds, threads that have ended included.
pub fn process_cpu_ns(pid: u32) -> Option<u64> {
    let mut clock = 0;
    // SAFETY: the pointer is to a live, writable local; the call only looks the process up.
    if unsafe { libc::clock_getcpuclockid(pid as libc::pid_t, &raw mut clock) } != 0 {
        return None;
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live, writable local; a clock of a process that has ended gives an error.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return None;
    }
    Some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
55d0-65d0 r-xp 00000000 08:01 42 /usr/bin/qemu-system-x86_64
Rss:                 900 kB
Pss:                 800 kB
VmFlags: rd ex mr
7f0000000000-7f0008000000 rw-p 00000000 00:00 0
Size:             131072 kB
Rss:               70000 kB
Pss:               70000 kB
VmFlags: rd wr mr mw me ac hg
7f1000000000-7f1000001000 rw-p 00000000 00:00 0 [stack]
Rss:                   4 kB
Pss:                   4 kB
VmFlags: rd wr mr
";

    #[test]
    fn the_guest_is_told_apart() {
        let split = split_memory(SMAPS, 128 << 20).unwrap();
        assert_eq!(split, Memory { guest_bytes: 70_000 << 10, other_bytes: 804 << 10 });
        assert_eq!(split_memory(SMAPS, 256 << 20), None);
        assert_eq!(split_memory("", 1), None);
    }

    #[test]
    fn single_values_are_read() {
        assert_eq!(status_bytes("Name:\tx\nVmHWM:\t  1234 kB\n", "VmHWM"), Some(1234 << 10));
        assert_eq!(status_bytes("Name:\tx\n", "VmHWM"), None);
        assert_eq!(schedstat_ns("123456 7 8\n"), Some(123_456));
        assert!(process_cpu_ns(std::process::id()).is_some_and(|ns| ns > 0));
    }
}
