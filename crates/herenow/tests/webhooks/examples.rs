//! The receivers in `examples`, each with a real server, and each with what is not to be believed.
use crate::common::{LIMIT, SECRET, TestServer};
use herenow::{auth::secret::Secret, outgoing::WebAddress, webhooks::signature};
use serde_json::json;
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, OnceLock, mpsc},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[path = "../../examples/webhooks.rs"]
mod rust;

/// A receiver that prints what it takes.
struct Example {
    name: &'static str,
    address: SocketAddr,
    lines: mpsc::Receiver<String>,
    child: Option<Child>,
}

impl Example {
    fn script(program: &'static str, script: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/webhooks");
        let mut command = Command::new(program);
        command.arg(folder.join(script)).env("PORT", "0").env("HERENOW_WEBHOOKS__SECRET", SECRET);
        let child = command.stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{program} has to be installed: {error}"));
        let (said, lines) = mpsc::channel();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || output.map_while(Result::ok).try_for_each(|line| said.send(line)));
        let first = lines.recv_timeout(LIMIT).unwrap();
        let port: u16 = first.strip_prefix("listening on ").unwrap().parse().unwrap();
        Self { name: program, address: ([127, 0, 0, 1], port).into(), lines, child: Some(child) }
    }

    /// The one in Rust, in this process.
    async fn rust() -> Self {
        static SAID: OnceLock<Mutex<mpsc::Sender<String>>> = OnceLock::new();
        let (said, lines) = mpsc::channel();
        assert!(SAID.set(Mutex::new(said)).is_ok(), "one in a process");
        let hear = |line: &str| SAID.get().unwrap().lock().unwrap().send(line.to_owned()).unwrap();
        let receiver = rust::Receiver { secret: SECRET.to_owned(), seen: Mutex::default(), hear };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, rust::router(receiver)).await.unwrap() });
        Self { name: "rust", address, lines, child: None }
    }

    async fn line(&self) -> String {
        for _ in 0..LIMIT.as_millis() / 10 {
            match self.lines.try_recv() {
                Ok(line) => return line,
                // Its own tasks run here, too.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        panic!("{} said nothing", self.name)
    }

    /// Sends a body with a signature; the status of the answer.
    async fn post(&self, header: &str, body: &str) -> u16 {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Herenow-Signature: {header}\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

async fn all() -> [Example; 3] {
    [Example::script("node", "receiver.mjs"), Example::script("python3", "receiver.py"), Example::rust().await]
}

fn body(key: &str, user: &str) -> String {
    json!({ "id": "1", "events": [{ "event": "user_joined", "key": key, "room": "r", "user": user }] }).to_string()
}

#[tokio::test]
async fn each_receiver_hears_a_real_server() {
    for example in all().await {
        let folder = tempfile::tempdir().unwrap();
        let receiver = crate::receiver::Receiver::start();
        let url = format!("http://{}/", example.address);
        let to_example = |config: &mut herenow::config::settings::Config| config.webhooks.url = WebAddress::parse(&url);
        let server = TestServer::start(&folder, &receiver, to_example).await;
        server.put("board-1", "alice").await;
        server.delete("board-1", "alice").await;
        let lines = [example.line().await, example.line().await, example.line().await, example.line().await];
        let wanted = [
            "room_occupied board-1 -",
            "user_joined board-1 alice",
            "user_left board-1 alice",
            "room_vacated board-1 -",
        ];
        assert_eq!(lines, wanted, "{}", example.name);
        server.until("told", |health| health["pending"] == 0).await;
    }
}

#[tokio::test]
async fn each_receiver_takes_nothing_that_is_tampered_with_old_or_sent_again() {
    let secrets = [Secret::parse(SECRET).unwrap()];
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (mut accepted, mut tried) = (0, 0);
    for example in all().await {
        let genuine = body("k1", "alice");
        let header = signature::sign(genuine.as_bytes(), now, &secrets);
        assert_eq!(example.post(&header, &genuine).await, 204, "{}", example.name);
        assert_eq!(example.line().await, "user_joined r alice");
        // Another body under a good signature; a good one of six minutes ago; the same call once more.
        let (tampered, late) = (body("k2", "mallory"), body("k3", "late"));
        let old = signature::sign(late.as_bytes(), now - 360, &secrets);
        let tries = [(&header, &tampered, 401), (&old, &late, 401), (&header, &genuine, 204)];
        for (header, body, status) in tries {
            assert_eq!(example.post(header, body).await, status, "{}: {body}", example.name);
            tried += 1;
        }
        // What else is no signature.
        for odd in ["", "t=1", "v1=00", "t=x,v1=zz", &header.replace("v1=", "v0="), &format!("t={now},v1=é")] {
            assert_eq!(example.post(odd, &tampered).await, 401, "{}: {odd:?}", example.name);
        }
        // All that it takes is said in order, so what comes next shows what it took.
        let last = body("k4", "bob");
        assert_eq!(example.post(&signature::sign(last.as_bytes(), now, &secrets), &last).await, 204);
        loop {
            match example.line().await.as_str() {
                "user_joined r bob" => break,
                _ => accepted += 1,
            }
        }
    }
    println!("tampered/old/replayed accepted: {accepted}/{tried}");
    assert_eq!((accepted, tried), (0, 9));
}

#[test]
fn the_receivers_are_short() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in ["../../examples/webhooks/receiver.mjs", "../../examples/webhooks/receiver.py", "examples/webhooks.rs"]
    {
        let lines = std::fs::read_to_string(root.join(file)).unwrap();
        let lines = lines.lines().filter(|line| !line.trim().is_empty()).count();
        assert!(lines <= 55, "{file} has {lines} lines");
    }
}
