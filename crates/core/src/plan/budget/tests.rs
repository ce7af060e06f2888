use super::*;
use crate::diagnostic::render;
use crate::factor::FactorValue;

fn read_all(text: &str) -> Vec<Budget> {
    parse_budgets("budgets.toml", text).unwrap_or_else(|wrong| panic!("{}", render(&wrong)))
}

fn said(text: &str) -> String {
    render(&parse_budgets("budgets.toml", text).unwrap_err())
}

fn limit(metric: &str, line: &str) -> Limit {
    read_all(&format!("[[budget]]\nmetric = \"{metric}\"\n{line}\n"))[0].limit.clone()
}

#[test]
fn a_table_becomes_one_budget_for_each_figure() {
    let budgets = read_all(
        "[[budget]]\nmetric = \"boot.total_ns\"\np50 = \"< 200 ms\"\np95 = \"< +5 %\"\nfailures = \"< 1 %\"\n\
         than = \"base\"\nwhen = { backend = \"qemu\", memory = \"256 MiB\", variant = \"new\" }\n",
    );
    let names: Vec<&str> = budgets.iter().map(|budget| budget.name.as_str()).collect();
    let when = "(backend=qemu, memory=256MiB, variant=new)";
    assert_eq!(
        names,
        [
            format!("boot.total_ns p50 {when}"),
            format!("boot.total_ns p95 {when} than base"),
            format!("boot.total_ns failures {when}"),
        ]
    );
    assert_eq!(budgets[0].limit, Limit::Ceiling(2e8));
    assert_eq!(budgets[1].limit, Limit::AgainstVariant { variant: "base".to_owned(), share: 0.05 });
    assert_eq!((budgets[2].figure, &budgets[2].limit), (Figure::FailureShare, &Limit::Ceiling(0.01)));
    assert_eq!(budgets[0].when["memory"], FactorValue::Bytes(256 << 20));
}

#[test]
fn bounds_have_units_sides_and_signs() {
    assert_eq!(limit("total_ns", "p99 = \"≤ 1.5 s\""), Limit::Ceiling(1.5e9));
    assert_eq!(limit("boot.peak_memory_bytes", "max = \"< 64 MiB\""), Limit::Ceiling(f64::from(64 << 20)));
    assert_eq!(limit("throughput_bytes_per_s", "p50 = \"> 1 GB/s\""), Limit::Floor(1e9));
    assert_eq!(limit("calls_per_s", "p50 = \">= 1000/s\""), Limit::Floor(1000.0));
    assert_eq!(limit("hit_ratio", "p50 = \"< 5 %\""), Limit::Ceiling(0.05));
    assert_eq!(limit("oom_count", "max = \"< 3\""), Limit::Ceiling(3.0));
    assert_eq!(limit("total_ns", "p50 = \"< +5 %\""), Limit::AgainstRun(0.05));
    assert_eq!(limit("total_ns", "p50 = \"< -10 %\""), Limit::AgainstRun(-0.1));
    assert_eq!(limit("calls_per_s", "p50 = \"> -5 %\""), Limit::AgainstRun(0.05));
    assert_eq!(limit("calls_per_s", "p50 = \"> +10 %\""), Limit::AgainstRun(-0.1));
    assert_eq!(limit("total_ns", "failures = \"0 %\""), Limit::Ceiling(0.0));
}

#[test]
fn the_interpretation_table_of_luminaguard_can_be_written() {
    let text = "[[budget]]\nname = \"spawn\"\nmetric = \"boot.total_ns\"\n\
                p50 = { excellent = \"< 100 ms\", good = \"< 150 ms\", ok = \"< 200 ms\" }\n\
                p95 = { excellent = \"150 ms\", good = \"200 ms\", ok = \"300 ms\" }\n\
                [[budget]]\nmetric = \"throughput_bytes_per_s\"\np50 = \"> 10 MB/s\"\n\
                grades = { excellent = \"1 GB/s\", good = \"100 MB/s\" }\n";
    let budgets = read_all(text);
    let grades: Vec<(&str, f64)> = budgets[0].grades.iter().map(|(name, bound)| (name.as_str(), *bound)).collect();
    assert_eq!(grades, [("excellent", 1e8), ("good", 1.5e8), ("ok", 2e8)]);
    assert_eq!((budgets[0].name.as_str(), &budgets[0].limit), ("spawn p50", &Limit::Ceiling(2e8)));
    assert_eq!((budgets[1].name.as_str(), &budgets[1].limit), ("spawn p95", &Limit::Ceiling(3e8)));
    assert_eq!(budgets[2].grades[0], ("excellent".to_owned(), 1e9));
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_a_way_out() {
    insta::assert_snapshot!(said(
        "[[budget]]\nmetrik = \"boot.total_ns\"\n\
         [[budget]]\nmetric = \"bot.total_ns\"\np50 = \"< 1 s\"\n\
         [[budget]]\nmetric = \"boot.total_ns\"\n\
         [[budget]]\nmetric = \"boot.total_ns\"\np50 = \"200 ms\"\np90 = \"< 200\"\np95 = \"< 5 %\"\np99 = \"> +5 %\"\n\
         max = \"< +5 %\"\nfailures = \"> 1 %\"\n\
         [[budget]]\nmetric = \"boot.total_ns\"\np50 = \"< 64 MiB\"\np90 = 200\nthan = \"base\"\n\
         when = { bakend = \"runc\", backend = \"runk\" }\n\
         [[budget]]\nmetric = \"boot.total_ns\"\np50 = \"< 1 s\"\nthan = \"base\"\n\
         grades = { good = \"2 s\", better = \"1 s\" }\n"
    ));
    insta::assert_snapshot!(said("budget = 3\nsamples = 3\n"));
    insta::assert_snapshot!(said("# nothing\n"));
}

#[test]
fn a_plan_holds_budgets_too() {
    let plan = "[boot]\non = \"runc\"\n[[budget]]\nmetric = \"boot.total_ns\"\np50 = \"< 1 s\"\n";
    let plan = crate::plan::Plan::parse("plan.toml", plan, &[]).unwrap();
    assert_eq!(plan.budgets.len(), 1);
}
