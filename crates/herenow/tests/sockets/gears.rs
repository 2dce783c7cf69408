//! Rooms that grow until they tell their news in ticks, and then as counts and faces, and shrink again.
use crate::common::{LIMIT, Peer, TestServer, token, until, until_marker};
use herenow::config::settings::Config;
use herenow_client::{
    client::{Client, Events, Synced},
    error::RequestError,
    frame::{CountNews, Roster, ServerFrame},
    raw,
    request::Join,
    roster::{Outcome, RoomState},
};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

const ROOM: &str = "board-1";

/// Those who fill the room say nothing for as long as the test takes, and answer no pings.
fn patient(config: &mut Config) {
    config.presence.ping_interval = Duration::from_secs(600);
}

/// Somebody who is in the room and wants to hear nothing of it.
async fn filler(address: String) -> Peer {
    let mut peer = Peer(raw::connect(&address).protocol("herenow.v1").limit(LIMIT * 3).open().await.unwrap());
    assert_eq!(peer.hear().await["type"], "welcome");
    peer.say(json!({"type":"join","room":ROOM,"interest":"none","id":1})).await;
    assert_eq!(peer.hear().await, json!({"type":"ack","re":1}));
    peer
}

/// Fills the room with users of these numbers, some at a time.
async fn fill(server: &TestServer, numbers: std::ops::Range<usize>) -> Vec<Peer> {
    let at_once = Arc::new(tokio::sync::Semaphore::new(32));
    let mut coming = JoinSet::new();
    for n in numbers {
        let (address, at_once) = (server.bearing(&token(&format!("user-{n:04}"))), Arc::clone(&at_once));
        coming.spawn(async move {
            let _turn = at_once.acquire().await.unwrap();
            filler(address).await
        });
    }
    coming.join_all().await
}

/// Has everybody leave, one after the other, without waiting for anything between.
async fn leave(peers: Vec<Peer>) {
    for mut peer in peers {
        peer.say(json!({"type":"leave","room":ROOM,"id":2})).await;
        // Dropped before it was answered, a leave might be overtaken by a reset.
        assert_eq!(peer.hear().await["re"], 2);
    }
}

fn roster(synced: Synced) -> Roster {
    match synced {
        Synced::Roster(roster) => roster,
        other => panic!("no roster: {other:?}"),
    }
}

/// A native client in the room, whose join was answered by the list.
async fn listed(server: &TestServer, user: &str, interest: Option<&str>) -> (Client, Events, Roster) {
    let (client, mut events) = server.native(user).await;
    let join = Join { interest: interest.map(str::to_owned), ..Join::default() };
    let roster = roster(client.join_as(ROOM, &join).await.unwrap());
    until(&mut events, |frame| matches!(frame, ServerFrame::Roster(_))).await;
    (client, events, roster)
}

/// Follows the lists of a room until it says that so many are there; the state then, and when each diff came.
async fn follow(events: &mut Events, state: &mut RoomState, users: u64) -> Vec<Instant> {
    let mut came = Vec::new();
    while state.count().users != users {
        let frame = tokio::time::timeout(LIMIT, events.next()).await;
        let frame = frame.unwrap_or_else(|_| panic!("{} of {users} users", state.count().users)).unwrap();
        match state.apply(&frame) {
            Outcome::Gap { have, from } => panic!("a diff from {from} came at {have:?}"),
            Outcome::Contradiction { user } => panic!("contradicted about {user}: {frame:?}"),
            Outcome::Changed(_) if matches!(frame, ServerFrame::Diff(_)) => came.push(Instant::now()),
            _ => {}
        }
    }
    came
}

/// No more than one telling a tick, but for the first after a quiet one and those while the spacing grows to the tick.
#[track_caller]
fn assert_paced(came: &[Instant], tick: Duration) {
    let Some((first, last)) = came.first().zip(came.last()) else { panic!("nothing was told") };
    let ticks = (*last - *first).as_millis() / tick.as_millis();
    let doublings = (tick.as_millis() / 10).ilog2() + 1;
    // It may have been quiet once meanwhile.
    let more = u128::from(2 * doublings);
    // One that was held up on its way may come right before the next.
    assert!(came.len() as u128 <= ticks + more + 3, "{} tellings in {ticks} ticks", came.len());
}

