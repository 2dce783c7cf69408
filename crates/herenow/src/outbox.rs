//! What a connection has still to write. Bounded in bytes; empty and without memory nearly always.
use bytes::{Buf, Bytes};
use herenow_core::{command::Ending, time::Time};
use std::{collections::VecDeque, io::IoSlice, task::Waker};

/// A piece of a frame that waits for its socket, or is about to be written.
#[derive(Clone, Debug)]
pub struct Part {
    /// The bytes, shared by all who get them.
    pub bytes: Bytes,
    /// Whether a frame ends with them; a roster is written as a short head of its own and a body that is shared.
    pub ends_frame: bool,
    /// Whether they are a roster, which answers what the peer asked for and is mostly shared with others: it counts on
    /// its own.
    pub is_roster: bool,
    /// Whether a later roster makes good for them, so that they need not be said to who does not read.
    pub can_be_missed: bool,
}

impl Part {
    /// A whole frame that is no roster and must be said.
    pub const fn frame(bytes: Bytes) -> Self {
        Self { bytes, ends_frame: true, is_roster: false, can_be_missed: false }
    }
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// What the rooms are told.
    pub how: Ending,
    /// Whether a close frame is the last thing written; without one, the socket is dropped as it is.
    pub with_close: bool,
}

/// The bytes that wait for one socket, and how its connection ends. Small at rest, which is nearly always.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Nothing where no bytes wait.
    waiting: Option<Box<Waiting>>,
    waker: Option<Waker>,
    farewell: Option<Farewell>,
    /// Whether something was not said that could be missed, so that rosters are owed once nothing waits.
    is_behind: bool,
}

/// Bytes that wait.
#[derive(Debug, Default)]
struct Waiting {
    parts: VecDeque<Part>,
    bytes: usize,
    /// How many of these bytes are rosters.
    roster_bytes: usize,
    /// What is left of the largest piece that is no roster, and how many bytes go before it.
    largest: usize,
    before_largest: usize,
    /// Whether the first part is what is left of a frame that was written in part.
    front_begun: bool,
    /// When bytes began to wait, or were last taken.
    blocked_since: Time,
}

impl Outbox {
    /// Adds a piece that could not be written, `taken` bytes of which went out already.
    pub fn push(&mut self, part: &Part, taken: usize, now: Time) {
        let fresh = || Box::new(Waiting { front_begun: taken > 0, blocked_since: now, ..Waiting::default() });
        let waiting = self.waiting.get_or_insert_with(fresh);
        let bytes = part.bytes.slice(taken..);
        if part.is_roster {
            waiting.roster_bytes += bytes.len();
        } else if bytes.len() > waiting.largest {
            (waiting.largest, waiting.before_largest) = (bytes.len(), waiting.bytes);
        }
        waiting.bytes += bytes.len();
        waiting.parts.push_back(Part { bytes, ..*part });
    }

    /// Notes that a frame before the first waiting piece has been begun.
    pub fn note_begun(&mut self) {
        if let Some(waiting) = &mut self.waiting {
            waiting.front_begun = true;
        }
    }

