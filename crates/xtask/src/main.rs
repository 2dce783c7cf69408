//! What `./test` and CI call, as `cargo xtask <command>`: checks that no compiler makes.
//!
//! Each check is a pure function from text to a [`report::Report`], in a module of its own. This file reads the
//! command line and prints; [`workspace`] reads the files.
#![expect(clippy::print_stdout, reason = "printing is what a tool does")]

mod arrows;
mod crate_arrows;
mod cycles;
mod fixtures;
mod links;
mod lint;
mod modules;
mod named;
mod plant;
mod plants;
mod props;
mod readme;
mod references;
mod report;
mod sizes;
mod workspace;

use crate::{report::Report, workspace::Workspace};
use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};

/// Checks of the herenow repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs every check below.
    Check,
    /// Checks which crates and modules depend on which, and that modules have no cycle.
    Arrows,
    /// Checks how long files and functions are, or how large a binary is.
    Sizes {
        /// A binary to weigh instead.
        #[arg(long, requires = "max_mb")]
        binary: Option<PathBuf>,
        /// What it may weigh, in MB of 1,000,000 bytes.
        #[arg(long, requires = "binary")]
        max_mb: Option<u64>,
    },
    /// Checks habits that clippy does not know.
    Lint,
    /// Checks that each file under `fixtures/` is well-formed.
    Fixtures,
    /// Checks that links between documents lead somewhere.
    Links,
    /// Checks that the tests that documents name are there, and that each limit is in their table.
    Named,
    /// Plants wrong rules in a copy of the driver, one by one, and sees that a test fails for each. Takes minutes.
    Plant {
        /// Only rules that contain this.
        #[arg(long, default_value = "")]
        only: String,
    },
    /// Tries each property on many more cases than the tests do. Takes minutes.
    Props {
        /// How many.
        #[arg(long, default_value_t = 20_000)]
        cases: u32,
    },
    /// Checks that the commands in README.md exist.
    Readme,
}

fn main() -> anyhow::Result<ExitCode> {
    let command = Arguments::parse().command;
    let workspace = Workspace::read()?;
    let reports = match command {
        Command::Check => {
            let mut reports = all_arrows(&workspace);
            reports.extend([
                sizes::check(&workspace.files),
                lint::check(&workspace.files),
                fixtures::check(&workspace.files),
                links::check(&workspace.files),
                named::check(&workspace.files),
                readme::check(&workspace),
            ]);
            reports
        }
        Command::Arrows => all_arrows(&workspace),
        Command::Sizes { binary: Some(path), max_mb } => {
            vec![sizes::check_binary(&path, max_mb.expect("clap requires it beside the binary"))?]
        }
        Command::Sizes { binary: None, .. } => vec![sizes::check(&workspace.files)],
        Command::Lint => vec![lint::check(&workspace.files)],
        Command::Fixtures => vec![fixtures::check(&workspace.files)],
        Command::Links => vec![links::check(&workspace.files)],
        Command::Named => vec![named::check(&workspace.files)],
        Command::Plant { only } => {
            let caught = plant::run(&workspace.root, &workspace.target, &only)?;
            return Ok(if caught { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Props { cases } => {
            let hold = props::run(&workspace.root, &workspace.files, cases)?;
            return Ok(if hold { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Readme => vec![readme::check(&workspace)],
    };
    for report in &reports {
        println!("{report}");
    }
    let passed = reports.iter().all(Report::passed);
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn all_arrows(workspace: &Workspace) -> Vec<Report> {
    vec![crate_arrows::check(&workspace.crates), arrows::check(&workspace.crates, &workspace.files)]
}
