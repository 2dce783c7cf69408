//! What single parts cost, each beside a plain way to do the same: `cargo bench -p herenow-bench`. To compare with a state
//! before a change: `-- --save-baseline before` there, and `-- --baseline before` after it.
use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use herenow::{
    connection::{Connection, ConnectionSetup, Frames, Socket, Taken},
    outbox::Part,
};
use herenow_bench::{
    hall::{Hall, room},
    users::{user_id, user_name},
};
use herenow_core::{
    command::Command,
    id::{SessionId, UserId},
    profile::Profile,
    time::Time,
};
use herenow_wire::{dialect::Dialect, native, websocket::encoder};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    hint::black_box,
    sync::{Arc, mpsc},
};

/// One of a room's viewers goes and comes back, and everybody is told: in the core, and as a set that is listed each time.
fn leave_and_join(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("leave and join");
    for viewers in [10, 100, 1000, 10_000] {
        let mut hall = Hall::new(viewers).expect("so many can be");
        let name = room(0).expect("a good name");
        (0..viewers).for_each(|session| hall.join(session, &name));
        hall.turn();
        group.bench_function(BenchmarkId::new("herenow", viewers), |bencher| {
            bencher.iter(|| {
                hall.detach(0);
                hall.turn();
                hall.attach(0).expect("it was there before");
                hall.join(0, &name);
                hall.turn();
            });
        });
        let mut rooms: HashMap<String, HashSet<String>> = HashMap::new();
        rooms.insert("room-0".to_owned(), (0..viewers).map(user_id).collect());
        let tell = |members: &HashSet<String>| {
            for member in members {
                black_box((member, members.iter().collect::<Vec<_>>()));
            }
        };
        // A list for each member: by the time of 10,000 it says nothing more.
        if viewers <= 1000 {
            group.bench_function(BenchmarkId::new("list to each", viewers), |bencher| {
                bencher.iter(|| {
                    let members = rooms.get_mut("room-0").expect("it is there");
                    members.remove("user-0");
                    tell(members);
                    members.insert("user-0".to_owned());
                    tell(members);
                });
            });
        }
    }
    group.finish();
}

/// Somebody begins to type in a room.
fn typing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("typing");
    for viewers in [10, 1000] {
        let mut hall = Hall::new(viewers).expect("so many can be");
        let name = room(0).expect("a good name");
        (0..viewers).for_each(|session| hall.join(session, &name));
        hall.turn();
        group.throughput(Throughput::Elements(viewers as u64));
        group.bench_function(BenchmarkId::new("herenow", viewers), |bencher| {
            bencher.iter(|| {
                hall.ask(0, Command::StartTyping { room: name.clone(), target: None });
                // Long enough for it to end.
                hall.turn();
            });
        });
    }
    group.finish();
}

/// A frame of a client is read, and a list of a room is written: beside serde's value.
fn wire(criterion: &mut Criterion) {
    let text = r#"{"type":"update","room":"board-1","state":{"color":"teal","card":7},"id":12}"#;
    let mut group = criterion.benchmark_group("decode a frame");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("herenow", |bencher| bencher.iter(|| native::decode(black_box(text))));
    group.bench_function("serde_json::Value", |bencher| {
        bencher.iter(|| serde_json::from_str::<Value>(black_box(text)));
    });
    group.finish();

    let profiles: Vec<Profile> = (0..1000)
        .map(|number| {
            let user = UserId::parse(&user_id(number)).expect("a good id");
            Profile { user, name: user_name(number).into(), avatar: None }
        })
        .collect();
    let mut group = criterion.benchmark_group("encode 1,000 users");
    group.bench_function("herenow", |bencher| bencher.iter(|| native::users(black_box(&profiles))));
    group.bench_function("serde_json::Value", |bencher| {
        bencher.iter(|| {
            let of = |profile: &Profile| json!({"id": profile.user.as_str(), "name": &*profile.name});
            black_box(&profiles).iter().map(of).collect::<Value>().to_string()
        });
    });
    group.finish();
}

/// One message to 1,000 outboxes, which are emptied again: bytes that all share, and a text for each in a channel.
fn fan_out(criterion: &mut Criterion) {
    const RECEIVERS: usize = 1000;
    let text = json!({"type":"message","room":"room-0","event":"x","data":"x".repeat(100)}).to_string();
    let mut group = criterion.benchmark_group("fan out");
    group.throughput(Throughput::Elements(RECEIVERS as u64));
    let now = Time::from_millis(1);
    let connections: Vec<Arc<Connection>> = (0..RECEIVERS)
        .map(|number| {
            let (session, outbox_bytes_max) = (SessionId(number as u64), 256 << 10);
            let socket = Socket::Stream;
            Arc::new(Connection::new(ConnectionSetup {
                session,
                dialect: Dialect::Native,
                socket,
                outbox_bytes_max,
                now,
            }))
        })
        .collect();
    group.bench_function("herenow", |bencher| {
        bencher.iter(|| {
            let part = Part::frame(encoder::text(black_box(&text).as_bytes()));
            let mut frames = Frames::new();
            frames.push(&part);
            for connection in &connections {
                connection.send(&mut frames, now);
            }
            for connection in &connections {
                let taken: Bytes = match connection.take_frame(now) {
                    Taken::Frame(bytes, _) => bytes,
                    Taken::Nothing | Taken::Over => unreachable!("one was just sent"),
                };
                black_box(taken);
            }
        });
    });
    let channels: Vec<_> = (0..RECEIVERS).map(|_| mpsc::channel::<String>()).collect();
    group.bench_function("a text each", |bencher| {
        bencher.iter_batched(
            || (),
            |()| {
                for (sender, _) in &channels {
                    sender.send(black_box(&text).clone()).expect("its receiver is there");
                }
                for (_, receiver) in &channels {
                    black_box(receiver.recv().expect("one was just sent"));
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(parts, leave_and_join, typing, wire, fan_out);
criterion_main!(parts);
