//! The texts of `/proc/<pid>`: bytes, since a process chooses its own name. Nothing here allocates.

/// What matters of `/proc/<pid>/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat<'a> {
    pub name: &'a [u8],
    /// `R`, `S`, … ; `Z` of one that has ended and waits to be reaped.
    pub state: u8,
    pub parent: u32,
    pub group: u32,
    pub session: u32,
    pub user_ticks: u64,
    pub system_ticks: u64,
    /// Of children that it has waited for, and what they had waited for.
    pub reaped_user_ticks: u64,
    pub reaped_system_ticks: u64,
    pub threads: u32,
    /// Whether the id is that of a thread beside the first.
    pub is_thread: bool,
}

impl<'a> Stat<'a> {
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        // A process chooses its name, and may put brackets and spaces into it: only the last bracket counts.
        let open = text.iter().position(|byte| *byte == b'(')?;
        let close = text.iter().rposition(|byte| *byte == b')')?;
        let name = text.get(open + 1..close)?;
        let rest = std::str::from_utf8(text.get(close + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        // The numbers are those of the fields in the manual page; the state is 3.
        let mut number = 3;
        let mut field = |wanted: usize| {
            let skipped = wanted - number - 1;
            number = wanted;
            fields.nth(skipped)
        };
        let (parent, group, session) = (small(field(4)?)?, small(field(5)?)?, small(field(6)?)?);
        let mut large = |number| field(number)?.parse::<u64>().ok();
        let (user_ticks, system_ticks) = (large(14)?, large(15)?);
        let (reaped_user_ticks, reaped_system_ticks) = (large(16)?, large(17)?);
        let threads = small(field(20)?)?;
        // Only the first thread of a process has a signal for its parent.
        let is_thread = field(38) == Some("-1");
        Some(Self {
            name,
            state,
            parent,
            group,
            session,
            user_ticks,
            system_ticks,
            reaped_user_ticks,
            reaped_system_ticks,
            threads,
            is_thread,
        })
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

fn small(field: &str) -> Option<u32> {
    field.parse().ok()
}

/// Resident pages, from `/proc/<pid>/statm`.
pub(crate) fn resident_pages(statm: &[u8]) -> Option<u64> {
    std::str::from_utf8(statm).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// What matters of `/proc/<pid>/io`, in bytes. Children that were waited for are in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Io {
    /// Through system calls, wherever they came from.
    pub syscall_read: u64,
    pub syscall_written: u64,
    /// From and to storage; what is written counts when pages are made dirty.
    pub read: u64,
    pub written: u64,
}

impl Io {
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut io = [None; 4];
        for line in std::str::from_utf8(text).ok()?.lines() {
            let Some((key, value)) = line.split_once(": ") else { continue };
            let place = match key {
                "rchar" => 0,
                "wchar" => 1,
                "read_bytes" => 2,
                "write_bytes" => 3,
                _ => continue,
            };
            io[place] = value.trim().parse().ok();
        }
        let [syscall_read, syscall_written, read, written] = io;
        Some(Self { syscall_read: syscall_read?, syscall_written: syscall_written?, read: read?, written: written? })
    }
}

/// The value in bytes of a line `Key:   123 kB`.
pub(crate) fn kib(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| kib_of_line(line, key))
}

/// As [`kib`], for one line.
pub(crate) fn kib_of_line(line: &str, key: &str) -> Option<u64> {
    let value = line.strip_prefix(key)?.strip_prefix(':')?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Proportional share and memory of its own, in bytes, from `/proc/<pid>/smaps_rollup`.
pub(crate) fn shares(rollup: &str) -> (Option<u64>, Option<u64>) {
    let (clean, dirty) = (kib(rollup, "Private_Clean"), kib(rollup, "Private_Dirty"));
    (kib(rollup, "Pss"), clean.zip(dirty).and_then(|(clean, dirty)| clean.checked_add(dirty)))
}

/// CPU time and time of waiting for a processor, in nanoseconds.
pub(crate) fn schedstat(text: &str) -> Option<(u64, u64)> {
    let mut fields = text.split_ascii_whitespace();
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_with_brackets_do_not_shift_the_fields() {
        let text = b"7 (x) R 1 (y) S 3 4 5 0 -1 0 1 2 3 4 50 60 70 80 20 0 2 0 9\n";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.name, stat.parent), (&b"x) R 1 (y"[..], 3));
        assert_eq!((stat.group, stat.session, stat.state), (4, 5, b'S'));
        assert_eq!((stat.user_ticks, stat.system_ticks, stat.threads), (50, 60, 2));
        assert_eq!((stat.reaped_user_ticks, stat.reaped_system_ticks), (70, 80));
        assert!(!stat.is_thread && !stat.has_ended());
        for garbage in ["", "7 (x", ") (", "7 (x) R", "7 (x) R -1 7 7 0 -1 0 1 2 3 4 50 60 0 0 20 0 2 0 9"] {
            assert_eq!(Stat::parse(garbage.as_bytes()), None, "{garbage}");
        }
    }

