//! The pulse of all connections: one timer wheel, which pings, and ends who does not answer, who does not say who they
//! are, whose token is over, and who does not read.
use crate::{
    clock::Clock,
    connection::{Connection, Way},
};
use bytes::Bytes;
use herenow_core::{command::Ending, time::Time};
use herenow_wire::{board, code::Code, dialect::Dialect, native, problem::Problem, websocket::encoder};
use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

/// When what is expected of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// How often a peer is pinged. Must be below what proxies let a silent connection live (60 s is common).
    pub ping_interval: Duration,
    /// How long a peer has to be heard after a ping.
    pub pong_timeout: Duration,
    /// How long a peer without WebSocket may give no sign.
    pub request_lease: Duration,
    /// How long a peer has to say who it is.
    pub auth_timeout: Duration,
    /// How long a peer may take nothing of what waits for it.
    pub drain_timeout: Duration,
}

impl Rhythm {
    /// How often something comes over a connection on which nothing happens.
    pub fn pulse(&self, way: Way) -> Duration {
        match way {
            Way::WebSocket => self.ping_interval,
            Way::Stream => self.request_lease / 2,
            // A request must be over, and the next be there, before the lease is.
            Way::Poll => self.request_lease * 5 / 6,
        }
    }
}

/// The wheel, shared by all who open connections.
#[derive(Debug)]
pub struct Heartbeat {
    rhythm: Rhythm,
    clock: Clock,
    wheel: Mutex<Wheel>,
}

/// Slots of [`TICK`] each; a visit further away than the wheel reaches is looked at again when its slot comes.
#[derive(Debug)]
struct Wheel {
    slots: Vec<Vec<Visit>>,
    /// The slot that is visited next.
    at: usize,
}

/// A look at a connection that is planned.
#[derive(Debug)]
struct Visit {
    connection: Weak<Connection>,
    due: Time,
    purpose: Purpose,
}

#[derive(Clone, Copy, Debug)]
enum Purpose {
    /// Has it said who it is?
    Auth,
    /// Is its token over? Once, besides the other looks.
    Expiry,
    /// Ping it.
    Ping,
    /// Was it heard since the ping?
    Answer { pinged_at: Time },
}

impl Heartbeat {
    /// A wheel without connections.
    pub fn new(rhythm: Rhythm, clock: Clock) -> Self {
        let slots = (0..SLOTS).map(|_| Vec::new()).collect();
        Self { rhythm, clock, wheel: Mutex::new(Wheel { slots, at: 0 }) }
    }

    /// Watches over a connection from now on, for as long as it is.
    pub fn watch(&self, connection: &Arc<Connection>) {
        let now = self.clock.now();
        let (purpose, wait) = match connection.expires_at() {
            Some(_) => (Purpose::Ping, self.rhythm.pulse(connection.way())),
            None => (Purpose::Auth, self.rhythm.auth_timeout),
        };
        self.plan(now, Visit { connection: Arc::downgrade(connection), due: now + wait, purpose });
    }

    /// Looks at a connection when its token ends as well, which the looks that are planned may come too late for.
    pub fn watch_expiry(&self, connection: &Arc<Connection>) {
        let Some(due) = connection.expires_at() else { return };
        let connection = Arc::downgrade(connection);
        self.plan(self.clock.now(), Visit { connection, due, purpose: Purpose::Expiry });
    }

