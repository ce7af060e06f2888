//! Units of the limits and defaults in these tables.

pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = KIB << 10;
pub(super) const GIB: u64 = MIB << 10;
pub(super) const TIB: u64 = GIB << 10;
pub(super) const MICROSECOND: u64 = 1_000;
pub(super) const MILLISECOND: u64 = 1_000_000;
pub(super) const SECOND: u64 = 1_000_000_000;
pub(super) const HOUR: u64 = 3_600 * SECOND;
