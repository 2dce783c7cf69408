//! One client that reads 1 kB a second in a busy room of 500, against the binary as a process: run by `./test --long`.
use crate::{common::token, long::Process};
use futures_util::{SinkExt, StreamExt};
use herenow_client::{
    frame::ServerFrame,
    roster::{Outcome, RoomState},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant as TokioInstant, Sleep, sleep, sleep_until},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest},
};

const ROOM: &str = "plaza";
/// Viewers besides the slow one and those who come and go.
const MEMBERS: usize = 499;
/// So many of them hear pointers, as the slow one does, and move their own.
const MOVERS: usize = 50;
const COMING_AND_GOING: usize = 10;
/// What may wait for a client: the default of `limits.outbox_bytes`.
const OUTBOX: usize = 256 << 10;
/// What the system holds on the way besides: what it was given and has not sent, and the buffer of the receiver.
const ON_THE_WAY: usize = 64 << 10;
/// With and without the slow one, in turn: machines have moods.
const PHASES: [(bool, Duration); 10] = [
    (false, Duration::from_secs(8)),
    // Longer than the 30 s in which a client has to take something, and than pings may go unanswered.
    (true, Duration::from_secs(45)),
    (false, Duration::from_secs(8)),
    (true, Duration::from_secs(10)),
    (false, Duration::from_secs(8)),
    (true, Duration::from_secs(10)),
    (false, Duration::from_secs(8)),
    (true, Duration::from_secs(10)),
    (false, Duration::from_secs(8)),
    (true, Duration::from_secs(10)),
];
/// How long anything may take that has to come.
const STEP: Duration = Duration::from_secs(60);

/// A stream that hands out 1 kB, and nothing more for a second, where it is told to be slow; counts bytes.
struct Trickle {
    stream: TcpStream,
    slow: Arc<AtomicBool>,
    bytes: Arc<AtomicUsize>,
    rest: Pin<Box<Sleep>>,
}