    /// The next bytes to write, as many slices as fit into `slices`; how many there are.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let parts = self.waiting.iter().flat_map(|waiting| &waiting.parts);
        slices.iter_mut().zip(parts).map(|(slice, part)| *slice = IoSlice::new(&part.bytes)).count()
    }

    /// Takes away what was written.
    pub fn advance(&mut self, written: usize, now: Time) {
        let Some(waiting) = &mut self.waiting else { return };
        waiting.advance(written);
        waiting.blocked_since = now;
        self.rest();
    }

    /// A connection at rest keeps no memory.
    fn rest(&mut self) {
        self.waiting = self.waiting.take().filter(|waiting| !waiting.parts.is_empty());
    }

    /// Takes away the next frame, its head and its body where it has two pieces. Only where frames are taken in no other way,
    /// so that the first is whole. Wakes the task of the connection where that leaves nothing and it waits for that.
    pub fn take_frame(&mut self, now: Time) -> Option<(Bytes, Bytes)> {
        let parts = &self.waiting.as_ref()?.parts;
        let first = parts.front()?;
        let more = parts.get(1).filter(|_| !first.ends_frame).map_or_else(Bytes::new, |part| part.bytes.clone());
        let bytes = first.bytes.clone();
        self.advance(bytes.len() + more.len(), now);
        if self.is_empty() && (self.is_behind || self.farewell.is_some()) {
            self.wake();
        }
        Some((bytes, more))
    }

    /// Ends the connection, with `close` as its last frame where there is one. With `keep`, everything that waits is
    /// written first; otherwise it is dropped, but for a frame that was begun. Only the first end counts.
    pub fn end(&mut self, how: Ending, close: Option<Bytes>, keep: bool, now: Time) {
        if self.farewell.is_some() {
            return;
        }
        if !keep {
            if let Some(waiting) = &mut self.waiting {
                waiting.drop_unbegun();
            }
            self.rest();
        }
        self.farewell = Some(Farewell { how, with_close: close.is_some() });
        if let Some(bytes) = close {
            self.push(&Part::frame(bytes), 0, now);
        }
        self.wake();
    }

    /// How the connection ends, once that is decided.
    pub fn farewell(&self) -> Option<Farewell> {
        self.farewell
    }

    /// Notes that something was not said that could be missed.
    pub fn note_behind(&mut self) {
        self.is_behind = true;
    }

    /// Whether something was missed and nothing waits any more: true once.
    pub fn take_caught_up(&mut self) -> bool {
        self.is_empty() && std::mem::take(&mut self.is_behind)
    }

    /// Bytes that wait.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.bytes)
    }

    /// Whether more waits than `bytes_max` and one piece of any size. Rosters have a limit of their own,
    /// sixteen times that and one of any size: who joins many rooms at once gets as many of them.
    pub fn is_over(&self, bytes_max: usize) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.is_over(bytes_max))
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_none()
    }

    /// Since when nothing of what waits was taken.
    pub fn blocked_since(&self) -> Option<Time> {
        self.waiting.as_ref().map(|waiting| waiting.blocked_since)
    }

    /// Remembers whom to wake when there is something to write or to end.
    pub fn set_waker(&mut self, waker: &Waker) {
        if !self.waker.as_ref().is_some_and(|held| held.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
    }

    /// Wakes the task of the connection.
    pub fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

impl Waiting {
    fn advance(&mut self, mut written: usize) {
        self.bytes -= written.min(self.bytes);
        self.largest -= written.saturating_sub(self.before_largest).min(self.largest);
        self.before_largest = self.before_largest.saturating_sub(written);
        while written > 0 {
            let Some(front) = self.parts.front_mut() else { break };
            if front.is_roster {
                self.roster_bytes = self.roster_bytes.saturating_sub(written.min(front.bytes.len()));
            }
            if written < front.bytes.len() {
                front.bytes.advance(written);
                self.front_begun = true;
                break;
            }
            written -= front.bytes.len();
            self.front_begun = !front.ends_frame;
            self.parts.pop_front();
        }
    }

    /// Drops the frames of which nothing was written.
    fn drop_unbegun(&mut self) {
        let begun = if self.front_begun {
            self.parts.iter().position(|part| part.ends_frame).map_or(self.parts.len(), |at| at + 1)
        } else {
            0
        };
        self.parts.truncate(begun);
        self.bytes = self.parts.iter().map(|part| part.bytes.len()).sum();
    }

    fn is_over(&self, bytes_max: usize) -> bool {
        let others = self.bytes.saturating_sub(self.roster_bytes + self.largest);
        others > bytes_max || (self.roster_bytes > bytes_max * ROSTERS_FACTOR && self.rosters() > 1)
    }

    fn rosters(&self) -> usize {
        self.parts.iter().filter(|part| part.is_roster).count()
    }
}

/// How much more may wait where it is rosters.
const ROSTERS_FACTOR: usize = 16;

#[cfg(test)]
mod tests {
    use super::{Outbox, Part};
    use bytes::Bytes;
    use herenow_core::{command::Ending, time::Time};
    use std::io::IoSlice;

    fn part(text: &'static str, ends_frame: bool) -> Part {
        Part { ends_frame, ..Part::frame(Bytes::from_static(text.as_bytes())) }
    }

    fn written(outbox: &Outbox) -> String {
        let mut slices = [IoSlice::new(&[]); 16];
        let count = outbox.slices(&mut slices);
        slices[..count].iter().map(|slice| String::from_utf8_lossy(slice).into_owned()).collect::<Vec<_>>().join("|")
    }

    const NOW: Time = Time::from_millis(5);

    #[test]
    fn bytes_leave_in_order_and_nothing_is_kept_at_rest() {
        let mut outbox = Outbox::default();
        outbox.push(&part("hello", true), 2, NOW);
        outbox.push(&part("world", true), 0, NOW);
        assert_eq!(written(&outbox), "llo|world");
        outbox.advance(4, NOW);
        assert_eq!((written(&outbox), outbox.waiting_bytes()), ("orld".to_owned(), 4));
        outbox.advance(4, NOW);
        assert!(outbox.is_empty() && outbox.waiting_bytes() == 0 && outbox.blocked_since().is_none());
    }

    #[test]
    fn the_largest_piece_does_not_count_wherever_it_stands() {
        let mut outbox = Outbox::default();
        let is_just_over = |outbox: &Outbox, bytes: usize| !outbox.is_over(bytes) && outbox.is_over(bytes - 1);
        outbox.push(&part("12345", true), 0, NOW);
        outbox.push(&part("123456789", true), 0, NOW);
        outbox.push(&part("1234", true), 0, NOW);
        assert!(is_just_over(&outbox, 9));
        outbox.advance(3, NOW);
        assert!(is_just_over(&outbox, 6));
        outbox.advance(5, NOW);
        assert!(is_just_over(&outbox, 4));
        outbox.push(&part("1234567", true), 0, NOW);
        assert!(is_just_over(&outbox, 10), "what is left of it counts as its size");
        outbox.advance(6, NOW);
        assert!(is_just_over(&outbox, 4));
        outbox.advance(11, NOW);
        assert!(!outbox.is_over(0));
    }

    #[test]
    fn rosters_count_on_their_own() {
        let roster = Part { is_roster: true, ..part("1234567890", true) };
        let mut outbox = Outbox::default();
        for _ in 0..5 {
            outbox.push(&roster, 0, NOW);
        }
        assert!(!outbox.is_over(4) && outbox.is_over(3), "50 bytes of rosters are more than 3 times 16");
        outbox.advance(15, NOW);
        assert!(!outbox.is_over(3), "35 are not");
        outbox.advance(35, NOW);
        outbox.push(&roster, 0, NOW);
        assert!(!outbox.is_over(0), "one may have any size");
    }

    #[test]
    fn whole_frames_are_taken_one_by_one() {
        let mut outbox = Outbox::default();
        outbox.push(&part("one", true), 0, NOW);
        outbox.push(&part("head", false), 0, NOW);
        outbox.push(&part("body", true), 0, NOW);
        let text = |(bytes, more): (Bytes, Bytes)| [&bytes[..], &more[..]].concat();
        assert_eq!(outbox.take_frame(NOW).map(text).unwrap(), b"one");
        assert_eq!((outbox.waiting_bytes(), outbox.is_empty()), (8, false));
        assert_eq!(outbox.take_frame(NOW).map(text).unwrap(), b"headbody");
        assert!(outbox.is_empty() && outbox.take_frame(NOW).is_none());
    }

    #[test]
    fn an_end_finishes_the_frame_that_was_begun_and_drops_the_rest() {
        let mut outbox = Outbox::default();
        outbox.push(&part("head", false), 1, NOW);
        outbox.push(&part("body", true), 0, NOW);
        outbox.push(&part("next", true), 0, NOW);
        outbox.end(Ending::Lost, None, false, NOW);
        assert_eq!((written(&outbox), outbox.waiting_bytes()), ("ead|body".to_owned(), 7));
    }

    #[test]
    fn a_frame_whose_head_is_out_is_begun() {
        let mut outbox = Outbox::default();
        outbox.push(&part("head", false), 0, NOW);
        outbox.push(&part("body", true), 0, NOW);
        outbox.push(&part("next", true), 0, NOW);
        outbox.advance(4, NOW);
        outbox.end(Ending::Lost, None, false, NOW);
        assert_eq!(written(&outbox), "body");
    }

    #[test]
    fn an_end_between_frames_drops_all_and_the_first_farewell_counts() {
        let mut outbox = Outbox::default();
        outbox.push(&part("one", true), 0, NOW);
        outbox.end(Ending::Lost, Some(Bytes::from_static(b"come back")), false, NOW);
        outbox.end(Ending::Expired, None, false, NOW);
        assert_eq!(outbox.farewell().unwrap().how, Ending::Lost);
        assert_eq!(written(&outbox), "come back");
    }

    #[test]
    fn an_end_that_keeps_writes_everything_first() {
        let mut outbox = Outbox::default();
        outbox.push(&part("one", true), 0, NOW);
        outbox.end(Ending::Drained, Some(Bytes::from_static(b"bye")), true, NOW);
        assert_eq!(written(&outbox), "one|bye");
    }
}
