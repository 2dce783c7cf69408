//! Networks of their own for nodes, so that one can be cut off from Redis and go on serving its clients: a test runs itself
//! again in a network namespace where it is alone, and each of its nodes in one more, with a wire to Redis and another to its
//! clients. All of it ends with its processes, and nothing outside sees it.
use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr},
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

/// Says in the test that is run again that it is.
const APART: &str = "CHAOS_APART";

/// Whether this test has a network of its own.
pub fn is_apart() -> bool {
    std::env::var_os(APART).is_some()
}

/// Runs a test of this binary again, in a network of its own. False where it is to go on here: because this is that
/// network, or because the system gives none, which is said.
pub fn ran_apart(test: &str) -> bool {
    if is_apart() {
        return false;
    }
    let probe =
        "ip link set lo up && (unshare --net sleep 5 & ip link add wire type veth peer name there netns $! && kill $!)";
    let probed = apart(&["sh", "-c", probe]).output();
    let why = match probed {
        Ok(output) if output.status.success() => {
            let program = std::env::current_exe().unwrap();
            let go = "ip link set lo up && exec \"$0\" \"$@\"";
            let program = program.to_str().unwrap();
            let again = ["sh", "-c", go, program, "--exact", test, "--include-ignored", "--nocapture"];
            let status = apart(&again).env(APART, "1").status().unwrap();
            assert!(status.success(), "{test}, in a network of its own: {status}");
            return true;
        }
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    println!("SKIPPED: no node is cut off, for this system gives no network namespaces: {why}");
    false
}

/// A command in a new network; of a new user, where this one may not.
fn apart(command: &[&str]) -> Command {
    let is_permitted = |options: &[&str]| {
        let tried = Command::new("unshare").args(options).arg("true").stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    };
    let options: &[&str] =
        if is_permitted(&["--net"]) { &["--net", "--"] } else { &["--map-root-user", "--net", "--"] };
    let mut apart = Command::new("unshare");
    apart.args(options).args(command);
    apart
}

/// The wires of one node: one to Redis, which can be cut, and one to its clients.
#[derive(Debug)]
pub struct Wires {
    number: u16,
}

impl Wires {
    /// What a node is started by: it says that it is apart, and waits until its wires are laid, for a line on its standard input.
    pub fn starter() -> Command {
        let mut starter = Command::new("unshare");
        starter.args(["--net", "--", "sh", "-c", "echo apart; read go; exec \"$0\" \"$@\""]).stdin(Stdio::piped());
        starter
    }

    /// Wires that are not laid yet.
    pub fn new() -> Self {
        static COUNT: AtomicU16 = AtomicU16::new(0);
        Self { number: COUNT.fetch_add(1, Ordering::Relaxed) }
    }

    /// Lays them to a process in a network of its own.
    pub fn lay(&self, process: u32) {
        let (mut outside, mut inside) = (String::new(), "link set lo up\n".to_owned());
        for (kind, start) in [("store", 0), ("front", 128)] {
            let (name, here, there) = (format!("{kind}{}", self.number), self.end(start, 1), self.end(start, 2));
            outside += &format!("link add {name} type veth peer name {kind} netns {process}\n");
            outside += &format!("addr add {here}/30 dev {name}\nlink set {name} up\n");
            inside += &format!("addr add {there}/30 dev {kind}\nlink set {kind} up\n");
        }
        batch(Command::new("ip"), &outside);
        let mut enter = Command::new("nsenter");
        enter.args(["--target", &process.to_string(), "--net", "ip"]);
        batch(enter, &inside);
    }

    /// Where the node finds Redis.
    pub fn store(&self) -> IpAddr {
        self.end(0, 1)
    }

    /// Where clients find the node.
    pub fn front(&self) -> IpAddr {
        self.end(128, 2)
    }

    /// Cuts the wire to Redis, or mends it. What is sent meanwhile is lost without a word.
    pub fn set_store(&self, is_up: bool) {
        let order = format!("link set store{} {}\n", self.number, if is_up { "up" } else { "down" });
        batch(Command::new("ip"), &order);
    }

    fn end(&self, start: u8, end: u8) -> IpAddr {
        let [high, low] = self.number.to_be_bytes();
        assert!(high < 128, "so many nodes were never started by one test");
        Ipv4Addr::new(10, start + high, low, end).into()
    }
}

fn batch(mut command: Command, orders: &str) {
    let command = command.args(["-batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(orders.as_bytes()).unwrap();
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    assert!(status.success(), "{orders}{}", String::from_utf8_lossy(&stderr));
}
