//! What a shell's `time` prints: `real 0m20.42s`, also with busybox's space in it.

use super::Label;
use crate::import::number::go_duration_ns;
use crate::import::{ImportError, Parsed, ParsedSample, Rounds, SourceFile};

const FIELDS: &[(&str, &str)] = &[("real", "total_ns"), ("user", "user_ns"), ("sys", "system_ns")];

/// The name and the nanoseconds of a line of `time`.
pub(super) fn field(line: &str) -> Option<(&'static str, f64)> {
    let line = line.trim();
    let (name, _) = FIELDS.iter().find(|(name, _)| line.starts_with(name))?;
    let rest = line[name.len()..].strip_prefix([' ', '\t', ':', '='])?;
    let duration: String = rest.chars().filter(|c| !c.is_whitespace()).collect();
    Some((name, go_duration_ns(&duration)?))
}

pub(super) fn read(
    file: &SourceFile,
    text: &str,
    label: &Label,
    parsed: &mut Parsed,
    rounds: &mut Rounds,
) -> Result<(), ImportError> {
    let cell = parsed.cell(&file.name, label.backend, label.with("command", "sha256sum"))?;
    parsed.fact("workload", "sha256sum of one file in the guest: one thread, bound by its processor, first run cold");
    let mut sample: Option<ParsedSample> = None;
    for line in text.lines() {
        let Some((name, ns)) = field(line) else { continue };
        if name == "real"
            && let Some(done) = sample.take()
        {
            parsed.add(&file.name, done)?;
        }
        let Some((_, metric)) = FIELDS.iter().find(|(known, _)| *known == name) else { continue };
        sample
            .get_or_insert_with(|| ParsedSample { round: rounds.next(cell), ..ParsedSample::new(cell, label.accuracy) })
            .set(metric, ns);
    }
    sample.map_or(Ok(()), |last| parsed.add(&file.name, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shells_are_read() {
        assert_eq!(field("real\t0m20.42s"), Some(("real", 20.42e9)));
        assert_eq!(field("user\t1m 17.60s"), Some(("user", 77.6e9)));
        assert_eq!(field("really 5s"), None);
        assert_eq!(field("sys"), None);
    }
}
