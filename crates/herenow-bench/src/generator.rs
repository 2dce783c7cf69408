//! The generator: one thread, one epoll, thousands of connections, each of a user of its own.
//!
//! It keeps no channel and no buffer for a connection that rests. Whatever a server does that a benchmark does not expect
//! (a refusal, a close, a cut, a diff that does not follow) is an error here: figures of a run with errors would mean
//! nothing.
use crate::{
    dialect::{Dialect, Interest, News},
    frame::{CLOSE, PING, PONG, TEXT, push_client_frame},
    recognizer::{Frame, Progress, Recognizer},
    view::View,
};
use anyhow::{Context, Result, anyhow, bail, ensure};
use mio::{Events, Interest as Wanted, Poll, Token, event::Event, net::TcpStream};
use std::{
    io::{ErrorKind, Read, Write},
    mem,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

/// Connections to one server. Dropping it cuts them all.
#[derive(Debug)]
pub struct Generator {
    target: Address,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    recognizer: Recognizer,
    connections: Vec<Connection>,
    /// Connections that have come to the stage that they are to reach when they are opened.
    opened: usize,
    received_bytes: u64,
    /// Connections that may have something to read which no event will tell of.
    unread: Vec<usize>,
}

/// How to reach a server.
#[derive(Clone, Debug)]
pub struct Address {
    /// Where.
    pub socket: SocketAddr,
    /// What it speaks.
    pub dialect: Dialect,
    /// What tokens are signed with, where it wants any.
    pub secret: String,
}

/// Where a connection is to be, and what it wants to hear there.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The room.
    pub room: Rc<str>,
    /// How much of its news.
    pub interest: Interest,
}

#[derive(Debug)]
struct Connection {
    /// `None` once it has ended.
    stream: Option<TcpStream>,
    stage: Stage,
    /// Reads nothing for now.
    asleep: bool,
    /// Its end is no error.
    may_end: bool,
    seat: Option<Seat>,
    /// The answer to the upgrade, while it is not whole.
    head: Vec<u8>,
    progress: Progress,
    view: View,
    /// What the socket did not take yet.
    unsent: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Connecting,
    Upgrading,
    Greeting,
    /// May join.
    Ready,
    /// Joins the room that it was opened for.
    Opening,
    /// Joins another.
    Joining,
    Joined,
    Leaving,
    Gone,
}

/// Something that a connection got.
#[derive(Debug)]
pub struct Heard<'a> {
    /// Which one, from 0 in the order of opening.
    pub connection: usize,
    /// When the bytes that made it whole were read.
    pub at: Instant,
    /// What.
    pub news: &'a News,
    /// What the connection knows by now.
    pub view: &'a View,
}

/// Is told all that comes.
pub type Ear<'a> = dyn FnMut(Heard<'_>) + 'a;

