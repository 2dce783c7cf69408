//! The binary with a configuration that changes while it runs.
use crate::common::{LIMIT, Peer, SECRET};
use herenow_client::raw;
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Instant,
};

/// A server in a process of its own, and what it logs.
pub struct Process {
    child: Child,
    pub address: String,
    pub logged: Arc<Mutex<Vec<String>>>,
}

impl Process {
    pub fn start(folder: &Path, variables: &[(&str, &str)]) -> Self {
        Self::start_under(&[], folder, variables)
    }

    /// The same below another program, whose command line this is.
    pub fn start_under(wrapper: &[String], folder: &Path, variables: &[(&str, &str)]) -> Self {
        let binary = env!("CARGO_BIN_EXE_herenow");
        let mut command = match wrapper {
            [] => Command::new(binary),
            [program, rest @ ..] => {
                let mut command = Command::new(program);
                command.args(rest).arg(binary);
                command
            }
        };
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HERENOW_")) {
            command.env_remove(name);
        }
        command.args(["--listen", "127.0.0.1:0"]).current_dir(folder).envs(variables.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let logged = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::clone(&logged);
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| log.lock().unwrap().push(line)));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("ws://")).unwrap_or_else(|| panic!("no address: {logged:?}"));
        let address = line.split("ws://").nth(1).unwrap().split('/').next().unwrap().to_owned();
        lines.find(|line| line.contains("herenow is ready")).unwrap();
        Self { child, address, logged }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn url(&self, token: &str) -> String {
        format!("ws://{}/ws?token={token}", self.address)
    }

    fn hang_up(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    }

    /// Waits for a log line that holds this, after the first `seen` lines; that line, as JSON.
    pub async fn logs(&self, seen: usize, part: &str) -> Value {
        let began = Instant::now();
        loop {
            let line = self.logged.lock().unwrap().iter().skip(seen).find(|line| line.contains(part)).cloned();
            if let Some(line) = line {
                return serde_json::from_str(&line).unwrap();
            }
            assert!(began.elapsed() < LIMIT, "not logged: {part}: {:?}", self.logged.lock().unwrap());
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    fn seen(&self) -> usize {
        self.logged.lock().unwrap().len()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn sees(process: &Process, secret: &str) -> String {
    let secret = herenow::auth::secret::Secret::parse(secret).unwrap();
    let token = crate::common::Claims::of("alice").sign_with("alice", &secret);
    let mut peer = Peer(raw::connect(&process.url(&token)).protocol("herenow.v1").open().await.unwrap());
    let frame = peer.hear().await;
    frame["code"].as_str().or(frame["type"].as_str()).unwrap().to_owned()
}

#[tokio::test]
async fn a_signal_has_the_configuration_read_anew_and_what_changed_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("herenow.toml");
    let other = "another secret of the tests, long enough";
    let write = |text: &str| fs::write(&path, text).unwrap();
    write(&format!("[auth]\nsecret = \"{SECRET}\"\n[log]\nformat = \"json\"\n"));
    let process = Process::start(folder.path(), &[]);
    let token = crate::common::token("alice");
    let mut live = Peer(raw::connect(&process.url(&token)).protocol("herenow.v1").open().await.unwrap());
    assert_eq!(live.hear().await["type"], "welcome");
    assert_eq!(
        (sees(&process, SECRET).await.as_str(), sees(&process, other).await.as_str()),
        ("welcome", "auth.invalid")
    );

    // A second secret, other limits, and something that has to wait.
    write(&format!(
        "[auth]\nsecret = \"{SECRET}\"\nmore_secrets = [\"{other}\"]\n[limits]\nmessage_rate = 1\n\
         [presence]\nleave_grace = \"8s\"\n[log]\nformat = \"json\"\nlevel = \"debug\"\n"
    ));
    let seen = process.seen();
    process.hang_up();
    assert_eq!(process.logs(seen, "read the configuration anew").await["fields"]["changes"], 4);
    let secrets = process.logs(seen, "auth.more_secrets").await;
    assert_eq!((&secrets["fields"]["to"], &secrets["level"]), (&"(1 hidden)".into(), &"INFO".into()));
    let grace = process.logs(seen, "presence.leave_grace").await;
    assert_eq!(grace["fields"]["message"], "configuration changed; this needs a restart");
    assert_eq!((&grace["fields"]["from"], &grace["fields"]["to"]), (&"5s".into(), &"8s".into()));
    assert_eq!((sees(&process, SECRET).await.as_str(), sees(&process, other).await.as_str()), ("welcome", "welcome"));
    process.logs(seen, "connection ended").await;

    // Rules for rooms hold at once, also where people are.
    live.say(serde_json::json!({"type":"join","room":"lobby:1"})).await;
    assert_eq!(live.hear().await["viewers"][0]["user"]["id"], "alice");
    let rooms = "[[room]]\nmatch = \"lobby:*\"\nmode = \"counts\"\n";
    write(&format!("{rooms}[auth]\nsecret = \"{SECRET}\"\nmore_secrets = [\"{other}\"]\n[log]\nformat = \"json\"\n"));
    let seen = process.seen();
    process.hang_up();
    let change = process.logs(seen, "room lobby:*").await;
    assert_eq!((&change["fields"]["from"], &change["fields"]["to"]), (&"no rule".into(), &"mode counts".into()));
    let count = live.hear().await;
    assert_eq!(
        (&count["type"], &count["count"]["users"], &count["faces"]),
        (&"count".into(), &1.into(), &serde_json::json!([]))
    );

    // The first secret is withdrawn; who is connected by it stays.
    write(&format!("[auth]\nsecret = \"{other}\"\n[log]\nformat = \"json\"\n"));
    let seen = process.seen();
    process.hang_up();
    process.logs(seen, "read the configuration anew").await;
    assert_eq!(
        (sees(&process, SECRET).await.as_str(), sees(&process, other).await.as_str()),
        ("auth.invalid", "welcome")
    );
    live.say(serde_json::json!({"type":"ping","id":1})).await;
    // The rule is gone as well, so who is there is told again.
    let mut heard = live.hear().await;
    while heard["type"] != "pong" {
        assert_eq!(heard["type"], "roster", "{heard}");
        heard = live.hear().await;
    }

    // What is wrong changes nothing.
    for (text, problem) in [
        ("[auth]\nsecrte = \"x\"\n", "did you mean `auth.secret`"),
        ("[auth]\nkey_files = [\"no/such.pem\"]\n", "cannot be read"),
        ("[log]\nformat = \"json\"\n", "dev and production mode"),
    ] {
        write(text);
        let seen = process.seen();
        process.hang_up();
        let line = process.logs(seen, problem).await;
        assert_eq!(line["level"], "ERROR", "{line}");
        assert_eq!(sees(&process, other).await, "welcome");
    }
    let all = process.logged.lock().unwrap().join("\n");
    assert!(!all.contains(SECRET) && !all.contains(other));
}
