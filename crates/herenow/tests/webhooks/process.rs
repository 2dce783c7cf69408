//! A server in a process of its own, which is killed.
use crate::{
    common::{LIMIT, SECRET, call, delete, put, told},
    receiver::{Mood, Receiver},
    trouble::fold,
};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn start(folder: &Path, receiver: &Receiver, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_herenow"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HERENOW_")) {
            command.env_remove(name);
        }
        command
            .env("HERENOW_WEBHOOKS__URL", receiver.url())
            .env("HERENOW_WEBHOOKS__SECRET", SECRET)
            .env("HERENOW_WEBHOOKS__PRIVATE_ADDRESSES", "true")
            .env("HERENOW_WEBHOOKS__RETRY_MAX", "100ms")
            .env("HERENOW_WEBHOOKS__TIMEOUT", "500ms")
            .env("HERENOW_WEBHOOKS__EVENTS", "user_joined,user_left")
            .env("HERENOW_WEBHOOKS__RETURN_GRACE", "4s")
            .env("HERENOW_API__HOSTED_VIEWERS", "100000")
            .envs(variables.iter().copied());
        Self::run(folder, command)
    }

    fn run(folder: &Path, mut command: Command) -> Self {
        command.args(["--listen", "127.0.0.1:0"]).current_dir(folder);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("ws://")).expect("the server has to start");
        let address = line.split("ws://").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    fn hang_up(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    }

    /// As `kill -9`.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn health(&self) -> serde_json::Value {
        serde_json::from_str(&call(self.address, "GET /v1/webhooks", None).await.unwrap()).unwrap()
    }

    /// Waits until all that was acknowledged is in the spool.
    async fn until_written(&self) {
        self.until(|health| health["unwritten"] == 0).await;
    }

    async fn until(&self, is_so: impl Fn(&serde_json::Value) -> bool) {
        let began = Instant::now();
        loop {
            let health = self.health().await;
            if is_so(&health) {
                return;
            }
            assert!(began.elapsed() < LIMIT * 4, "{health}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn who_does_not_come_back_after_a_kill_is_told_to_have_left_and_who_does_is_no_news() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let all = [("HERENOW_WEBHOOKS__EVENTS", "room_occupied,room_vacated,user_joined,user_left")];
    let mut server = Process::start(folder.path(), &receiver, &all);
    for (room, user) in [("board-1", "alice"), ("board-1", "bob"), ("board-2", "carol")] {
        put(server.address, room, user).await.unwrap();
    }
    receiver.wait_for(5).await;
    server.kill();
    let mut server = Process::start(folder.path(), &receiver, &all);
    put(server.address, "board-1", "alice").await.unwrap();
    let events = receiver.wait_for(8).await;
    let after = told(&events[5..]);
    assert_eq!(after.iter().filter(|said| said.contains("board-1")).collect::<Vec<_>>(), ["user_left board-1 bob"]);
    let elsewhere: Vec<_> = after.iter().filter(|said| said.contains("board-2")).collect();
    assert_eq!(elsewhere, ["user_left board-2 carol", "room_vacated board-2 -"]);
    for left in events[5..].iter().filter(|event| event["event"] == "user_left") {
        let came = events[..5].iter().find(|event| event["user"] == left["user"] && event["event"] == "user_joined");
        assert_eq!((&left["reason"], &left["joined_at_ms"]), (&"node_lost".into(), &came.unwrap()["at_ms"]));
    }
    // Once, however often the server starts.
    delete(server.address, "board-1", "alice").await.unwrap();
    let events = receiver.wait_for(10).await;
    assert_eq!(told(&events[8..]), ["user_left board-1 alice", "room_vacated board-1 -"]);
    let came = events.iter().find(|event| event["user"] == "alice" && event["event"] == "user_joined").unwrap();
    assert_eq!(events[8]["joined_at_ms"], came["at_ms"], "she was there all the time, as far as anybody knows");
    server.until_written().await;
    server.kill();
    let server = Process::start(folder.path(), &receiver, &[("HERENOW_WEBHOOKS__RETURN_GRACE", "0s")]);
    put(server.address, "board-1", "alice").await.unwrap();
    let events = receiver.wait_for(11).await;
    assert_eq!(told(&events[10..]), ["user_joined board-1 alice"]);
}

#[tokio::test]
async fn who_is_online_is_known_over_a_kill() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let dots = [("HERENOW_WEBHOOKS__EVENTS", "user_online,user_offline")];
    let mut server = Process::start(folder.path(), &receiver, &dots);
    put(server.address, "board-1", "alice").await.unwrap();
    put(server.address, "board-1", "bob").await.unwrap();
    receiver.wait_for(2).await;
    server.kill();
    let server = Process::start(folder.path(), &receiver, &dots);
    put(server.address, "board-2", "bob").await.unwrap();
    let events = receiver.wait_for(3).await;
    assert_eq!(told(&events)[2], "user_offline - alice");
    delete(server.address, "board-2", "bob").await.unwrap();
    assert_eq!(told(&receiver.wait_for(4).await)[3], "user_offline - bob");
}

#[tokio::test]
async fn webhooks_begin_change_and_end_with_a_signal() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let file = folder.path().join("herenow.toml");
    let on = format!(
        "[webhooks]\nurl = \"{}\"\nsecret = \"{SECRET}\"\nprivate_addresses = true\n\
         events = [\"user_joined\", \"user_left\"]\n",
        receiver.url()
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_herenow"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HERENOW_")) {
        command.env_remove(name);
    }
    command.stderr(Stdio::null());
    let server = Process::run(folder.path(), command);
    put(server.address, "board-1", "alice").await.unwrap();
    assert_eq!(server.health().await["enabled"], false);
    assert!(!folder.path().join("herenow-webhooks.db").exists(), "nothing is written unasked");

    // Who is here already is told, and then who comes.
    std::fs::write(&file, &on).unwrap();
    server.hang_up();
    assert_eq!(told(&receiver.wait_for(1).await), ["user_joined board-1 alice"]);
    put(server.address, "board-1", "bob").await.unwrap();
    let events = receiver.wait_for(2).await;
    assert_eq!((told(&events)[1].as_str(), events[1]["v"].is_array()), ("user_joined board-1 bob", true));

    // Off, and what happens meanwhile is told when they are on again, without a version or a reason.
    std::fs::write(&file, "").unwrap();
    server.hang_up();
    server.until(|health| health["enabled"] == false).await;
    delete(server.address, "board-1", "bob").await.unwrap();
    put(server.address, "board-1", "carol").await.unwrap();
    std::fs::write(&file, format!("{on}rooms = [\"board-*\"]\n")).unwrap();
    server.hang_up();
    let events = receiver.wait_for(4).await;
    assert_eq!(told(&events[2..]), ["user_left board-1 bob", "user_joined board-1 carol"]);
    assert!(events[2].get("reason").is_none() && events[2].get("v").is_none(), "{}", events[2]);

    // Rooms that are not wanted any more are forgotten without a word.
    std::fs::write(&file, format!("{on}rooms = [\"chat-*\"]\n")).unwrap();
    server.hang_up();
    put(server.address, "chat-1", "dora").await.unwrap();
    assert_eq!(told(&receiver.wait_for(5).await)[4], "user_joined chat-1 dora");
    delete(server.address, "board-1", "alice").await.unwrap();
    delete(server.address, "chat-1", "dora").await.unwrap();
    assert_eq!(told(&receiver.wait_for(6).await)[5], "user_left chat-1 dora");
}

