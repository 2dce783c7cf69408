//! The `herenow` binary: reads the command line, and is the only place that writes to the terminal.
#![expect(clippy::print_stderr, reason = "what this program prints is what it is for")]

use anyhow::Context;
use clap::Parser;
use herenow::{
    banner::{BannerFacts, banner, notice_line},
    cli::{Cli, Command, ServeArgs},
    config::{
        load::{Loaded, environment},
        mode::Mode,
        settings::{LogConfig, LogFormat, LogLevel},
    },
    open_files,
    outcome::{FAILURE, Failure, Outcome, USAGE},
    reload::{Live, LiveSetup},
    serve::{Server, reload_signal, stop_signal},
    shard::NoticeSink,
};
use herenow_core::{event::Notice, time::Time};
use std::{
    io::{IsTerminal, Write},
    net::SocketAddr,
    process::ExitCode,
    sync::{Arc, mpsc},
    time::{SystemTime, UNIX_EPOCH},
};
use tracing_subscriber::{Registry, filter::LevelFilter, layer::SubscriberExt, util::SubscriberInitExt};

// After two thousand came and went, the system's allocator keeps what it had at the worst moment, and each such storm adds
// to it; this one gives it back, from a thread of its own where nothing else happens.
#[cfg(all(feature = "jemalloc", not(target_env = "msvc")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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
            finish(arguments.run(variables, now.as_secs()))
        }
        Command::Config(arguments) => finish(arguments.run(variables)),
    }
}

fn finish(done: Result<Outcome, Failure>) -> ExitCode {
    match done {
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

fn fail(failure: &Failure) -> ExitCode {
    eprintln!("herenow: {}", failure.message);
    ExitCode::from(failure.code)
}

fn serve(arguments: &ServeArgs, variables: Vec<(String, String)>) -> Result<(), Failure> {
    let (mut loaded, mut mode) = arguments.prepare(variables.clone())?;
    let level = log_to_stderr(&loaded.config.log);
    let files = open_files::raise();
    if files < open_files::WANTED {
        tracing::warn!(
            files,
            "few files may be open at once, and each connection is one; raise the hard limit (ulimit -Hn, or LimitNOFILE= of \
             systemd)"
        );
    }
    let served = |error| Failure { message: format!("{error:#}"), code: FAILURE };
    let mut listen = loaded.config.server.listen;
    loop {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.context("cannot start the runtime").map_err(served)?;
        let sources = Sources { variables: variables.clone(), level: level.clone() };
        let start = Start { arguments, loaded: &loaded, mode: &mode, listen };
        match runtime.block_on(run(start, sources)).map_err(served)? {
            Next::End => return Ok(()),
            Next::Again(address) => listen = address,
        }
        match arguments.prepare(variables.clone()) {
            Ok(prepared) => (loaded, mode) = prepared,
            Err(failure) => {
                tracing::error!(problem = failure.message, "the new configuration is wrong; the old one goes on")
            }
        }
    }
}

/// What a server is started with.
struct Start<'a> {
    arguments: &'a ServeArgs,
    loaded: &'a Loaded,
    mode: &'a Mode,
    listen: SocketAddr,
}

/// What comes after a server has ended.
enum Next {
    /// Nothing.
    End,
    /// It is started anew, where it was.
    Again(SocketAddr),
}

async fn run(start: Start<'_>, sources: Sources) -> anyhow::Result<Next> {
    let Start { arguments, loaded, mode, listen } = start;
    let mut config = loaded.config.clone();
    config.server.listen = listen;
    let is_watched = mode.is_dev() && std::io::stdout().is_terminal();
    let notices = if is_watched { terminal_notices() } else { Arc::new(|_: Time, _: &Notice| {}) as NoticeSink };
    let mut server = Server::bind(&config, mode, notices).await?;
    let has_demo = config.demo_enabled(mode.is_dev());
    if has_demo {
        server = server.with_demo(config.demo.database.as_deref()).context("cannot open the demo's database")?;
    }
    let stop = stop_signal()?;
    let setup = LiveSetup {
        webhooks: server.webhooks().clone(),
        around: server.around().clone(),
        config: loaded.config.clone(),
        mode: mode.clone(),
        forced: arguments.forced(),
    };
    let live = Live::new(server.presence().clone(), setup);
    tokio::spawn(reload(reload_signal()?, live, arguments.clone(), sources));
    let file = loaded.file.as_ref().map(|file| file.display().to_string());
    let facts = BannerFacts {
        address: server.address(),
        is_tls: config.tls.cert.is_some(),
        is_dev: mode.is_dev(),
        has_demo,
        has_admin: config.api.admin_page,
        admin_code: server.admin_code(),
        file: file.as_deref(),
    };
    print_line(&banner(facts));
    let (restart, address) = (server.restart(), server.address());
    server.run(stop).await;
    Ok(if restart.is_asked() { Next::Again(address) } else { Next::End })
}

/// What a configuration is read from anew, and where its log level goes.
struct Sources {
    variables: Vec<(String, String)>,
    level: LevelHandle,
}

/// Reads the configuration anew at each signal, and logs what changed.
async fn reload(mut signal: tokio::signal::unix::Signal, mut live: Live, arguments: ServeArgs, sources: Sources) {
    while signal.recv().await.is_some() {
        let loaded = match arguments.load(sources.variables.clone()) {
            Ok(loaded) => loaded,
            Err(failure) => {
                tracing::error!(problem = failure.message, "the new configuration is wrong; the old one goes on");
                continue;
            }
        };
        match live.take(&loaded.config).await {
            Err(error) => tracing::error!(%error, "the new configuration is not taken; the old one goes on"),
            Ok(changes) => {
                // It fails only where nothing is logged any more.
                let _ = sources.level.reload(level_filter(live.config().log.level));
                for change in &changes {
                    let (key, from, to) = (&*change.key, &*change.from, &*change.to);
                    if change.is_live {
                        tracing::info!(key, from, to, "configuration changed");
                    } else {
                        tracing::warn!(key, from, to, "configuration changed; this needs a restart");
                    }
                }
                tracing::info!(changes = changes.len(), "read the configuration anew");
            }
        }
    }
}

/// Prints who comes and goes, on a thread of its own: shards must not wait for a terminal. What it cannot print in time is
/// left out.
fn terminal_notices() -> NoticeSink {
    let (sender, lines) = mpsc::sync_channel::<String>(NOTICES_MAX);
    std::thread::spawn(move || lines.into_iter().for_each(|line| print_line(&line)));
    Arc::new(move |now, notice| {
        if let Some(line) = notice_line(now, notice) {
            let _ = sender.try_send(line);
        }
    })
}

/// Prints a line; a reader that is gone is no reason to stop.
fn print_line(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Changes from which severity on things are logged.
type LevelHandle = tracing_subscriber::reload::Handle<LevelFilter, Registry>;

fn level_filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

fn log_to_stderr(config: &LogConfig) -> LevelHandle {
    let is_human = match config.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    let (level, handle) = tracing_subscriber::reload::Layer::new(level_filter(config.level));
    let registry = tracing_subscriber::registry().with(level);
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    if is_human {
        registry.with(lines.with_target(false)).init();
    } else {
        registry.with(lines.json()).init();
    }
    handle
}

/// Lines that wait for the terminal.
const NOTICES_MAX: usize = 256;
