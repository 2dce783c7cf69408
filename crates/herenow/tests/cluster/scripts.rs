//! The scripts beside the same scripts in Rust: the same calls, and every answer, every key and every message must be equal.
use crate::{
    fake::{Fake, Kept, Reply},
    server::{LIMIT, Redis, route},
};
use herenow::cluster::redis::{
    fit::Fit,
    link::{Inbox, Link, Push},
    script::Script,
};
use redis::Value;
use std::collections::BTreeMap;

/// Pseudo-random numbers from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    fn once_in(&mut self, times: u64) -> bool {
        self.roll(times) == 0
    }
}

/// A call of a script, or something that happens to the server.
#[derive(Debug)]
struct Call {
    script: Script,
    keys: Vec<String>,
    args: Vec<Vec<u8>>,
}

const ROOMS: u64 = 2;
const NODES: u64 = 3;
const CHANNELS: [&str; 2] = ["{ps:0}:r:0", "{ps:0}:r:1"];

fn node(n: u64) -> String {
    format!("{n:016x}")
}

fn keys_of(room: u64, of: &str) -> Vec<String> {
    vec![
        format!("{{ps:0}}:m:{room}"),
        format!("{{ps:0}}:c:{room}:{of}"),
        format!("{{ps:0}}:x:{of}"),
        format!("{{ps:0}}:s:{room}:{of}"),
    ]
}

/// The stamp that a node would write next, mostly; otherwise a wrong one.
fn next_stamp(dice: &mut Dice, fake: &Fake, keys: &[String], of: &str) -> (u64, u64) {
    let held = fake.get(&keys[0], format!("n:{of}").as_bytes()).unwrap_or(b"l1:0".to_vec());
    let text = String::from_utf8_lossy(&held[1..]).into_owned();
    let (inc, seq) = text.split_once(':').and_then(|(i, s)| Some((i.parse().ok()?, s.parse().ok()?))).unwrap_or((1, 0));
    match dice.roll(10) {
        0 => (inc, seq),
        1 => (inc + 1, seq + 1),
        2 => (1 + dice.roll(3), 1 + dice.roll(5)),
        3 => (inc, seq + 2),
        _ => (inc, seq + 1),
    }
}

fn value(dice: &mut Dice) -> Vec<u8> {
    let length = [0, 3, 31, 32, 70, 255, 256, 300][dice.roll(8) as usize];
    (0..length).map(|_| dice.roll(256) as u8).collect()
}

fn puts(dice: &mut Dice, most: u64) -> (Vec<Vec<u8>>, u64) {
    let count = dice.roll(most + 1);
    let mut args = Vec::new();
    for _ in 0..count {
        args.push(node(0xa0 + dice.roll(12)).into_bytes());
        args.push(value(dice));
    }
    (args, count)
}

fn gone(dice: &mut Dice) -> Vec<Vec<u8>> {
    let count = dice.roll(3);
    (0..count).flat_map(|_| [node(0xa0 + dice.roll(12)).into_bytes(), b"left".to_vec()]).collect()
}

