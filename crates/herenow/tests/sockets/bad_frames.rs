//! Bad input on a connection that is let in: what is said about it, and that the connection goes on unless it cannot.
use crate::common::{LIMIT, Peer, TestServer};
use herenow_client::raw::RawFrame;
use serde_json::{Value, json};

/// A frame that is refused, and the code that says why.
type Row = (&'static str, String, &'static str);

fn long(bytes: usize) -> String {
    "x".repeat(bytes)
}

fn nested(levels: usize) -> String {
    format!("{}1{}", "[".repeat(levels), "]".repeat(levels))
}

/// What both dialects refuse. The board dialect names the room `boardId`.
fn common_rows(room: &str) -> Vec<Row> {
    let with = |value: &str| format!(r#"{{"type":"join","{room}":{value}}}"#);
    vec![
        ("empty text", String::new(), "frame.not_json"),
        ("no JSON", "nonsense".into(), "frame.not_json"),
        ("half an object", r#"{"type":"join""#.into(), "frame.not_json"),
        ("two objects", r#"{"type":"x"}{}"#.into(), "frame.not_json"),
        ("an array", "[]".into(), "frame.not_object"),
        ("a number", "7".into(), "frame.not_object"),
        ("null", "null".into(), "frame.not_object"),
        ("no type", "{}".into(), "frame.missing_field"),
        ("a number as type", r#"{"type":7}"#.into(), "frame.bad_field"),
        ("unknown type", r#"{"type":"fly"}"#.into(), "frame.unknown_type"),
        ("a type of the server", r#"{"type":"presence"}"#.into(), "frame.unknown_type"),
        ("no room", r#"{"type":"join"}"#.into(), "frame.missing_field"),
        ("a number as room", with("7"), "frame.bad_field"),
        ("an object as room", with("{}"), "frame.bad_field"),
        ("empty room", with(r#""""#), "room.bad_name"),
        ("room of 256 bytes", with(&format!("\"{}\"", long(256))), "room.bad_name"),
        ("control character in room", with(r#""a\u0007b""#), "room.bad_name"),
        ("line end in room", with(r#""a\nb""#), "room.bad_name"),
        ("half a surrogate pair in room", with(r#""\ud800""#), "frame.bad_field"),
        ("room twice", format!(r#"{{"type":"join","{room}":"a","{room}":"b"}}"#), "frame.duplicate_key"),
        ("too deep", format!(r#"{{"type":"join","{room}":"a","x":{}}}"#, nested(32)), "frame.too_deep"),
        ("much too deep", nested(7_000), "frame.too_deep"),
        ("typing elsewhere", format!(r#"{{"type":"typing","{room}":"elsewhere"}}"#), "room.not_joined"),
        ("leaving elsewhere", format!(r#"{{"type":"leave","{room}":"elsewhere"}}"#), "room.not_joined"),
        ("a number as target", format!(r#"{{"type":"typing","{room}":"in","target":7}}"#), "frame.bad_field"),
        (
            "target of 129 bytes",
            format!(r#"{{"type":"typing","{room}":"in","target":"{}"}}"#, long(129)),
            "frame.bad_field",
        ),
        ("token of another user", String::from("(filled in below)"), "auth.user_changed"),
        ("garbage as token", r#"{"type":"auth","token":"a.b.c"}"#.into(), "auth.invalid"),
        ("no token", r#"{"type":"auth"}"#.into(), "frame.missing_field"),
    ]
}

fn native_rows() -> Vec<Row> {
    let state = |json: &str| format!(r#"{{"type":"update","room":"in","state":{json}}}"#);
    let keys: Vec<String> = (0..65).map(|n| format!("\"k{n}\":1")).collect();
    let event = |name: &str| format!(r#"{{"type":"message","room":"in","event":"{name}","data":1}}"#);
    vec![
        ("state is no object", state("[1]"), "frame.bad_field"),
        ("key of the state twice", state(r#"{"a":1,"a":2}"#), "frame.duplicate_key"),
        ("state of 5,000 bytes", state(&format!("{{\"a\":\"{}\"}}", long(5000))), "state.too_large"),
        ("state of 65 keys", state(&format!("{{{}}}", keys.join(","))), "state.too_many_keys"),
        ("empty key in the state", state(r#"{"":1}"#), "frame.bad_field"),
        ("half a surrogate pair in the state", state(r#"{"a":"\udc00"}"#), "frame.bad_field"),
        ("number out of range in the state", state(r#"{"a":1e999}"#), "frame.bad_field"),
        ("event with a reserved name", event("roster"), "message.reserved_event"),
        ("event with a name of the board dialect", event("user_joined"), "message.reserved_event"),
        ("event without a name", event(""), "frame.bad_field"),
        ("event with a name of 65 bytes", event(&long(65)), "frame.bad_field"),
        ("message without data", r#"{"type":"message","room":"in","event":"e"}"#.into(), "frame.missing_field"),
        ("id that is an array", r#"{"type":"ping","id":[1]}"#.into(), "frame.bad_field"),
        ("id of 65 bytes", format!(r#"{{"type":"ping","id":"{}"}}"#, long(63)), "frame.bad_field"),
        ("unknown status", r#"{"type":"status","status":"away"}"#.into(), "frame.bad_field"),
        ("unknown interest", r#"{"type":"join","room":"in","interest":"all"}"#.into(), "frame.bad_field"),
        ("since that is no version", r#"{"type":"sync","room":"in","since":[1,2]}"#.into(), "frame.bad_field"),
        ("negative since", r#"{"type":"sync","room":"in","since":["e",-1]}"#.into(), "frame.bad_field"),
        ("sync elsewhere", r#"{"type":"sync","room":"elsewhere"}"#.into(), "room.not_joined"),
        ("a text as flag", r#"{"type":"join","room":"in","observe":"yes"}"#.into(), "frame.bad_field"),
    ]
}

/// Sends each row, and after each shows that the connection goes on.
async fn check_rows(peer: &mut Peer, dialect: &str, rows: Vec<Row>) {
    for (what, text, code) in rows {
        let text = match what {
            "token of another user" => json!({"type":"auth","token":crate::common::token("mallory")}).to_string(),
            _ => text,
        };
        peer.0.text(&text).await.unwrap();
        let told = peer.hear().await;
        let said = told["message"].as_str().or(told["error"].as_str()).unwrap_or_default();
        println!("{dialect:7} {what:42} {code:24} {said}");
        assert_eq!((&told["type"], &told["code"]), (&json!("error"), &json!(code)), "{what}: {told}");
        assert!(told["hint"].is_string() && told.to_string().len() < 1000, "{told}");
        let (room, answer) = if dialect == "native" { ("room", "roster") } else { ("boardId", "presence") };
        peer.say(json!({"type":"join",room:"in"})).await;
        let told = peer.hear().await;
        assert_eq!((&told["type"], &told["room"]), (&json!(answer), &json!("in")), "after {what}: {told}");
    }
}

#[tokio::test]
async fn bad_frames_of_the_native_dialect_are_answered_and_the_connection_goes_on() {
    let server = TestServer::start(|_| {}).await;
    let mut alice = server.native_raw("alice").await;
    alice.say(json!({"type":"join","room":"in"})).await;
    alice.hear().await;
    let rows = [common_rows("room"), native_rows()].concat();
    check_rows(&mut alice, "native", rows).await;
}

#[tokio::test]
async fn bad_frames_of_the_board_dialect_are_answered_and_the_connection_goes_on() {
    let server = TestServer::start(|_| {}).await;
    let mut alice = server.board_in("alice", "in").await;
    check_rows(&mut alice, "board", common_rows("boardId")).await;
}

#[tokio::test]
async fn the_51st_room_and_the_9th_target_are_refused_until_there_is_place() {
    let server = TestServer::start(|config| config.server.shards = Some(7)).await;
    let mut alice = server.board("alice").await;
    for n in 0..50 {
        alice.join(&format!("room-{n}")).await;
    }
    alice.say(json!({"type":"join","boardId":"room-50"})).await;
    let told = alice.hear().await;
    assert_eq!((&told["code"], &told["boardId"]), (&json!("room.too_many"), &json!("room-50")));
    alice.join("room-7").await;
    alice.say(json!({"type":"leave","boardId":"room-7"})).await;
    alice.join("room-50").await;
    let mut bob = server.board_in("bob", "room-50").await;
    assert_eq!(alice.hear().await["type"], "user_joined");
    let typing = |n: usize| json!({"type":"typing","boardId":"room-50","target":format!("card-{n}")});
    for n in 0..9 {
        alice.say(typing(n)).await;
    }
    assert_eq!(alice.hear().await["code"], "typing.too_many_targets");
    alice.say(json!({"type":"stop_typing","boardId":"room-50","target":"card-0"})).await;
    alice.say(typing(8)).await;
    alice.join("room-50").await;
    for n in 0..8 {
        assert_eq!(bob.hear().await["target"], format!("card-{n}"));
    }
    assert_eq!(bob.hear().await["type"], "user_stopped_typing");
    assert_eq!(bob.hear().await["target"], "card-8");
}

#[tokio::test]
async fn a_refused_join_does_not_count_as_a_room() {
    let server = TestServer::start(|config| config.limits.rooms_per_connection = 2).await;
    let mut alice = server.native_raw("alice").await;
    for n in 0..3 {
        alice.say(json!({"type":"join","room":format!("big-{n}"),"state":{"a":long(5000)}})).await;
        assert_eq!(alice.hear().await["code"], "state.too_large");
    }
    for room in ["one", "two"] {
        alice.say(json!({"type":"join","room":room})).await;
        let told = alice.hear().await;
        assert_eq!((&told["type"], &told["room"]), (&json!("roster"), &json!(room)), "{told}");
    }
}

/// A client's frame with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | short as u8),
        long => {
            bytes.push(0x80 | 126);
            bytes.extend((long as u16).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

fn fatal_rows() -> Vec<(&'static str, Vec<u8>, u16)> {
    let text = br#"{"type":"ping"}"#;
    let mut cut = frame(0x01, b"{\"type\":");
    cut.extend(frame(0x81, text));
    vec![
        ("binary", frame(0x82, text), 1003),
        ("text of 17 KiB", frame(0x81, long(17 << 10).as_bytes()), 1009),
        ("the header of 17 KiB", frame(0x81, &[b' '; 17 << 10])[..8].to_vec(), 1009),
        ("a length of 2^62", [&[0x81, 0xff, 0x40][..], &[0; 11]].concat(), 1009),
        ("not UTF-8", frame(0x81, b"{\"type\":\"\xff\"}"), 1007),
        ("half a character at the end", frame(0x81, b"\"\xe2\x82"), 1007),
        ("no mask", vec![0x81, 2, b'{', b'}'], 1002),
        ("reserved bit", frame(0x81 | 0x40, text), 1002),
        ("reserved opcode", frame(0x83, text), 1002),
        ("fragmented ping", frame(0x09, b"x"), 1002),
        ("ping of 126 bytes", frame(0x89, &[0; 126]), 1002),
        ("continuation of nothing", frame(0x80, text), 1002),
        ("a text within a text", cut, 1002),
        ("length in too many bytes", vec![0x81, 0xfe, 0, 2, 0, 0, 0, 0, b'{', b'}'], 1002),
        ("length with its highest bit", [&[0x81, 0xff, 0x80][..], &[0; 11]].concat(), 1002),
        ("close of one byte", frame(0x88, &[3]), 1002),
        ("close code 1005", frame(0x88, &1005_u16.to_be_bytes()), 1002),
        ("close reason that is not UTF-8", frame(0x88, b"\x03\xe8\xff"), 1007),
    ]
}

#[tokio::test]
async fn what_cannot_be_read_closes_with_the_code_of_the_rfc_and_hurts_nobody_else() {
    let server = TestServer::start(|config| config.presence.drop_grace = std::time::Duration::from_millis(30)).await;
    let mut bob = server.board_in("bob", "in").await;
    for native in [false, true] {
        for (what, bytes, code) in fatal_rows() {
            let mut alice = if native { server.native_raw("alice").await } else { server.board("alice").await };
            alice.say(json!({"type":"join","room":"in"})).await;
            alice.hear().await;
            assert_eq!(bob.hear().await["type"], "user_joined");
            alice.0.bytes(&bytes).await.unwrap();
            assert_eq!(alice.close_code().await, Some(code), "{what}");
            let left = bob.hear().await;
            assert_eq!((&left["type"], &left["reason"]), (&json!("user_left"), &json!("lost")), "{what}");
            println!("{:7} {what:42} {code}", if native { "native" } else { "board" });
        }
    }
}

#[tokio::test]
async fn a_frame_of_16_kib_in_pieces_is_taken_whole() {
    let server = TestServer::start(|_| {}).await;
    let mut alice = server.board("alice").await;
    let body = json!({"type":"join","boardId":"in","padding":""}).to_string();
    let text = body.replace("\"\"", &format!("\"{}\"", long((16 << 10) - body.len())));
    assert_eq!(text.len(), 16 << 10);
    let bytes = frame(0x81, text.as_bytes());
    for piece in bytes.chunks(1009) {
        alice.0.bytes(piece).await.unwrap();
    }
    assert_eq!(alice.hear().await["type"], "presence");
    let (first, second) = text.as_bytes().split_at(5000);
    let pieces = [frame(0x01, first), frame(0x89, b"between"), frame(0x80, second)].concat();
    alice.0.bytes(&pieces).await.unwrap();
    assert_eq!(alice.0.next(LIMIT).await.unwrap(), RawFrame::Pong(b"between".to_vec()));
    assert_eq!(alice.hear().await["type"], "presence");
}

#[tokio::test]
async fn the_101st_bad_frame_in_10_s_ends_the_connection() {
    let server = TestServer::start(|_| {}).await;
    for native in [false, true] {
        for refused in ["nonsense", r#"{"type":"typing","room":"elsewhere"}"#] {
            let mut alice = if native { server.native_raw("alice").await } else { server.board("alice").await };
            for n in 0..100 {
                alice.0.text(refused).await.unwrap();
                let told: Value = alice.hear().await;
                assert_ne!(told["code"], "rate.flood", "the frame with the number {n}");
            }
            alice.0.text(refused).await.unwrap();
            let mut told = alice.hear().await;
            if told["code"] == "room.not_joined" {
                told = alice.hear().await;
            }
            assert_eq!(told["code"], "rate.flood", "{refused}");
            assert_eq!(alice.close_code().await, Some(4429));
        }
    }
}

#[tokio::test]
async fn what_comes_behind_a_close_is_not_heard() {
    let server = TestServer::start(|_| {}).await;
    let mut bob = server.board_in("bob", "in").await;
    let mut alice = server.board("alice").await;
    let join = json!({"type":"join","boardId":"in"}).to_string();
    let bytes = [frame(0x88, &1000_u16.to_be_bytes()), frame(0x81, join.as_bytes())].concat();
    alice.0.bytes(&bytes).await.unwrap();
    assert_eq!(alice.close_code().await, Some(1000));
    server.mark("in", 1).await;
    bob.expect_silence_until("in", 1).await;
}
