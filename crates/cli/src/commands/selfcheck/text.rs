//! What the gate's check of itself says to people.

use isodyne_core::gate::selfcheck::{Many, Outcome, RunCheck, Simulation};
use isodyne_core::unit::DisplayNs;

/// The table of a simulation.
pub fn synthetic(simulation: &Simulation, outcomes: &[Outcome], promised: f64) -> String {
    let mut text = format!(
        "gate on synthetic samples: {} pairs, coefficient of variation {}, correlation in time {}, margin {}, {} trials each\n\n",
        simulation.pairs,
        percent(simulation.variation),
        simulation.correlation,
        percent(simulation.margin),
        simulation.trials
    );
    text.push_str("  design           noise                injected     fail   95 % interval     pass   cannot tell\n");
    for one in outcomes {
        let design = if one.design == "blocks" { "A then B (naive)" } else { "paired (gate)" };
        let injected = if one.injected == 0.0 { "A/A".to_owned() } else { format!("+{}", percent(one.injected)) };
        let share = |count: u64| percent(count as f64 / one.trials.max(1) as f64);
        let [low, high] = one.fail_share_ci95;
        let interval = format!("{} – {}", percent(low), percent(high));
        text.push_str(&format!(
            "  {design:<16} {:<20} {injected:>8} {:>8}   {interval:<16} {:>6}   {:>6}\n",
            one.noise.words(),
            percent(one.fail_share),
            share(one.passed),
            share(one.inconclusive)
        ));
    }
    text.push_str(&format!(
        "\n`fail` at A/A is a false alarm (promised: at most {} where the host drifts), else it is power.\n\
         A then B: all samples of A, then all of B, and a permutation test on their means at 5 %.\n",
        percent(promised)
    ));
    text
}

/// The table of gates with several budgets.
pub fn many(gates: &[Many]) -> String {
    let mut text = "\nseveral budgets in one gate, each on its own metric, where the host drifts\n\n  \
                    budgets   metrics       A/A: any fails   95 % interval     one +5 %: found   another fails\n"
        .to_owned();
    for one in gates {
        let [low, high] = one.alike.fail_share_ci95;
        let interval = format!("{} – {}", percent(low), percent(high));
        let metrics = if one.correlated { "correlated" } else { "independent" };
        text.push_str(&format!(
            "  {:>7}   {metrics:<12} {:>15}   {interval:<16} {:>16} {:>15}\n",
            one.budgets,
            percent(one.alike.fail_share),
            percent(one.one_worse.fail_share),
            percent(one.wrong_one as f64 / one.one_worse.trials.max(1) as f64)
        ));
    }
    text
}

/// What windows of a real run say.
pub fn run(checks: &[RunCheck], promised: f64) -> String {
    let mut text = String::new();
    for check in checks {
        text.push_str(&format!(
            "{}: {} windows of {} rounds, run {}\n",
            check.cell, check.windows, check.window, check.run_id
        ));
        line(&mut text, "alike", &check.alike);
        text.push_str(&format!("            `fail` here is a false alarm; promised: at most {}\n", percent(promised)));
        if check.delayed.trials > 0 {
            line(&mut text, "delayed", &check.delayed);
            if let (Some(delay), Some([low, high])) = (check.delay_ns, check.delay_ci95_ns) {
                let of = check
                    .base_p50_ns
                    .map_or_else(String::new, |base| format!(", {} of {}", percent(delay / base), DisplayNs(base)));
                text.push_str(&format!(
                    "            over all rounds it is {} (95 %: {} to {}){of}\n",
                    DisplayNs(delay),
                    DisplayNs(low),
                    DisplayNs(high)
                ));
            }
            for phase in &check.phases {
                let interval = phase.change_ci95_ns.map_or_else(String::new, |[low, high]| {
                    format!(" (95 %: {} to {})", DisplayNs(low), DisplayNs(high))
                });
                text.push_str(&format!(
                    "            phase that moved: {} by {}{interval}\n",
                    phase.phase,
                    DisplayNs(phase.change_ns)
                ));
            }
        }
    }
    text
}

fn line(text: &mut String, name: &str, one: &Outcome) {
    let [low, high] = one.fail_share_ci95;
    text.push_str(&format!(
        "  {name:<8}  {} of {} fail: {} (95 %: {} to {}); {} pass, {} cannot tell\n",
        one.failed,
        one.trials,
        percent(one.fail_share),
        percent(low),
        percent(high),
        one.passed,
        one.inconclusive
    ));
}

fn percent(share: f64) -> String {
    let value = share * 100.0;
    if value == 0.0 || value.abs() >= 9.95 { format!("{value:.0} %") } else { format!("{value:.1} %") }
}
