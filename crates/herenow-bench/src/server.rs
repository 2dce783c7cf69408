//! The server under test: started here on its own core, or reached where it runs already.
use crate::{dialect::Dialect, generator::Address, peers, proc, token};
use anyhow::{Context, Result, bail};
use std::{
    collections::VecDeque,
    ffi::OsString,
    fmt,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

/// Which server is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The release binary of this project.
    Herenow,
    /// The baseline, with the buffers that axum chooses.
    Naive,
    /// The baseline, with read buffers of 4 KiB.
    NaiveSmall,
    /// The design of the seed, in Node with `ws`.
    Seed,
    /// Presence on socket.io.
    SocketIo,
    /// A server that runs already on this machine. Its process id must be given too.
    Running(SocketAddr),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "herenow" => Ok(Self::Herenow),
            "naive" => Ok(Self::Naive),
            "naive-4k" => Ok(Self::NaiveSmall),
            "seed" => Ok(Self::Seed),
            "socket.io" => Ok(Self::SocketIo),
            other => other
                .strip_prefix("http://")
                .and_then(|address| address.trim_end_matches('/').parse().ok())
                .map(Self::Running)
                .ok_or_else(|| {
                    format!("`{other}` is none of herenow, naive, naive-4k, seed, socket.io, http://ADDRESS:PORT")
                }),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Herenow => f.write_str("herenow"),
            Self::Naive => f.write_str("naive"),
            Self::NaiveSmall => f.write_str("naive-4k"),
            Self::Seed => f.write_str("seed"),
            Self::SocketIo => f.write_str("socket.io"),
            Self::Running(address) => write!(f, "http://{address}"),
        }
    }
}

impl Target {
    /// What it speaks.
    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::Herenow | Self::Naive | Self::NaiveSmall | Self::Running(_) => Dialect::Native,
            Self::Seed => Dialect::Board,
            Self::SocketIo => Dialect::SocketIo,
        }
    }
}

/// How servers are started and reached.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The release binary of this project.
    pub server_bin: PathBuf,
    /// Where peers in Node are kept; `None` is the cache folder of the user.
    pub peers_folder: Option<PathBuf>,
    /// Shards of a herenow that is started here; `None` leaves it to the server.
    pub shards: Option<usize>,
    /// Process id of a [`Target::Running`].
    pub pid: Option<u32>,
    /// Secret that tokens are signed with; given to a herenow that is started here.
    pub secret: String,
    /// Core for servers that are started here; `None` leaves it to the system.
    pub server_core: Option<u32>,
    /// How long each phase of a measurement may take.
    pub limit: Duration,
}

/// A server under test. Dropping it ends a process that was started here.
#[derive(Debug)]
pub struct Server {
    socket: SocketAddr,
    dialect: Dialect,
    /// Its process.
    pub pid: u32,
    child: Option<Child>,
    words: Arc<Mutex<VecDeque<String>>>,
}

impl Server {
    /// Starts a server and waits until it says where it listens, or takes the one that runs.
    ///
    /// # Errors
    /// Where it does not start, or says nothing in time.
    pub fn start(target: &Target, setup: &Setup) -> Result<Self> {
        Self::start_with(target, setup, &[], &[])
    }

    /// The same, with more in the environment of one that is started here.
    ///
    /// # Errors
    /// Where it does not start, or says nothing in time.
    pub fn start_with_env(target: &Target, setup: &Setup, variables: &[(&str, &str)]) -> Result<Self> {
        Self::start_with(target, setup, &[], variables)
    }

    /// The same, with more arguments.
    ///
    /// # Errors
    /// Where it does not start, or says nothing in time.
    pub fn start_with_arguments(target: &Target, setup: &Setup, more: &[&str]) -> Result<Self> {
        Self::start_with(target, setup, more, &[])
    }

