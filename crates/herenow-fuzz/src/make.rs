//! What makes inputs for each target: mostly almost right, for what is plainly wrong is refused by the first check.
use crate::{
    maker::Maker,
    targets::tokens::{NOW_UNIX_S, signed},
};
use herenow_wire::websocket::{client::ClientFrame, encoder, frame::Opcode};
use serde_json::{Value, json};

/// For [`crate::targets::websocket::websocket_frames`]: frames in a row, fragments among them, some spoilt.
pub fn websocket_frames(maker: &mut Maker<'_>) -> Vec<u8> {
    let is_of_server = maker.rng.percent(30);
    let mut bytes = vec![maker.rng.below(4) as u8 | if is_of_server { 0x80 } else { 0 }];
    bytes.push(maker.one_of(&[0, 1, 2, 3, 7, 64, 255]));
    bytes.push(maker.one_of(&[0, 1, 5, 100, 255]));
    for _ in 0..maker.rng.between(1, 5) {
        put_frame(maker, is_of_server, &mut bytes);
    }
    if maker.rng.percent(50) {
        let head = bytes.drain(..3).collect::<Vec<_>>();
        let spoilt = maker.spoilt(bytes, 100);
        bytes = [head, spoilt].concat();
    }
    bytes
}

fn put_frame(maker: &mut Maker<'_>, is_of_server: bool, out: &mut Vec<u8>) {
    let kinds = [Opcode::Text, Opcode::Text, Opcode::Binary, Opcode::Ping, Opcode::Pong, Opcode::Close];
    let opcode = maker.one_of(&kinds);
    let longest = if opcode.is_control() { 126 } else { 1030 };
    let payload = match (opcode, maker.rng.below(4)) {
        (Opcode::Close, 0) => Vec::new(),
        (Opcode::Close, _) => {
            let code: u16 = maker.one_of(&[1000, 1001, 1005, 999, 3000, 4999, 5000, 1012]);
            let reason = maker.word();
            [&code.to_be_bytes()[..], reason.as_bytes()].concat()
        }
        (_, 0) => vec![b'a'; maker.rng.index(longest)],
        (_, _) => maker.word().into_bytes(),
    };
    let mut put = |is_final, opcode, payload: &[u8], key: u64| {
        if is_of_server {
            let mut frame = Vec::new();
            encoder::put_frame(&mut frame, opcode, payload);
            frame[0] &= if is_final { 0xff } else { 0x7f };
            out.extend(frame);
        } else {
            ClientFrame { is_final, opcode, payload, mask_key: (key as u32).to_be_bytes() }.put(out);
        }
    };
    let key = maker.rng.word();
    if opcode.is_control() || maker.rng.percent(60) {
        return put(true, opcode, &payload, key);
    }
    // In two fragments, cut anywhere, with a ping in between at times.
    let (first, second) = payload.split_at(maker.rng.index(payload.len() + 1));
    put(false, opcode, first, key);
    if maker.rng.percent(30) {
        put(true, Opcode::Ping, b"?", key);
    }
    put(maker.rng.percent(90), Opcode::Continuation, second, key);
}

/// For [`crate::targets::websocket::websocket_keys`].
pub fn websocket_keys(maker: &mut Maker<'_>) -> Vec<u8> {
    let digits = b"ABCabc019+/";
    let mut key: Vec<u8> = (0..22).map(|_| maker.one_of(digits)).collect();
    key.extend(b"==");
    maker.spoilt(key, 60)
}

/// For [`crate::targets::frames::native_frames`].
pub fn native_frames(maker: &mut Maker<'_>) -> Vec<u8> {
    let corpus = maker.corpus;
    match maker.rng.below(10) {
        0..=2 => maker.text_of(&corpus.native),
        3 => maker.text_of(&corpus.bad),
        4 => bent_of(maker, &corpus.native),
        5 => maker.json(3).into_bytes(),
        _ => {
            let frame = client_frame(maker, &NATIVE_TYPES);
            maker.spoilt(frame.into_bytes(), 20)
        }
    }
}

