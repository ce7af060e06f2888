//! Cells: the product of a plan's factors.

use super::key::Key;
use super::table::{backend_keys, benchmark_keys};
use super::{BenchmarkPlan, Plan, StatedFactors};
use crate::cell::{BackendName, Cell, CellId};
use crate::factor::{FactorValue, Factors};

/// The cells of a plan in a stable order: benchmarks and backends as stated, keys by name, values as stated, the last
/// key turning fastest.
///
/// The id of a cell names what the plan states; its factors hold the defaults too.
pub fn cells(plan: &Plan) -> Vec<Cell> {
    let mut cells = Vec::new();
    for benchmark in &plan.benchmarks {
        for backend in &benchmark.on {
            let stated = stated(plan, benchmark, *backend);
            for combination in product(&stated) {
                let keys = benchmark_keys(benchmark.benchmark).iter().chain(backend_keys(*backend));
                cells.push(Cell {
                    id: CellId::new(benchmark.benchmark, *backend, &combination),
                    benchmark: benchmark.benchmark,
                    backend: *backend,
                    factors: with_defaults(keys, combination),
                    variant: None,
                });
            }
        }
    }
    cells
}

/// How many cells a plan has, without making them.
pub(super) fn count(plan: &Plan) -> u64 {
    let one = |benchmark: &BenchmarkPlan, backend: BackendName| {
        let lengths = stated(plan, benchmark, backend).into_values().map(|values| values.len() as u64);
        lengths.fold(1, u64::saturating_mul)
    };
    let all = plan.benchmarks.iter().flat_map(|benchmark| benchmark.on.iter().map(move |on| one(benchmark, *on)));
    all.fold(0, u64::saturating_add)
}

fn stated(plan: &Plan, benchmark: &BenchmarkPlan, backend: BackendName) -> StatedFactors {
    let mut stated = benchmark.factors.clone();
    stated.extend(plan.backends.get(&backend).cloned().unwrap_or_default());
    stated
}

fn product(stated: &StatedFactors) -> Vec<Factors> {
    let mut combinations = vec![Factors::new()];
    for (key, values) in stated {
        let extended = |combination: &Factors, value: &FactorValue| {
            let mut combination = combination.clone();
            combination.insert(key.clone(), value.clone());
            combination
        };
        combinations = combinations
            .iter()
            .flat_map(|combination| values.iter().map(move |value| extended(combination, value)))
            .collect();
    }
    combinations
}

fn with_defaults<'k>(keys: impl Iterator<Item = &'k Key>, mut factors: Factors) -> Factors {
    for key in keys {
        if let Some(value) = key.default.value() {
            factors.entry(key.name.to_owned()).or_insert(value);
        }
    }
    factors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Plan {
        Plan::parse("plan.toml", text, &[]).unwrap()
    }

    #[test]
    fn cells_are_the_product_in_a_stable_order() {
        let plan = plan(
            "[boot]\non = [\"runc\", \"qemu\"]\n[backend.qemu]\nmemory = [\"96 MiB\", \"256 MB\"]\n\
             machine = [\"q35\", \"microvm\"]\n",
        );
        let ids: Vec<String> = plan.cells().iter().map(|cell| cell.id.to_string()).collect();
        assert_eq!(
            ids,
            [
                "boot/runc",
                "boot/qemu[machine=q35,memory=96MiB]",
                "boot/qemu[machine=q35,memory=256MB]",
                "boot/qemu[machine=microvm,memory=96MiB]",
                "boot/qemu[machine=microvm,memory=256MB]",
            ]
        );
        assert_eq!(count(&plan), 5);
    }

    #[test]
    fn defaults_are_factors_but_not_part_of_the_id() {
        let cells = plan("[boot]\non = \"qemu\"\ncommand = [\"true\"]\n").cells();
        assert_eq!(cells[0].id.as_str(), "boot/qemu[command=true]");
        assert_eq!(cells[0].factors["timeout"], FactorValue::DurationNs(60_000_000_000));
        assert_eq!(cells[0].factors["memory"], FactorValue::Bytes(128 << 20));
        assert_eq!(cells[0].factors["command"], FactorValue::Words(vec!["true".to_owned()]));
        assert!(!cells[0].factors.contains_key("kernel"));
        assert!(!cells[0].factors.contains_key("on"));
    }
}
