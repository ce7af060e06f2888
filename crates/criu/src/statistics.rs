//! What CRIU says of its own work: `stats-dump` and `stats-restore`.
//!
//! CRIU takes its times from the wall clock (`gettimeofday`), in microseconds of 32 bits: a time is exact to a
//! microsecond at best, wraps after 71 minutes, and moves when somebody sets the clock.

use crate::ImageError;
use crate::image::{self, Kind};
use crate::message::{Inner, message};

message! {
    /// Statistics of a dump (`dump_stats_entry`). Times are in microseconds.
    pub struct DumpStatistics ("dump_stats_entry") {
        /// From the first signal to stop until every task stood still.
        pub freezing_us: u32 = 1 needed,
        /// How long tasks stood still.
        pub frozen_us: u32 = 2 needed,
        /// Looking for pages and taking them out of the tasks.
        pub memdump_us: u32 = 3 needed,
        /// Writing pages.
        pub memwrite_us: u32 = 4 needed,
        /// Pages that were looked at.
        pub pages_scanned: u64 = 5 needed,
        /// Pages that the round before had already.
        pub pages_skipped_parent: u64 = 6 needed,
        /// Pages that were written.
        pub pages_written: u64 = 7 needed,
        /// Looking for the names of watched files.
        pub irmap_resolve_us: Option<u32> = 8,
        /// Pages that are left to be fetched when they are touched.
        pub pages_lazy: Option<u64> = 9,
        /// Pipes that pages went through.
        pub page_pipes: Option<u64> = 10,
        /// Buffers of those pipes.
        pub page_pipe_buffers: Option<u64> = 11,
        /// Pages of shared memory that were looked at.
        pub shared_pages_scanned: Option<u64> = 12,
        /// Pages of shared memory that the round before had already.
        pub shared_pages_skipped_parent: Option<u64> = 13,
        /// Pages of shared memory that were written.
        pub shared_pages_written: Option<u64> = 14,
    }
}

message! {
    /// Statistics of a restore (`restore_stats_entry`). Times are in microseconds.
    pub struct RestoreStatistics ("restore_stats_entry") {
        /// Pages that were compared with those of the parent process.
        pub pages_compared: u64 = 1 needed,
        /// Pages that were equal and stay shared.
        pub pages_skipped_cow: u64 = 2 needed,
        /// Making the processes.
        pub forking_us: u32 = 3 needed,
        /// Everything.
        pub restore_us: u32 = 4 needed,
        /// Pages that were put back.
        pub pages_restored: Option<u64> = 5,
    }
}

message! {
    struct Entry ("stats_entry") {
        dump: Inner<DumpStatistics> = 1,
        restore: Inner<RestoreStatistics> = 2,
    }
}

/// What an image of statistics holds: one of the two.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Of a dump, with all its rounds before the freeze left out: each of them has an image of its own.
    pub dump: Option<DumpStatistics>,
    /// Of a restore.
    pub restore: Option<RestoreStatistics>,
}

/// Reads `stats-dump` or `stats-restore`.
///
/// # Errors
/// It is no such image, it is cut off, or it holds neither a dump nor a restore.
pub fn statistics(bytes: &[u8]) -> Result<Statistics, ImageError> {
    let entry: Entry = image::message(bytes, Kind::Statistics)?;
    if entry.dump.0.is_none() && entry.restore.0.is_none() {
        return Err(ImageError::Nonsense("it holds statistics of neither a dump nor a restore"));
    }
    Ok(Statistics { dump: entry.dump.0, restore: entry.restore.0 })
}

impl Statistics {
    /// Everything as metrics with units in their names: times in nanoseconds, amounts as counts of pages. What CRIU has
    /// not written is not there.
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        let dump = self.dump.iter().flat_map(DumpStatistics::metrics);
        let restore = self.restore.iter().flat_map(RestoreStatistics::metrics);
        dump.chain(restore).collect()
    }
}