/// For [`crate::targets::frames::board_frames`].
pub fn board_frames(maker: &mut Maker<'_>) -> Vec<u8> {
    let corpus = maker.corpus;
    match maker.rng.below(10) {
        0..=2 => maker.text_of(&corpus.board),
        3 => maker.text_of(&corpus.bad),
        4 => bent_of(maker, &corpus.board),
        _ => {
            let frame = client_frame(maker, &BOARD_TYPES);
            maker.spoilt(frame.into_bytes(), 20)
        }
    }
}

fn bent_of(maker: &mut Maker<'_>, texts: &[String]) -> Vec<u8> {
    let text = maker.rng.pick(texts).map_or("null", String::as_str);
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    maker.bent(value).to_string().into_bytes()
}

/// A frame of a known type with known fields, each mostly of its kind.
fn client_frame(maker: &mut Maker<'_>, types: &[&str]) -> String {
    let mut members = vec![format!("\"type\":\"{}\"", maker.one_of(types))];
    for (name, kind) in FIELDS {
        if maker.rng.percent(if name == "room" || name == "boardId" { 70 } else { 30 }) {
            let value = if maker.rng.percent(90) { value_of(maker, kind) } else { maker.json(2) };
            members.push(format!("\"{name}\":{value}"));
        }
    }
    if maker.rng.percent(10) {
        let (key, value) = (json!(maker.word()), maker.json(3));
        members.push(format!("{key}:{value}"));
    }
    let first = maker.rng.index(members.len());
    members.swap(0, first);
    format!("{{{}}}", members.join(","))
}

#[derive(Clone, Copy)]
enum Kind {
    Word,
    Flag,
    Number,
    Any,
    State,
    Since,
    Users,
    Interest,
    Status,
}

