//! Units in the names of other tools' fields: what they are in ours.

/// What a field is called here, and what its values are multiplied by.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// The metric's name, with its unit.
    pub metric: String,
    /// From the field's unit to the metric's.
    pub factor: f64,
}

/// Endings of names: theirs, ours, and the factor. The longer of two that fit comes first.
const ENDINGS: &[(&str, &str, f64)] = &[
    ("_bytes_per_s", "_bytes_per_s", 1.0),
    ("_bytes_per_sec", "_bytes_per_s", 1.0),
    ("_bytes_per_second", "_bytes_per_s", 1.0),
    ("_per_second", "_per_s", 1.0),
    ("_per_sec", "_per_s", 1.0),
    ("_per_s", "_per_s", 1.0),
    ("_per_minute", "_per_s", 1.0 / 60.0),
    ("_per_min", "_per_s", 1.0 / 60.0),
    ("_nanoseconds", "_ns", 1.0),
    ("_nanos", "_ns", 1.0),
    ("_nsec", "_ns", 1.0),
    ("_ns", "_ns", 1.0),
    ("_microseconds", "_ns", 1e3),
    ("_micros", "_ns", 1e3),
    ("_usec", "_ns", 1e3),
    ("_us", "_ns", 1e3),
    ("_milliseconds", "_ns", 1e6),
    ("_millis", "_ns", 1e6),
    ("_msec", "_ns", 1e6),
    ("_ms", "_ns", 1e6),
    ("_seconds", "_ns", 1e9),
    ("_secs", "_ns", 1e9),
    ("_sec", "_ns", 1e9),
    ("_s", "_ns", 1e9),
    ("_bytes", "_bytes", 1.0),
    ("_kib", "_bytes", 1_024.0),
    ("_mib", "_bytes", 1_048_576.0),
    ("_gib", "_bytes", 1_073_741_824.0),
    ("_kb", "_bytes", 1e3),
    ("_mb", "_bytes", 1e6),
    ("_gb", "_bytes", 1e9),
    ("_percent", "_ratio", 0.01),
    ("_pct", "_ratio", 0.01),
    ("_ratio", "_ratio", 1.0),
    ("_count", "_count", 1.0),
];

/// The metric that a field's name stands for, if the name carries a unit: `duration_ms` is `duration_ns`, × 10^6. MB is
/// 10^6 and MiB is 2^20; `mbps` and the like are not understood, for half of their users mean bytes.
pub fn named(field: &str) -> Option<Named> {
    let name = plain(field)?;
    let (base, ending, factor) =
        ENDINGS.iter().find_map(|(theirs, ours, factor)| Some((name.strip_suffix(theirs)?, ours, *factor)))?;
    (!base.is_empty()).then(|| Named { metric: format!("{base}{ending}"), factor })
}

/// A name in lower case, with nothing but letters, digits and underscores; `None` if nothing is left.
pub fn plain(name: &str) -> Option<String> {
    let mut out = String::new();
    for character in name.trim().chars().take(100) {
        if character.is_ascii_alphanumeric() {
            out.push(character.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
    }
    let out = out.trim_end_matches('_').to_owned();
    (!out.is_empty()).then_some(out)
}

/// Whether a metric's name ends in a unit of ours, as every name must.
pub fn has_unit(metric: &str) -> bool {
    ["_ns", "_bytes", "_per_s", "_ratio", "_count"]
        .iter()
        .any(|unit| metric.len() > unit.len() && metric.ends_with(unit))
}

/// A figure in a line of a report for people: `Mean latency: 232.9 us (n = 100)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What stands before the colon or equals sign, without leading marks of a list.
    pub label: String,
    /// The metric that label and unit make.
    pub metric: String,
    /// The value in the metric's unit.
    pub value: f64,
    /// The unit as the line has it.
    pub unit: String,
}

/// The figure of a line: a label, a colon or equals sign, a number, a unit. `None` for any other line, and for a unit
/// that is not known.
pub fn figure(line: &str) -> Option<Figure> {
    const UNITS: &[(&str, &str, f64)] = &[
        ("ns", "_ns", 1.0),
        ("us", "_ns", 1e3),
        ("\u{b5}s", "_ns", 1e3),
        ("\u{3bc}s", "_ns", 1e3),
        ("ms", "_ns", 1e6),
        ("s", "_ns", 1e9),
        ("sec", "_ns", 1e9),
        ("seconds", "_ns", 1e9),
        ("B", "_bytes", 1.0),
        ("bytes", "_bytes", 1.0),
        ("KB", "_bytes", 1e3),
        ("MB", "_bytes", 1e6),
        ("GB", "_bytes", 1e9),
        ("KiB", "_bytes", 1_024.0),
        ("MiB", "_bytes", 1_048_576.0),
        ("GiB", "_bytes", 1_073_741_824.0),
        ("MB/s", "_bytes_per_s", 1e6),
        ("GB/s", "_bytes_per_s", 1e9),
        ("MiB/s", "_bytes_per_s", 1_048_576.0),
        ("GiB/s", "_bytes_per_s", 1_073_741_824.0),
        ("%", "_ratio", 0.01),
    ];
    let (label, rest) = line.split_once([':', '='])?;
    let label = label.trim().trim_start_matches(['-', '*', '#', '\u{2022}', ' ']).trim();
    let rest = rest.trim();
    let end = rest.find(|c: char| !(c.is_ascii_digit() || "+-.,eE".contains(c))).unwrap_or(rest.len());
    let value = super::number::finite(&rest[..end].replace(',', ""))?;
    let unit: String =
        rest[end..].trim_start().chars().take_while(|c| !c.is_whitespace() && !"(,;".contains(*c)).collect();
    let (_, ending, factor) = UNITS.iter().find(|(known, _, _)| *known == unit)?;
    let metric = format!("{}{ending}", plain(label)?);
    Some(Figure { label: label.chars().take(100).collect(), metric, value: value * factor, unit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_turned_into_ours() {
        let of = |name: &str| named(name).map(|named| (named.metric, named.factor));
        assert_eq!(of("Duration (ms)"), Some(("duration_ns".to_owned(), 1e6)));
        assert_eq!(of("boot_time_seconds"), Some(("boot_time_ns".to_owned(), 1e9)));
        assert_eq!(of("memory_mb"), Some(("memory_bytes".to_owned(), 1e6)));
        assert_eq!(of("memory_MiB"), Some(("memory_bytes".to_owned(), 1_048_576.0)));
        assert_eq!(of("ops_per_min"), Some(("ops_per_s".to_owned(), 1.0 / 60.0)));
        assert_eq!(of("cpu_percent"), Some(("cpu_ratio".to_owned(), 0.01)));
        for unknown in ["throughput_mbps", "iteration", "_ms", "", "name"] {
            assert_eq!(of(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn figures_are_found_in_lines_for_people() {
        let figure = |line: &str| figure(line).map(|found| (found.metric, found.value));
        assert_eq!(figure("  - Mean latency: 232.9 us (n=100)"), Some(("mean_latency_ns".to_owned(), 232_900.0)));
        assert_eq!(figure("Peak: 1,024.5 MB/s"), Some(("peak_bytes_per_s".to_owned(), 1_024_500_000.0)));
        assert_eq!(figure("Basic Restore: 0.5s"), Some(("basic_restore_ns".to_owned(), 5e8)));
        for none in ["Date: Mon Oct 6", "Results", "x: 5", "x: 5 apples", "x: - ms"] {
            assert_eq!(figure(none), None, "{none}");
        }
    }
}
