//! From what a hub says to bytes on sockets: each event is encoded once per dialect in use, however many hear it, and
//! each connection gets one write a turn.
use crate::{
    connection::{Connection, Frames, Said},
    heartbeat::refuse,
    outbox::Part,
};
use bytes::Bytes;
use herenow_core::{
    command::Ending,
    event::{Audience, Event, RosterView},
    hub::Hub,
    id::{ConnectionKey, SessionId},
    profile::Profile,
    refusal::Refusal,
    time::Time,
};
use herenow_wire::{board, code::Code, dialect::Dialect, native, problem::Problem, websocket::encoder};
use slab::Slab;
use std::sync::Arc;

/// A connection as its shard knows it.
#[derive(Debug)]
pub struct Seat {
    /// The connection.
    pub connection: Arc<Connection>,
    /// Whose it is.
    pub profile: Arc<Profile>,
    /// The partitions of this shard that know the session, one bit each.
    pub partitions: u64,
    /// What it speaks; here because fan-out asks for each receiver.
    pub dialect: Dialect,
    /// The last of its frames of this turn, as a node.
    queue: Option<u32>,
}

impl Seat {
    /// A connection without frames.
    pub fn new(connection: Arc<Connection>, profile: Arc<Profile>) -> Self {
        let dialect = connection.dialect();
        Self { connection, profile, partitions: 0, dialect, queue: None }
    }
}

/// The frames of one turn, and who gets which.
#[derive(Debug, Default)]
pub struct Fanout {
    parts: Vec<Part>,
    /// Who gets what, as a tree: each way from a root to a node is a sequence of parts that somebody gets. Connections
    /// that are told the same share their way.
    nodes: Vec<Node>,
    /// The part and the node of the root that was made last.
    last_root: Option<(u32, u32)>,
    dirty: Vec<ConnectionKey>,
    /// Rosters encoded in this turn.
    rosters: Vec<(Arc<RosterView>, Dialect, u32)>,
    /// Who was refused something in this turn, once a refusal.
    refused: Vec<ConnectionKey>,
}

/// A part in a sequence.
#[derive(Clone, Copy, Debug)]
struct Node {
    part: u32,
    /// What goes before it.
    before: Option<u32>,
    /// The part and the node that was made last to go after it. Events reach their receivers one event after the other, so
    /// the next receiver that has got the same so far wants just that one.
    last_after: Option<(u32, u32)>,
}

impl Fanout {
    /// Takes what a hub says to an audience. Costs one encoding a dialect, and a link a receiver.
    pub fn deliver(&mut self, hub: &Hub, seats: &mut Slab<Seat>, to: &Audience, event: &Event) {
        let mut encoded = Encoded::default();
        for key in hub.recipients(to) {
            let Some(seat) = seats.get_mut(key.0 as usize) else { continue };
            if let Event::Roster { .. } = event {
                self.deliver_roster(seat, key, event);
                continue;
            }
            let slot = match seat.dialect {
                Dialect::Native => &mut encoded.native,
                Dialect::Board => &mut encoded.board,
            };
            let part = *slot
                .get_or_insert_with(|| encode(seat.dialect, event).map(|text| self.add(text, can_be_missed(event))));
            if let Some(part) = part {
                self.link(seat, key, part);
            }
            match event {
                Event::Refused { room, refusal, .. } => {
                    self.refused.push(key);
                    if let Refusal::RoomFull { .. } | Refusal::Blocked { .. } | Refusal::NotJoined = refusal {
                        seat.connection.note_departed(room);
                    }
                }
                Event::Removed { room, .. } => seat.connection.note_departed(room),
                _ => {}
            }
        }
    }

    /// Writes what each connection got in this turn, in one go each, and forgets the turn. Who has fallen behind by it.
    pub fn flush(&mut self, seats: &mut Slab<Seat>, now: Time) -> Vec<SessionId> {
        let mut behind = Vec::new();
        let (mut frames, mut gathered) = (Frames::new(), None);
        for key in self.dirty.drain(..) {
            // Gone within the turn: then there is nobody to write to.
            let Some(seat) = seats.get_mut(key.0 as usize) else { continue };
            let Some(last) = seat.queue.take() else { continue };
            if gathered != Some(last) {
                frames.clear();
                let mut next = Some(last);
                while let Some(at) = next {
                    let node = self.nodes[at as usize];
                    frames.push(&self.parts[node.part as usize]);
                    next = node.before;
                }
                frames.reverse();
                gathered = Some(last);
            }
            if seat.connection.send(&mut frames, now) == Said::Less {
                behind.push(seat.connection.session());
            }
        }
        for key in self.refused.drain(..) {
            let Some(seat) = seats.get(key.0 as usize) else { continue };
            if seat.connection.note_refused(now) {
                refuse(&seat.connection, Code::RateFlood, Ending::Lost, now);
            }
        }
        self.last_root = None;
        self.rosters.clear();
        self.parts.clear();
        shrink(&mut self.nodes);
        shrink(&mut self.refused);
        behind
    }