impl AsyncRead for Trickle {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let is_slow = self.slow.load(Ordering::Relaxed);
        if is_slow {
            ready!(self.rest.as_mut().poll(cx));
        }
        let mut sip = [0; 1024];
        let most = buffer.remaining().min(sip.len());
        let mut sip = ReadBuf::new(&mut sip[..most]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut sip))?;
        self.bytes.fetch_add(sip.filled().len(), Ordering::Relaxed);
        buffer.put_slice(sip.filled());
        if is_slow {
            self.rest.as_mut().reset(TokioInstant::now() + Duration::from_secs(1));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Trickle {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A native client that reads as fast as it is told to.
struct Peer {
    socket: WebSocketStream<Trickle>,
    slow: Arc<AtomicBool>,
    bytes: Arc<AtomicUsize>,
}

impl Peer {
    async fn open(address: &str, user: &str, receive_buffer: Option<u32>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let stream = socket.connect(address.parse().unwrap()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut request = format!("ws://{address}/ws?token={}", token(user)).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "herenow.v1".parse().unwrap());
        let (slow, bytes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let rest = Box::pin(sleep(Duration::ZERO));
        let trickle = Trickle { stream, slow: Arc::clone(&slow), bytes: Arc::clone(&bytes), rest };
        let (socket, _) = tokio_tungstenite::client_async(request, trickle).await.unwrap();
        let mut peer = Self { socket, slow, bytes };
        assert!(matches!(peer.hear().await, ServerFrame::Welcome(_)));
        peer
    }

    async fn say(&mut self, frame: Value) {
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next text; loses nothing where it is not waited for to the end.
    async fn text(&mut self) -> String {
        loop {
            match tokio::time::timeout(STEP, self.socket.next()).await.expect("something has to come") {
                Some(Ok(Message::Text(text))) => return text.as_str().to_owned(),
                Some(Ok(Message::Ping(_))) => {}
                other => panic!("no text: {other:?}"),
            }
        }
    }

    async fn hear(&mut self) -> ServerFrame {
        ServerFrame::parse(&self.text().await).unwrap()
    }

    /// Joins the room; all that it is then, as it is told to those who ask for pointers too.
    async fn join(&mut self) -> RoomState {
        self.say(json!({"type":"join","room":ROOM,"sessions":true,"id":1})).await;
        let mut state = RoomState::new(ROOM);
        while state.version().is_none() {
            state.apply(&self.hear().await);
        }
        state
    }
}

/// What all tasks of the test share.
struct Scene {
    address: String,
    began: Instant,
    /// Whether people come and go, and pointers move.
    is_busy: AtomicBool,
    is_over: AtomicBool,
    /// Markers that were said; each carries the phase that it belongs to.
    markers: AtomicU64,
    phase: AtomicUsize,
    /// In microseconds, by phase.
    latencies: Mutex<BTreeMap<usize, Vec<u64>>>,
}

impl Scene {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn is_busy(&self) -> bool {
        self.is_busy.load(Ordering::Relaxed)
    }

    /// Notes how long a marker took to be here.
    fn note_marker(&self, frame: &ServerFrame) {
        let ServerFrame::Message(message) = frame else { return };
        let number = |name: &str| message.data[name].as_u64();
        let (Some(at_us), Some(phase)) = (number("at_us"), number("phase")) else { return };
        let took_us = self.began.elapsed().as_micros() as u64 - at_us;
        self.latencies.lock().unwrap().entry(phase as usize).or_default().push(took_us);
    }

    /// That of the phase in the middle: whatever else the machine does spoils one phase, not all.
    fn p99_ms(&self, with_slow: bool) -> f64 {
        let mut latencies = self.latencies.lock().unwrap();
        let phases = PHASES.iter().enumerate().filter(|(_, (is_with, _))| *is_with == with_slow);
        let mut p99s: Vec<u64> = phases
            .map(|(phase, _)| {
                let all = latencies.get_mut(&phase).unwrap();
                assert!(all.len() > 1000, "{} latencies", all.len());
                all.sort_unstable();
                all[all.len() * 99 / 100]
            })
            .collect();
        p99s.sort_unstable();
        println!("p99 by phase in us, {}: {p99s:?}", if with_slow { "with" } else { "without" });
        p99s[p99s.len() / 2] as f64 / 1000.0
    }
}

/// A viewer who hears all, and moves a pointer where it is one of the first.
async fn member(scene: Arc<Scene>, n: usize, joined: tokio::sync::mpsc::Sender<()>) {
    let mut peer = Peer::open(&scene.address, &format!("user-{n}"), None).await;
    peer.say(json!({"type":"join","room":ROOM,"sessions":n < MOVERS})).await;
    while !matches!(peer.hear().await, ServerFrame::Roster(_)) {}
    joined.send(()).await.unwrap();
    let mut moves = tokio::time::interval(Duration::from_millis(100));
    for step in 0_u64.. {
        if scene.is_over() {
            return;
        }
        tokio::select! {
            text = peer.text() => {
                // Reading all of a diff for 500 people would be the test's own load.
                if text.contains("\"event\":\"marker\"") {
                    scene.note_marker(&ServerFrame::parse(&text).unwrap());
                }
            }
            _ = moves.tick() => {
                if scene.is_busy() && n < MOVERS {
                    let at = (step % 1000) as f64 / 1000.0;
                    peer.say(json!({"type":"cursor","room":ROOM,"x":at,"y":0.5})).await;
                }
            }
        }
    }
}

/// Somebody who comes into the room with something to show, and leaves, again and again.
async fn come_and_go(scene: Arc<Scene>, n: usize) {
    let mut peer = Peer::open(&scene.address, &format!("guest-{n}"), None).await;
    let about = "x".repeat(500);
    while !scene.is_over() {
        if scene.is_busy() {
            peer.say(json!({"type":"join","room":ROOM,"interest":"none","state":{"about":about},"id":1})).await;
            assert!(matches!(peer.hear().await, ServerFrame::Ack(_)));
            sleep(Duration::from_millis(150)).await;
            peer.say(json!({"type":"leave","room":ROOM,"id":2})).await;
            while !matches!(peer.hear().await, ServerFrame::Ack(_)) {}
        }
        sleep(Duration::from_millis(150)).await;
    }
}

/// Says markers, ten a second.
async fn mark(scene: Arc<Scene>) {
    let mut peer = Peer::open(&scene.address, "marker", None).await;
    peer.say(json!({"type":"join","room":ROOM,"interest":"none","id":1})).await;
    assert!(matches!(peer.hear().await, ServerFrame::Ack(_)));
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    while !scene.is_over() {
        ticks.tick().await;
        let n = scene.markers.fetch_add(1, Ordering::Relaxed);
        let (at_us, phase) = (scene.began.elapsed().as_micros() as u64, scene.phase.load(Ordering::Relaxed));
        let data = json!({"n":n,"at_us":at_us,"phase":phase});
        peer.say(json!({"type":"message","room":ROOM,"event":"marker","data":data})).await;
    }
}

/// What became of a slow reader.
struct Drained {
    /// Bytes that had waited for it.
    waited: usize,
    /// Bytes that somebody heard meanwhile who reads all.
    told_others: usize,
    /// Rosters that made good for what it missed.
    rosters: usize,
    slowest: Duration,
}

/// Reads slowly for a while, then all there is; ends with the truth, and still connected.
async fn read_slowly(scene: &Scene, witness: &AtomicUsize, phase: Duration) -> Drained {
    let mut peer = Peer::open(&scene.address, "slow", Some(4096)).await;
    let mut state = peer.join().await;
    let told_before = witness.load(Ordering::Relaxed);
    peer.slow.store(true, Ordering::Relaxed);
    let end = TokioInstant::now() + phase;
    let mut rosters = 0;
    // It says nothing, and the pings of the server wait behind all that it reads so slowly.
    loop {
        tokio::select! {
            frame = peer.hear() => rosters += usize::from(take(&mut state, &frame)),
            () = sleep_until(end) => break,
        }
    }
    let told_others = witness.load(Ordering::Relaxed) - told_before;
    let before = peer.bytes.load(Ordering::Relaxed);
    peer.slow.store(false, Ordering::Relaxed);
    scene.is_busy.store(false, Ordering::Relaxed);
    let began = Instant::now();
    // What waits ends with the roster that makes good for the rest.
    let mut waited = 0;
    let healed = rosters;
    while rosters == healed {
        let frame = peer.hear().await;
        if take(&mut state, &frame) {
            rosters += 1;
        } else {
            waited = peer.bytes.load(Ordering::Relaxed) - before;
            assert!(
                began.elapsed() < STEP / 2,
                "all of {told_others} bytes waited, {waited} read since: it missed nothing"
            );
        }
    }
    let slowest = began.elapsed();
    assert_true(scene, &mut peer, &mut state).await;
    scene.is_busy.store(true, Ordering::Relaxed);
    peer.say(json!({"type":"leave","room":ROOM})).await;
    peer.socket.close(None).await.unwrap();
    Drained { waited, told_others, rosters, slowest }
}

/// Takes a frame in; whether it was a roster.
fn take(state: &mut RoomState, frame: &ServerFrame) -> bool {
    match state.apply(frame) {
        Outcome::Gap { have, from } => panic!("a diff from {from} came at {have:?}"),
        Outcome::Contradiction { user } => panic!("contradicted about {user}: {frame:?}"),
        Outcome::Synced(_) => true,
        Outcome::Ignored | Outcome::Unchanged | Outcome::Changed(_) | Outcome::Removed => false,
    }
}

/// Holds once those who come and go have stopped: it knows the same viewers as somebody who asks anew.
async fn assert_true(scene: &Scene, peer: &mut Peer, state: &mut RoomState) {
    let mut fresh = Peer::open(&scene.address, "slow", None).await;
    let began = Instant::now();
    loop {
        let truth = fresh.join().await;
        let until = scene.markers.load(Ordering::Relaxed) + 1;
        loop {
            let frame = peer.hear().await;
            take(state, &frame);
            if matches!(&frame, ServerFrame::Message(message) if message.data["n"].as_u64() >= Some(until)) {
                break;
            }
        }
        let is_same = state.user_ids() == truth.user_ids()
            && state.viewers().iter().zip(truth.viewers()).all(|(a, b)| a.user == b.user);
        if is_same && state.version() == truth.version() {
            assert!(truth.viewers().len() >= MEMBERS, "{} viewers", truth.viewers().len());
            // Who asks anew is one session more of the same user.
            assert_eq!(state.count().users, truth.count().users);
            return;
        }
        assert!(began.elapsed() < STEP, "at {:?} where the room is at {:?}", state.version(), truth.version());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes two minutes; ./test --long runs it"]
async fn who_reads_1_kb_a_second_in_a_room_of_500_ends_with_the_truth_and_slows_nobody_down() {
    let process = Process::start();
    let scene = Arc::new(Scene {
        address: process.address.clone(),
        began: Instant::now(),
        is_busy: AtomicBool::new(false),
        is_over: AtomicBool::new(false),
        markers: AtomicU64::new(1),
        phase: AtomicUsize::new(usize::MAX >> 1),
        latencies: Mutex::default(),
    });
    let (joined, mut joining) = tokio::sync::mpsc::channel(1);
    let mut tasks = JoinSet::new();
    for n in 0..MEMBERS {
        tasks.spawn(member(Arc::clone(&scene), n, joined.clone()));
        tokio::time::timeout(STEP, joining.recv()).await.expect("all have to come in");
    }
    for n in 0..COMING_AND_GOING {
        tasks.spawn(come_and_go(Arc::clone(&scene), n));
    }
    tasks.spawn(mark(Arc::clone(&scene)));
    // Hears what the slow one should, and reads it.
    let mut witness = Peer::open(&scene.address, "witness", None).await;
    witness.join().await;
    let told = Arc::clone(&witness.bytes);
    let scene_too = Arc::clone(&scene);
    tasks.spawn(async move {
        while !scene_too.is_over() {
            witness.text().await;
        }
    });
    scene.is_busy.store(true, Ordering::Relaxed);
    let mut rss_kb = [0, 0];
    for (phase, (with_slow, lasts)) in PHASES.into_iter().enumerate() {
        scene.phase.store(phase, Ordering::Relaxed);
        if with_slow {
            let Drained { waited, told_others, rosters, slowest } = read_slowly(&scene, &told, lasts).await;
            println!(
                "slow consumer (reads 1 kB/s for {lasts:?}): {waited} bytes waited where {OUTBOX} may, of {told_others} that others \
                 were told; made good by {rosters} roster, {slowest:?} after it read on"
            );
            assert!(waited <= OUTBOX + ON_THE_WAY, "{waited} bytes waited");
            assert_eq!(rosters, 1, "one roster makes good for all");
        } else {
            sleep(lasts).await;
        }
        let kb = &mut rss_kb[usize::from(with_slow)];
        *kb = (*kb).max(process.rss_kb());
    }
    scene.is_over.store(true, Ordering::Relaxed);
    let (without, with) = (scene.p99_ms(false), scene.p99_ms(true));
    println!(
        "slow consumer (reads 1 kB/s): closed 0, p99 of others {with:.1} ms, {without:.1} ms without it; RSS {} kB, {} kB without it",
        rss_kb[1], rss_kb[0]
    );
    assert!(with <= without * 1.5 || with <= 20.0, "p99 of others {with:.1} ms, {without:.1} ms without the slow one");
    assert!(rss_kb[1] <= rss_kb[0] + 8 * 1024, "{rss_kb:?} kB");
    tokio::time::timeout(STEP, tasks.join_all()).await.expect("all have to end");
}