/// Hears nothing.
pub fn deaf(_: Heard<'_>) {}

impl Generator {
    /// A generator without connections.
    ///
    /// # Errors
    /// Where the system gives no epoll.
    pub fn new(target: Address) -> Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            buffer: vec![0; 256 * 1024],
            recognizer: Recognizer::new(target.dialect),
            connections: Vec::new(),
            opened: 0,
            received_bytes: 0,
            unread: Vec::new(),
            target,
        })
    }

    /// Opens one more connection for each seat, each of another user, and waits until all have heard who is in their room;
    /// those without a seat, until they may join. At most 128 are under way at once, so that no server's queue of
    /// connections overflows.
    ///
    /// # Errors
    /// Where one fails, or they are not all there by the deadline.
    pub fn open(&mut self, seats: impl IntoIterator<Item = Option<Seat>>, deadline: Instant) -> Result<()> {
        let mut seats = seats.into_iter().peekable();
        while seats.peek().is_some() || self.opened < self.connections.len() {
            while self.connections.len() - self.opened < UNDER_WAY_MAX {
                let Some(seat) = seats.next() else { break };
                self.connect(seat)?;
            }
            self.turn(Duration::from_millis(50), &mut deaf)?;
            ensure!(Instant::now() < deadline, "{} of {} opened in time", self.opened, self.connections.len());
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
            if self.turn(quiet.saturating_sub(since.elapsed()), &mut deaf)? > 0 {
                since = Instant::now();
            }
            ensure!(Instant::now() < deadline, "the server did not come to rest in time");
        }
        Ok(())
    }

    /// How many connections were opened so far.
    pub const fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Bytes that came from the server so far.
    pub const fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// What a connection knows of its room.
    pub fn view(&self, connection: usize) -> &View {
        &self.connections[connection].view
    }

    /// Asks for a room on a connection that was opened without.
    ///
    /// # Errors
    /// Where the connection is gone.
    pub fn join(&mut self, connection: usize, seat: Seat) -> Result<()> {
        let text = self.target.dialect.join(&seat.room, seat.interest);
        let connection = &mut self.connections[connection];
        connection.stage = Stage::Joining;
        connection.seat = Some(seat);
        connection.send(TEXT, text.as_bytes())
    }

    /// Hands `data`, a JSON value, to everybody else in the room of a connection.
    ///
    /// # Errors
    /// Where the connection is gone, or in no room.
    pub fn message(&mut self, connection: usize, data: &str) -> Result<()> {
        let dialect = self.target.dialect;
        let connection = &mut self.connections[connection];
        let seat = connection.seat.as_ref().context("a message of somebody who is in no room")?;
        let text = dialect.message(&seat.room, data);
        connection.send(TEXT, text.as_bytes())
    }

    /// Sends any frame of the dialect.
    ///
    /// # Errors
    /// Where the connection is gone.
    pub fn send(&mut self, connection: usize, text: &str) -> Result<()> {
        self.connections[connection].send(TEXT, text.as_bytes())
    }

    /// Says goodbye: a close frame with code 1000. What still comes is ignored, and its end is no error.
    ///
    /// # Errors
    /// Where the connection is gone already.
    pub fn leave(&mut self, connection: usize) -> Result<()> {
        let connection = &mut self.connections[connection];
        connection.stage = Stage::Leaving;
        connection.send(CLOSE, &1000_u16.to_be_bytes())
    }

    /// Has connections that are opened from now on go to another node of the same cluster.
    pub const fn aim(&mut self, node: SocketAddr) {
        self.target.socket = node;
    }

    /// Opens one more connection and does not wait for it. Says its number.
    ///
    /// # Errors
    /// Where there is no socket for it.
    pub fn begin(&mut self, seat: Option<Seat>) -> Result<usize> {
        self.connect(seat)?;
        Ok(self.connections.len() - 1)
    }

    /// Has a connection read nothing from now on, or read again. The server may end one that sleeps; that is no error.
    pub fn sleep(&mut self, connection: usize, asleep: bool) {
        let index = connection;
        let connection = &mut self.connections[index];
        connection.asleep = asleep;
        connection.may_end = true;
        if !asleep {
            self.unread.push(index);
        }
    }

    /// The room that a connection is in, joins, or left last.
    pub fn room(&self, connection: usize) -> Option<Rc<str>> {
        self.connections[connection].seat.as_ref().map(|seat| Rc::clone(&seat.room))
    }

    /// Whether a connection has heard who is in its room, and is still there.
    pub fn is_joined(&self, connection: usize) -> bool {
        self.connections[connection].stage == Stage::Joined
    }

    /// Whether a connection has ended.
    pub fn is_gone(&self, connection: usize) -> bool {
        self.connections[connection].stage == Stage::Gone
    }

    /// Waits up to `wait` for something to come and takes it all in. Says how many frames that were.
    ///
    /// # Errors
    /// Where a connection fails.
    pub fn turn(&mut self, wait: Duration, ear: &mut Ear<'_>) -> Result<usize> {
        let mut events = mem::replace(&mut self.events, Events::with_capacity(1));
        let polled = self.poll.poll(&mut events, Some(wait));
        if polled.as_ref().is_err_and(|error| error.kind() != ErrorKind::Interrupted) {
            polled.context("cannot wait for sockets")?;
        }
        let mut buffer = mem::take(&mut self.buffer);
        let mut frames = 0;
        let which = |index: usize| format!("connection {index}");
        for event in &events {
            let index = event.token().0;
            if self.take_event(event).with_context(|| which(index))? {
                frames += self.read(index, &mut buffer, ear).with_context(|| which(index))?;
            }
        }
        for index in mem::take(&mut self.unread) {
            frames += self.read(index, &mut buffer, ear).with_context(|| which(index))?;
        }
        (self.events, self.buffer) = (events, buffer);
        Ok(frames)
    }

    fn connect(&mut self, seat: Option<Seat>) -> Result<()> {
        let index = self.connections.len();
        let mut stream = TcpStream::connect(self.target.socket).context("cannot open a socket")?;
        stream.set_nodelay(true)?;
        self.poll.registry().register(&mut stream, Token(index), Wanted::READABLE | Wanted::WRITABLE)?;
        self.connections.push(Connection {
            stream: Some(stream),
            stage: Stage::Connecting,
            asleep: false,
            may_end: false,
            seat,
            head: Vec::new(),
            progress: Progress::default(),
            view: View::default(),
            unsent: Vec::new(),
        });
        Ok(())
    }

    /// Says whether there may be something to read.
    fn take_event(&mut self, event: &Event) -> Result<bool> {
        let index = event.token().0;
        let connection = &mut self.connections[index];
        let Some(stream) = &connection.stream else { return Ok(false) };
        if connection.stage == Stage::Connecting {
            if let Some(error) = stream.take_error()? {
                return Err(error).context("cannot connect");
            }
            if !event.is_writable() {
                return Ok(false);
            }
            connection.stage = Stage::Upgrading;
            let host = stream.peer_addr()?.to_string();
            let request = self.target.dialect.upgrade_request(&host, index);
            connection.write(request.as_bytes())?;
        } else if !connection.unsent.is_empty() {
            connection.flush()?;
        }
        Ok(true)
    }

    fn read(&mut self, index: usize, buffer: &mut [u8], ear: &mut Ear<'_>) -> Result<usize> {
        let mut frames = 0;
        loop {
            let connection = &mut self.connections[index];
            if connection.asleep {
                return Ok(frames);
            }
            let Some(stream) = &mut connection.stream else { return Ok(frames) };
            match stream.read(buffer) {
                Ok(0) if connection.is_done() => connection.end(),
                Ok(0) => bail!("the server cut the connection"),
                Ok(bytes) => {
                    self.received_bytes += bytes as u64;
                    frames += self.feed(index, &buffer[..bytes], ear)?;
                    // A read that leaves room has emptied the socket; the next event says when there is more.
                    if bytes < buffer.len() {
                        return Ok(frames);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(frames),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) if connection.is_done() => connection.end(),
                Err(error) => return Err(error).context("cannot read"),
            }
        }
    }

    fn feed(&mut self, index: usize, fresh: &[u8], ear: &mut Ear<'_>) -> Result<usize> {
        let connection = &mut self.connections[index];
        let at = Instant::now();
        let head;
        let mut bytes = fresh;
        if connection.stage == Stage::Upgrading {
            connection.head.extend_from_slice(fresh);
            let Some(end) = memchr::memmem::find(&connection.head, b"\r\n\r\n") else { return Ok(0) };
            head = mem::take(&mut connection.head);
            ensure!(head.starts_with(b"HTTP/1.1 101"), "the upgrade was refused: {}", shown(&head));
            bytes = &head[end + 4..];
            connection.stage = Stage::Greeting;
            if let Some(text) = self.target.dialect.opening(index, &self.target.secret)? {
                connection.send(TEXT, text.as_bytes())?;
            }
        }
        let (dialect, opened) = (self.target.dialect, &mut self.opened);
        let mut progress = mem::take(&mut connection.progress);
        let mut handle = |frame: Frame<'_>| {
            let news = match frame {
                // Nobody reads the mail of who is leaving.
                Frame::Text(_) if connection.stage >= Stage::Leaving => return Ok(()),
                Frame::Text(news) => news,
                Frame::Other(opcode, payload) => return connection.take_control(opcode, payload),
            };
            if connection.take_news(news, dialect)? {
                *opened += 1;
            }
            ear(Heard { connection: index, at, news, view: &connection.view });
            Ok(())
        };
        let frames = self.recognizer.feed(&mut progress, bytes, &mut handle)?;
        connection.progress = progress;
        Ok(frames)
    }
}

