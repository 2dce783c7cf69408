//! A slice of the simulation that is small enough for every change; `docs/reliability.md` says how to run more.
use herenow_sim::{
    mutation::Mutation,
    run::{Plan, Report, catch, run},
    show::KINDS,
    world::Trace,
};
use std::collections::BTreeMap;

const STEPS: u32 = 300;

fn play(seed: u64, steps: u32) -> Report {
    run(Plan { seed, steps, mutation: None, trace: Trace::Off })
}

fn replay(report: &Report, steps: u32) -> String {
    format!("herenow-sim --seed {} --steps {steps} --trace\n  {:?}", report.seed, report.fault)
}

#[test]
fn whatever_happens_all_holds_and_every_kind_of_event_is_reached() {
    let mut said: BTreeMap<&str, u64> = BTreeMap::new();
    let mut failed = Vec::new();
    for seed in 0..100 {
        let report = play(seed, STEPS);
        for (kind, times) in &report.said {
            *said.entry(kind).or_default() += times;
        }
        if report.fault.is_some() {
            failed.push(replay(&report, STEPS));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let unsaid: Vec<_> = KINDS.iter().filter(|kind| said.get(*kind).is_none_or(|times| *times == 0)).collect();
    assert!(unsaid.is_empty(), "never said: {unsaid:?}");
}

#[test]
fn seeds_that_failed_once_hold() {
    let seeds = include_str!("seeds");
    let lines = seeds.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut failed = Vec::new();
    for line in lines {
        let mut words = line.split_whitespace();
        let seed = words.next().and_then(|word| word.parse().ok()).expect("a seed comes first");
        let steps = words.next().and_then(|word| word.parse().ok()).expect("its steps come second");
        let report = play(seed, steps);
        if report.fault.is_some() {
            failed.push(format!("{line}\n  {}", replay(&report, steps)));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_planted_fault_is_caught() {
    let all = Mutation::ALL;
    let mut lines = Vec::new();
    let mut caught = 0;
    for mutation in all {
        let found = catch(*mutation, 0..60, STEPS);
        caught += usize::from(found.is_some());
        lines.push(match found {
            Some((seed, _)) => format!("  seed {seed:>2} {mutation:?}"),
            None => format!("  missed  {mutation:?}"),
        });
    }
    let summary = format!("{}\nmutants: {caught}/{} caught\n", lines.join("\n"), all.len());
    std::io::Write::write_all(&mut std::io::stdout(), summary.as_bytes()).unwrap();
    assert_eq!(caught, all.len(), "{}", lines.join("\n"));
}

#[test]
fn one_seed_is_one_run() {
    let hash = |seed| match run(Plan { seed, steps: STEPS, mutation: None, trace: Trace::HASH }).trace {
        Trace::Hash(hash) => hash,
        Trace::Off | Trace::Lines(_) => panic!("a hash was asked for"),
    };
    assert_eq!(hash(7), hash(7));
    assert_ne!(hash(7), hash(8));
}
