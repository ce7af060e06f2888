//! Shards: the cells of one plan divided over several hosts.

use super::order::stable_hash;
use crate::cell::Cell;
use std::fmt;
use std::str::FromStr;

/// One of several shards, as `--shard I/N` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    count: u32,
}

/// Why a text is not a shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a shard: write I/N with I from 1 to N and N up to 10000, such as 1/4")]
pub struct ShardError(String);

impl FromStr for Shard {
    type Err = ShardError;
    fn from_str(text: &str) -> Result<Self, ShardError> {
        let parsed = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match parsed {
            Some((index, count)) if (1..=10_000).contains(&count) && (1..=count).contains(&index) => {
                Ok(Self { index, count })
            }
            _ => Err(ShardError(text.to_owned())),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// The cells of one shard, in the order of the plan. Every cell is in exactly one shard, together with its
/// variants, by a hash of its base id (FNV-1a, then one SplitMix64 step) that is the same in every version.
pub fn shard(cells: &[Cell], shard: Shard) -> Vec<Cell> {
    let own = |cell: &&Cell| stable_hash(cell.base_id().bytes()) % u64::from(shard.count) == u64::from(shard.index - 1);
    cells.iter().filter(own).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    #[test]
    fn every_cell_is_in_exactly_one_shard() {
        let text = "[boot]\non = [\"qemu\", \"runc\"]\n[backend.qemu]\ncpus = [1, 2, 3, 4, 5, 6, 7, 8]\n";
        let cells = Plan::parse("plan.toml", text, &[]).unwrap().cells();
        let mut found: Vec<String> = (1..=3)
            .flat_map(|index| shard(&cells, Shard { index, count: 3 }))
            .map(|cell| cell.id.to_string())
            .collect();
        found.sort();
        let mut all: Vec<String> = cells.iter().map(|cell| cell.id.to_string()).collect();
        all.sort();
        assert_eq!(found, all);
    }

    #[test]
    fn variants_stay_with_their_base() {
        let text = "[boot]\non = [\"qemu\", \"runc\"]\n[backend.qemu]\ncpus = [1, 2, 3, 4, 5, 6, 7, 8]\n\
                    [[variant]]\nname = \"a\"\nset.boot.timeout = \"1 s\"\n";
        let cells = Plan::parse("plan.toml", text, &[]).unwrap().cells();
        assert_eq!(cells.len(), 18);
        for index in 1..=3 {
            let own = shard(&cells, Shard { index, count: 3 });
            let variants = own.iter().filter(|cell| cell.variant.is_some()).count();
            assert_eq!(variants * 2, own.len());
            assert!(own.chunks(2).all(|pair| pair[0].base_id() == pair[1].base_id()));
        }
    }

    #[test]
    fn the_hash_is_part_of_the_format() {
        assert_eq!(stable_hash("boot/runc".bytes()), 12_975_476_545_738_339_597);
    }

    #[test]
    fn shards_are_named_from_one() {
        assert_eq!("2/4".parse(), Ok(Shard { index: 2, count: 4 }));
        for wrong in ["0/4", "5/4", "1/0", "1", "1/x", "-1/4", "1/4/2", "", "1/10001"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
        assert_eq!("2/4".parse::<Shard>().map(|shard| shard.to_string()), Ok("2/4".to_owned()));
    }
}