fn texts(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn draw(dice: &mut Dice, fake: &Fake, count: u64) -> Call {
    let (room, of) = (dice.roll(ROOMS), node(1 + dice.roll(NODES)));
    let (keys, channel) = (keys_of(room, &of), CHANNELS[room as usize]);
    let (inc, seq) = next_stamp(dice, fake, &keys, &of);
    let (inc_text, seq_text, tag) = (inc.to_string(), seq.to_string(), format!("{of}.{count}"));
    let head = texts(&[channel, &room.to_string(), &of, &inc_text, &seq_text, &tag, "3600"]);
    match dice.roll(25) {
        24 => {
            let seen = dice.roll(12).to_string();
            let head = texts(&[&seen, "6", "4", "3600", &format!("n{count}")]);
            let entries = (0..dice.roll(4)).flat_map(|_| texts(&[&format!("u{}:ann", dice.roll(40))]));
            let args = head.into_iter().chain(entries).collect();
            Call { script: Script::Revoke, keys: vec!["{ps:reg}:revoked".to_owned()], args }
        }
        20..23 => {
            let keys = vec![format!("{{ps:0}}:w:{room}"), "{ps:0}:w".to_owned(), keys[0].clone()];
            let name = match fake.keys.get("{ps:0}:w") {
                Some(Kept::Text(name)) if !dice.once_in(8) => name.clone(),
                _ if dice.once_in(2) => b"another".to_vec(),
                _ => Vec::new(),
            };
            let written = fake.get(&keys[2], b"t").filter(|_| dice.once_in(2)).unwrap_or_else(|| b"9.9".to_vec());
            let written = if dice.once_in(4) { written } else { Vec::new() };
            let flag = |dice: &mut Dice| texts(&[if dice.once_in(6) { "1" } else { "0" }]);
            let head = [texts(&["3600", &of]), vec![name], texts(&[&tag]), flag(dice), flag(dice), vec![written]];
            let turns = (0..1 + dice.roll(3)).flat_map(|_| {
                let user = ["ann", "ben", "cleo"][dice.roll(3) as usize];
                texts(&[
                    user,
                    ["j", "l"][dice.roll(2) as usize],
                    ["5", "0"][dice.roll(2) as usize],
                    &dice.roll(2).to_string(),
                ])
            });
            let args = [head.concat(), turns.collect()].concat();
            Call { script: Script::Announce, keys, args }
        }
        23 => {
            let key = format!("{{ps:0}}:w:{room}");
            let held = fake.hash(&key).into_iter().filter(|(user, _)| !user.is_empty());
            let turns = held.flat_map(|(user, held)| {
                let parts: Vec<Vec<u8>> = held.split(|byte| *byte == b' ').map(<[u8]>::to_vec).collect();
                [user, parts[0].clone(), if dice.once_in(6) { b"7".to_vec() } else { parts[2].clone() }]
            });
            let args = texts(&[&of]).into_iter().chain(turns).collect();
            Call { script: Script::Confirm, keys: vec![key], args }
        }
        0..6 => {
            let (puts, count) = puts(dice, 4);
            let args = [head, texts(&[&count.to_string()]), puts, gone(dice)].concat();
            Call { script: Script::Apply, keys, args }
        }
        6..10 => {
            let parts = 1 + dice.roll(3);
            // The part that comes next, mostly.
            let staged = fake.get(&keys[3], b"").unwrap_or_default();
            let staged = String::from_utf8_lossy(&staged).into_owned();
            let staged = staged
                .rsplit_once(':')
                .filter(|_| !dice.once_in(5))
                .map(|(stamp, part)| (stamp.to_owned(), part.parse::<u64>().unwrap_or(0)));
            let mut head = head;
            let part = match (&staged, parts) {
                (Some((stamp, part)), 2..) if part < &parts => {
                    let (inc, seq) = stamp.split_once(':').unwrap();
                    (head[3], head[4]) = (inc.into(), seq.into());
                    part + 1
                }
                _ => 1 + if dice.once_in(4) { dice.roll(parts) } else { 0 },
            };
            let (puts, count) = puts(dice, 6);
            let tail = if parts == 1 { gone(dice) } else { Vec::new() };
            let args = [head, texts(&[&part.to_string(), &parts.to_string(), &count.to_string()]), puts, tail].concat();
            Call { script: Script::Sync, keys, args }
        }
        10 => {
            let inc = (inc + dice.roll(2)).saturating_sub(dice.roll(2)).to_string();
            Call { script: Script::Reap, keys, args: texts(&[channel, &room.to_string(), &of, &inc, &tag, "3600"]) }
        }
        11..13 => {
            let mut keys = vec![keys[0].clone(), format!("{{ps:0}}:k:{room}")];
            let mut args = vec![["1000", "3", "6"][dice.roll(3) as usize].into()];
            for n in 1..=NODES {
                if dice.once_in(8) {
                    continue;
                }
                let of = node(n);
                let known = fake
                    .get(&keys[0], format!("n:{of}").as_bytes())
                    .filter(|_| dice.once_in(2))
                    .unwrap_or(b"x".to_vec());
                keys.push(keys_of(room, &of)[1].clone());
                args.extend([of.into_bytes(), known[1..].to_vec()]);
            }
            Call { script: Script::Snap, keys, args }
        }
        13 => Call { script: Script::Page, keys: vec![keys[1].clone()], args: texts(&["0", "1000"]) },
        14 => {
            let polled = (0..ROOMS).flat_map(|room| keys_of(room, &of)[..2].to_vec());
            let keys = [keys[2].clone()].into_iter().chain(polled).collect();
            Call { script: Script::Poll, keys, args: texts(&[&of, ["0", "3600"][dice.roll(2) as usize]]) }
        }
        15 => {
            let keys = ["live", "fence", "cfg"].map(|name| format!("{{ps:reg}}:{name}")).to_vec();
            let format = if dice.once_in(50) { "other" } else { "this" };
            let (inc, counter) = ((1 + dice.roll(3)).to_string(), count.to_string());
            Call { script: Script::Renew, keys, args: texts(&[&of, &inc, &counter, "1-1,", format]) }
        }
        16 => {
            let keys = ["live", "fence"].map(|name| format!("{{ps:reg}}:{name}")).to_vec();
            let seen = fake.get(&keys[0], of.as_bytes()).filter(|_| !dice.once_in(3)).unwrap_or_default();
            let seen = String::from_utf8(seen).unwrap();
            Call { script: Script::Claim, keys, args: texts(&[&of, &seen, &dice.roll(3).to_string(), "3600"]) }
        }
        17 => {
            let seen =
                fake.get(&keys[0], format!("n:{of}").as_bytes()).filter(|_| !dice.once_in(3)).unwrap_or_default();
            let args = [texts(&[&room.to_string(), &of]), vec![seen]].concat();
            Call { script: Script::Sweep, keys: keys[..3].to_vec(), args }
        }
        18 => {
            let name = ["door", "lid"][dice.roll(2) as usize];
            let (session, seen) = (node(0xa0 + dice.roll(3)), node(1 + dice.roll(NODES)));
            let keys = vec![format!("{{ps:0}}:k:{room}"), keys_of(room, &seen)[1].clone()];
            let floor = dice.roll(40).to_string();
            Call { script: Script::Lock, keys, args: texts(&[name, &of, &session, &floor, "3600", &seen]) }
        }
        _ => {
            let key = format!("{{ps:0}}:k:{room}");
            let name = ["door", "lid"][dice.roll(2) as usize];
            let held = fake.get(&key, format!("h:{name}").as_bytes()).filter(|_| !dice.once_in(3));
            let held = String::from_utf8(held.unwrap_or(b"1 nobody".to_vec())).unwrap();
            let (fence, holder) = held.split_once(' ').unwrap();
            Call {
                script: Script::Free,
                keys: vec![key],
                args: texts(&[name, holder, if dice.once_in(4) { "0" } else { fence }]),
            }
        }
    }
}

fn play(fake: &mut Fake, call: &Call) -> Reply {
    let (keys, args) = (call.keys.as_slice(), call.args.as_slice());
    match call.script {
        Script::Apply => fake.apply(keys, args),
        Script::Sync => fake.sync(keys, args),
        Script::Reap => fake.reap(keys, args),
        Script::Snap => fake.snap(keys, args),
        Script::Page => fake.page(keys),
        Script::Poll => fake.poll(keys, args),
        Script::Renew => fake.renew(keys, args),
        Script::Revoke => fake.revoke(keys, args),
        Script::Claim => fake.claim(keys, args),
        Script::Sweep => fake.sweep(keys, args),
        Script::Lock => fake.lock(keys, args),
        Script::Free => fake.free(keys, args),
        Script::Announce => fake.announce(keys, args),
        Script::Confirm => fake.confirm(keys, args),
    }
}

fn reply(value: &Value) -> Reply {
    match value {
        Value::Int(number) => Reply::Int(*number),
        Value::BulkString(bytes) => Reply::Text(bytes.clone()),
        Value::SimpleString(text) => Reply::Text(text.clone().into_bytes()),
        Value::Okay => Reply::Text(b"OK".to_vec()),
        Value::Array(all) | Value::Set(all) => Reply::List(all.iter().map(reply).collect()),
        other => panic!("{other:?}"),
    }
}

/// Pairs of a hash come in any order.
fn in_order(reply: Reply, script: Script) -> Reply {
    let Reply::List(all) = reply else { return reply };
    let is_hash = |at: usize| matches!((script, at), (Script::Snap | Script::Renew, 1) | (Script::Page, 2));
    let pairs = |reply: Reply| match reply {
        Reply::List(all) if all.len().is_multiple_of(2) => {
            let mut pairs: Vec<_> = all.chunks(2).map(<[Reply]>::to_vec).collect();
            pairs.sort();
            Reply::List(pairs.concat())
        }
        other => other,
    };
    let ordered = all.into_iter().enumerate().map(|(at, reply)| match (script, at, reply) {
        (Script::Snap, 2, Reply::List(sections)) => Reply::List(sections.into_iter().map(pairs).collect()),
        (_, _, reply) if is_hash(at) => pairs(reply),
        (_, _, reply) => reply,
    });
    Reply::List(ordered.collect())
}

async fn ask(link: &Link, words: &[&[u8]]) -> Value {
    let mut command = redis::cmd(std::str::from_utf8(words[0]).unwrap());
    command.arg(&words[1..]);
    link.ask(&command).await.unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    match reply(value) {
        Reply::Text(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}

/// All keys of the server, and whether each ends some time.
async fn dump(link: &Link) -> BTreeMap<String, (Kept, bool)> {
    let names: Vec<String> = redis::from_redis_value(ask(link, &[b"KEYS", b"*"]).await).unwrap();
    let mut all = BTreeMap::new();
    for name in names {
        let key = name.as_bytes();
        let kept = match bytes(&ask(link, &[b"TYPE", key]).await).as_slice() {
            b"hash" => Kept::Hash(redis::from_redis_value(ask(link, &[b"HGETALL", key]).await).unwrap()),
            b"zset" => {
                let all = ask(link, &[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"]).await;
                let all: Vec<(Vec<u8>, f64)> = redis::from_redis_value(all).unwrap();
                Kept::Sorted(all.into_iter().map(|(entry, number)| (entry, number as u64)).collect())
            }
            b"set" => Kept::Set(redis::from_redis_value(ask(link, &[b"SMEMBERS", key]).await).unwrap()),
            _ => Kept::Text(bytes(&ask(link, &[b"GET", key]).await)),
        };
        let ends = ask(link, &[b"TTL", key]).await != Value::Int(-1);
        all.insert(name, (kept, ends));
    }
    all
}

/// Everything that was published up to a last message of our own.
async fn heard(link: &Link, inbox: &mut Inbox) -> Vec<(Vec<u8>, Vec<u8>)> {
    for channel in CHANNELS {
        ask(link, &[b"SPUBLISH", channel.as_bytes(), b"end"]).await;
    }
    let (mut all, mut ends) = (Vec::new(), 0);
    while ends < CHANNELS.len() {
        match tokio::time::timeout(LIMIT, inbox.next()).await.unwrap().unwrap() {
            Push::Message { payload, .. } if payload == b"end" => ends += 1,
            Push::Message { channel, payload } => all.push((channel, payload)),
            Push::Unsubscribed { .. } => panic!("unsubscribed"),
        }
    }
    all
}

/// What else happens: keys are lost, or hold nonsense.
async fn upset(dice: &mut Dice, link: &Link, fake: &mut Fake) {
    match dice.roll(3) {
        0 => {
            ask(link, &[b"FLUSHALL"]).await;
            *fake = Fake { published: std::mem::take(&mut fake.published), ..Fake::default() };
        }
        1 => {
            let keys = keys_of(dice.roll(ROOMS), &node(1 + dice.roll(NODES)));
            let key = &keys[dice.roll(4) as usize];
            ask(link, &[b"DEL", key.as_bytes()]).await;
            fake.unlink(key);
        }
        _ => {
            let of = node(1 + dice.roll(NODES));
            let key = keys_of(dice.roll(ROOMS), &of)[0].clone();
            let field = format!("n:{of}");
            let junk = [&b"l"[..], b"l1", b"y1:1", b"l1:1:1", b"lx:2", b"l-1:1"][dice.roll(6) as usize];
            ask(link, &[b"HSET", key.as_bytes(), field.as_bytes(), junk]).await;
            fake.set(&key, field.as_bytes(), junk);
        }
    }
}

async fn compare(calls: u64, seed: u64) -> Fit {
    let redis = Redis::start(&[]);
    let (link, fit) = Link::open(&route(redis.address())).await.unwrap();
    let (ear, mut inbox) = Link::open_ear(&route(redis.address()), false).await.unwrap();
    for channel in CHANNELS {
        ask(&ear, &[b"SSUBSCRIBE", channel.as_bytes()]).await;
    }
    let (mut dice, mut fake) = (Dice(seed), Fake::default());
    let mut met: BTreeMap<(String, String), u64> = BTreeMap::new();
    for count in 1..=calls {
        let call = draw(&mut dice, &fake, count);
        let expected = in_order(play(&mut fake, &call), call.script);
        let mut command = redis::cmd("EVALSHA");
        command.arg(call.script.hash()).arg(call.keys.len()).arg(&call.keys).arg(&call.args);
        let answer = in_order(reply(&link.ask(&command).await.unwrap()), call.script);
        assert_eq!(answer, expected, "seed {seed}, call {count}: {call:?}");
        if let Reply::List(all) = &answer
            && let Some(Reply::Text(word)) = all.first()
            && !matches!(call.script, Script::Poll | Script::Page)
        {
            let word = String::from_utf8_lossy(word).into_owned();
            *met.entry((format!("{:?}", call.script), word)).or_default() += 1;
        }
        if dice.once_in(60) {
            upset(&mut dice, &link, &mut fake).await;
        }
        if count % 100 == 0 {
            let kept = fake.keys.iter().map(|(key, kept)| (key.clone(), (kept.clone(), fake.ending.contains(key))));
            assert_eq!(dump(&link).await, kept.collect(), "seed {seed}, after call {count}");
            let mut published = heard(&link, &mut inbox).await;
            let mut expected = std::mem::take(&mut fake.published);
            // Channels do not wait for each other.
            published.sort_by(|a, b| a.0.cmp(&b.0));
            expected.sort_by(|a, b| a.0.cmp(&b.0));
            assert_eq!(published, expected, "seed {seed}, up to call {count}");
        }
    }
    // A comparison that never meets a case says nothing about it.
    for (script, words) in [
        ("Apply", &["OK", "DUP", "RESYNC", "FENCED"][..]),
        ("Sync", &["OK", "DUP", "RESYNC", "FENCED", "STALE", "PART"]),
        ("Reap", &["OK", "NONE"]),
        ("Snap", &["OK", "AGAIN"]),
        ("Renew", &["OK", "FENCED", "FORMAT"]),
        ("Revoke", &["OK"]),
        ("Claim", &["OK", "CHANGED"]),
        ("Sweep", &["OK", "CHANGED"]),
        ("Lock", &["GIVEN", "HELD", "WHOSE"]),
        ("Free", &["OK", "NONE"]),
        ("Announce", &["OK", "LOST", "CHANGED"]),
        ("Confirm", &["OK"]),
    ] {
        for word in words {
            assert!(met.contains_key(&(script.to_owned(), (*word).to_owned())), "{script} never answered {word}");
        }
    }
    fit
}

fn say(calls: u64, fit: &Fit) {
    println!("scripts: {calls} calls, 0 differences ({} scripts, {})", Script::ALL.len(), fit.version);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scripts_do_what_the_same_scripts_in_rust_do() {
    say(5_000, &compare(5_000, 1).await);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "100,000 calls, which take a minute"]
async fn the_scripts_do_what_the_same_scripts_in_rust_do_in_100_000_calls() {
    let mut fit = None;
    for seed in 2..12 {
        fit = Some(compare(10_000, seed).await);
    }
    say(100_000, &fit.unwrap());
}
