//! The benchmark on the command line: `herenow-bench load` for everything, or one work alone.
use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use herenow_bench::{
    cluster::{self, ClusterPlan},
    dialect::Interest,
    fanout::{self, FanoutPlan},
    flight::{Pace, Stage},
    growth::{self, Growth},
    idle::{self, IdlePlan, IdleWay},
    limits, naive, plots, proc,
    server::{Setup, Target, default_secret},
    soak::{self, SoakPlan},
    suite::{self, Sizes, SuitePlan},
    work::{self, JoinPlan, LeavePlan},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// Measures herenow over real sockets, beside other servers and what the machine can do at all.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything, for several servers in alternation; prints a Markdown table of medians with ratios and goals.
    Load(LoadArguments),
    /// W1: memory of the server per idle connection that has joined a room.
    Idle {
        #[command(flatten)]
        server: ServerArguments,
        /// Idle connections. Server and generator each need a few more open files than that.
        #[arg(long, default_value_t = 10_000)]
        connections: usize,
        /// Rooms that they are spread over.
        #[arg(long, default_value_t = 1000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
        rooms: usize,
        /// How they connect.
        #[arg(long, value_enum, default_value_t)]
        by: IdleWay,
    },
    /// W2 and W3: server CPU per delivery, rate and latency, for messages to rooms.
    Fanout {
        #[command(flatten)]
        server: ServerArguments,
        #[command(flatten)]
        fanout: FanoutArguments,
    },
    /// W4: how long until all know all, when many join one room at once.
    Join {
        #[command(flatten)]
        server: ServerArguments,
        /// How many.
        #[arg(long, default_value_t = 1000)]
        members: usize,
        /// What they ask to be told.
        #[arg(long, default_value = "auto")]
        interest: Interest,
    },
    /// W5: how long until those who stay know, when many leave one room at once.
    Leave {
        #[command(flatten)]
        server: ServerArguments,
        /// How many leave.
        #[arg(long, default_value_t = 1000)]
        members: usize,
        /// How many stay.
        #[arg(long, default_value_t = 10)]
        observers: usize,
    },
    /// What several nodes on one Redis cost and how fast they are: messages in rooms at the most, and at half of that how long
    /// two who join through different nodes need to see each other.
    Cluster {
        /// Nodes; one measurement each.
        #[arg(long, value_delimiter = ',', default_value = "1,2,3")]
        nodes: Vec<usize>,
        /// Rooms.
        #[arg(long, default_value_t = 100, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
        rooms: usize,
        /// Viewers of each.
        #[arg(long, default_value_t = 10, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(2..))]
        members: usize,
        /// All viewers of a room on one node, as with a balancer that sends them there; without, on all nodes in turn.
        #[arg(long)]
        together: bool,
        /// Messages under way at once.
        #[arg(long, default_value_t = 100)]
        outstanding: usize,
        /// Pairs that meet.
        #[arg(long, default_value_t = 200)]
        pairs: usize,
        /// Seconds of each measurement.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        #[command(flatten)]
        common: Common,
    },
    /// What the machine can do with no server in between.
    Limits {
        /// Sockets.
        #[arg(long, default_value_t = 1000)]
        sockets: usize,
        /// Bytes of a frame.
        #[arg(long, default_value_t = 250)]
        frame_bytes: usize,
        /// Bytes of a list that each socket gets once.
        #[arg(long, default_value_t = 100_000)]
        list_bytes: usize,
        /// Seconds of each measurement.
        #[arg(long, default_value_t = 3)]
        seconds: u64,
        #[command(flatten)]
        common: Common,
    },
    /// How cost grows with the viewers of a room, the number of rooms, and the rooms of a connection.
    Growth {
        /// Viewers of a room; one measurement each.
        #[arg(long, value_delimiter = ',', default_value = "10,30,100,300,1000,3000,10000")]
        members: Vec<usize>,
        /// Rooms; one measurement each.
        #[arg(long, value_delimiter = ',', default_value = "10,100,1000,10000,100000")]
        rooms: Vec<usize>,
        /// Rooms of one connection; one measurement each.
        #[arg(long, value_delimiter = ',', default_value = "1,2,5,10,20,50")]
        rooms_per_connection: Vec<usize>,
        /// How often a connection comes and goes in each measurement over rooms.
        #[arg(long, default_value_t = 2000)]
        times: usize,
        #[command(flatten)]
        common: Common,
    },
    /// Everything at once for a while, at a share of the most that the server can do: does anything grow?
    Soak {
        /// How long.
        #[arg(long, default_value_t = 60.0)]
        minutes: f64,
        /// Share of the most.
        #[arg(long, default_value_t = 0.8)]
        share: f64,
        /// Rooms.
        #[arg(long, default_value_t = 200, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
        rooms: usize,
        /// Viewers of each who send messages; others come and go.
        #[arg(long, default_value_t = 10, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(2..))]
        members: usize,
        /// What those who send no messages do in a second: of ten, four move a pointer, three are about typing, two let
        /// somebody leave or join, one opens a connection anew.
        #[arg(long, default_value_t = 200)]
        acts: u32,
        /// Seconds between two readings.
        #[arg(long, default_value_t = 10)]
        sample: u64,
        #[command(flatten)]
        common: Common,
    },
    /// Draws plots as SVG, out of the JSON that `growth` and `soak` print.
    Plots {
        /// What `growth` printed.
        #[arg(long, value_name = "FILE")]
        growth: Option<PathBuf>,
        /// What `soak` printed.
        #[arg(long, value_name = "FILE")]
        soak: Option<PathBuf>,
        /// Where to.
        #[arg(long, value_name = "FOLDER", default_value = "docs/plots")]
        out: PathBuf,
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
struct LoadArguments {
    /// Which servers; goals are those of the first.
    #[arg(long, value_delimiter = ',', default_value = "herenow,seed,socket.io,naive-4k")]
    servers: Vec<Target>,
    /// How often each is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Which works.
    #[arg(long, value_delimiter = ',', default_value = "1,2,3,4,5", value_parser = clap::value_parser!(u8).range(1..=5))]
    works: Vec<u8>,
    /// Seconds of each measurement of deliveries.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// A few dozen viewers in place of thousands, to see whether everything works.
    #[arg(long)]
    small: bool,
    /// Print all figures of all rounds as JSON in place of the table.
    #[arg(long)]
    json: bool,
    /// Also write that JSON to a file.
    #[arg(long, value_name = "FILE")]
    json_file: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct ServerArguments {
    /// herenow, naive, naive-4k, seed, socket.io, or http://ADDRESS:PORT with --pid.
    #[arg(long, default_value = "herenow")]
    server: Target,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct FanoutArguments {
    /// Rooms.
    #[arg(long, default_value_t = 1, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    rooms: usize,
    /// Viewers of each.
    #[arg(long, default_value_t = 1000)]
    members: usize,
    /// Messages under way at once; one measurement each.
    #[arg(long, value_delimiter = ',', default_value = "1,32,128")]
    outstanding: Vec<usize>,
    /// Messages a second; one more measurement each.
    #[arg(long, value_delimiter = ',')]
    per_second: Vec<f64>,
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
    /// Where peers in Node are kept, with what they need from npm.
    #[arg(long, value_name = "FOLDER")]
    peers_folder: Option<PathBuf>,
    /// Shards of herenow; without it the server has one a core.
    #[arg(long)]
    shards: Option<usize>,
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
        Task::Load(arguments) => load(&arguments),
        Task::Idle { server, connections, rooms, by } => {
            server.report(|server, setup| idle::run(server, IdlePlan { connections, rooms, way: by }, setup))
        }
        Task::Fanout { server, fanout } => server.report(|server, setup| fanout::run(server, &fanout.plan(), setup)),
        Task::Join { server, members, interest } => {
            server.report(|server, setup| work::join(server, JoinPlan { members, interest }, setup))
        }
        Task::Leave { server, members, observers } => {
            server.report(|server, setup| work::leave(server, LeavePlan { members, observers }, setup))
        }
        Task::Cluster { nodes, rooms, members, together, outstanding, pairs, seconds, common } => {
            let (mut setup, machine, _) = prepare(&Common { no_pin: true, ..common })?;
            setup.shards.get_or_insert(1);
            let (stage, duration) = (Stage { rooms, members, payload_bytes: 100 }, Duration::from_secs(seconds));
            let plan = |nodes| ClusterPlan { nodes, stage, together, outstanding, pairs, duration };
            let measured = nodes.into_iter().map(|nodes| {
                progress(&format!("{nodes} nodes"));
                cluster::run(plan(nodes), &setup)
            });
            let figures = measured.collect::<Result<Vec<_>>>()?;
            print_json(&Report { server: "herenow", machine, pinning: "Not pinned".to_owned(), figures })
        }
        Task::Limits { sockets, frame_bytes, list_bytes, seconds, common } => {
            let (setup, machine, pinning) = prepare(&common)?;
            let duration = Duration::from_secs(seconds);
            let plan = limits::Plan { duration, core: setup.server_core, limit: setup.limit };
            let sends = [1, 16, 64].map(|frames_a_send| limits::send(sockets, frame_bytes, frames_a_send, plan));
            let sends = sends.into_iter().collect::<Result<Vec<_>>>()?;
            let list = limits::list(sockets, list_bytes, plan)?;
            print_json(&Report { server: "none", machine, pinning, figures: (sends, list) })
        }
        Task::Growth { members, rooms, rooms_per_connection, times, common } => {
            let (setup, machine, pinning) = prepare(&common)?;
            let figures = Growth {
                members: growth::members(&members, &setup, &mut progress)?,
                rooms: growth::rooms(&rooms, times)?,
                rooms_per_connection: growth::rooms_per_connection(&rooms_per_connection, times)?,
            };
            print_json(&Report { server: "herenow", machine, pinning, figures })
        }
        Task::Soak { minutes, share, rooms, members, acts, sample, common } => {
            let (setup, machine, pinning) = prepare(&common)?;
            let stage = Stage { rooms, members, payload_bytes: 100 };
            let (duration, sample) = (Duration::from_secs_f64(minutes * 60.0), Duration::from_secs(sample));
            let plan = SoakPlan { stage, share, acts_per_second: acts, duration, sample };
            let figures = soak::run(plan, &setup, &mut progress)?;
            print_json(&Report { server: "herenow", machine, pinning, figures })
        }
        Task::Plots { growth, soak, out } => draw(growth.as_deref(), soak.as_deref(), &out),
        Task::NaiveServer { listen, secret, read_buffer_bytes } => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(naive::serve(naive::Config { listen, secret, read_buffer_bytes }))
        }
    }
}

fn load(arguments: &LoadArguments) -> Result<()> {
    let (setup, machine, pinning) = prepare(&arguments.common)?;
    let plan = SuitePlan {
        targets: arguments.servers.clone(),
        rounds: arguments.rounds,
        works: arguments.works.clone(),
        sizes: if arguments.small { Sizes::SMALL } else { Sizes::FULL },
        duration: Duration::from_secs(arguments.seconds),
    };
    let sheet = suite::run(&plan, &setup, (machine, pinning), &mut progress)?;
    if let Some(file) = &arguments.json_file {
        let text = serde_json::to_string_pretty(&sheet)?;
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    if arguments.json {
        return print_json(&sheet);
    }
    let (judged, reached) = sheet.reached();
    print(&format!("{}\n{reached} of {judged} goals reached.\n", sheet.markdown()))
}

fn draw(growth: Option<&Path>, soak: Option<&Path>, out: &Path) -> Result<()> {
    let mut all = Vec::new();
    if let Some(file) = growth {
        all.extend(plots::of_growth(&figures_in(file)?));
    }
    if let Some(file) = soak {
        all.extend(plots::of_soak(&figures_in(file)?));
    }
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    for (name, plot) in all {
        let file = out.join(name).with_extension("svg");
        std::fs::write(&file, plot.svg()).with_context(|| format!("cannot write {}", file.display()))?;
        print(&format!("{}\n", file.display()))?;
    }
    Ok(())
}

/// What a measurement printed.
fn figures_in<F: DeserializeOwned>(file: &Path) -> Result<F> {
    #[derive(Deserialize)]
    struct Printed<F> {
        figures: F,
    }
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let printed: Printed<F> =
        serde_json::from_slice(&text).with_context(|| format!("not such figures: {}", file.display()))?;
    Ok(printed.figures)
}

impl ServerArguments {
    /// Measures one thing and prints the figures as JSON.
    fn report<F: Serialize>(&self, measure: impl FnOnce(&Target, &Setup) -> Result<F>) -> Result<()> {
        let (setup, machine, pinning) = prepare(&self.common)?;
        let figures = measure(&self.server, &setup)?;
        print_json(&Report { server: &self.server.to_string(), machine, pinning, figures })
    }
}

impl FanoutArguments {
    fn plan(&self) -> FanoutPlan {
        let outstanding = self.outstanding.iter().copied().map(Pace::Outstanding);
        let per_second = self.per_second.iter().copied().map(Pace::PerSecond);
        FanoutPlan {
            stage: Stage { rooms: self.rooms, members: self.members, payload_bytes: self.payload },
            paces: outstanding.chain(per_second).collect(),
            duration: Duration::from_secs(self.seconds),
        }
    }
}

/// One measurement with its circumstances.
#[derive(Serialize)]
struct Report<'a, F> {
    server: &'a str,
    machine: String,
    pinning: String,
    figures: F,
}

/// Puts this process on the last core and leaves the first to the server, where there are two and `taskset` is there. Also
/// says what machine that is, and what runs where.
fn prepare(common: &Common) -> Result<(Setup, String, String)> {
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
        peers_folder: common.peers_folder.clone(),
        shards: common.shards,
        pid: common.pid,
        secret: common.secret.clone(),
        server_core: pair.map(|(first, _)| first),
        limit: Duration::from_secs(common.limit),
    };
    Ok((setup, machine, pinning))
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
