//! Feeds every parser from a seed: `cargo run --release -p herenow-fuzz -- --frames 10000000`.
#![expect(clippy::print_stdout, reason = "printing is what a tool does")]
#![expect(clippy::print_stderr, reason = "what went wrong goes where errors go")]

use clap::Parser;
use herenow_fuzz::{
    campaign::{Campaign, Tally},
    corpus::Corpus,
    targets::TARGETS,
};
use std::{panic, process::ExitCode};

/// Feeds foreign bytes to the parsers of herenow.
#[derive(Parser)]
struct Arguments {
    /// How many inputs, spread evenly over the parsers.
    #[arg(long, default_value_t = 1_000_000)]
    frames: u64,
    /// What they follow from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this parser.
    #[arg(long)]
    target: Option<String>,
    /// Only the input of this number; needs a target.
    #[arg(long, requires = "target")]
    only: Option<u64>,
}

fn main() -> ExitCode {
    let Arguments { frames, seed, target, only } = Arguments::parse();
    let corpus = match Corpus::of_repository() {
        Ok(corpus) => corpus,
        Err(error) => {
            eprintln!("the fixtures cannot be read: {error}");
            return ExitCode::FAILURE;
        }
    };
    // Each panic is told with its input below; where it came from is worth a line only when one is looked at alone.
    if only.is_none() {
        panic::set_hook(Box::new(|_| {}));
    }
    let tallies = Campaign { seed, frames, target: target.as_deref(), only, corpus: &corpus }.run();
    if tallies.is_empty() {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("there is no such target; there are {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    for tally in &tallies {
        println!("{tally}");
        tally.broken.iter().for_each(|broken| println!("{broken}"));
    }
    let fed: u64 = tallies.iter().map(|tally| tally.frames).sum();
    let panics: usize = tallies.iter().map(|tally| tally.broken.len()).sum();
    let is_blunt = only.is_none() && tallies.iter().any(Tally::is_blunt);
    if is_blunt {
        println!("a parser took 1 % of its inputs or less: they do not test what comes behind its first check");
    }
    println!("fuzz: {fed} frames over {} parsers, {panics} panics, seed {seed}", tallies.len());
    if panics > 0 || is_blunt { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
