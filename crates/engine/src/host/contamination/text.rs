//! The texts of the counters, read without allocating.

/// Busy and stolen time of all processors together, in ticks, from the first line of `/proc/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CpuTicks {
    pub busy: u64,
    pub steal: Option<u64>,
}

pub(crate) fn cpu_ticks(stat: &str) -> Option<CpuTicks> {
    let mut fields = stat.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace();
    let mut next = || fields.next()?.parse::<u64>().ok();
    let (user, nice, system, _idle) = (next()?, next()?, next()?, next()?);
    let (_iowait, irq, softirq) = (next(), next().unwrap_or(0), next().unwrap_or(0));
    // Time of guests is in `user` and `nice` already.
    let busy = [nice, system, irq, softirq].iter().try_fold(user, |sum, part| sum.checked_add(*part))?;
    Some(CpuTicks { busy, steal: next() })
}

/// The load of the last minute.
pub(crate) fn load_1min(text: &str) -> Option<f64> {
    text.split_ascii_whitespace().next()?.parse().ok().filter(|load: &f64| load.is_finite())
}

/// The number of tasks (threads) there are, and the newest process id of one's own namespace, of the same text.
pub(crate) fn tasks_and_newest(text: &str) -> Option<(u32, u32)> {
    let mut fields = text.split_ascii_whitespace().skip(3);
    let tasks = fields.next()?.split_once('/')?.1.parse().ok()?;
    Some((tasks, fields.next()?.parse().ok()?))
}

/// The value of a line `key value`, or of a file with only a value if the key is empty.
pub(crate) fn counter(text: &str, key: &str) -> Option<u64> {
    if key.is_empty() {
        return text.trim().parse().ok();
    }
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_forms_of_stat_are_read() {
        let modern = "cpu  44624 0 15322 232555 1045 0 136 524 2 0\ncpu0 22322 0 9186\nintr 1 2 3\n";
        assert_eq!(cpu_ticks(modern), Some(CpuTicks { busy: 44_624 + 15_322 + 136, steal: Some(524) }));
        assert_eq!(cpu_ticks("cpu  1 2 3 4\n"), Some(CpuTicks { busy: 6, steal: None }));
        assert_eq!(cpu_ticks("cpu  1 2 x 4\n"), None);
        assert_eq!(cpu_ticks(""), None);
    }

    #[test]
    fn load_and_counters_are_read() {
        assert_eq!(load_1min("0.83 0.42 0.38 2/100 10514\n"), Some(0.83));
        assert_eq!(load_1min("NaN 1 1"), None);
        assert_eq!(tasks_and_newest("0.83 0.42 0.38 2/100 10514\n"), Some((100, 10_514)));
        assert_eq!(tasks_and_newest("0.83 0.42 0.38 2 10514\n"), None);
        assert_eq!(counter("nr_periods 9\nnr_throttled 4\nthrottled_time 0\n", "nr_throttled"), Some(4));
        assert_eq!(counter("17\n", ""), Some(17));
        assert_eq!(counter("", ""), None);
    }
}
