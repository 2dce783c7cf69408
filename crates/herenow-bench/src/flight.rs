//! Messages under way: who sends the next, and who has not got which yet.
use crate::{
    dialect::News,
    frame::numbered_data,
    generator::{Generator, Heard},
    histogram::Histogram,
};
use anyhow::{Result, ensure};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Rooms of equal size, in which viewers take turns at sending; what one sends, all others in the room get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// How many rooms. Connection `i` of the generator is in room `i % rooms`.
    pub rooms: usize,
    /// Viewers of each, at least 2.
    pub members: usize,
    /// Bytes of JSON that a message carries, at least 40.
    pub payload_bytes: usize,
}

/// How messages follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// The next leaves when one of so many has reached all others.
    Outstanding(usize),
    /// So many a second, however many have landed.
    PerSecond(f64),
}

/// How and how long messages are sent.
#[derive(Clone, Copy, Debug)]
pub struct Trip {
    /// How they follow each other.
    pub pace: Pace,
    /// How long.
    pub duration: Duration,
    /// How long the last ones may take to land.
    pub limit: Duration,
}

/// Does other things between messages; called a hundred times a second or more often.
pub type Aside<'a> = dyn FnMut(&mut Generator) -> Result<()> + 'a;

/// Messages under way on a [`Stage`].
#[derive(Debug)]
pub struct Flight {
    stage: Stage,
    next: u64,
    /// The oldest first; their numbers follow each other and end before `next`.
    under_way: VecDeque<Message>,
    /// How many of them somebody still waits for.
    open: usize,
    latency_ns: Histogram,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    /// When it left, or was to leave.
    sent: Instant,
    /// Viewers that do not have it yet.
    missing: usize,
}

impl Flight {
    /// Nothing is under way.
    pub fn new(stage: Stage) -> Self {
        Self { stage, next: 0, under_way: VecDeque::new(), open: 0, latency_ns: Histogram::default() }
    }

    /// What deliveries took since the last call, nanoseconds.
    pub fn take_latency_ns(&mut self) -> Histogram {
        std::mem::take(&mut self.latency_ns)
    }

    /// Sends messages at a pace for a while, then waits for the last of them to land. In between `aside` may do other things.
    ///
    /// # Errors
    /// Where a connection fails, or a message has not reached everybody within the limit after that.
    pub fn go(&mut self, generator: &mut Generator, trip: Trip, aside: &mut Aside<'_>) -> Result<()> {
        match trip.pace {
            Pace::Outstanding(outstanding) => self.keep(generator, outstanding, trip, aside),
            Pace::PerSecond(rate) => self.stream(generator, rate, trip, aside),
        }
    }

    fn keep(&mut self, generator: &mut Generator, outstanding: usize, trip: Trip, aside: &mut Aside<'_>) -> Result<()> {
        let until = Instant::now() + trip.duration;
        while Instant::now() < until || self.open > 0 {
            while self.open < outstanding && Instant::now() < until {
                self.send(generator, Instant::now())?;
            }
            aside(generator)?;
            self.wait(generator, Duration::from_millis(20), until + trip.limit)?;
        }
        Ok(())
    }

    /// Latency counts from when a message was to leave, so that a server that falls behind cannot slow the clock.
    fn stream(&mut self, generator: &mut Generator, rate: f64, trip: Trip, aside: &mut Aside<'_>) -> Result<()> {
        let begun = Instant::now();
        let (until, step) = (begun + trip.duration, Duration::from_secs_f64(1.0 / rate));
        let mut due = begun;
        while due < until || self.open > 0 {
            let now = Instant::now();
            let mut at_once = 0;
            while due <= now && due < until && at_once < AT_ONCE_MAX {
                self.send(generator, due)?;
                due += step;
                at_once += 1;
            }
            aside(generator)?;
            // The system may sleep a millisecond too long; the last one is waited for awake.
            let left = due.saturating_duration_since(Instant::now());
            let wait =
                if due < until { left.saturating_sub(Duration::from_millis(1)) } else { Duration::from_millis(20) };
            self.wait(generator, wait, until + trip.limit)?;
        }
        Ok(())
    }