    fn deliver_roster(&mut self, seat: &mut Seat, key: ConnectionKey, event: &Event) {
        let Event::Roster { re, interest, is_answer, view } = event else { return };
        match seat.dialect {
            Dialect::Native => {
                let body = self.roster(view, Dialect::Native, || native::roster_body(view));
                let head = native::roster_head(re.as_ref(), *interest);
                let body_bytes = self.parts[body as usize].bytes.len();
                let head = encoder::text_before_body(head.as_bytes(), body_bytes);
                let can_be_missed = !is_answer;
                let head = self.add_part(Part { bytes: head, ends_frame: false, is_roster: true, can_be_missed });
                let body = if can_be_missed { self.missable(body) } else { body };
                self.link(seat, key, head);
                self.link(seat, key, body);
            }
            Dialect::Board => {
                let user = &seat.profile.user;
                let part = if board::presence_differs(view, user) {
                    self.add_roster(encoder::text(board::presence(view, Some(user)).as_bytes()), !is_answer)
                } else {
                    self.roster(view, Dialect::Board, || board::presence(view, None))
                };
                let part = if *is_answer { part } else { self.missable(part) };
                self.link(seat, key, part);
            }
        }
    }

    /// The part that holds a roster in a dialect; encoded where this turn has not done so.
    fn roster(&mut self, view: &Arc<RosterView>, dialect: Dialect, encode: impl FnOnce() -> String) -> u32 {
        let known = self.rosters.iter().rev().find(|(held, of, _)| *of == dialect && Arc::ptr_eq(held, view));
        if let Some((_, _, part)) = known {
            return *part;
        }
        let text = encode();
        let part = match dialect {
            Dialect::Native => self.add_roster(Bytes::from(text), false),
            Dialect::Board => self.add_roster(encoder::text(text.as_bytes()), false),
        };
        self.rosters.push((Arc::clone(view), dialect, part));
        part
    }

    /// Adds a whole frame.
    fn add(&mut self, text: String, can_be_missed: bool) -> u32 {
        self.add_part(Part { can_be_missed, ..Part::frame(encoder::text(text.as_bytes())) })
    }

    /// The same bytes as a part that can be missed.
    fn missable(&mut self, part: u32) -> u32 {
        let bytes = self.parts[part as usize].bytes.clone();
        self.add_roster(bytes, true)
    }

    /// Adds the end of a roster's frame, or all of it.
    fn add_roster(&mut self, bytes: Bytes, can_be_missed: bool) -> u32 {
        self.add_part(Part { bytes, ends_frame: true, is_roster: true, can_be_missed })
    }

    fn add_part(&mut self, part: Part) -> u32 {
        self.parts.push(part);
        index(self.parts.len() - 1)
    }

    /// Has a connection get a part after those that it gets already.
    fn link(&mut self, seat: &mut Seat, key: ConnectionKey, part: u32) {
        let last = match seat.queue {
            Some(before) => self.nodes[before as usize].last_after,
            None => {
                self.dirty.push(key);
                self.last_root
            }
        };
        let node = match last {
            Some((after, node)) if after == part => node,
            Some(_) | None => {
                let node = index(self.nodes.len());
                self.nodes.push(Node { part, before: seat.queue, last_after: None });
                match seat.queue {
                    Some(before) => self.nodes[before as usize].last_after = Some((part, node)),
                    None => self.last_root = Some((part, node)),
                }
                node
            }
        };
        seat.queue = Some(node);
    }
}

/// The part that holds an event in each dialect; the inner `None` says that the dialect does not tell it.
#[derive(Default)]
struct Encoded {
    native: Option<Option<u32>>,
    board: Option<Option<u32>>,
}

fn encode(dialect: Dialect, event: &Event) -> Option<String> {
    match (dialect, event) {
        (Dialect::Board, Event::Refused { re, room, refusal }) => {
            Some(board::error(&Problem::refused(re.clone(), room.clone(), *refusal)))
        }
        (Dialect::Board, event) => board::encode(event),
        (Dialect::Native, event) => native::encode(event),
    }
}

/// Whether a later roster makes good for an event. What answers a request, and what happens once, must be said.
fn can_be_missed(event: &Event) -> bool {
    match event {
        Event::Roster { is_answer, .. } => !is_answer,
        // One that answers says who types as well.
        Event::Diff { typing, .. } => typing.is_none(),
        Event::Step(_)
        | Event::Count { .. }
        | Event::Typing { .. }
        | Event::Sessions { .. }
        | Event::Cursors { .. }
        | Event::Lock { .. } => true,
        Event::Message { .. }
        | Event::Removed { .. }
        | Event::Statuses(_)
        | Event::Stale { .. }
        | Event::LockAnswer { .. }
        | Event::Ack { .. }
        | Event::WatchRefused { .. }
        | Event::Refused { .. } => false,
    }
}

/// Lets memory go that only a storm needed.
fn shrink<T>(list: &mut Vec<T>) {
    list.clear();
    if list.capacity() * size_of::<T>() > KEPT_BYTES_MAX {
        list.shrink_to(KEPT_BYTES_MAX / size_of::<T>());
    }
}

fn index(at: usize) -> u32 {
    u32::try_from(at).expect("a turn has fewer parts and links than its inbox lets in times listeners")
}

/// What a list of the turn may keep for the next.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::{KEPT_BYTES_MAX, shrink};

    #[test]
    fn what_only_a_storm_needed_is_not_kept() {
        let mut small: Vec<u64> = Vec::with_capacity(100);
        small.push(1);
        shrink(&mut small);
        assert_eq!((small.len(), small.capacity()), (0, 100));
        let mut large: Vec<u64> = vec![0; KEPT_BYTES_MAX];
        shrink(&mut large);
        assert!(large.is_empty() && large.capacity() * size_of::<u64>() <= KEPT_BYTES_MAX);
    }
}
