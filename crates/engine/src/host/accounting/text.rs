//! The texts of `/proc/<pid>`.

/// What matters of `/proc/<pid>/stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub name: String,
    pub parent: u32,
    pub user_ticks: u64,
    pub system_ticks: u64,
    pub threads: u32,
}

impl Stat {
    pub fn parse(text: &str) -> Option<Self> {
        // A process chooses its name, and may put brackets and spaces into it: only the last bracket counts.
        let (open, close) = (text.find('(')?, text.rfind(')')?);
        let name = text.get(open + 1..close)?.to_owned();
        let fields: Vec<&str> = text.get(close + 1..)?.split_ascii_whitespace().collect();
        // Field 3 of the manual page (the state) is the first one here.
        let field = |number: usize| fields.get(number.checked_sub(3)?)?.parse::<u64>().ok();
        Some(Self {
            name,
            parent: u32::try_from(field(4)?).ok()?,
            user_ticks: field(14)?,
            system_ticks: field(15)?,
            threads: u32::try_from(field(20)?).ok()?,
        })
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

/// CPU time and time of waiting for a processor, in nanoseconds.
pub(crate) fn schedstat(text: &str) -> Option<(u64, u64)> {
    let mut fields = text.split_ascii_whitespace();
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_brackets_do_not_shift_the_fields() {
        let text = "7 (x) R 1 (y) S 3 7 7 0 -1 0 1 2 3 4 50 60 0 0 20 0 2 0 9\n";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.name.as_str(), stat.parent), ("x) R 1 (y", 3));
        assert_eq!((stat.user_ticks, stat.system_ticks, stat.threads), (50, 60, 2));
        for garbage in ["", "7 (x", ") (", "7 (x) R", "7 (x) R -1 7 7 0 -1 0 1 2 3 4 50 60 0 0 20 0 2 0 9"] {
            assert_eq!(Stat::parse(garbage), None, "{garbage}");
        }
    }

    #[test]
    fn sizes_are_read_by_their_whole_key() {
        let text = "Pss_Dirty:  7 kB\nPss:    12 kB\nRss: many kB\n";
        assert_eq!(kib(text, "Pss"), Some(12 << 10));
        assert_eq!(kib(text, "Rss"), None);
        assert_eq!(schedstat("12 34 5\n"), Some((12, 34)));
        assert_eq!(schedstat("12\n"), None);
    }
}
