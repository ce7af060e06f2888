//! Cells: the product of a plan's factors.

use super::app::{self, APP_KEYS};
use super::key::Key;
use super::table::{backend_keys, benchmark_keys};
use super::variant::applied;
use super::{BenchmarkPlan, Plan, StatedFactors, Variant};
use crate::cell::{BackendName, BenchmarkName, Cell, CellId};
use crate::factor::{FactorValue, Factors};

/// The cells of a plan in a stable order: benchmarks and backends as stated, keys by name, values as stated, the last
/// key turning fastest. Behind each cell come those of the variants that change it, in the order of the plan.
///
/// The id of a cell names what the plan states; its factors hold the defaults too.
pub fn cells(plan: &Plan) -> Vec<Cell> {
    let mut cells = Vec::new();
    for benchmark in &plan.benchmarks {
        for backend in &benchmark.on {
            let stated = stated(plan, benchmark, *backend);
            for combination in product(&stated) {
                let base = base_cell(benchmark.benchmark, *backend, plan.app.is_some(), combination);
                let variants = plan.variants.iter().filter(|v| v.touches(base.benchmark, base.backend));
                let of_variants: Vec<Cell> = variants.map(|variant| variant_cell(&base, variant)).collect();
                cells.push(base);
                cells.extend(of_variants);
            }
        }
    }
    cells
}

fn base_cell(benchmark: BenchmarkName, backend: BackendName, has_app: bool, stated: Factors) -> Cell {
    let id = CellId::new(benchmark, backend, &stated);
    let mut factors = with_defaults(keys(benchmark, backend), stated);
    if has_app && benchmark.takes_app() {
        for (key, value) in APP_KEYS.iter().filter_map(|key| Some((key, key.default.value()?))) {
            factors.entry(app::factor_name(key.name)).or_insert(value);
        }
    }
    Cell { id, benchmark, backend, factors, variant: None }
}

/// The cell of a variant: the base cell with the variant's values.
fn variant_cell(base: &Cell, variant: &Variant) -> Cell {
    let mut cell = base.clone();
    let of_app = base.benchmark.takes_app().then_some(&variant.app);
    let changes = [variant.benchmarks.get(&base.benchmark), variant.backends.get(&base.backend), of_app];
    for (name, value) in changes.into_iter().flatten().flatten() {
        let key = keys(base.benchmark, base.backend).find(|key| key.name == name).or_else(|| app::key_of(name));
        let value = key.map_or_else(|| value.clone(), |key| applied(key, base.factors.get(name), value));
        cell.factors.insert(name.clone(), value);
    }
    cell.id = base.id.of_variant(&variant.name);
    cell.variant = Some(variant.name.clone());
    cell
}

/// How many cells a plan has, without making them.
pub(super) fn count(plan: &Plan) -> u64 {
    let one = |benchmark: &BenchmarkPlan, backend: BackendName| {
        let lengths = stated(plan, benchmark, backend).into_values().map(|values| values.len() as u64);
        let variants = plan.variants.iter().filter(|variant| variant.touches(benchmark.benchmark, backend)).count();
        lengths.fold(1 + variants as u64, u64::saturating_mul)
    };
    let all = plan.benchmarks.iter().flat_map(|benchmark| benchmark.on.iter().map(move |on| one(benchmark, *on)));
    all.fold(0, u64::saturating_add)
}

fn keys(benchmark: BenchmarkName, backend: BackendName) -> impl Iterator<Item = &'static Key> {
    benchmark_keys(benchmark).iter().chain(backend_keys(backend))
}

fn stated(plan: &Plan, benchmark: &BenchmarkPlan, backend: BackendName) -> StatedFactors {
    let mut stated = benchmark.factors.clone();
    stated.extend(plan.backends.get(&backend).cloned().unwrap_or_default());
    if let Some(app) = plan.app.as_ref().filter(|_| benchmark.benchmark.takes_app()) {
        stated.extend(app::as_factors(app));
    }
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