impl Connection {
    /// Says whether the connection has now come to where it was to be opened to.
    fn take_news(&mut self, news: &News, dialect: Dialect) -> Result<bool> {
        match news {
            News::Message(_) | News::Nothing => Ok(false),
            News::Reply(text) => self.send(TEXT, text.as_bytes()).map(|()| false),
            News::Ready => {
                ensure!(self.stage == Stage::Greeting, "greeted in stage {:?}", self.stage);
                self.stage = Stage::Ready;
                let Some(seat) = &self.seat else { return Ok(true) };
                self.stage = Stage::Opening;
                let text = dialect.join(&seat.room, seat.interest);
                self.send(TEXT, text.as_bytes()).map(|()| false)
            }
            News::Roster { .. } | News::Diff { .. } | News::Count(_) => {
                self.view.take(news)?;
                let opened = self.stage == Stage::Opening;
                self.stage = Stage::Joined;
                Ok(opened)
            }
        }
    }

    fn take_control(&mut self, opcode: u8, payload: &[u8]) -> Result<()> {
        match opcode {
            PING => self.send(PONG, payload),
            CLOSE if self.is_done() => {
                self.end();
                Ok(())
            }
            CLOSE => bail!("the server closed with {:?}", payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
            _ => Ok(()),
        }
    }

    fn is_done(&self) -> bool {
        self.may_end || self.stage == Stage::Leaving
    }

    fn end(&mut self) {
        self.stage = Stage::Gone;
        self.stream = None;
        // Runs of an hour leave many of these behind.
        (self.unsent, self.view, self.progress) = (Vec::new(), View::default(), Progress::default());
    }

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
        let stream = self.stream.as_mut().context("the connection has ended")?;
        while sent < self.unsent.len() {
            match stream.write(&self.unsent[sent..]) {
                Ok(0) => return Err(anyhow!("the socket takes nothing")),
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) if self.is_done() => {
                    self.end();
                    return Ok(());
                }
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

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(500)]).into_owned()
}

/// Connections that may be between opening and their roster at once.
const UNDER_WAY_MAX: usize = 128;