    fn start_with(target: &Target, setup: &Setup, more: &[&str], variables: &[(&str, &str)]) -> Result<Self> {
        if let Target::Running(address) = target {
            let pid = setup.pid.context("a server that runs already needs --pid")?;
            proc::memory(pid)?;
            return Ok(Self { socket: *address, dialect: target.dialect(), pid, child: None, words: Arc::default() });
        }
        let (program, arguments) = program(target, setup)?;
        let mut command = on_core(setup.server_core, program.into_os_string());
        // The generator is one busy client on purpose: what is measured is the fan-out, not the limit on it.
        command
            .args(arguments)
            .args(more)
            .envs(variables.iter().copied())
            .env("HERENOW_SECRET", &setup.secret)
            .env("HERENOW_LIMITS__MESSAGE_RATE", "0");
        if let Some(shards) = setup.shards {
            command.env("HERENOW_SERVER__SHARDS", shards.to_string());
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {target}"))?;
        let words = Arc::default();
        let (found, address) = mpsc::channel();
        if let Some(output) = child.stdout.take() {
            listen(output, found.clone(), Arc::clone(&words));
        }
        if let Some(output) = child.stderr.take() {
            listen(output, found, Arc::clone(&words));
        }
        let socket = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { socket, dialect: target.dialect(), pid: child.id(), child: Some(child), words };
        match address.recv_timeout(setup.limit) {
            Ok(address) => server.socket = address,
            Err(_) => bail!("{target} did not say where it listens; its last words:\n{}", server.last_words()),
        }
        Ok(server)
    }

    /// Where it listens.
    pub const fn socket(&self) -> SocketAddr {
        self.socket
    }

    /// How to reach it.
    pub fn address(&self, setup: &Setup) -> Address {
        Address { socket: self.socket, dialect: self.dialect, secret: setup.secret.clone() }
    }

    /// The last lines that a server started here wrote.
    pub fn last_words(&self) -> String {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        words.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself; then there is nothing to end.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The secret of servers that are started here, unless the caller has one.
pub const fn default_secret() -> &'static str {
    token::SECRET
}

/// When a phase that begins now must be over.
pub fn deadline(setup: &Setup) -> Instant {
    Instant::now() + setup.limit
}

/// What is run for a server, and with which arguments.
fn program(target: &Target, setup: &Setup) -> Result<(PathBuf, Vec<OsString>)> {
    let own = || std::env::current_exe().context("cannot find this program");
    let words = |words: &[&str]| words.iter().map(OsString::from).collect();
    let script = |name| anyhow::Ok(vec![peers::install(setup.peers_folder.as_deref())?.join(name).into_os_string()]);
    Ok(match target {
        Target::Herenow => (setup.server_bin.clone(), words(&["--listen", "127.0.0.1:0"])),
        Target::Naive => (own()?, words(&["naive-server", "--listen", "127.0.0.1:0"])),
        Target::NaiveSmall => {
            (own()?, words(&["naive-server", "--listen", "127.0.0.1:0", "--read-buffer-bytes", "4096"]))
        }
        Target::Seed => ("node".into(), script("seed.mjs")?),
        Target::SocketIo => ("node".into(), script("socketio.mjs")?),
        Target::Running(address) => bail!("{address} runs already"),
    })
}

fn on_core(core: Option<u32>, program: OsString) -> Command {
    match core {
        Some(core) => {
            // It replaces itself by the program, so the process id stays.
            let mut command = Command::new("taskset");
            command.args(["-c", &core.to_string()]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// Reads a pipe to its end, so that the server never waits for us; hands out the first address in it.
fn listen(output: impl Read + Send + 'static, found: mpsc::Sender<SocketAddr>, words: Arc<Mutex<VecDeque<String>>>) {
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(address) = address_in(&line) {
                // Only the first one is waited for.
                let _ = found.send(address);
            }
            let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
            if words.len() == WORDS_MAX {
                words.pop_front();
            }
            words.push_back(line);
        }
    });
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("http://127.0.0.1:")?;
    let digits = rest.find(|letter: char| !letter.is_ascii_digit()).map_or(rest, |end| &rest[..end]);
    digits.parse().ok().map(|port: u16| SocketAddr::from(([127, 0, 0, 1], port)))
}

/// Lines of a server that are kept for error messages.
const WORDS_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::{Server, Setup, Target, address_in, default_secret};
    use std::{path::PathBuf, time::Duration};

    #[test]
    fn the_address_is_found_in_a_line() {
        let port = |line| address_in(line).map(|address| address.port());
        assert_eq!(port("listening on http://127.0.0.1:8080/demo (dev)"), Some(8080));
        assert_eq!(port("http://127.0.0.1:1"), Some(1));
        assert_eq!(port("http://127.0.0.1:99999"), None);
        assert_eq!(port("http://0.0.0.0:80"), None);
    }

    #[test]
    fn targets_have_names_and_addresses() {
        for name in ["herenow", "naive", "naive-4k", "seed", "socket.io", "http://127.0.0.1:8080"] {
            assert_eq!(name.parse::<Target>().unwrap().to_string(), name);
        }
        assert!("https://127.0.0.1:1".parse::<Target>().is_err());
    }

    #[test]
    fn a_server_that_ends_at_once_is_told_with_its_words() {
        let setup = Setup {
            server_bin: PathBuf::from("/bin/cat"),
            peers_folder: None,
            shards: None,
            pid: None,
            secret: default_secret().to_owned(),
            server_core: None,
            limit: Duration::from_secs(10),
        };
        let error = Server::start(&Target::Herenow, &setup).unwrap_err();
        assert!(error.to_string().contains("listen"), "{error}");
    }
}
