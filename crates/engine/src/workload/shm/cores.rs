//! Which processors the two sides stay on.

use crate::calibrate::pin;
use crate::host::root::HostRoot;

/// The most pairs of `every`.
const MOST_PAIRS: usize = 4096;

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
    // What the frames are measured on comes first.
    let all =
        allowed.iter().enumerate().flat_map(|(index, one)| allowed[index + 1..].iter().map(|other| (*one, *other)));
    let others = all.filter(|pair| Some(*pair) != first).map(Some);
    Ok(std::iter::once(first).chain(others).take(MOST_PAIRS).collect())
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
        assert_eq!(pairs("every").unwrap().len(), (allowed * (allowed - 1) / 2).clamp(1, MOST_PAIRS));
        assert_eq!(pairs("auto").unwrap().len(), 1);
    }
}
