//! Which processors the two sides stay on.

use crate::calibrate::pin;
use crate::host::root::HostRoot;

/// Up to so many pairs each has the metrics of a whole distribution.
const MOST_WHOLE: usize = 64;
/// The most pairs of `every`, those of 40 processors: each is a session and a metric of the sample at least, and a
/// sample has no more than 1024 metrics.
const MOST_PAIRS: usize = 780;

/// What a sample has of each pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PerPair {
    /// The time of a trip, and the quantiles, the extremes and the stalls.
    Whole,
    /// The time of a trip alone; the distributions are in the log.
    Typical,
}

impl PerPair {
    /// Of each of so many.
    pub(super) fn of(pairs: usize) -> Self {
        if pairs <= MOST_WHOLE { Self::Whole } else { Self::Typical }
    }
}

/// How many pairs so many processors make.
///
/// # Errors
/// In words, if there are too many for a sample.
fn pairs_of(processors: usize) -> Result<usize, String> {
    let pairs = (processors * processors.saturating_sub(1) / 2).max(1);
    if pairs <= MOST_PAIRS {
        return Ok(pairs);
    }
    Err(format!("`every` means {pairs} pairs of this host's {processors} processors, and a sample holds {MOST_PAIRS}"))
}

/// Whether this host can do what a plan says.
///
/// # Errors
/// In words.
pub(super) fn possible(said: &str) -> Result<(), String> {
    if said == "every" { pairs_of(pin::allowed().len()).map(drop) } else { Ok(()) }
}

/// Whether a plan can say this.
///
/// # Errors
/// In words.
pub(super) fn check(said: &str) -> Result<(), String> {
    match said {
        "auto" | "every" => Ok(()),
        _ => stated(said).map(drop).ok_or_else(|| format!("`{said}` is not two processors")),
    }
}

fn stated(said: &str) -> Option<(usize, usize)> {
    let (one, other) = said.split_once('-')?;
    let (one, other) = (one.parse().ok()?, other.parse().ok()?);
    (one != other).then_some((one, other))
}

/// The pairs; one without processors where this program has only one.
///
/// # Errors
/// In words, if it may not use a processor that is asked for.
pub(super) fn pairs(said: &str) -> Result<Vec<Option<(usize, usize)>>, String> {
    let allowed = pin::allowed();
    if let Some((one, other)) = stated(said) {
        return match [one, other].iter().find(|processor| !allowed.contains(processor)) {
            Some(processor) => Err(format!("this program may not use processor {processor}")),
            None => Ok(vec![Some((one, other))]),
        };
    }
    let typical = pin::pairs(&HostRoot::default(), &allowed).ok();
    let first = typical.and_then(|pairs| pairs.first().map(|pair| pair.cpus));
    if said != "every" {
        return Ok(vec![first]);
    }
    pairs_of(allowed.len())?;
    // What the frames are measured on comes first.
    let all =
        allowed.iter().enumerate().flat_map(|(index, one)| allowed[index + 1..].iter().map(|other| (*one, *other)));
    let others = all.filter(|pair| Some(*pair) != first).map(Some);
    Ok(std::iter::once(first).chain(others).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_what_is_asked_for() {
        assert!(check("0-1").is_ok() && check("auto").is_ok() && check("every").is_ok());
        for wrong in ["", "0", "0-0", "0,1", "a-b", "0-1-2"] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
        assert!(pairs("0-99999").unwrap_err().contains("processor 99999"));
        let allowed = pin::allowed().len();
        match pairs_of(allowed) {
            Ok(count) => assert_eq!(pairs("every").unwrap().len(), count),
            Err(error) => assert_eq!(pairs("every").unwrap_err(), error),
        }
        assert_eq!(pairs("auto").unwrap().len(), 1);
    }

    #[test]
    fn all_pairs_fit_into_a_sample_or_are_refused() {
        use crate::shm::Distribution;
        // Of the store, which refuses a sample with more; a sample has others than those of its pairs.
        const MOST: usize = 1_024;
        const OTHERS: usize = 150;
        let mut distribution = Distribution::new().unwrap();
        distribution.record(0, &vec![5; 100_000]);
        let mut whole = std::collections::BTreeMap::new();
        distribution.metrics("round_trip_cpu0_cpu1", &mut whole);
        for processors in 0..=40 {
            let pairs = pairs_of(processors).unwrap();
            let each = if PerPair::of(pairs) == PerPair::Whole { whole.len() + 1 } else { 1 };
            assert!(pairs * each + OTHERS <= MOST, "{processors} processors: {pairs} × {each}");
        }
        assert_eq!((PerPair::of(1), PerPair::of(66)), (PerPair::Whole, PerPair::Typical));
        let error = pairs_of(41).unwrap_err();
        assert!(error.contains("820 pairs") && error.contains("41 processors") && error.contains("780"), "{error}");
        assert!(pairs_of(100_000).is_err());
    }
}
