//! What a container engine's own way of keeping a state has not, told before anything is started.

use crate::backend::PrepareError;
use isodyne_core::cell::{BackendName, Cell};
use isodyne_core::factor::FactorValue;
use isodyne_subject::spec::Spec;

/// Whether a cell is about that way.
pub(super) fn is_asked(cell: &Cell) -> bool {
    cell.factors.get("engine").and_then(FactorValue::as_text) == Some("native")
}

/// Whether Docker keeps the state: its call takes no option for connections and locks.
pub(super) fn is_dockers(cell: &Cell) -> bool {
    is_asked(cell) && cell.backend == BackendName::Docker
}

/// Refuses what it has not.
///
/// # Errors
/// [`PrepareError::Unavailable`] with the reason: the cell is skipped.
pub(super) fn fits(cell: &Cell, spec: &Spec, has_network: bool) -> Result<(), PrepareError> {
    if !is_asked(cell) {
        return Ok(());
    }
    let word = |key: &str| cell.factors.get(key).and_then(FactorValue::as_text).unwrap_or_default();
    let rounds = cell.factors.get("rounds").and_then(FactorValue::as_count).unwrap_or(0);
    let pack = word("pack");
    let backend = cell.backend;
    let refused = |reason: String, hint: &str| Err(PrepareError::Unavailable { reason, hint: hint.to_owned() });
    match backend {
        BackendName::Podman | BackendName::Docker => {}
        _ => {
            return refused(
                format!("`{backend}` keeps states in one way only, which is measured with `engine = \"runtime\"`"),
                "leave `engine` out, or measure podman or docker",
            );
        }
    }
    if rounds > 0 {
        return refused(format!("{backend}'s own checkpoints are not made in rounds here"), "leave `rounds` out");
    }
    if pack == "lz4" || (backend == BackendName::Docker && !matches!(pack, "" | "none")) {
        return refused(format!("{backend} packs no checkpoint with {pack}"), "leave `pack` out");
    }
    if backend == BackendName::Podman && has_network {
        return refused(
            "podman imports a container into the network namespace that the first one had, which is gone".to_owned(),
            "leave `network` of [backend.podman] at \"none\", or `engine` at \"runtime\"",
        );
    }
    if backend == BackendName::Docker && spec.connections > 0 {
        return refused(
            "Docker's own checkpoints cannot hold established TCP connections: its call has no option for it"
                .to_owned(),
            "leave `connections` out, or `engine` at \"runtime\"",
        );
    }
    if backend == BackendName::Docker && spec.locks > 0 {
        return refused(
            "Docker's own checkpoints cannot hold locks of files: its call has no option for it".to_owned(),
            "leave `locks` out, or `engine` at \"runtime\"",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use isodyne_core::cell::{BenchmarkName, CellId};
    use isodyne_core::factor::Factors;

    fn reason(backend: BackendName, more: &[(&str, FactorValue)], spec: &Spec, has_network: bool) -> Option<String> {
        let mut factors: Factors = more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        factors.insert("engine".to_owned(), FactorValue::Text("native".to_owned()));
        let benchmark = BenchmarkName::Checkpoint;
        let id = CellId::new(benchmark, backend, &factors);
        let cell = Cell { id, variant: None, benchmark, backend, factors };
        match fits(&cell, spec, has_network) {
            Err(PrepareError::Unavailable { reason, hint }) => {
                assert!(!hint.is_empty());
                Some(reason)
            }
            _ => None,
        }
    }

    #[test]
    fn what_is_missing_is_told_before_a_start() {
        use BackendName::{Docker, Podman, Runc};
        let plain = Spec::default();
        let text = |word: &str| FactorValue::Text(word.to_owned());
        for backend in [Podman, Docker] {
            assert_eq!(reason(backend, &[("pack", text("none"))], &plain, false), None);
            let rounds = [("rounds", FactorValue::Count(1))];
            assert!(reason(backend, &rounds, &plain, false).is_some_and(|reason| reason.contains("rounds")));
            assert!(reason(backend, &[("pack", text("lz4"))], &plain, false).is_some());
        }
        assert_eq!(reason(Podman, &[("pack", text("zstd"))], &plain, false), None);
        assert!(reason(Docker, &[("pack", text("zstd"))], &plain, false).is_some());
        assert!(reason(Runc, &[], &plain, false).is_some_and(|reason| reason.contains("one way only")));
        assert!(reason(Podman, &[], &plain, true).is_some_and(|reason| reason.contains("network")));
        let connected = Spec { connections: 1, ..plain };
        assert_eq!(reason(Podman, &[], &connected, false), None);
        assert!(reason(Docker, &[], &connected, false).is_some_and(|reason| reason.contains("TCP")));
        let locked = Spec { locks: 1, ..plain };
        assert!(reason(Docker, &[], &locked, false).is_some_and(|reason| reason.contains("locks")));
    }
}
