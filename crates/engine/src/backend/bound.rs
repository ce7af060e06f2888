//! Directories of the host that are mounted in a container: a checkpoint has none of their content, and what comes back must
//! find them where they were.

use super::{Place, class_of, text};
use isodyne_core::cell::Cell;
use isodyne_core::factor::FactorValue;
use isodyne_core::failure::Failure;
use isodyne_subject::BOUND;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// So many directories, all in one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bound {
    parent: PathBuf,
    count: u64,
}

/// How many a cell asks for.
pub(crate) fn asked(cell: &Cell) -> u64 {
    cell.factors.get("bind_mounts").and_then(FactorValue::as_count).unwrap_or(0)
}

impl Bound {
    /// Those of a sandbox, which are removed with its place.
    pub(crate) fn of(place: &Place, count: u64) -> Self {
        Self { parent: place.directory.join("bound"), count }
    }

    /// Makes them.
    ///
    /// # Errors
    /// The host's.
    pub(crate) fn make(&self) -> Result<(), Failure> {
        self.directories().try_for_each(|(directory, _)| {
            std::fs::create_dir_all(&directory).map_err(|error| {
                Failure::new(class_of(&error), format!("cannot make {}: {error}", directory.display()))
            })
        })
    }

    /// Each directory, and its place inside.
    pub(crate) fn directories(&self) -> impl Iterator<Item = (PathBuf, String)> {
        (0..self.count).map(|number| (self.parent.join(number.to_string()), format!("{BOUND}{number}")))
    }

    /// As the engines have it on their command lines.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = String> {
        self.directories().map(|(directory, inside)| format!("{}:{inside}", text(&directory)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_place_of_its_own_inside() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place {
            name: "isodyne-7f3a-1".into(),
            directory: directory.path().to_owned(),
            log_prefix: "/out/logs/1-runc".into(),
            agent_patience_s: 30,
        };
        let bound = Bound::of(&place, 2);
        bound.make().unwrap();
        assert!(bound.directories().all(|(directory, _)| directory.is_dir()));
        let expected = ["0", "1"].map(|n| format!("{}/bound/{n}:/tmp/isodyne-bound-{n}", directory.path().display()));
        assert_eq!(bound.pairs().collect::<Vec<_>>(), expected);
        let again: Bound = serde_json::from_str(&serde_json::to_string(&bound).unwrap()).unwrap();
        assert_eq!(again, bound);
        assert_eq!(Bound::of(&place, 0).pairs().count(), 0);
    }
}
