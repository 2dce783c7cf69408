//! A slice of the simulated cluster that is small enough for every change; `docs/cluster.md` says how to run more.
use herenow_sim::cluster::{
    run::{Plan, Report, catch, run},
    wrong::Wrong,
};
use std::{collections::BTreeMap, io::Write};

const STEPS: u32 = 60;

fn play(seed: u64, trace: bool) -> Report {
    run(Plan { seed, steps: STEPS, wrong: None, trace })
}

#[test]
fn whatever_happens_to_store_and_nodes_nobody_on_an_undisturbed_node_is_said_to_leave_and_all_agree_in_the_end() {
    let mut met: BTreeMap<&str, u64> = BTreeMap::new();
    let mut failed = Vec::new();
    let (mut events, mut slowest_ms) = (0, 0);
    for seed in 0..40 {
        let report = play(seed, false);
        (events, slowest_ms) = (events + report.events, slowest_ms.max(report.converged_ms));
        for (name, times) in report.counters {
            *met.entry(name).or_default() += times;
        }
        if let Some(fault) = report.fault {
            failed.push(format!("herenow-sim --cluster --seed {seed} --steps {STEPS} --trace\n  {fault}"));
        }
    }
    let line = format!(
        "sim --cluster: 40 seeds, {} violations, {events} events, slowest convergence {slowest_ms} virtual ms\n",
        failed.len()
    );
    std::io::stdout().write_all(line.as_bytes()).unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    // A fence is met in one seed of fifty.
    let unmet: Vec<_> = met.iter().filter(|(name, times)| **name != "fenced" && **times == 0).collect();
    assert!(unmet.is_empty(), "never needed: {unmet:?}");
}

/// The corrections whose absence shows within a few seeds; `herenow-sim --cluster --mutants` takes out all of them.
const SOON_MISSED: &[Wrong] = &[
    Wrong::NoStampGuard,
    Wrong::PlainVersion,
    Wrong::NoAudit,
    Wrong::NoOwnStampAudit,
    Wrong::NoCursorAudit,
    Wrong::NoHold,
    Wrong::MissingIsDead,
];

#[test]
fn corrections_that_are_taken_out_are_missed() {
    let mut lines = Vec::new();
    let mut caught = 0;
    for wrong in SOON_MISSED {
        let found = catch(*wrong, 0..40, STEPS);
        caught += usize::from(found.is_some());
        lines.push(match found {
            Some((seed, _)) => format!("  seed {seed:>3} {wrong:?}"),
            None => format!("  missed   {wrong:?}"),
        });
    }
    let summary = format!("{}\nmutants: {caught}/{} caught\n", lines.join("\n"), SOON_MISSED.len());
    std::io::stdout().write_all(summary.as_bytes()).unwrap();
    assert_eq!(caught, SOON_MISSED.len(), "{}", lines.join("\n"));
}

#[test]
fn one_seed_of_a_cluster_is_one_run() {
    assert_eq!(play(7, true).trace, play(7, true).trace);
    assert_ne!(play(7, true).trace, play(8, true).trace);
}
