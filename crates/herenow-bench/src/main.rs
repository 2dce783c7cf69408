//! The benchmark on the command line: `herenow-bench idle | fanout | compare | naive-server`.
use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use herenow_bench::{
    compare::{self, Circumstances, ComparePlan},
    fanout::{self, FanoutPlan},
    idle::{self, IdlePlan},
    naive, proc,
    server::{Setup, Target, default_secret},
};
use serde::Serialize;
use std::{io::Write, net::SocketAddr, path::PathBuf, time::Duration};

/// Measures herenow over real sockets, beside a baseline written the usual way.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Memory of the server per idle connection that has joined a room.
    Idle {
        /// herenow, naive, naive-4k, or http://ADDRESS:PORT with --pid.
        #[arg(long, default_value = "herenow")]
        server: Target,
        #[command(flatten)]
        idle: IdleArguments,
        #[command(flatten)]
        common: Common,
    },
    /// Server CPU per delivery and latency, for messages to one large room.
    Fanout {
        /// herenow, naive, naive-4k, or http://ADDRESS:PORT with --pid.
        #[arg(long, default_value = "herenow")]
        server: Target,
        #[command(flatten)]
        fanout: FanoutArguments,
        #[command(flatten)]
        common: Common,
    },
    /// Both, for several servers in alternation; prints a Markdown table of medians.
    Compare {
        /// Which servers; ratios are to the first.
        #[arg(long, value_delimiter = ',', default_value = "herenow,naive,naive-4k")]
        servers: Vec<Target>,
        /// How often each is measured.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Also write all figures of all rounds to a file, as JSON.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        #[command(flatten)]
        idle: IdleArguments,
        #[command(flatten)]
        fanout: FanoutArguments,
        #[command(flatten)]
        common: Common,
    },
    /// Runs the baseline itself.
    NaiveServer {
        /// Where.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// What tokens are signed with.
        #[arg(long, env = "HERENOW_SECRET", default_value = default_secret(), hide_default_value = true, hide_env_values = true)]
        secret: String,
        /// Read buffer of each connection; axum's default is 128 KiB.
        #[arg(long)]
        read_buffer_bytes: Option<usize>,
    },
}

#[derive(Args)]
struct IdleArguments {
    /// Idle connections. Server and generator each need a few more open files than that.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Rooms that they are spread over.
    #[arg(long, default_value_t = 1000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    rooms: usize,
}

#[derive(Args)]
struct FanoutArguments {
    /// Viewers of the room.
    #[arg(long, default_value_t = 1000)]
    members: usize,
    /// Messages under way at once; one measurement each.
    #[arg(long, value_delimiter = ',', default_value = "1,32")]
    outstanding: Vec<usize>,
    /// Bytes of JSON in a message.
    #[arg(long, default_value_t = 100)]
    payload: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

#[derive(Args)]
struct Common {
    /// The herenow binary.
    #[arg(long, default_value = "target/release/herenow")]
    server_bin: PathBuf,
    /// Process of a server that runs already.
    #[arg(long)]
    pid: Option<u32>,
    /// Secret for tokens; a herenow that is started here gets it.
    #[arg(long, env = "HERENOW_SECRET", default_value = default_secret(), hide_default_value = true, hide_env_values = true)]
    secret: String,
    /// Leave the choice of cores to the system.
    #[arg(long)]
    no_pin: bool,
    /// Seconds that each phase (starting, joining, coming to rest, landing) may take.
    #[arg(long, default_value_t = 120)]
    limit: u64,
}

fn main() -> Result<()> {
    match Arguments::parse().task {
        Task::Idle { server, idle, common } => {
            let (setup, circumstances) = prepare(&common)?;
            print_json(&Report::new(&server, circumstances, idle::run(&server, idle.plan(), &setup)?))
        }
        Task::Fanout { server, fanout, common } => {
            let (setup, circumstances) = prepare(&common)?;
            print_json(&Report::new(&server, circumstances, fanout::run(&server, &fanout.plan(), &setup)?))
        }
        Task::Compare { servers, rounds, json, idle, fanout, common } => {
            let (setup, circumstances) = prepare(&common)?;
            let plan = ComparePlan { targets: servers, rounds, idle: idle.plan(), fanout: fanout.plan() };
            let comparison = compare::run(&plan, &setup, circumstances, progress)?;
            if let Some(file) = json {
                let text = serde_json::to_string_pretty(&comparison)?;
                std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
            }
            print(&comparison.markdown())
        }
        Task::NaiveServer { listen, secret, read_buffer_bytes } => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(naive::serve(naive::Config { listen, secret, read_buffer_bytes }))
        }
    }
}

impl IdleArguments {
    const fn plan(&self) -> IdlePlan {
        IdlePlan { connections: self.connections, rooms: self.rooms }
    }
}

impl FanoutArguments {
    fn plan(&self) -> FanoutPlan {
        let duration = Duration::from_secs(self.seconds);
        let outstanding = self.outstanding.clone();
        FanoutPlan { members: self.members, outstanding, payload_bytes: self.payload, duration }
    }
}

/// One measurement with its circumstances.
#[derive(Serialize)]
struct Report<F> {
    server: String,
    machine: String,
    pinning: String,
    figures: F,
}

impl<F> Report<F> {
    fn new(server: &Target, circumstances: Circumstances, figures: F) -> Self {
        let Circumstances { machine, pinning } = circumstances;
        Self { server: server.to_string(), machine, pinning, figures }
    }
}

/// Puts this process on the last core and leaves the first to the server, where there are two and `taskset` is there.
fn prepare(common: &Common) -> Result<(Setup, Circumstances)> {
    let machine = proc::machine();
    let cores = proc::cores()?;
    let (first, last) = (cores.first().copied(), cores.last().copied());
    let pair = first.zip(last).filter(|(first, last)| first != last && !common.no_pin);
    let pair = pair.filter(|(_, last)| proc::pin_self(*last));
    let pinning = match pair {
        Some((first, last)) => format!("Server pinned to core {first}, generator to core {last}"),
        None => "Not pinned".to_owned(),
    };
    let setup = Setup {
        server_bin: common.server_bin.clone(),
        pid: common.pid,
        secret: common.secret.clone(),
        server_core: pair.map(|(first, _)| first),
        limit: Duration::from_secs(common.limit),
    };
    Ok((setup, Circumstances { machine, pinning }))
}

fn progress(line: &str) {
    // Progress that cannot be shown is no reason to stop measuring.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn print_json(value: &impl Serialize) -> Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

fn print(text: &str) -> Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("cannot write to standard output")
}
