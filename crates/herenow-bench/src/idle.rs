//! What an idle viewer costs in memory.
use crate::{
    dialect::Interest,
    generator::{Generator, Seat},
    proc,
    server::{Server, Setup, Target, deadline},
};
use anyhow::{Context, Result};
use serde::Serialize;
use std::time::{Duration, Instant};

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdlePlan {
    /// Connections that are counted, each of another user.
    pub connections: usize,
    /// Rooms that they are spread over evenly.
    pub rooms: usize,
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
    let server = Server::start(target, setup)?;
    measure(&server, plan, setup).with_context(|| format!("idle on {target}; its last words:\n{}", server.last_words()))
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
    let each = |before: u64, after: u64| (after as f64 - before as f64) / plan.connections as f64;
    Ok(IdleFigures {
        connections: generator.len() - WARM_UP,
        rss_before_bytes: before.rss_bytes,
        rss_after_bytes: after.rss_bytes,
        rss_bytes_per_connection: each(before.rss_bytes, after.rss_bytes),
        anonymous_bytes_per_connection: each(before.anonymous_bytes, after.anonymous_bytes),
        open_seconds,
    })
}

/// Connections that are there before the first reading.
pub const WARM_UP: usize = 10;
/// How long nothing may come before memory is read.
const QUIET: Duration = Duration::from_millis(1000);
