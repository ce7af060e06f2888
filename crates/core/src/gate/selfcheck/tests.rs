use super::*;

fn simulated(simulation: &Simulation) -> Vec<Outcome> {
    simulate(simulation)
}

#[test]
#[ignore]
fn print() {
    let simulation = Simulation::default();
    for outcome in simulated(&simulation) {
        eprintln!(
            "{:8} {:20} {:5.2} fail {:6.4} [{:.4} {:.4}] pass {} inc {}",
            outcome.design,
            outcome.noise.words(),
            outcome.injected,
            outcome.fail_share,
            outcome.fail_share_ci95[0],
            outcome.fail_share_ci95[1],
            outcome.passed,
            outcome.inconclusive
        );
    }
}
