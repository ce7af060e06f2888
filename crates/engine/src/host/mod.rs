//! What the host is and does: fingerprint, tools, cgroups, contamination, accounting.

/// What this host is, as found once at the beginning of a run.
#[derive(Clone, Debug, Default)]
pub struct HostFacts {}
