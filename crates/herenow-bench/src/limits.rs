//! What the machine can do at all: bytes into sockets and out of them, with no server in between.
//!
//! One thread writes to all sockets in turn, on the core that the servers get; the generator's own reads them dry. No
//! presence server can deliver faster than that, so a share of it means the same on every machine.
use crate::proc;
use anyhow::{Context, Result, anyhow, ensure};
use mio::{Events, Interest, Poll, Token, net::TcpStream as Socket};
use serde::Serialize;
use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Frames written to all sockets, as many as go through.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SendLimit {
    /// Sockets.
    pub sockets: usize,
    /// Bytes of a frame.
    pub frame_bytes: usize,
    /// Frames that one write holds.
    pub frames_a_send: usize,
    /// Frames that arrived, each second.
    pub deliveries_per_second: f64,
    /// CPU time of the writer for each, microseconds.
    pub cpu_us_per_delivery: f64,
}

/// One long list, written once to each socket.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ListLimit {
    /// Sockets.
    pub sockets: usize,
    /// Bytes of the list.
    pub list_bytes: usize,
    /// From the first write until all have it, seconds.
    pub complete_seconds: f64,
}

/// Writes frames for a while.
///
/// # Errors
/// Where a socket fails.
pub fn send(sockets: usize, frame_bytes: usize, frames_a_send: usize, plan: Plan) -> Result<SendLimit> {
    let pairs = Pairs::new(sockets)?;
    let batch = vec![b'x'; frame_bytes * frames_a_send];
    // So much may be on its way that the writer never waits for the reader, and never so much that no socket takes more.
    let ahead_max = AHEAD_FRAMES as u64 * (frame_bytes * sockets) as u64;
    let write = |ends: &mut [TcpStream], got: &AtomicU64| {
        let (begun, cpu_before) = (Instant::now(), proc::thread_cpu_ns()?);
        let mut sent = 0;
        while begun.elapsed() < plan.duration {
            for end in &mut *ends {
                sent += write_some(end, &batch)? as u64;
            }
            while sent.saturating_sub(got.load(Ordering::Relaxed)) > ahead_max {
                thread::sleep(Duration::from_micros(100));
            }
        }
        Ok((sent, begun, proc::thread_cpu_ns()? - cpu_before))
    };
    let ((sent, begun, cpu_ns), done) = pairs.run(plan, write, |(sent, ..)| *sent)?;
    let deliveries = sent as f64 / frame_bytes as f64;
    Ok(SendLimit {
        sockets,
        frame_bytes,
        frames_a_send,
        deliveries_per_second: deliveries / done.saturating_duration_since(begun).as_secs_f64(),
        cpu_us_per_delivery: cpu_ns as f64 / 1e3 / deliveries,
    })
}

/// Writes one list to each socket.
///
/// # Errors
/// Where a socket fails.
pub fn list(sockets: usize, list_bytes: usize, plan: Plan) -> Result<ListLimit> {
    let pairs = Pairs::new(sockets)?;
    let list = vec![b'r'; list_bytes];
    let write = |ends: &mut [TcpStream], _: &AtomicU64| {
        let begun = Instant::now();
        let mut open: Vec<_> = ends.iter_mut().map(|end| (end, &list[..])).collect();
        while !open.is_empty() {
            for (end, rest) in &mut open {
                *rest = &rest[write_some(end, rest)?..];
            }
            open.retain(|(_, rest)| !rest.is_empty());
            ensure!(begun.elapsed() < plan.limit, "{} sockets did not take a list in time", open.len());
        }
        Ok(((list_bytes * sockets) as u64, begun))
    };
    let ((_, begun), done) = pairs.run(plan, write, |(sent, _)| *sent)?;
    let complete_seconds = done.saturating_duration_since(begun).as_secs_f64();
    Ok(ListLimit { sockets, list_bytes, complete_seconds })
}

/// Where and how long.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How long frames are written.
    pub duration: Duration,
    /// The core of the writer; `None` leaves it to the system.
    pub core: Option<u32>,
    /// How long anything may take.
    pub limit: Duration,
}

/// Connected sockets, both ends here.
struct Pairs {
    written: Vec<TcpStream>,
    read: Vec<Socket>,
}

