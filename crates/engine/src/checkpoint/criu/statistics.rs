//! CRIU's own statistics of a dump or a restore, as metrics.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What CRIU writes is below 200 bytes.
const LIMIT: u64 = 64 << 10;

/// What CRIU wrote into `stats-dump` and `stats-restore` of its work directory, by metric name.
///
/// Empty if it wrote none, as when it failed, or if this program cannot read what it wrote.
pub fn statistics(work: &Path) -> Vec<(String, f64)> {
    let read = |name: &str| {
        let mut bytes = Vec::new();
        File::open(work.join(name)).ok()?.take(LIMIT).read_to_end(&mut bytes).ok()?;
        isodyne_criu::statistics(&bytes).ok()
    };
    let files = ["stats-dump", "stats-restore"].into_iter().filter_map(read);
    files.flat_map(|statistics| statistics.metrics()).map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_statistics_tells_nothing() {
        let work = tempfile::tempdir().unwrap();
        assert_eq!(statistics(work.path()), []);
        std::fs::write(work.path().join("stats-dump"), "x").unwrap();
        assert_eq!(statistics(work.path()), []);
    }
}
