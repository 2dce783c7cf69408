//! One transport that is open: its socket as far as several tasks share it, and what waits to be written to it.
//!
//! Shards write straight to the socket; only what would block waits in the outbox, for the connection's own task. The
//! one lock here is held for a write that does not block, because the rooms of a connection may lie on several shards.
use crate::outbox::{Farewell, Outbox, Part};
use bytes::Bytes;
use herenow_core::{
    command::Ending,
    id::{RoomId, SessionId, UserId},
    time::Time,
};
use herenow_wire::{
    dialect::Dialect,
    websocket::{encoder, incoming::CloseFrame},
};
use std::{
    io::{self, IoSlice},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::net::TcpStream;
use xxhash_rust::xxh3::xxh3_64;

/// A connection, shared by its task, the shards of its rooms and the heartbeat.
#[derive(Debug)]
pub struct Connection {
    /// The session it serves; changes at most once, before anybody else knows it.
    session: AtomicU64,
    dialect: Dialect,
    socket: Socket,
    outbox: Mutex<Outbox>,
    outbox_bytes_max: usize,
    /// Nothing, for nearly all.
    trouble: Mutex<Option<Box<Trouble>>>,
    /// When the peer was last heard, in milliseconds since the Unix epoch.
    heard_at_ms: AtomicU64,
    /// When the token ends, in milliseconds since the Unix epoch; [`UNKNOWN`] until the peer has said who it is.
    expires_at_ms: AtomicU64,
    /// Stands for the user; a number that no user has until the peer has said who it is.
    user: AtomicU64,
    /// When the token was made, in seconds since the Unix epoch; 0 where nobody knows.
    issued_at_s: AtomicU32,
}

/// Where a connection writes.
#[derive(Debug)]
pub enum Socket {
    /// To a socket that any task may write to.
    Tcp(TcpStream),
    /// Through the connection's own task, which owns the stream (TLS and the like).
    Owned,
    /// To whoever takes frames away: an HTTP response that stays open.
    Stream,
    /// To whoever takes frames away: one HTTP request after the other.
    Poll,
}

/// By which way a connection's frames go, and a sign of its peer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// WebSocket, over which pings are answered.
    WebSocket,
    /// A response that stays open.
    Stream,
    /// Requests that wait, one after the other.
    Poll,
}

/// What there was to take away.
#[derive(Debug)]
pub enum Taken {
    /// A frame, in two pieces that belong together; the second may be empty.
    Frame(Bytes, Bytes),
    /// Nothing for now.
    Nothing,
    /// Nothing any more: the connection is at its end.
    Over,
}

/// How much of what was to be said was said, or waits to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// All of it.
    All,
    /// Not what can be missed: the peer does not read.
    Less,
}

/// What the shared part of a connection needs to know.
#[derive(Debug)]
pub struct ConnectionSetup {
    /// The session it serves.
    pub session: SessionId,
    /// What its peer speaks.
    pub dialect: Dialect,
    /// Where it writes.
    pub socket: Socket,
    /// Bytes that may wait for it.
    pub outbox_bytes_max: usize,
    /// Now.
    pub now: Time,
}

impl Connection {
    /// A connection that has just been opened.
    pub fn new(setup: ConnectionSetup) -> Self {
        let ConnectionSetup { session, dialect, socket, outbox_bytes_max, now } = setup;
        Self {
            session: AtomicU64::new(session.0),
            dialect,
            socket,
            outbox: Mutex::default(),
            outbox_bytes_max,
            trouble: Mutex::default(),
            heard_at_ms: AtomicU64::new(now.as_millis()),
            expires_at_ms: AtomicU64::new(UNKNOWN),
            user: AtomicU64::new(UNKNOWN),
            issued_at_s: AtomicU32::new(0),
        }
    }

    /// The session it serves.
    pub fn session(&self) -> SessionId {
        SessionId(self.session.load(Ordering::Relaxed))
    }

    /// Has it serve another session, which it goes on with. Before anybody was told of the one that it was made for.
    pub fn go_on_with(&self, session: SessionId) {
        self.session.store(session.0, Ordering::Relaxed);
    }