    fn wait(&mut self, generator: &mut Generator, wait: Duration, deadline: Instant) -> Result<()> {
        let connections = self.stage.connections();
        let mut ear = |heard: Heard<'_>| {
            // Others than those on the stage may be in its rooms, and are not waited for.
            if let (News::Message(number), true) = (heard.news, heard.connection < connections) {
                self.land(*number, heard.at);
            }
        };
        generator.turn(wait, &mut ear)?;
        let missing = || self.under_way.iter().map(|message| message.missing).sum::<usize>();
        ensure!(Instant::now() < deadline, "{} deliveries did not arrive in time", missing());
        Ok(())
    }

    fn send(&mut self, generator: &mut Generator, at: Instant) -> Result<()> {
        let number = self.next;
        self.next += 1;
        self.under_way.push_back(Message { sent: at, missing: self.stage.members - 1 });
        self.open += 1;
        let data = numbered_data(number, self.stage.payload_bytes);
        generator.message(self.stage.sender(number), &data)
    }

    fn land(&mut self, number: u64, at: Instant) {
        let oldest = self.next - self.under_way.len() as u64;
        let Some(index) = number.checked_sub(oldest) else { return };
        let Some(message) = self.under_way.get_mut(index as usize).filter(|message| message.missing > 0) else {
            return;
        };
        let latency = at.saturating_duration_since(message.sent);
        self.latency_ns.add(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
        message.missing -= 1;
        if message.missing == 0 {
            self.open -= 1;
            while self.under_way.front().is_some_and(|message| message.missing == 0) {
                self.under_way.pop_front();
            }
        }
    }
}

impl Stage {
    /// How many connections it takes.
    pub const fn connections(&self) -> usize {
        self.rooms * self.members
    }

    /// The name of a connection's room.
    pub fn room(&self, connection: usize) -> String {
        format!("stage-{}", connection % self.rooms)
    }

    /// The connection that sends a message. Rooms take turns, and in each room its viewers.
    const fn sender(&self, number: u64) -> usize {
        let number = number as usize;
        number % self.rooms + number / self.rooms % self.members * self.rooms
    }
}

/// Messages that leave without a look at what came in between.
const AT_ONCE_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::{Flight, Message, Stage};
    use std::time::{Duration, Instant};

    #[test]
    fn a_message_lands_once_everybody_else_has_it() {
        let mut flight = Flight::new(Stage { rooms: 1, members: 3, payload_bytes: 40 });
        let sent = Instant::now();
        flight.next = 9;
        flight.under_way.extend([Message { sent, missing: 2 }, Message { sent, missing: 1 }]);
        flight.open = 2;
        // Number 6 is none of these, and 9 was not sent.
        for number in [6, 9, 7] {
            flight.land(number, sent + Duration::from_micros(50));
        }
        assert_eq!((flight.open, flight.under_way.len(), flight.latency_ns.total()), (2, 2, 1));
        flight.land(8, sent);
        assert_eq!((flight.open, flight.under_way.len()), (1, 2));
        flight.land(7, sent + Duration::from_micros(50));
        assert_eq!((flight.open, flight.under_way.len()), (0, 0));
        let latency_ns = flight.take_latency_ns();
        assert_eq!(latency_ns.total(), 3);
        assert!((49_000..=50_000).contains(&latency_ns.quantile(0.9)));
        assert_eq!(flight.take_latency_ns().total(), 0);
    }

    #[test]
    fn everybody_sends_and_rooms_take_turns() {
        let stage = Stage { rooms: 3, members: 2, payload_bytes: 40 };
        let senders: Vec<_> = (0..8).map(|number| stage.sender(number)).collect();
        assert_eq!(senders, [0, 1, 2, 3, 4, 5, 0, 1]);
        assert_eq!(stage.room(4), stage.room(1));
        assert_ne!(stage.room(4), stage.room(2));
    }
}