async fn next_count(events: &mut Events) -> CountNews {
    let heard = until(events, |frame| matches!(frame, ServerFrame::Count(_))).await;
    let Some(ServerFrame::Count(news)) = heard.into_iter().last() else { panic!("no count") };
    news
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_of_150_tells_one_diff_a_tick_and_a_board_client_one_list() {
    let server = TestServer::start(patient).await;
    let mut board = server.board_in("board", ROOM).await;
    // One by one up to a hundred, and then in ticks. It reads meanwhile: who does not is told less.
    let one_by_one = async {
        for _ in 0..99 {
            assert_eq!(board.hear().await["type"], "user_joined");
        }
    };
    let (mut first, ()) = tokio::join!(fill(&server, 0..99), one_by_one);
    first.extend(fill(&server, 99..150).await);
    let crossed = board.hear().await;
    assert_eq!((&crossed["type"], crossed["count"].as_u64() > Some(100)), (&json!("presence"), true), "{crossed}");
    let (alice, mut heard, roster) = listed(&server, "alice", None).await;
    assert_eq!((roster.gear.as_str(), roster.viewers.len()), ("batched", 152));
    assert_eq!((roster.count.users, roster.count.sessions), (152, 152));
    let mut state = RoomState::new(ROOM);
    state.apply(&ServerFrame::Roster(roster));
    let more = fill(&server, 150..250).await;
    let mut came = follow(&mut heard, &mut state, 252).await;
    leave(more).await;
    came.extend(follow(&mut heard, &mut state, 152).await);
    assert_paced(&came, Duration::from_millis(100));
    // Alice has heard the last of it, so the board client has as well.
    server.mark(ROOM, 1).await;
    let mut lists = Vec::new();
    loop {
        let frame = board.hear().await;
        if frame["type"] == "marker" {
            break;
        }
        assert_eq!((&frame["type"], frame["viewers"].as_array().unwrap().len()), (&json!("presence"), 100), "{frame}");
        lists.push(frame);
    }
    let (told, last) = (lists.len(), lists.last().unwrap());
    assert_eq!(last["count"], 152);
    assert!(told <= came.len() + 4, "{told} lists to a board client, {} diffs to others", came.len());
    assert_eq!(last["viewers"][0]["userId"], "board");
    // Typing is spaced as well; who began and stopped between two tellings is not spoken of.
    let (bob, _, _) = listed(&server, "bob", None).await;
    for _ in 0..3 {
        bob.typing(ROOM, None).await.unwrap();
        bob.stop_typing(ROOM, None).await.unwrap();
    }
    bob.typing(ROOM, Some("title")).await.unwrap();
    let heard_of_bob = until(&mut heard, |frame| matches!(frame, ServerFrame::Typing(typing) if typing.on)).await;
    let Some(ServerFrame::Typing(typing)) = heard_of_bob.last() else { panic!("no typing") };
    assert_eq!((typing.user.id.as_str(), typing.target.as_deref()), ("bob", Some("title")));
    drop((alice, first));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_shrinks_to_80_tells_each_change_at_once_again() {
    let server = TestServer::start(patient).await;
    let mut crowd = fill(&server, 0..99).await;
    let mut board = server.board_in("board", ROOM).await;
    let (_alice, mut heard, roster) = listed(&server, "alice", None).await;
    assert_eq!((roster.gear.as_str(), roster.count.users), ("batched", 101));
    let mut state = RoomState::new(ROOM);
    state.apply(&ServerFrame::Roster(roster));
    leave(crowd.split_off(78)).await;
    follow(&mut heard, &mut state, 80).await;
    loop {
        let frame = board.hear().await;
        if frame["count"] == 80 {
            break;
        }
    }
    for n in 0..5 {
        let began = Instant::now();
        let mut late = server.board_in(&format!("late-{n}"), ROOM).await;
        let frame = board.hear().await;
        assert_eq!((&frame["type"], &frame["count"]), (&json!("user_joined"), &json!(81)), "{frame}");
        assert_eq!(follow(&mut heard, &mut state, 81).await.len(), 1);
        late.close(Some(1000)).await;
        let frame = board.hear().await;
        assert_eq!((&frame["type"], &frame["count"]), (&json!("user_left"), &json!(80)), "{frame}");
        assert_eq!(follow(&mut heard, &mut state, 80).await.len(), 1);
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_76_a_room_of_1100_tells_exact_counts_and_faces_and_the_list_again_when_it_shrinks() {
    let server = TestServer::start(patient).await;
    let (alice, mut heard, _) = listed(&server, "alice", None).await;
    let (_full, mut full_heard, roster) = listed(&server, "full", Some("full")).await;
    let mut state = RoomState::new(ROOM);
    state.apply(&ServerFrame::Roster(roster));
    let mut board = server.board_in("board", ROOM).await;
    let boards = tokio::spawn(async move {
        let mut last = Value::Null;
        while last["type"] != "marker" {
            last = board.hear().await;
            if last["type"] == "presence" {
                assert!(last["viewers"].as_array().unwrap().len() <= 100);
            }
        }
        board
    });
    alice.typing(ROOM, None).await.unwrap();
    let mut crowd = fill(&server, 0..1100).await;

    // Alice has heard lists until then; from there on it is counts.
    let mut alices = RoomState::new(ROOM);
    let mut count = next_count(&mut heard).await;
    assert!(count.count.users > 1000, "{:?}", count.count);
    let mut came = vec![Instant::now()];
    while count.count.users < 1103 {
        count = next_count(&mut heard).await;
        came.push(Instant::now());
    }
    assert_eq!((count.gear.as_str(), count.count.users, count.count.sessions), ("crowd", 1103, 1103));
    assert!(count.faces.len() == 30 && count.faces[0].id == "alice", "the first who came");
    assert_paced(&came, Duration::from_secs(2));
    alices.apply(&ServerFrame::Count(count));
    assert_eq!((alices.viewers().len(), alices.typing().len()), (0, 0));

    // Who asked for lists hears them on, a tick apart, and typing has ended for all.
    let came = follow(&mut full_heard, &mut state, 1103).await;
    assert_eq!((state.viewers().len(), state.typing().len()), (1103, 0));
    assert!(came.len() > 1);
    let refused = alice.typing(ROOM, None).await;
    assert!(matches!(refused, Err(RequestError::Refused(error)) if error.code == "typing.off"));

    // Who joins now is answered, and told how many there are.
    let began = Instant::now();
    let (late, mut late_heard) = server.native("late").await;
    assert!(matches!(late.join(ROOM).await, Ok(Synced::Acked(_))));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(next_count(&mut late_heard).await.count.users, 1104);
    let (_list, _, roster) = listed(&server, "list", Some("full")).await;
    assert_eq!((roster.gear.as_str(), roster.viewers.len(), roster.count.users), ("crowd", 1105, 1105));
    let mut late_board = server.board("late-board").await;
    let presence = late_board.join(ROOM).await;
    assert_eq!((presence["count"].as_u64(), presence["viewers"].as_array().map(Vec::len)), (Some(1106), Some(100)));
    let began = Instant::now();
    let changes: Vec<Instant> = follow(&mut full_heard, &mut state, 1106).await;
    assert!(began.elapsed() < Duration::from_secs(5) && changes.len() <= 3, "{:?}", began.elapsed());

    // Down to 800: the list comes back, unasked.
    leave(crowd.split_off(794)).await;
    let began = Instant::now();
    let mut alices = RoomState::new(ROOM);
    let back = until(&mut heard, |frame| matches!(frame, ServerFrame::Roster(_))).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    alices.apply(back.last().unwrap());
    follow(&mut heard, &mut alices, 800).await;
    follow(&mut full_heard, &mut state, 800).await;
    assert_eq!(alices.viewers(), state.viewers());
    assert_eq!(alices.gear(), "batched");
    late.leave(ROOM).await.unwrap();
    follow(&mut heard, &mut alices, 799).await;
    server.mark(ROOM, 1).await;
    until_marker(&mut heard, 1).await;
    let mut board = boards.await.unwrap();
    assert_eq!(board.join(ROOM).await["count"], 799);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_types_on_in_a_crowd_is_told_so_once_a_minute() {
    let server = TestServer::start(patient).await;
    let _crowd = fill(&server, 0..1001).await;
    let mut alice = server.native_raw("alice").await;
    alice.say(json!({"type":"join","room":ROOM,"interest":"none","id":1})).await;
    assert_eq!(alice.hear().await["re"], 1);
    for _ in 0..8 {
        alice.say(json!({"type":"typing","room":ROOM})).await;
    }
    alice.say(json!({"type":"sync","room":ROOM,"id":2})).await;
    let mut heard = Vec::new();
    loop {
        let frame = alice.hear().await;
        if frame["re"] == 2 {
            break;
        }
        heard.push(frame["code"].clone());
    }
    assert_eq!(heard, ["typing.off"]);
}