impl DumpStatistics {
    /// As [`Statistics::metrics`].
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        let always = [
            ("criu_freezing_ns", time(self.freezing_us)),
            ("criu_frozen_ns", time(self.frozen_us)),
            ("criu_memdump_ns", time(self.memdump_us)),
            ("criu_memwrite_ns", time(self.memwrite_us)),
            ("criu_pages_scanned_count", self.pages_scanned as f64),
            ("criu_pages_skipped_parent_count", self.pages_skipped_parent as f64),
            ("criu_pages_written_count", self.pages_written as f64),
        ];
        let sometimes = [
            ("criu_irmap_resolve_ns", self.irmap_resolve_us.map(time)),
            ("criu_pages_lazy_count", count(self.pages_lazy)),
            ("criu_page_pipes_count", count(self.page_pipes)),
            ("criu_page_pipe_buffers_count", count(self.page_pipe_buffers)),
            ("criu_shared_pages_scanned_count", count(self.shared_pages_scanned)),
            ("criu_shared_pages_skipped_parent_count", count(self.shared_pages_skipped_parent)),
            ("criu_shared_pages_written_count", count(self.shared_pages_written)),
        ];
        let written = sometimes.into_iter().filter_map(|(name, value)| Some((name, value?)));
        always.into_iter().chain(written).collect()
    }
}

impl RestoreStatistics {
    /// As [`Statistics::metrics`].
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        let mut metrics = vec![
            ("criu_forking_ns", time(self.forking_us)),
            ("criu_restore_ns", time(self.restore_us)),
            ("criu_pages_compared_count", self.pages_compared as f64),
            ("criu_pages_skipped_cow_count", self.pages_skipped_cow as f64),
        ];
        metrics.extend(count(self.pages_restored).map(|value| ("criu_pages_restored_count", value)));
        metrics
    }
}

/// Microseconds in nanoseconds.
fn time(us: u32) -> f64 {
    f64::from(us) * 1e3
}

fn count(pages: Option<u64>) -> Option<f64> {
    pages.map(|pages| pages as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &[u8] = include_bytes!("../tests/images/process/stats-dump");
    const RESTORE: &[u8] = include_bytes!("../tests/images/process/stats-restore");

    #[test]
    fn a_dump_is_read_as_by_crit() {
        let statistics = statistics(DUMP).unwrap();
        assert_eq!(statistics.restore, None);
        let crit = [
            ("criu_freezing_ns", 346e3),
            ("criu_frozen_ns", 50_833e3),
            ("criu_memdump_ns", 656e3),
            ("criu_memwrite_ns", 124e3),
            ("criu_pages_scanned_count", 63.0),
            ("criu_pages_skipped_parent_count", 0.0),
            ("criu_pages_written_count", 39.0),
            ("criu_irmap_resolve_ns", 0.0),
            ("criu_pages_lazy_count", 0.0),
            ("criu_page_pipes_count", 12.0),
            ("criu_page_pipe_buffers_count", 12.0),
            ("criu_shared_pages_scanned_count", 0.0),
            ("criu_shared_pages_skipped_parent_count", 0.0),
            ("criu_shared_pages_written_count", 0.0),
        ];
        assert_eq!(statistics.metrics(), crit);
    }

    #[test]
    fn a_restore_is_read_as_by_crit() {
        let crit = [
            ("criu_forking_ns", 402e3),
            ("criu_restore_ns", 72_212e3),
            ("criu_pages_compared_count", 26.0),
            ("criu_pages_skipped_cow_count", 21.0),
            ("criu_pages_restored_count", 18.0),
        ];
        assert_eq!(statistics(RESTORE).unwrap().metrics(), crit);
    }

    #[test]
    fn what_is_none_is_refused() {
        assert!(matches!(statistics(&[0; 8]), Err(ImageError::Magic { wanted: "STATS", .. })));
        assert!(statistics(&DUMP[..DUMP.len() - 1]).is_err());
        assert!(statistics(&[DUMP, &[0]].concat()).is_err());
        assert!(statistics(&RESTORE[..12]).is_err());
    }
}
