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

/// The total of the line `some`, in microseconds, from a file of `/proc/pressure`.
pub(crate) fn pressure_some_us(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with("some "))?;
    line.rsplit_once("total=")?.1.trim().parse().ok()
}

/// The load of the last minute.
pub(crate) fn load_1min(text: &str) -> Option<f64> {
    text.split_ascii_whitespace().next()?.parse().ok().filter(|load: &f64| load.is_finite())
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
    fn pressure_load_and_counters_are_read() {
        let pressure =
            "some avg10=2.43 avg60=1.36 avg300=0.66 total=23943248\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
        assert_eq!(pressure_some_us(pressure), Some(23_943_248));
        assert_eq!(pressure_some_us("full total=3\n"), None);
        assert_eq!(load_1min("0.83 0.42 0.38 2/100 10514\n"), Some(0.83));
        assert_eq!(load_1min("NaN 1 1"), None);
        assert_eq!(counter("nr_periods 9\nnr_throttled 4\nthrottled_time 0\n", "nr_throttled"), Some(4));
        assert_eq!(counter("17\n", ""), Some(17));
        assert_eq!(counter("", ""), None);
    }
}
