//! Cells: one benchmark on one backend at one combination of factors.

use crate::factor::Factors;
use crate::ledger::{Ledger, MilestoneName};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! named {
    (
        $(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }
        $(beside { $($(#[$bdoc:meta])* $beside:ident = $btext:literal),+ $(,)? })?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant,)+
            $($($(#[$bdoc])* #[serde(rename = $btext)] $beside,)+)?
        }
        impl $name {
            /// All that a user can ask for, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The name as users write it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ $($(Self::$beside => $btext,)+)? }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(self.as_str()) }
        }
        impl FromStr for $name {
            type Err = UnknownName;
            fn from_str(text: &str) -> Result<Self, UnknownName> {
                Self::ALL.iter().copied().find(|known| known.as_str() == text).ok_or_else(|| UnknownName {
                    given: text.to_owned(),
                    known: Self::ALL.iter().map(|known| known.as_str()).collect(),
                })
            }
        }
    };
}
pub(crate) use named;

/// A name that is none of the known ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown name `{given}`")]
pub struct UnknownName {
    /// What was written.
    pub given: String,
    /// What could have been written.
    pub known: Vec<&'static str>,
}

named! {
    /// A way to run a sandbox.
    BackendName {
        /// A plain process of the host, in namespaces and a cgroup of its own where permitted.
        Process = "process",
        /// The reference OCI runtime.
        Runc = "runc",
        /// The OCI runtime in C.
        Crun = "crun",
        /// gVisor.
        Runsc = "runsc",
        /// Podman.
        Podman = "podman",
        /// Docker, by the Engine API.
        Docker = "docker",
        /// QEMU, with KVM or TCG.
        Qemu = "qemu",
        /// Firecracker.
        Firecracker = "firecracker",
        /// Cloud Hypervisor.
        CloudHypervisor = "cloud-hypervisor",
        /// Scripted times, for tests of the machinery only.
        Scripted = "scripted",
    }
    beside {
        /// Whatever another tool measured; never in a plan.
        Imported = "imported",
    }
}

named! {
    /// A procedure with a fixed meaning.
    BenchmarkName {
        /// From before fork to the first command's correct output inside the sandbox, then stop and gone.
        Boot = "boot",
        /// Round trips and throughput between host and sandbox, beside the same over the host's loopback.
        Network = "network",
        /// Round trips and frames through memory that host and sandbox share.
        Shm = "shm",
        /// A state kept and brought back: checkpoint of containers, snapshot of machines, with proof.
        Checkpoint = "checkpoint",
    }
    beside {
        /// Whatever another tool measured; never in a plan. The cell's factors say what it was.
        Imported = "imported",
    }
}

impl BenchmarkName {
    /// Whether a user's own application can be started in its sandboxes.
    pub fn takes_app(self) -> bool {
        matches!(self, Self::Boot | Self::Checkpoint)
    }

    /// The milestone that ends the total of a sample: that an application is ready, where one was started.
    pub fn last_milestone(self, ledger: &Ledger) -> Option<MilestoneName> {
        match self {
            Self::Boot if ledger.at_ns(MilestoneName::AppStarted).is_some() => Some(MilestoneName::Ready),
            Self::Boot => Some(MilestoneName::FirstExec),
            Self::Checkpoint => Some(MilestoneName::FirstReply),
            // Their milestones lead up to the traffic, which has no total.
            Self::Network | Self::Shm | Self::Imported => None,
        }
    }

    /// The metric that a table shows if it shows one.
    pub fn headline(self) -> &'static str {
        match self {
            Self::Network => "round_trip_p50_ns",
            Self::Shm => "train_per_trip_ns",
            Self::Checkpoint => "restore_ns",
            Self::Boot | Self::Imported => "total_ns",
        }
    }
}

/// One benchmark on one backend at one combination of factors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Stable across machines: `boot/qemu[machine=microvm,memory=128MiB]`, from what the plan states, sorted by key.
    pub id: CellId,
    /// The benchmark.
    pub benchmark: BenchmarkName,
    /// The backend.
    pub backend: BackendName,
    /// All factors, defaults included.
    pub factors: Factors,
    /// The variant of the plan that it belongs to; absent for what the plan states outside its variants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Cell {
    /// The id without the variant: the same for all cells that are compared with one another, round by round.
    pub fn base_id(&self) -> &str {
        let id = self.id.as_str();
        let own = self.variant.as_ref().and_then(|variant| id.strip_suffix(variant.as_str())?.strip_suffix('~'));
        own.unwrap_or(id)
    }
}

/// The stable name of a cell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CellId(pub String);

impl CellId {
    /// Builds the id from the factors that the plan states (not from the defaults).
    pub fn new(benchmark: BenchmarkName, backend: BackendName, stated: &Factors) -> Self {
        let mut id = format!("{benchmark}/{backend}");
        if !stated.is_empty() {
            let list: Vec<String> = stated.iter().map(|(key, value)| format!("{key}={value}")).collect();
            id = format!("{id}[{}]", list.join(","));
        }
        Self(id)
    }
    /// The id of a variant of this cell: `boot/runc~other kernel`.
    #[must_use]
    pub fn of_variant(&self, variant: &str) -> Self {
        Self(format!("{}~{variant}", self.0))
    }
    /// The id without its variant: the same for all cells that are taken together in a round.
    ///
    /// Factors end in `]`, and neither names of variants nor names of benchmarks and backends hold `]` or `~`.
    pub fn base(&self) -> &str {
        let name_from = self.0.rfind(']').map_or(0, |at| at + 1);
        match self.0[name_from..].find('~') {
            Some(at) => &self.0[..name_from + at],
            None => &self.0,
        }
    }
    /// The benchmark that the id begins with; `None` for an id that is not one of ours.
    pub fn benchmark(&self) -> Option<BenchmarkName> {
        let name = self.0.split_once('/')?.0;
        name.parse().ok().or_else(|| (name == BenchmarkName::Imported.as_str()).then_some(BenchmarkName::Imported))
    }
    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CellId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::factor::FactorValue;

    #[test]
    fn the_id_names_what_the_plan_states_in_canonical_units() {
        let stated = Factors::from([
            ("memory".to_owned(), FactorValue::Bytes(128 << 20)),
            ("machine".to_owned(), FactorValue::Text("microvm".to_owned())),
        ]);
        let id = CellId::new(BenchmarkName::Boot, BackendName::Qemu, &stated);
        assert_eq!(id.as_str(), "boot/qemu[machine=microvm,memory=128MiB]");
        assert_eq!(CellId::new(BenchmarkName::Boot, BackendName::Runc, &Factors::new()).as_str(), "boot/runc");
    }
}