    #[test]
    fn a_thread_is_told_from_a_process_and_a_name_may_be_any_bytes() {
        // As Linux 6.18 writes it, with an id of a thread in the path.
        let line = |name: &[u8], signal: &str| {
            let mut text = [b"1235 (", name, b") S 1 1234 1234 0 -1 4194368 1 0 0 0 0 0 0 0 20 0 2 0 99 3 4 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 "].concat();
            text.extend_from_slice(signal.as_bytes());
            text.extend_from_slice(b" 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
            text
        };
        assert!(Stat::parse(&line(b"a", "-1")).unwrap().is_thread);
        let text = line(b"\xff\n)", "17");
        let stat = Stat::parse(&text).unwrap();
        assert_eq!((stat.name, stat.is_thread), (&b"\xff\n)"[..], false));
    }

    #[test]
    fn sizes_are_read_by_their_whole_key() {
        let text = "Pss_Dirty:  7 kB\nPss:    12 kB\nRss: many kB\nPrivate_Clean: 1 kB\nPrivate_Dirty: 2 kB\n";
        assert_eq!(kib(text, "Pss"), Some(12 << 10));
        assert_eq!(kib(text, "Rss"), None);
        assert_eq!(shares(text), (Some(12 << 10), Some(3 << 10)));
        assert_eq!(schedstat("12 34 5\n"), Some((12, 34)));
        assert_eq!(schedstat("12\n"), None);
        assert_eq!(resident_pages(b"1000 25 3 4 0 5 0\n"), Some(25));
        assert_eq!(resident_pages(b"1000\n"), None);
    }

    #[test]
    fn all_four_kinds_of_input_and_output_are_needed() {
        let text = "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: 7\n";
        let io = Io { syscall_read: 1, syscall_written: 2, read: 5, written: 6 };
        assert_eq!(Io::parse(text.as_bytes()), Some(io));
        assert_eq!(Io::parse(&text.as_bytes()[..30]), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            name in proptest::collection::vec(any::<u8>(), 0..16),
            numbers in proptest::collection::vec(any::<u32>(), 17),
        ) {
            let mut text = b"1 (".to_vec();
            text.extend_from_slice(&name);
            text.extend_from_slice(b") S");
            for number in &numbers {
                text.extend_from_slice(format!(" {number}").as_bytes());
            }
            let stat = Stat::parse(&text).unwrap();
            prop_assert_eq!(stat.name, name.as_slice());
            prop_assert_eq!((stat.parent, stat.group, stat.session), (numbers[0], numbers[1], numbers[2]));
            prop_assert_eq!(stat.user_ticks, u64::from(numbers[10]));
            prop_assert_eq!(stat.reaped_system_ticks, u64::from(numbers[13]));
            prop_assert_eq!(stat.threads, numbers[16]);
        }

        #[test]
        fn no_text_makes_it_fail(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (Stat::parse(&text), Io::parse(&text), resident_pages(&text));
        }
    }
}