#[tokio::test]
async fn two_servers_cannot_use_one_spool() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let server = Process::start(folder.path(), &receiver, &[]);
    let output = Command::new(env!("CARGO_BIN_EXE_herenow"))
        .args(["--listen", "127.0.0.1:0"])
        .current_dir(folder.path())
        .env("HERENOW_WEBHOOKS__URL", receiver.url())
        .env("HERENOW_WEBHOOKS__SECRET", SECRET)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("another process has it open"), "{said}");
    assert!(said.contains("herenow-webhooks.db"), "{said}");
    use std::os::unix::fs::PermissionsExt;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "nobody else may read who was where: {mode:o}");
    }
    drop(server);
}

/// What has to be told of each room, in order: users with true for joined.
type Truth = BTreeMap<String, Vec<(String, bool)>>;

/// Drives joins and leaves until `events` more of them were acknowledged.
async fn drive(address: SocketAddr, truth: &Arc<Mutex<Truth>>, (round, events): (usize, usize)) {
    let tasks: Vec<_> = (0..ROOMS)
        .map(|at| {
            let truth = Arc::clone(truth);
            tokio::spawn(async move {
                let room = format!("room-{at}");
                for step in 0..events / ROOMS / 2 {
                    let user = format!("user-{round}-{at}-{}", step % 5);
                    put(address, &room, &user).await.unwrap();
                    truth.lock().unwrap().entry(room.clone()).or_default().push((user.clone(), true));
                    // The last ones stay.
                    if step + 3 < events / ROOMS / 2 {
                        delete(address, &room, &user).await.unwrap();
                        truth.lock().unwrap().entry(room.clone()).or_default().push((user, false));
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Has the receiver fail, hang and die in turn until `is_over`.
async fn trouble(receiver: Arc<tokio::sync::Mutex<Receiver>>, is_over: Arc<AtomicBool>) {
    let moods = [Mood::Takes, Mood::Answers(500), Mood::TakesAndFails, Mood::Takes, Mood::Hangs, Mood::Answers(429)];
    for at in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let mut receiver = receiver.lock().await;
        if at % 4 == 3 {
            receiver.die();
            tokio::time::sleep(Duration::from_millis(100)).await;
            receiver.revive();
        }
        receiver.feel(moods[at % moods.len()].clone());
        drop(receiver);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    receiver.lock().await.feel(Mood::Takes);
}

/// Has `events` pass in four rounds, with a kill after each of the first three.
async fn kill_and_check(events: usize) {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let (truth, is_over) = (Arc::new(Mutex::new(Truth::new())), Arc::new(AtomicBool::new(false)));
    let mut server = Process::start(folder.path(), &*receiver.lock().await, &[]);
    let troubling = tokio::spawn(trouble(Arc::clone(&receiver), Arc::clone(&is_over)));
    let mut lost = Vec::new();
    for round in 0..4 {
        drive(server.address, &truth, (round, events / 4)).await;
        if round == 3 {
            break;
        }
        server.until_written().await;
        server.kill();
        let present = present(&truth.lock().unwrap(), &lost);
        server = Process::start(folder.path(), &*receiver.lock().await, &[]);
        // Every other one comes back, which is no news; the others never do.
        for (at, (room, user)) in present.into_iter().enumerate() {
            if at % 2 == 0 {
                put(server.address, &room, &user).await.unwrap();
            } else {
                lost.push((room, user));
            }
        }
    }
    server.until_written().await;
    is_over.store(true, Ordering::Relaxed);
    troubling.await.unwrap();
    // Until the last of those who did not come back is told, too.
    let receiver = receiver.lock().await;
    let began = Instant::now();
    loop {
        server.until(|health| health["unwritten"] == 0 && health["pending"] == 0).await;
        let told = receiver.unique().iter().filter(|event| event["reason"] == "node_lost").count();
        if told >= lost.len() {
            break;
        }
        assert!(began.elapsed() < LIMIT, "{told} of {} are told to be lost", lost.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    check(&receiver, &truth.lock().unwrap(), &lost);
}

/// Who is present, with their rooms, as far as was acknowledged.
fn present(truth: &Truth, lost: &[(String, String)]) -> Vec<(String, String)> {
    let mut present = Vec::new();
    for (room, moves) in truth {
        for (user, came) in moves {
            let place = (room.clone(), user.clone());
            if *came {
                present.push(place);
            } else {
                present.retain(|known| *known != place);
            }
        }
    }
    present.retain(|place| !lost.contains(place));
    present
}

fn check(receiver: &Receiver, truth: &Truth, lost: &[(String, String)]) {
    let (all, unique) = (receiver.all(), receiver.unique());
    let mut heard: BTreeMap<String, Vec<(String, bool)>> = BTreeMap::new();
    let mut heard_lost = Vec::new();
    for event in &unique {
        let (room, user) = (event["room"].as_str().unwrap().to_owned(), event["user"].as_str().unwrap().to_owned());
        match event["reason"].as_str() {
            Some("node_lost") => heard_lost.push((room, user)),
            _ => heard.entry(room).or_default().push((user, event["event"] == "user_joined")),
        }
    }
    let (mut missing, mut disordered) = (0, 0);
    for (room, moves) in truth {
        let heard = heard.remove(room).unwrap_or_default();
        missing += moves.len().saturating_sub(heard.len());
        disordered += usize::from(*moves != heard);
    }
    let mut lost = lost.to_vec();
    lost.sort_unstable();
    heard_lost.sort_unstable();
    println!(
        "webhooks: {} events, 3 kills: {missing} missing, {disordered} rooms out of order, {} repeats, all with the key of \
         the first; {} told as node_lost, as many as did not come back",
        unique.len(),
        all.len() - unique.len(),
        heard_lost.len()
    );
    assert_eq!((missing, disordered, heard_lost), (0, 0, lost));
    assert!(heard.is_empty(), "rooms that nobody was in: {heard:?}");
    // Taken together they alternate for each user.
    fold(&unique);
    assert!(all.len() > unique.len(), "the receiver failed, and yet nothing came again");
}

#[tokio::test]
async fn each_event_arrives_in_order_while_the_receiver_fails_and_the_server_is_killed_three_times() {
    kill_and_check(1200).await;
}

#[tokio::test]
#[ignore = "takes minutes; ./test --long runs it"]
async fn ten_thousand_events_arrive_in_order_while_the_receiver_fails_and_the_server_is_killed_three_times() {
    kill_and_check(10_800).await;
}

/// Has users come to a room and go until the server does not answer any more.
async fn drive_until_it_dies(address: SocketAddr, room: String) {
    for step in 0.. {
        let user = format!("user-{}", step % 4);
        if put(address, &room, &user).await.is_err() {
            return;
        }
        if step % 3 != 0 && delete(address, &room, &user).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_kill_in_the_middle_of_traffic_costs_single_events_and_never_the_truth() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
    let all = [
        ("HERENOW_WEBHOOKS__EVENTS", "room_occupied,room_vacated,user_joined,user_left"),
        ("HERENOW_WEBHOOKS__RETURN_GRACE", "1s"),
    ];
    let mut server = Process::start(folder.path(), &receiver, &all);
    for _ in 0..3 {
        let before = receiver.unique().len();
        let driving: Vec<_> =
            (0..4).map(|at| tokio::spawn(drive_until_it_dies(server.address, format!("room-{at}")))).collect();
        receiver.wait_for(before + 60).await;
        server.kill();
        for driven in driving {
            driven.await.unwrap();
        }
        server = Process::start(folder.path(), &receiver, &all);
    }
    let mut truth = BTreeMap::new();
    for at in 0..4 {
        let (room, user) = (format!("room-{at}"), format!("user-{at}"));
        put(server.address, &room, &user).await.unwrap();
        truth.insert(room, vec![user]);
    }
    let began = Instant::now();
    // Folding also shows that joined and left alternate for each user.
    while fold(&receiver.unique()) != truth {
        assert!(began.elapsed() < LIMIT, "{:?} is not {truth:?}", fold(&receiver.unique()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.until(|health| health["pending"] == 0 && health["behind"] == false).await;
    assert_eq!(fold(&receiver.unique()), truth);
}

const ROOMS: usize = 10;
