//! What an idle viewer costs in memory.
use crate::{
    dialect::Interest,
    generator::{Generator, Seat},
    proc,
    server::{Server, Setup, Target, deadline},
    token,
};
use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdlePlan {
    /// Connections that are counted, each of another user.
    pub connections: usize,
    /// Rooms that they are spread over evenly.
    pub rooms: usize,
    /// How they connect.
    pub way: IdleWay,
}

/// How an idle viewer or reader hears what there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum IdleWay {
    /// A viewer by WebSocket.
    #[default]
    Websocket,
    /// Somebody who reads the events of a room over the HTTP API: `/v1/rooms/{room}/events`.
    Events,
    /// A client without WebSocket, `/stream`, that has joined no room.
    Stream,
}

/// Memory of the server for each connection that has joined a room and rests.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct IdleFigures {
    /// Connections that were counted.
    pub connections: usize,
    /// Resident memory with [`WARM_UP`] connections.
    pub rss_before_bytes: u64,
    /// Resident memory with all of them.
    pub rss_after_bytes: u64,
    /// The difference for each connection.
    pub rss_bytes_per_connection: f64,
    /// The same of the part that no file backs.
    pub anonymous_bytes_per_connection: f64,
    /// How long it took to open them all, seconds.
    pub open_seconds: f64,
}

/// Starts a server, lets viewers in, waits until all is quiet, and reads the server's memory.
///
/// # Errors
/// Where the server or a connection fails, or a phase takes too long.
pub fn run(target: &Target, plan: IdlePlan, setup: &Setup) -> Result<IdleFigures> {
    // Nobody is kept out for being one of many at one address.
    let streams = plan.connections.saturating_add(WARM_UP).to_string();
    let server = Server::start_with_env(target, setup, &[("HERENOW_API__STREAMS_PER_ADDRESS", &streams)])?;
    let measured = match plan.way {
        IdleWay::Websocket => measure(&server, plan, setup),
        IdleWay::Events | IdleWay::Stream => measure_streams(&server, plan, setup),
    };
    measured.with_context(|| format!("idle on {target}; its last words:\n{}", server.last_words()))
}

fn measure_streams(server: &Server, plan: IdlePlan, setup: &Setup) -> Result<IdleFigures> {
    let open = |count: usize, room: &dyn Fn(usize) -> String| {
        (0..count).map(|at| open_stream(server, plan.way, (at, &room(at)), setup)).collect::<Result<Vec<TcpStream>>>()
    };
    let warm = open(WARM_UP, &|_| "warm-up".to_owned())?;
    thread::sleep(QUIET);
    let before = proc::memory(server.pid)?;
    let begun = Instant::now();
    let streams = open(plan.connections, &|at| format!("room-{}", at % plan.rooms))?;
    let open_seconds = begun.elapsed().as_secs_f64();
    thread::sleep(QUIET);
    let after = proc::memory(server.pid)?;
    for stream in warm.iter().chain(&streams) {
        ensure!(stream.take_error()?.is_none() && !has_ended(stream)?, "a stream has ended");
    }
    Ok(figures(streams.len(), (before, after), open_seconds))
}

/// Opens a stream and reads until its first event is there.
fn open_stream(server: &Server, way: IdleWay, (at, room): (usize, &str), setup: &Setup) -> Result<TcpStream> {
    let token = token::mint(&format!("user-{at}"), &format!("User {at}"), &setup.secret)?;
    let (path, first) = match way {
        IdleWay::Events => (format!("/v1/rooms/{room}/events"), "event: roster"),
        IdleWay::Stream => ("/stream".to_owned(), r#"data: {"type":"welcome""#),
        IdleWay::Websocket => bail!("a WebSocket is no stream"),
    };
    let mut stream = TcpStream::connect(server.socket())?;
    stream.set_read_timeout(Some(setup.limit))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\r\n", server.socket())?;
    let (mut heard, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut piece)?;
        heard.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&heard);
        if text.contains(first) {
            return Ok(stream);
        }
        ensure!(read > 0, "no event comes: {text}");
    }
}

/// Whether the other side has ended a stream; what it has said meanwhile is passed over.
fn has_ended(mut stream: &TcpStream) -> Result<bool> {
    stream.set_nonblocking(true)?;
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

fn figures(connections: usize, (before, after): (proc::Memory, proc::Memory), open_seconds: f64) -> IdleFigures {
    let each = |before: u64, after: u64| (after as f64 - before as f64) / connections as f64;
    IdleFigures {
        connections,
        rss_before_bytes: before.rss_bytes,
        rss_after_bytes: after.rss_bytes,
        rss_bytes_per_connection: each(before.rss_bytes, after.rss_bytes),
        anonymous_bytes_per_connection: each(before.anonymous_bytes, after.anonymous_bytes),
        open_seconds,
    }
}

fn measure(server: &Server, plan: IdlePlan, setup: &Setup) -> Result<IdleFigures> {
    let mut generator = Generator::new(server.address(setup))?;
    let seat = |room: &str| Some(Seat { room: room.into(), interest: Interest::Auto });
    // What a server sets up once (code pages, threads, caches) is not the price of a connection.
    generator.open((0..WARM_UP).map(|_| seat("warm-up")), deadline(setup))?;
    generator.rest(QUIET, deadline(setup))?;
    let before = proc::memory(server.pid)?;
    let begun = Instant::now();
    generator.open((0..plan.connections).map(|at| seat(&format!("room-{}", at % plan.rooms))), deadline(setup))?;
    let open_seconds = begun.elapsed().as_secs_f64();
    generator.rest(QUIET, deadline(setup))?;
    let after = proc::memory(server.pid)?;
    Ok(figures(generator.len() - WARM_UP, (before, after), open_seconds))
}

/// Connections that are there before the first reading.
pub const WARM_UP: usize = 10;
/// How long nothing may come before memory is read.
const QUIET: Duration = Duration::from_millis(1000);