    /// What its peer speaks.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The socket, where any task may use it.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match &self.socket {
            Socket::Tcp(stream) => Some(stream),
            Socket::Owned | Socket::Stream | Socket::Poll => None,
        }
    }

    /// By which way its frames go.
    pub fn way(&self) -> Way {
        match self.socket {
            Socket::Tcp(_) | Socket::Owned => Way::WebSocket,
            Socket::Stream => Way::Stream,
            Socket::Poll => Way::Poll,
        }
    }

    /// Notes that the peer was heard.
    pub fn note_heard(&self, now: Time) {
        self.heard_at_ms.store(now.as_millis(), Ordering::Relaxed);
    }

    /// When the peer was last heard.
    pub fn heard_at(&self) -> Time {
        Time::from_millis(self.heard_at_ms.load(Ordering::Relaxed))
    }

    /// Notes that the peer took some of what waited for it, which is a sign of life where nothing else can be heard: the
    /// answers to pings come behind all that it has to read first.
    pub fn note_taken(&self, now: Time) {
        self.trouble().get_or_insert_default().taken_at = Some(now);
    }

    /// When the peer last took some of what waited for it; `None` where nothing ever waited.
    pub fn taken_at(&self) -> Option<Time> {
        self.trouble().as_ref().and_then(|trouble| trouble.taken_at)
    }

    /// Notes who it is, and when that ends.
    pub fn note_known(&self, user: &UserId, expires_at: Time) {
        self.user.store(number_of(user), Ordering::Relaxed);
        self.note_expiry(expires_at);
    }

    /// Notes when what it is known by was made, in seconds since the Unix epoch; `None` where nobody knows.
    pub fn note_issued(&self, issued_at_s: Option<u64>) {
        let at_s = issued_at_s.map_or(0, |at_s| u32::try_from(at_s).unwrap_or(u32::MAX));
        self.issued_at_s.store(at_s, Ordering::Relaxed);
    }

    /// Whether what it is known by is withdrawn where what was made up to this second is.
    pub fn was_issued_by(&self, before_s: u64) -> bool {
        u64::from(self.issued_at_s.load(Ordering::Relaxed)) <= before_s
    }

    /// What stands for its user: [`number_of`] them, or a number that no user has until the peer has said who it is.
    pub(crate) fn user_number(&self) -> u64 {
        self.user.load(Ordering::Relaxed)
    }

    /// Whether it is a user's.
    pub fn is_of(&self, user: &UserId) -> bool {
        self.user_number() == number_of(user)
    }

    /// Notes when it ends, of somebody who is known.
    pub fn note_expiry(&self, expires_at: Time) {
        self.expires_at_ms.store(expires_at.as_millis().min(UNKNOWN - 1), Ordering::Relaxed);
    }

    /// When the peer's token ends; `None` until the peer has said who it is.
    pub fn expires_at(&self) -> Option<Time> {
        let at = self.expires_at_ms.load(Ordering::Relaxed);
        (at != UNKNOWN).then(|| Time::from_millis(at))
    }

    /// Counts a frame that was refused, by whomever; true where it is one too many.
    pub fn note_refused(&self, now: Time) -> bool {
        self.trouble().get_or_insert_default().is_over(now)
    }

    /// Notes that the session is not in a room, though its connection may hold that it is.
    pub fn note_departed(&self, room: &RoomId) {
        let mut trouble = self.trouble();
        let departed = &mut trouble.get_or_insert_default().departed;
        // More than a connection can be in tell it nothing new.
        if departed.len() < DEPARTED_MAX && !departed.contains(room) {
            departed.push(room.clone());
        }
    }

    /// The rooms that the session was found not to be in, since this was last asked.
    pub fn take_departed(&self) -> Vec<RoomId> {
        self.trouble().as_mut().map(|trouble| std::mem::take(&mut trouble.departed)).unwrap_or_default()
    }

    fn trouble(&self) -> MutexGuard<'_, Option<Box<Trouble>>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes frames; what the socket does not take now waits. While much waits already, frames that can be missed are not
    /// said, and the peer has fallen behind; where more would wait than is allowed all the same, the connection ends with
    /// 4503. See [`Outbox::is_over`].
    pub fn send(&self, frames: &mut Frames<'_>, now: Time) -> Said {
        let mut outbox = self.outbox();
        if outbox.farewell().is_some() {
            return Said::All;
        }
        if outbox.is_over(self.outbox_bytes_max / BEHIND_PART) && frames.parts.iter().any(|part| part.can_be_missed) {
            outbox.note_behind();
            let mut must = Frames::new();
            frames.parts.iter().filter(|part| !part.can_be_missed).for_each(|part| must.push(part));
            self.write(&mut outbox, &mut must, now);
            return Said::Less;
        }
        self.write(&mut outbox, frames, now);
        Said::All
    }

    fn write(&self, outbox: &mut Outbox, frames: &mut Frames<'_>, now: Time) {
        let was_empty = outbox.is_empty();
        let mut written = 0;
        if was_empty && let Some(stream) = self.tcp() {
            match frames.write_now(stream) {
                Ok(bytes) if bytes == frames.bytes => return,
                Ok(bytes) => written = bytes,
                Err(_broken) => return outbox.end(Ending::Lost, None, false, now),
            }
        }
        let parts = &frames.parts;
        for (at, part) in parts.iter().enumerate() {
            let taken = written.min(part.bytes.len());
            written -= taken;
            if taken < part.bytes.len() {
                let after_begun = outbox.is_empty() && taken == 0 && at > 0 && !parts[at - 1].ends_frame;
                outbox.push(part, taken, now);
                if after_begun {
                    outbox.note_begun();
                }
            }
        }
        if outbox.is_empty() {
            return;
        }
        if outbox.is_over(self.outbox_bytes_max) {
            return outbox.end(Ending::Lost, Some(encoder::close(SLOW, "come back")), false, now);
        }
        if was_empty {
            outbox.wake();
        }
    }

    /// Writes one frame.
    pub fn send_one(&self, bytes: Bytes, now: Time) {
        let part = Part::frame(bytes);
        let mut frames = Frames::new();
        frames.push(&part);
        self.send(&mut frames, now);
    }

    /// Takes away the next frame that waits, framed as for WebSocket. For connections that have no socket to write to; does
    /// not arrange that anybody is woken.
    pub fn take_frame(&self, now: Time) -> Taken {
        let mut outbox = self.outbox();
        match outbox.take_frame(now) {
            Some((bytes, more)) => Taken::Frame(bytes, more),
            None if outbox.farewell().is_some() => Taken::Over,
            None => Taken::Nothing,
        }
    }

    /// Wakes the connection's task.
    pub fn wake(&self) {
        self.outbox().wake();
    }

    /// Ends the connection with a close frame behind what waits.
    pub fn close(&self, code: u16, reason: &str, how: Ending, now: Time) {
        self.outbox().end(how, Some(encoder::close(code, reason)), true, now);
    }

    /// Ends the connection because the peer closed it; answers its close frame behind what waits.
    pub fn answer_close(&self, received: &CloseFrame<'_>, how: Ending, now: Time) {
        self.outbox().end(how, Some(encoder::close_answer(received)), true, now);
    }

    /// Ends the connection at once, without a word.
    pub fn abort(&self, how: Ending, now: Time) {
        self.outbox().end(how, None, false, now);
    }

    /// Since when nothing of what waits was taken; `None` where nothing waits.
    pub fn blocked_since(&self) -> Option<Time> {
        self.outbox().blocked_since()
    }

    /// How this side ends the connection, once that is decided.
    pub fn farewell(&self) -> Option<Farewell> {
        self.outbox().farewell()
    }

    /// Looks for what the connection's task has to do, and arranges that it is woken for it.
    pub fn poll_outbox<T>(
        &self,
        cx: &mut Context<'_>,
        look: impl FnOnce(&mut Outbox, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let mut outbox = self.outbox();
        outbox.set_waker(cx.waker());
        look(&mut outbox, cx)
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What went wrong of late, or slowly. How much nonsense is borne: [`Self::REFUSED_MAX`] refused frames in [`Self::WINDOW`].
#[derive(Debug, Default)]
struct Trouble {
    began: Time,
    refused: u32,
    departed: Vec<RoomId>,
    taken_at: Option<Time>,
}

impl Trouble {
    const WINDOW: Duration = Duration::from_secs(10);
    const REFUSED_MAX: u32 = 100;

    fn is_over(&mut self, now: Time) -> bool {
        if now.since(self.began) >= Self::WINDOW {
            (self.began, self.refused) = (now, 0);
        }
        self.refused += 1;
        self.refused > Self::REFUSED_MAX
    }
}

/// Rooms that are remembered as departed from; as many as one connection may be set to be in.
const DEPARTED_MAX: usize = 10_000;

/// What is written to a connection in one go; to several, where they are told the same.
#[derive(Debug, Default)]
pub struct Frames<'a> {
    parts: Vec<&'a Part>,
    bytes: usize,
    /// All parts one after the other, once somebody was written them.
    flat: Vec<u8>,
}

impl<'a> Frames<'a> {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part at the end.
    pub fn push(&mut self, part: &'a Part) {
        self.bytes += part.bytes.len();
        self.parts.push(part);
        self.flat.clear();
    }

    /// Takes all away, and keeps the room that they had.
    pub fn clear(&mut self) {
        self.parts.clear();
        self.flat.clear();
        self.bytes = 0;
    }

    /// Turns the order of the parts around.
    pub fn reverse(&mut self) {
        self.parts.reverse();
        self.flat.clear();
    }

    /// Writes what the socket takes now; how many bytes that is.
    fn write_now(&mut self, stream: &TcpStream) -> io::Result<usize> {
        let tried = match &self.parts[..] {
            [part] => stream.try_write(&part.bytes),
            // One contiguous write of small frames costs less than a vector of them.
            parts if self.bytes <= FLAT_BYTES_MAX => {
                if self.flat.is_empty() {
                    parts.iter().for_each(|part| self.flat.extend_from_slice(&part.bytes));
                }
                stream.try_write(&self.flat)
            }
            parts => {
                let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                let pairs = slices.iter_mut().zip(parts);
                let count = pairs.map(|(slice, part)| *slice = IoSlice::new(&part.bytes)).count();
                stream.try_write_vectored(&slices[..count])
            }
        };
        match tried {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            tried => tried,
        }
    }
}

/// One of so many numbers that no two users have the same one.
pub(crate) fn number_of(user: &UserId) -> u64 {
    xxh3_64(user.as_str().as_bytes()).min(UNKNOWN - 1)
}

const UNKNOWN: u64 = u64::MAX;
/// Where more than this part of the outbox is full, what can be missed is.
const BEHIND_PART: usize = 2;
/// The close code for a peer that does not read what it is sent.
const SLOW: u16 = 4503;
/// Up to here, several frames are copied together before they are written.
const FLAT_BYTES_MAX: usize = 32 * 1024;
/// Pieces that one write takes at the most.
pub const SLICES_MAX: usize = 32;
