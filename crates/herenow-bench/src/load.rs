//! The generator: one thread, one epoll, thousands of connections in the native dialect.
//!
//! It keeps no channel and no buffer for a connection that rests. Whatever a server does that a benchmark does not expect
//! (an error frame, a close, a cut) is an error here: figures of a run with errors would mean nothing.
use crate::{
    frame::{CLOSE, News, PING, PONG, TEXT, find_server_frame, push_client_frame, skim},
    token,
};
use anyhow::{Context, Result, anyhow, bail, ensure};
use memchr::memmem;
use mio::{Events, Interest, Poll, Token, event::Event, net::TcpStream};
use serde_json::json;
use std::{
    io::{ErrorKind, Read, Write},
    mem,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Connections to one server. Dropping it cuts them all.
#[derive(Debug)]
pub struct Load {
    address: SocketAddr,
    secret: String,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    connections: Vec<Connection>,
    joined: usize,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    stage: Stage,
    room: String,
    /// The start of a frame whose rest is to come.
    partial: Vec<u8>,
    /// What the socket did not take yet.
    unsent: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    Upgrading,
    Authenticating,
    Joining,
    Joined,
}

/// A numbered message reached a connection at a moment.
pub type Delivered<'a> = dyn FnMut(u64, Instant) + 'a;

impl Load {
    /// A generator without connections.
    ///
    /// # Errors
    /// Where the system gives no epoll.
    pub fn new(address: SocketAddr, secret: &str) -> Result<Self> {
        Ok(Self {
            address,
            secret: secret.to_owned(),
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            buffer: vec![0; 64 * 1024],
            connections: Vec::new(),
            joined: 0,
        })
    }

    /// Opens one more connection for each room named, each of another user, and waits until all have its roster. At most
    /// 128 are under way at once, so that no server's queue of connections overflows.
    ///
    /// # Errors
    /// Where one fails, or they are not all there by the deadline.
    pub fn open(&mut self, rooms: impl IntoIterator<Item = String>, deadline: Instant) -> Result<()> {
        let mut rooms = rooms.into_iter().peekable();
        while rooms.peek().is_some() || self.joined < self.connections.len() {
            while self.connections.len() - self.joined < UNDER_WAY_MAX {
                let Some(room) = rooms.next() else { break };
                self.connect(room)?;
            }
            self.turn(Duration::from_millis(50), &mut |_, _| {})?;
            ensure!(Instant::now() < deadline, "{} of {} joined in time", self.joined, self.connections.len());
        }
        Ok(())
    }

    /// Waits until nothing came for `quiet`, answering pings.
    ///
    /// # Errors
    /// Where a connection fails, or it is not quiet by the deadline.
    pub fn rest(&mut self, quiet: Duration, deadline: Instant) -> Result<()> {
        let mut since = Instant::now();
        while since.elapsed() < quiet {
            if self.turn(quiet.saturating_sub(since.elapsed()), &mut |_, _| {})? > 0 {
                since = Instant::now();
            }
            ensure!(Instant::now() < deadline, "the server did not come to rest in time");
        }
        Ok(())
    }

    /// How many connections are in their room.
    pub const fn joined(&self) -> usize {
        self.joined
    }

    /// Sends a native frame on a connection, numbered from 0 in the order of opening.
    ///
    /// # Errors
    /// Where the connection is gone.
    pub fn send(&mut self, connection: usize, text: &str) -> Result<()> {
        self.connections[connection].send(TEXT, text.as_bytes())
    }

    /// Waits up to `wait` for something to come and takes it all in. Says how many frames that were.
    ///
    /// # Errors
    /// Where a connection fails.
    pub fn turn(&mut self, wait: Duration, delivered: &mut Delivered<'_>) -> Result<usize> {
        let mut events = mem::replace(&mut self.events, Events::with_capacity(1));
        let polled = self.poll.poll(&mut events, Some(wait));
        if polled.as_ref().is_err_and(|error| error.kind() != ErrorKind::Interrupted) {
            polled.context("cannot wait for sockets")?;
        }
        let mut buffer = mem::take(&mut self.buffer);
        let mut frames = 0;
        for event in &events {
            let index = event.token().0;
            let taken = self.take(event, &mut buffer, delivered);
            frames += taken.with_context(|| format!("connection {index} of {}", self.connections.len()))?;
        }
        (self.events, self.buffer) = (events, buffer);
        Ok(frames)
    }

    fn connect(&mut self, room: String) -> Result<()> {
        let index = self.connections.len();
        let mut stream = TcpStream::connect(self.address).context("cannot open a socket")?;
        stream.set_nodelay(true)?;
        self.poll.registry().register(&mut stream, Token(index), Interest::READABLE | Interest::WRITABLE)?;
        let (stage, partial, unsent) = (Stage::Connecting, Vec::new(), Vec::new());
        self.connections.push(Connection { stream, stage, room, partial, unsent });
        Ok(())
    }

    fn take(&mut self, event: &Event, buffer: &mut [u8], delivered: &mut Delivered<'_>) -> Result<usize> {
        let index = event.token().0;
        let connection = &mut self.connections[index];
        if connection.stage == Stage::Connecting {
            if let Some(error) = connection.stream.take_error()? {
                return Err(error).context("cannot connect");
            }
            if !event.is_writable() {
                return Ok(0);
            }
            connection.stage = Stage::Upgrading;
            connection.write(upgrade_request(self.address).as_bytes())?;
        } else if !connection.unsent.is_empty() {
            connection.flush()?;
        }
        let mut frames = 0;
        loop {
            match self.connections[index].stream.read(buffer) {
                Ok(0) => bail!("the server cut the connection"),
                Ok(bytes) => {
                    frames += self.feed(index, &buffer[..bytes], delivered)?;
                    // A read that leaves room has emptied the socket; the next event says when there is more.
                    if bytes < buffer.len() {
                        return Ok(frames);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(frames),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot read"),
            }
        }
    }

    fn feed(&mut self, index: usize, fresh: &[u8], delivered: &mut Delivered<'_>) -> Result<usize> {
        let now = Instant::now();
        let mut held = mem::take(&mut self.connections[index].partial);
        let bytes = if held.is_empty() {
            fresh
        } else {
            held.extend_from_slice(fresh);
            &held[..]
        };
        let mut at = 0;
        if self.connections[index].stage == Stage::Upgrading {
            at = self.take_upgrade(index, bytes)?;
        }
        let mut frames = 0;
        if self.connections[index].stage != Stage::Upgrading {
            while let Some(found) = find_server_frame(&bytes[at..]) {
                let frame = &bytes[at..at + found.payload.end];
                at += found.payload.end;
                frames += 1;
                self.take_frame(index, found.opcode, &frame[found.payload], (now, delivered))?;
            }
        }
        self.connections[index].partial = if at == 0 && !held.is_empty() { held } else { bytes[at..].to_vec() };
        Ok(frames)
    }

    /// Says where the frames begin; 0 while the answer to the upgrade is not whole.
    fn take_upgrade(&mut self, index: usize, bytes: &[u8]) -> Result<usize> {
        let Some(end) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(0) };
        if !bytes.starts_with(b"HTTP/1.1 101") {
            bail!("the upgrade was refused: {}", shown(bytes));
        }
        let (user, name) = (format!("u{index:06}"), format!("User {index:06}"));
        let auth = json!({"type": "auth", "token": token::mint(&user, &name, &self.secret)?});
        let connection = &mut self.connections[index];
        connection.stage = Stage::Authenticating;
        connection.send(TEXT, auth.to_string().as_bytes())?;
        Ok(end + 4)
    }

    fn take_frame(
        &mut self,
        index: usize,
        opcode: u8,
        payload: &[u8],
        (now, delivered): (Instant, &mut Delivered<'_>),
    ) -> Result<()> {
        let connection = &mut self.connections[index];
        match opcode {
            TEXT => {}
            PING => return connection.send(PONG, payload),
            CLOSE => bail!("the server closed with {:?}", payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
            _ => return Ok(()),
        }
        match (skim(payload), connection.stage) {
            (News::Message(number), _) => delivered(number, now),
            (News::Welcome, Stage::Authenticating) => {
                connection.stage = Stage::Joining;
                let join = json!({"type": "join", "room": connection.room});
                connection.send(TEXT, join.to_string().as_bytes())?;
            }
            (News::Roster, Stage::Joining) => {
                connection.stage = Stage::Joined;
                self.joined += 1;
            }
            (News::Error, _) => bail!("the server refused something: {}", shown(payload)),
            (News::Welcome | News::Roster | News::Other, _) => {}
        }
        Ok(())
    }
}

impl Connection {
    fn send(&mut self, opcode: u8, payload: &[u8]) -> Result<()> {
        let mut frame = Vec::with_capacity(payload.len() + 14);
        push_client_frame(&mut frame, opcode, payload);
        self.write(&frame)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.unsent.extend_from_slice(bytes);
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        let mut sent = 0;
        while sent < self.unsent.len() {
            match self.stream.write(&self.unsent[sent..]) {
                Ok(0) => return Err(anyhow!("the socket takes nothing")),
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot write"),
            }
        }
        self.unsent.drain(..sent);
        if self.unsent.is_empty() {
            self.unsent = Vec::new();
        }
        Ok(())
    }
}

fn upgrade_request(address: SocketAddr) -> String {
    // The key is the example of RFC 6455: nobody here guards against caches.
    format!(
        "GET /ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: herenow.v1\r\n\r\n"
    )
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(500)]).into_owned()
}

/// Connections that may be between opening and their roster at once.
const UNDER_WAY_MAX: usize = 128;