fn value_of(maker: &mut Maker<'_>, kind: Kind) -> String {
    match kind {
        Kind::Word => json!(maker.word()).to_string(),
        Kind::Flag => maker.one_of(&["true", "false", "null"]).to_owned(),
        Kind::Number => maker.one_of(&["0", "1", "0.5", "1e-3", "0.99999", "-0.0", "1.00001", "null"]).to_owned(),
        Kind::Any => maker.json(4),
        Kind::State => {
            let members = (0..maker.rng.below(5)).map(|_| format!("{}:{}", json!(maker.word()), maker.json(2)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Kind::Since => format!("[{},{}]", json!(maker.one_of(&["k3x9", "a", "", "a.b"])), maker.number()),
        Kind::Users => {
            let ids: Vec<String> = (0..maker.rng.below(5)).map(|_| json!(maker.word()).to_string()).collect();
            format!("[{}]", ids.join(","))
        }
        Kind::Interest => maker.one_of(&["\"auto\"", "\"full\"", "\"count\"", "\"none\"", "\"all\""]).to_owned(),
        Kind::Status => maker.one_of(&["\"active\"", "\"idle\"", "\"away\""]).to_owned(),
    }
}

/// For [`crate::targets::server_frames::server_frames`]: a roster and what may follow it, mostly in order.
pub fn server_frames(maker: &mut Maker<'_>) -> Vec<u8> {
    let corpus = maker.corpus;
    let mut lines = Vec::new();
    let mut version = maker.rng.below(5);
    for _ in 0..maker.rng.between(1, 6) {
        lines.push(match maker.rng.below(8) {
            0 | 1 => maker.text_of(&corpus.server),
            2 => bent_of(maker, &corpus.server),
            3 | 4 => roster(maker, version).into_bytes(),
            _ => {
                let from = version;
                version += maker.rng.below(3);
                let frame = diff(maker, from, version);
                maker.spoilt(frame.into_bytes(), 10)
            }
        });
    }
    lines.join(&b'\n')
}

fn viewers(maker: &mut Maker<'_>, most: u64) -> Value {
    let mut viewer = |_| {
        let (id, at) = (maker.one_of(&["a", "b", "c", "d", "e"]), maker.rng.below(4));
        json!({"user":{"id":id,"name":maker.word()},"status":"active","joined_at_ms":at,"sessions":maker.rng.below(3)})
    };
    let list: Vec<Value> = (0..most).map(&mut viewer).collect();
    Value::Array(list)
}

fn roster(maker: &mut Maker<'_>, version: u64) -> String {
    let most = maker.rng.below(4);
    let who = maker.one_of(&["a", "b", "f"]);
    json!({"type":"roster","room":"board-1","v":["k3x9",version],"gear":"live","viewers":viewers(maker, most),
        "count":{"users":most,"sessions":most},"typing":[{"user":{"id":who},"targets":[null,"t"]}],
        "locks":[{"name":"l","holder":{"id":who},"fence":maker.rng.below(9)}]})
    .to_string()
}

fn diff(maker: &mut Maker<'_>, from: u64, to: u64) -> String {
    let left: Vec<Value> =
        (0..maker.rng.below(2)).map(|_| json!({"id":maker.one_of(&["a", "b", "c"]),"reason":"left"})).collect();
    let (joined, updated) = (maker.rng.below(2), maker.rng.below(2));
    json!({"type":"diff","room":"board-1","from":from,"v":["k3x9",to],"joined":viewers(maker, joined),"left":left,
        "updated":viewers(maker, updated),"count":{"users":1,"sessions":1}})
    .to_string()
}

/// For [`crate::targets::frames::subprotocols`].
pub fn subprotocols(maker: &mut Maker<'_>) -> Vec<u8> {
    let known = ["herenow.v1", "board.v1", "graphql-ws", " herenow.v1", "HERENOW.V1", ""];
    let names: Vec<String> = (0..maker.rng.below(4))
        .map(|_| if maker.rng.percent(80) { maker.one_of(&known).to_owned() } else { maker.word() })
        .collect();
    let separator = maker.one_of(&[",", ", ", ";"]);
    maker.spoilt(names.join(separator).into_bytes(), 20)
}

/// For [`crate::targets::tokens::token_texts`]: good tokens, mostly spoilt.
pub fn token_texts(maker: &mut Maker<'_>) -> Vec<u8> {
    match maker.rng.below(10) {
        0 => maker.json(2).into_bytes(),
        1 => b"x.".repeat(maker.rng.index(5000)),
        2..=4 => {
            // Its claims and its signature belong to two tokens, or another header is before them.
            let (one, two) = (signed(&claims(maker)), signed(&claims(maker)));
            let (body, _) = one.rsplit_once('.').unwrap_or_default();
            let (_, signature) = two.rsplit_once('.').unwrap_or_default();
            let header = maker.one_of(&HEADERS);
            let rest = body.split_once('.').map_or("", |(_, claims)| claims);
            if maker.rng.percent(50) { format!("{body}.{signature}") } else { format!("{header}.{rest}.{signature}") }
                .into_bytes()
        }
        _ => {
            let token = signed(&claims(maker));
            maker.spoilt(token.into_bytes(), 70)
        }
    }
}

/// For [`crate::targets::tokens::token_claims`].
pub fn token_claims(maker: &mut Maker<'_>) -> Vec<u8> {
    let claims = claims(maker);
    match maker.rng.below(4) {
        0 => maker.spoilt(claims, 100),
        1 => {
            let value: Value = serde_json::from_slice(&claims).unwrap_or_default();
            maker.bent(value).to_string().into_bytes()
        }
        _ => claims,
    }
}

fn claims(maker: &mut Maker<'_>) -> Vec<u8> {
    let sub = if maker.rng.percent(80) { json!(maker.word()).to_string() } else { maker.number() };
    let exp = NOW_UNIX_S + maker.rng.below(7200) - maker.rng.below(100);
    let mut members = vec![format!("\"sub\":{sub}"), format!("\"exp\":{exp}")];
    let avatars = ["\"https://example.com/a.png\"", "\"javascript:alert(1)\"", "\"http://a@b/\"", "7"];
    let rooms = ["[\"*\"]", "[\"board-*\",\"a\"]", "{\"*\":[\"observe\"]}", "{\"board-1\":[\"join\",\"fly\"]}", "[]"];
    for (name, values) in [
        ("avatar", &avatars[..]),
        ("rooms", &rooms),
        ("watch", &["[\"u*\"]", "[]", "7"]),
        ("invisible", &["true", "false", "null", "1"]),
        ("admin", &["true", "false"]),
        ("aud", &["\"herenow\"", "[\"other\",\"herenow\"]", "\"other\""]),
        ("nbf", &["0", "1893456000", "1893459999", "1e30", "-5"]),
    ] {
        if maker.rng.percent(25) {
            let value = if maker.rng.percent(90) { maker.one_of(values).to_owned() } else { maker.json(2) };
            members.push(format!("\"{name}\":{value}"));
        }
    }
    if maker.rng.percent(60) {
        members.push(format!("\"name\":{}", json!(maker.word())));
    }
    format!("{{{}}}", members.join(",")).into_bytes()
}

/// For [`crate::targets::tokens::token_sources`].
pub fn token_sources(maker: &mut Maker<'_>) -> Vec<u8> {
    let addresses = ["/ws", "/ws?token=a.b.c", "/ws?token=", "/ws?token=%41%zz&resume=x", "/ws?a&b=&token=c%00", "*"];
    let headers = [
        "authorization: Bearer a.b.c",
        "authorization: bearer",
        "authorization: Basic YTpi",
        "cookie: session=a.b.c",
        "cookie: a=b; session=\"c.d.e\"; session=x",
        "cookie: ;;=;session",
        "host: localhost",
    ];
    request(maker, &addresses, &headers)
}

/// For [`crate::targets::tokens::origins`].
pub fn origins(maker: &mut Maker<'_>) -> Vec<u8> {
    let headers = [
        "host: localhost:4280",
        "host: 127.0.0.1:4280",
        "host: [::1]:4280",
        "host: app.example.com",
        "host: localhost.evil.example",
        "origin: http://localhost:4280",
        "origin: http://127.0.0.1:4280",
        "origin: https://app.example.com",
        "origin: https://APP.example.com:443",
        "origin: https://app.example.com.evil.example",
        "origin: null",
        "origin: http://[::1]:4280",
        "origin: http://[::1",
    ];
    request(maker, &["/ws"], &headers)
}

fn request(maker: &mut Maker<'_>, addresses: &[&str], headers: &[&str]) -> Vec<u8> {
    let mut lines = vec![maker.one_of(addresses)];
    lines.extend((0..maker.rng.below(4)).map(|_| maker.one_of(headers)));
    let request = lines.join("\n").into_bytes();
    maker.spoilt(request, 30)
}

/// For [`crate::targets::tokens::resume_tokens`].
pub fn resume_tokens(maker: &mut Maker<'_>) -> Vec<u8> {
    let mut edits = vec![0];
    match maker.rng.below(4) {
        0 => edits = maker.word().into_bytes(),
        1 => edits = maker.spoilt(b"0000000000000007.0123456789abcdef0123456789abcdef".to_vec(), 80),
        _ => {
            for _ in 0..maker.rng.below(3) {
                edits.push(maker.rng.below(256) as u8);
                edits.push(maker.one_of(b"0123456789abcdefABCDEF.x\0\xff"));
            }
        }
    }
    edits
}

/// For [`crate::targets::names::ids`].
pub fn ids(maker: &mut Maker<'_>) -> Vec<u8> {
    let word = maker.word();
    maker.spoilt(word.into_bytes(), 20)
}

/// For [`crate::targets::names::patterns`]: few letters, so that they meet.
pub fn patterns(maker: &mut Maker<'_>) -> Vec<u8> {
    let mut some =
        |letters: &[&str], most| -> String { (0..maker.rng.below(most)).map(|_| maker.one_of(letters)).collect() };
    let text = format!("{}\n{}", some(&["a", "b", "*", "é"], 8), some(&["a", "b", "a", "é", "*"], 12));
    maker.spoilt(text.into_bytes(), 10)
}

/// For [`crate::targets::names::shown_names`].
pub fn shown_names(maker: &mut Maker<'_>) -> Vec<u8> {
    let words: Vec<String> = (0..maker.rng.below(4)).map(|_| maker.word()).collect();
    let mut bytes = words.join(" ").into_bytes();
    if maker.rng.percent(50) {
        bytes.push(0xff);
        bytes.extend(maker.word().into_bytes());
    }
    maker.spoilt(bytes, 20)
}

/// For [`crate::targets::settings::durations_and_sizes`].
pub fn durations_and_sizes(maker: &mut Maker<'_>) -> Vec<u8> {
    let unit = maker.one_of(&["ms", "s", "m", "h", "d", "B", "KiB", "MiB", "", " s", "GiB"]);
    let value = format!("{}{unit}", maker.number());
    maker.spoilt(value.into_bytes(), 20)
}

/// For [`crate::targets::settings::config_texts`].
pub fn config_texts(maker: &mut Maker<'_>) -> Vec<u8> {
    let mut text = String::new();
    for _ in 0..maker.rng.between(1, 4) {
        let (name, value) = setting(maker);
        match (name.split_once('.'), maker.rng.percent(50)) {
            (Some((section, key)), true) => text += &format!("[{section}]\n{key} = {value}\n"),
            _ => text += &format!("{name} = {value}\n"),
        }
    }
    maker.spoilt(text.into_bytes(), 40)
}

/// For [`crate::targets::settings::config_variables`].
pub fn config_variables(maker: &mut Maker<'_>) -> Vec<u8> {
    let mut line = |_| {
        let (name, value) = setting(maker);
        format!("HERENOW_{}={}", name.replace('.', "__").to_uppercase(), value.trim_matches('"'))
    };
    let lines: Vec<String> = (0..3).map(&mut line).collect();
    let count = maker.rng.between(1, 3) as usize;
    maker.spoilt(lines[..count].join("\n").into_bytes(), 40)
}

/// A key and a value as a file has them; mostly such as go together.
fn setting(maker: &mut Maker<'_>) -> (&'static str, String) {
    let (name, value) = maker.one_of(&SETTINGS);
    let value = match maker.rng.below(10) {
        0 => maker.json(1),
        1 => format!("\"{}{}\"", maker.number(), maker.one_of(&["s", "KiB", "d"])),
        _ => value.to_owned(),
    };
    (name, value)
}

const NATIVE_TYPES: [&str; 16] = [
    "auth",
    "join",
    "leave",
    "typing",
    "stop_typing",
    "update",
    "cursor",
    "lock",
    "unlock",
    "message",
    "status",
    "watch",
    "unwatch",
    "sync",
    "ping",
    "fly",
];
const BOARD_TYPES: [&str; 6] = ["auth", "join", "leave", "typing", "stop_typing", "ping"];
const FIELDS: [(&str, Kind); 22] = [
    ("room", Kind::Word),
    ("boardId", Kind::Word),
    ("id", Kind::Number),
    ("target", Kind::Word),
    ("token", Kind::Word),
    ("resume", Kind::Word),
    ("name", Kind::Word),
    ("wait", Kind::Flag),
    ("observe", Kind::Flag),
    ("sessions", Kind::Flag),
    ("echo", Kind::Flag),
    ("x", Kind::Number),
    ("y", Kind::Number),
    ("on", Kind::Word),
    ("data", Kind::Any),
    ("event", Kind::Word),
    ("to", Kind::Word),
    ("state", Kind::State),
    ("since", Kind::Since),
    ("users", Kind::Users),
    ("status", Kind::Status),
    ("interest", Kind::Interest),
];
/// No algorithm, another one, one with a demand, and half of one, in base64.
const HEADERS: [&str; 5] =
    ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJIUzUxMiJ9", "eyJhbGciOiJIUzI1NiIsImNyaXQiOlsieCJdfQ", "eyJhbGciOiJI", "bnVsbA"];
const SETTINGS: [(&str, &str); 16] = [
    ("server.listen", "\"127.0.0.1:4280\""),
    ("server.allowed_origins", "[\"https://app.example.com\"]"),
    ("server.shutdown_grace", "\"10s\""),
    ("server.shards", "4"),
    ("auth.secret", "\"0123456789abcdef0123456789abcdef\""),
    ("auth.default_rooms", "[\"*\"]"),
    ("auth.cookie_name", "\"session\""),
    ("presence.leave_grace", "\"5s\""),
    ("presence.ping_interval", "\"20s\""),
    ("limits.frame_bytes", "\"16KiB\""),
    ("limits.outbox_bytes", "262144"),
    ("limits.message_rate", "20"),
    ("demo.enabled", "true"),
    ("log.level", "\"info\""),
    ("log.format", "\"json\""),
    ("presence.leave_grce", "\"5s\""),
];