    /// Turns the wheel for as long as it is wanted.
    pub async fn run(wheel: Weak<Self>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
        loop {
            ticks.tick().await;
            let Some(heartbeat) = wheel.upgrade() else { return };
            for (done, visit) in heartbeat.next_slot().into_iter().enumerate() {
                heartbeat.visit(visit);
                if done % VISITS_AT_ONCE == VISITS_AT_ONCE - 1 {
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// Every connection that is watched over; O(connections).
    pub fn connections(&self) -> Vec<Arc<Connection>> {
        let wheel = self.wheel();
        wheel.slots.iter().flatten().filter_map(|visit| visit.connection.upgrade()).collect()
    }

    fn visit(&self, visit: Visit) {
        let Some(connection) = visit.connection.upgrade() else { return };
        let now = self.clock.now();
        if connection.farewell().is_some() {
            return;
        }
        if now < visit.due {
            return self.plan(now, visit);
        }
        if connection.expires_at().is_some_and(|expires_at| expires_at <= now) {
            return refuse(&connection, Code::AuthExpired, Ending::Expired, now);
        }
        let blocked = connection.blocked_since().is_some_and(|since| now.since(since) >= self.rhythm.drain_timeout);
        if blocked {
            return connection.abort(Ending::Lost, now);
        }
        let (purpose, due) = match visit.purpose {
            // Renewed since.
            Purpose::Expiry => return,
            Purpose::Auth if connection.expires_at().is_none() => {
                return refuse(&connection, Code::AuthTimeout, Ending::Lost, now);
            }
            Purpose::Auth => (Purpose::Ping, now + self.rhythm.pulse(connection.way())),
            Purpose::Ping => match connection.way() {
                Way::WebSocket => {
                    connection.send_one(PING, now);
                    (Purpose::Answer { pinged_at: now }, now + self.rhythm.pong_timeout)
                }
                Way::Stream => {
                    // Whether the peer takes it is for TCP to say.
                    connection.send_one(PING, now);
                    (Purpose::Ping, now + self.rhythm.pulse(Way::Stream))
                }
                Way::Poll if now.since(connection.heard_at()) >= self.rhythm.request_lease => {
                    return connection.abort(Ending::Lost, now);
                }
                Way::Poll => (Purpose::Ping, connection.heard_at() + self.rhythm.request_lease),
            },
            Purpose::Answer { pinged_at } if connection.heard_at() < pinged_at => {
                if !self.is_reading(&connection, now) {
                    return connection.abort(Ending::TimedOut, now);
                }
                // It has yet to come to the ping, which one more would not help.
                (Purpose::Answer { pinged_at }, now + self.rhythm.pong_timeout)
            }
            Purpose::Answer { pinged_at } => (Purpose::Ping, (pinged_at + self.rhythm.ping_interval).max(now)),
        };
        self.plan(now, Visit { connection: visit.connection, due, purpose });
    }

    /// Whether a peer that is not heard takes what waits for it, and so cannot have come to its ping yet. Not for ever: a peer
    /// that never answers, however much it takes, is none.
    fn is_reading(&self, connection: &Connection, now: Time) -> bool {
        let Rhythm { ping_interval, pong_timeout, drain_timeout, .. } = self.rhythm;
        let takes = connection.taken_at().is_some_and(|taken_at| now.since(taken_at) < drain_timeout);
        takes && now.since(connection.heard_at()) < (ping_interval + pong_timeout) * SILENT_ROUNDS_MAX
    }

    fn plan(&self, now: Time, mut visit: Visit) {
        let expires_at = visit.connection.upgrade().and_then(|connection| connection.expires_at());
        if let Some(expires_at) = expires_at {
            visit.due = visit.due.min(expires_at.max(now));
        }
        let ticks = visit.due.since(now).as_millis().div_ceil(TICK.as_millis());
        let ahead = usize::try_from(ticks).unwrap_or(usize::MAX).clamp(1, SLOTS - 1);
        let mut wheel = self.wheel();
        let slot = (wheel.at + ahead) % SLOTS;
        wheel.slots[slot].push(visit);
    }

    fn next_slot(&self) -> Vec<Visit> {
        let mut wheel = self.wheel();
        let at = wheel.at;
        wheel.at = (at + 1) % SLOTS;
        std::mem::take(&mut wheel.slots[at])
    }

    fn wheel(&self) -> std::sync::MutexGuard<'_, Wheel> {
        self.wheel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says why, and ends the connection, in the words of its dialect.
pub fn refuse(connection: &Connection, code: Code, how: Ending, now: Time) {
    refuse_with(connection, &Problem::new(code), how, now);
}

/// Says why, and ends the connection with the close code that goes with the problem.
pub fn refuse_with(connection: &Connection, problem: &Problem, how: Ending, now: Time) {
    let (text, close, reason) = match connection.dialect() {
        Dialect::Native => (native::error(problem), native_close(problem.code), problem.code.as_str()),
        Dialect::Board => (board::error(problem), board_close(problem.code), board::error_text(problem)),
    };
    connection.send_one(encoder::text(text.as_bytes()), now);
    connection.close(close, reason, how, now);
}

/// The close code of the native dialect.
fn native_close(code: Code) -> u16 {
    match code {
        Code::AuthMissing | Code::AuthInvalid | Code::AuthExpired => 4401,
        Code::OriginForbidden | Code::AuthUserChanged | Code::AuthRevoked => 4403,
        Code::AuthTimeout => 4408,
        Code::AuthUnavailable => 4503,
        Code::RateFlood => 4429,
        _ => 4400,
    }
}

/// The close code of the board dialect: one for all that concerns who the peer is, unless trying again helps.
fn board_close(code: Code) -> u16 {
    match native_close(code) {
        code @ (4429 | 4503) => code,
        _ => 4001,
    }
}

const PING: Bytes = Bytes::from_static(&[0x89, 0]);
/// How exact the wheel is.
const TICK: Duration = Duration::from_millis(250);
/// How far the wheel reaches: 64 s.
const SLOTS: usize = 256;
/// Rounds of pings that a peer may leave unanswered as long as it takes what waits for it.
const SILENT_ROUNDS_MAX: u32 = 10;
/// Visits after which others get a turn.
const VISITS_AT_ONCE: usize = 256;