impl Pairs {
    fn new(sockets: usize) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot listen")?;
        let address = listener.local_addr()?;
        let (mut written, mut read) = (Vec::with_capacity(sockets), Vec::with_capacity(sockets));
        for _ in 0..sockets {
            let near = TcpStream::connect(address).context("cannot open a socket")?;
            let (far, _) = listener.accept().context("cannot accept a socket")?;
            far.set_nonblocking(true)?;
            far.set_nodelay(true)?;
            near.set_nonblocking(true)?;
            written.push(far);
            read.push(Socket::from_std(near));
        }
        Ok(Self { written, read })
    }

    /// Runs `write` on a thread of its own, and reads until all came that it says it wrote. Says when that was.
    fn run<T: Send>(
        self,
        plan: Plan,
        write: impl FnOnce(&mut [TcpStream], &AtomicU64) -> Result<T> + Send,
        bytes_of: impl Fn(&T) -> u64,
    ) -> Result<(T, Instant)> {
        let Self { mut written, read } = self;
        let (got, done) = (AtomicU64::new(0), AtomicBool::new(false));
        let mut reader = Reader::new(read)?;
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                if let Some(core) = plan.core {
                    ensure!(proc::pin_thread(core), "the writer cannot be pinned to core {core}");
                }
                let wrote = write(&mut written, &got);
                done.store(true, Ordering::Release);
                wrote
            });
            let last = Instant::now() + plan.duration + plan.limit;
            while !done.load(Ordering::Acquire) && !writer.is_finished() {
                reader.turn(&got)?;
                ensure!(Instant::now() < last, "the writer did not come to an end in time");
            }
            let wrote = writer.join().map_err(|_| anyhow!("the writer panicked"))??;
            while got.load(Ordering::Relaxed) < bytes_of(&wrote) {
                reader.turn(&got)?;
                ensure!(Instant::now() < last, "not all that was written came in time");
            }
            Ok((wrote, reader.last))
        })
    }
}

struct Reader {
    poll: Poll,
    events: Events,
    sockets: Vec<Socket>,
    buffer: Vec<u8>,
    /// When bytes came last.
    last: Instant,
}

impl Reader {
    fn new(mut sockets: Vec<Socket>) -> Result<Self> {
        let poll = Poll::new()?;
        for (at, socket) in sockets.iter_mut().enumerate() {
            poll.registry().register(socket, Token(at), Interest::READABLE)?;
        }
        let (events, buffer) = (Events::with_capacity(1024), vec![0; 256 * 1024]);
        Ok(Self { poll, events, sockets, buffer, last: Instant::now() })
    }

    fn turn(&mut self, got: &AtomicU64) -> Result<()> {
        match self.poll.poll(&mut self.events, Some(Duration::from_millis(20))) {
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                return Err(error).context("cannot wait for sockets");
            }
            _ => {}
        }
        for event in &self.events {
            let socket = &mut self.sockets[event.token().0];
            loop {
                match socket.read(&mut self.buffer) {
                    Ok(0) => break,
                    Ok(bytes) => {
                        got.fetch_add(bytes as u64, Ordering::Relaxed);
                        self.last = Instant::now();
                        if bytes < self.buffer.len() {
                            break;
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error).context("cannot read"),
                }
            }
        }
        Ok(())
    }
}

/// One write; says how many bytes the socket took.
fn write_some(socket: &mut TcpStream, bytes: &[u8]) -> Result<usize> {
    match socket.write(bytes) {
        Ok(taken) => Ok(taken),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
        Err(error) => Err(error).context("cannot write"),
    }
}

const AHEAD_FRAMES: usize = 64;

#[cfg(test)]
mod tests {
    use super::{Plan, list, send};
    use std::time::Duration;

    const PLAN: Plan = Plan { duration: Duration::from_millis(200), core: None, limit: Duration::from_secs(30) };

    #[test]
    fn all_frames_arrive() {
        for frames_a_send in [1, 16] {
            let limit = send(20, 200, frames_a_send, PLAN).unwrap();
            assert!(limit.deliveries_per_second > 100.0 && limit.cpu_us_per_delivery > 0.0, "{limit:?}");
        }
    }

    #[test]
    fn a_list_longer_than_any_socket_holds_arrives_everywhere() {
        let limit = list(10, 20 << 20, PLAN).unwrap();
        assert!(limit.complete_seconds > 0.0 && limit.complete_seconds < 30.0, "{limit:?}");
    }
}
