//! The `herenow` binary: reads the command line, and is the only place that writes to the terminal.
#![expect(clippy::print_stderr, reason = "what this program prints is what it is for")]

use anyhow::Context;
use clap::Parser;
use herenow::{
    banner::{BannerFacts, banner, notice_line},
    cli::{Cli, Command, FAILURE, Failure, ServeArgs, USAGE},
    config::{
        load::{Loaded, environment},
        mode::Mode,
        settings::{LogConfig, LogFormat, LogLevel},
    },
    serve::{Server, stop_signal},
    shard::NoticeSink,
};
use herenow_core::{event::Notice, time::Time};
use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
    sync::{Arc, mpsc},
    time::{SystemTime, UNIX_EPOCH},
};
use tracing_subscriber::filter::LevelFilter;

fn main() -> ExitCode {
    let command = Cli::parse().into_command();
    let variables = match environment() {
        Ok(variables) => variables,
        Err(error) => return fail(&Failure { message: error.to_string(), code: USAGE }),
    };
    match command {
        Command::Serve(arguments) => match serve(&arguments, variables) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => fail(&failure),
        },
        Command::Key(arguments) => match arguments.run() {
            Ok((key, note)) => {
                print_line(&key);
                eprintln!("{note}");
                ExitCode::SUCCESS
            }
            Err(error) => fail(&Failure { message: format!("no random bytes for a key: {error}"), code: FAILURE }),
        },
        Command::Token(arguments) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            match arguments.run(variables, now.as_secs()) {
                Ok(outcome) => {
                    print_line(&outcome.stdout);
                    if !outcome.stderr.is_empty() {
                        eprintln!("{}", outcome.stderr);
                    }
                    ExitCode::from(outcome.code)
                }
                Err(failure) => fail(&failure),
            }
        }
    }
}

fn fail(failure: &Failure) -> ExitCode {
    eprintln!("herenow: {}", failure.message);
    ExitCode::from(failure.code)
}

fn serve(arguments: &ServeArgs, variables: Vec<(String, String)>) -> Result<(), Failure> {
    let (loaded, mode) = arguments.prepare(variables)?;
    log_to_stderr(&loaded.config.log);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let served = runtime.context("cannot start the runtime").and_then(|runtime| runtime.block_on(run(&loaded, &mode)));
    served.map_err(|error| Failure { message: format!("{error:#}"), code: FAILURE })
}

async fn run(loaded: &Loaded, mode: &Mode) -> anyhow::Result<()> {
    let config = &loaded.config;
    let is_watched = mode.is_dev() && std::io::stdout().is_terminal();
    let notices = if is_watched { terminal_notices() } else { Arc::new(|_: Time, _: &Notice| {}) as NoticeSink };
    let mut server = Server::bind(config, mode, notices).await?;
    let has_demo = config.demo_enabled(mode.is_dev());
    if has_demo {
        server = server.with_demo(config.demo.database.as_deref()).context("cannot open the demo's database")?;
    }
    let stop = stop_signal()?;
    let file = loaded.file.as_ref().map(|file| file.display().to_string());
    let facts = BannerFacts { address: server.address(), is_dev: mode.is_dev(), has_demo, file: file.as_deref() };
    print_line(&banner(facts));
    server.run(stop).await;
    Ok(())
}

/// Prints who comes and goes, on a thread of its own: shards must not wait for a terminal. What it cannot print in time is
/// left out.
fn terminal_notices() -> NoticeSink {
    let (sender, lines) = mpsc::sync_channel::<String>(NOTICES_MAX);
    std::thread::spawn(move || lines.into_iter().for_each(|line| print_line(&line)));
    Arc::new(move |now, notice| {
        let _ = sender.try_send(notice_line(now, notice));
    })
}

/// Prints a line; a reader that is gone is no reason to stop.
fn print_line(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn log_to_stderr(config: &LogConfig) {
    let level = match config.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let is_human = match config.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
    if is_human {
        builder.with_target(false).init();
    } else {
        builder.json().init();
    }
}

/// Lines that wait for the terminal.
const NOTICES_MAX: usize = 256;
