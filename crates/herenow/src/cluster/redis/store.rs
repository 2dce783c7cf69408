//! What the pure half asks, as calls of scripts, and their answers as what it hears. Keeps nothing between two calls.
use super::{
    error::{CallError, ConnectError},
    keyspace::Keyspace,
    link::Link,
    news::{node_text, parse_node, session_text, tag_text},
    reply,
    script::Script,
};
use crate::{cluster::entry, partition::Partition};
use herenow_core::{
    cluster::{
        door::{Held, LockDecision, NodeId, Outcome, Section, SectionChange, Stamp, Tag},
        signs::Sign,
    },
    id::{LockName, RoomId, SessionId},
};
use redis::{Cmd, Value};

/// A node's way into the store.
#[derive(Clone)]
pub struct Store {
    pub(crate) link: Link,
    pub(crate) keys: Keyspace,
    pub(crate) me: NodeId,
}

/// A room in its partition.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Which partition.
    pub partition: Partition,
    /// Which room.
    pub room: &'a RoomId,
}

/// A write of this node.
#[derive(Clone, Copy, Debug)]
pub struct Write {
    /// The section's stamp after it.
    pub stamp: Stamp,
    /// Names it.
    pub tag: Tag,
}

/// The answer to a renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Written; the signs of all nodes that can be read.
    Done(Vec<(NodeId, Sign)>),
    /// This node is fenced up to an incarnation.
    Fenced(u64),
}

impl Store {
    /// The store behind a connection, for a node.
    pub const fn new(link: Link, keys: Keyspace, me: NodeId) -> Self {
        Self { link, keys, me }
    }

    /// Who writes.
    pub const fn node(&self) -> NodeId {
        self.me
    }

    /// What keys are called.
    pub const fn keys(&self) -> &Keyspace {
        &self.keys
    }

    /// The connection.
    pub fn link(&self) -> Link {
        self.link.clone()
    }

    /// Changes this node's section of a room. What is too much for one call is answered as if the whole section were wanted,
    /// which is written in parts.
    ///
    /// # Errors
    /// Where nobody knows whether it was done.
    pub async fn apply(&self, at: Place<'_>, write: Write, changes: &[SectionChange]) -> Result<Outcome, CallError> {
        let (mut puts, mut gone) = (Vec::new(), Vec::new());
        for change in changes {
            match change {
                SectionChange::Put(put) => puts.push((session_text(put.session), entry::encode(put))),
                SectionChange::Remove(session, reason) => {
                    gone.push((session_text(*session), entry::reason_word(*reason)));
                }
            }
        }
        let bytes: usize = puts.iter().map(|(_, entry)| entry.len()).sum();
        if changes.len() > CALL_ENTRIES_MAX || bytes > CALL_BYTES_MAX {
            return Ok(Outcome::Resync);
        }
        let mut call = Script::Apply.call(&self.own_keys(at));
        self.begin(&mut call, at, write);
        call.arg(puts.len());
        add(&mut call, &puts, &gone);
        outcome(&self.link.ask(&call).await?)
    }

    /// Replaces this node's section of a room, in as many calls as it takes; it changes with the last one.
    ///
    /// # Errors
    /// Where nobody knows whether it was done.
    pub async fn sync(&self, at: Place<'_>, write: Write, section: &Section) -> Result<Outcome, CallError> {
        let entries: Vec<_> =
            section.entries.iter().map(|put| (session_text(put.session), entry::encode(put))).collect();
        let mut gone: Vec<_> = section
            .gone
            .iter()
            .map(|(session, reason)| (session_text(*session), entry::reason_word(*reason)))
            .collect();
        // Only who follows without a gap wants to know why somebody is gone, and may do without.
        gone.truncate(CALL_ENTRIES_MAX);
        let parts = split(&entries);
        for (at_part, part) in parts.iter().enumerate() {
            let mut call = Script::Sync.call(&self.own_keys(at));
            self.begin(&mut call, at, write);
            call.arg(at_part + 1).arg(parts.len()).arg(part.len());
            add(&mut call, part, if parts.len() == 1 { &gone } else { &[] });
            let answer = self.link.ask(&call).await?;
            if word(&answer) != Some(b"PART".as_slice()) {
                return outcome(&answer);
            }
        }
        Err(CallError::nonsense("SYNC"))
    }

    /// Ends the section of a claimed node. True where there was one.
    ///
    /// # Errors
    /// Where nobody knows whether it was done.
    pub async fn reap(&self, at: Place<'_>, dead: NodeId, inc: u64, tag: Tag) -> Result<bool, CallError> {
        let mut call = Script::Reap.call(&self.keys_of(at, dead));
        call.arg(self.keys.news(at.partition, at.room)).arg(at.room.as_str());
        call.arg(node_text(dead)).arg(inc).arg(tag_text(tag)).arg(KEPT_S);
        Ok(word(&self.link.ask(&call).await?) == Some(b"OK".as_slice()))
    }

    /// The tags of rooms of one partition, and what is kept of this node's sections there. `keep` puts off the end of what
    /// is kept.
    ///
    /// # Errors
    /// Where the server did not do it.
    pub async fn audit(
        &self,
        partition: Partition,
        rooms: &[RoomId],
        keep: bool,
    ) -> Result<Vec<(Option<Tag>, Option<Held>)>, CallError> {
        let mut keys = vec![self.keys.index(partition, self.me)];
        for room in rooms {
            keys.push(self.keys.meta(partition, room));
            keys.push(self.keys.section(partition, room, self.me));
        }
        let mut call = Script::Poll.call(&keys);
        call.arg(node_text(self.me)).arg(if keep { KEPT_S } else { 0 });
        let answer = self.link.ask(&call).await?;
        let all = reply::list(&answer).filter(|all| all.len() == 2 * rooms.len());
        let all = all.ok_or_else(|| CallError::nonsense("POLL"))?;
        let read = |pair: &[Value]| {
            let (tag, own) = (reply::text(&pair[0])?, reply::text(&pair[1])?);
            Some((super::news::parse_tag(tag), parse_held(own)))
        };
        all.chunks_exact(2).map(read).collect::<Option<_>>().ok_or_else(|| CallError::nonsense("POLL"))
    }

    /// The rooms of a partition where a node has a section, by name; those whose name `parse` does not know are left out.
    ///
    /// # Errors
    /// Where the server did not do it.
    pub async fn index(&self, partition: Partition, node: NodeId) -> Result<Vec<Vec<u8>>, CallError> {
        let mut call = redis::cmd("SMEMBERS");
        call.arg(self.keys.index(partition, node));
        match self.link.ask(&call).await? {
            Value::Set(all) | Value::Array(all) => {
                Ok(all.iter().filter_map(reply::text).map(<[u8]>::to_vec).take(INDEX_MAX).collect())
            }
            _ => Err(CallError::nonsense("SMEMBERS")),
        }
    }

    /// Says something that is not kept to who hears the room.
    ///
    /// # Errors
    /// Where nobody knows whether it was done.
    pub async fn publish(&self, at: Place<'_>, payload: &[u8]) -> Result<(), CallError> {
        let mut call = redis::cmd("SPUBLISH");
        call.arg(self.keys.passing(at.partition, at.room)).arg(payload);
        self.link.ask(&call).await.map(drop)
    }

    /// Subscribes to what is written to a room, and to what passes there. This link has to be an ear.
    ///
    /// # Errors
    /// Where nobody knows whether it holds.
    pub async fn subscribe(&self, at: Place<'_>) -> Result<(), CallError> {
        self.hear(at, "SSUBSCRIBE").await
    }

    /// Ends the subscriptions of a room.
    ///
    /// # Errors
    /// Where nobody knows whether they ended.
    pub async fn unsubscribe(&self, at: Place<'_>) -> Result<(), CallError> {
        self.hear(at, "SUNSUBSCRIBE").await
    }

    async fn hear(&self, at: Place<'_>, how: &str) -> Result<(), CallError> {
        let channels = [self.keys.news(at.partition, at.room), self.keys.passing(at.partition, at.room)];
        let calls = channels.map(|channel| {
            let mut call = redis::cmd(how);
            call.arg(channel);
            call
        });
        let [news, passing] = &calls;
        futures_util::future::try_join(self.link.ask(news), self.link.ask(passing)).await.map(drop)
    }

    /// Whether anybody is there.
    ///
    /// # Errors
    /// Where nobody is.
    pub async fn ping(&self) -> Result<(), CallError> {
        self.link.ask(&redis::cmd("PING")).await.map(drop)
    }

    /// Gives a lock to a session of this node.
    ///
    /// # Errors
    /// Where nobody knows who has it.
    pub async fn take_lock(
        &self,
        at: Place<'_>,
        (name, session, floor): (&LockName, SessionId, u64),
    ) -> Result<LockDecision, CallError> {
        let mut seen = self.me;
        for _ in 0..TRIES {
            let keys = [self.keys.locks(at.partition, at.room), self.keys.section(at.partition, at.room, seen)];
            let mut call = Script::Lock.call(&keys);
            call.arg(name.as_str()).arg(node_text(self.me)).arg(session_text(session));
            call.arg(floor).arg(KEPT_S).arg(node_text(seen));
            let answer = self.link.ask(&call).await?;
            let second = reply::list(&answer).and_then(|all| all.get(1));
            let fence = || second.and_then(reply::number).ok_or_else(|| CallError::nonsense("LOCK"));
            match word(&answer) {
                Some(b"GIVEN") => return fence().map(LockDecision::Granted),
                Some(b"HELD") => return fence().map(LockDecision::Taken),
                Some(b"WHOSE") => {
                    let node = second.and_then(reply::text).and_then(parse_node);
                    seen = node.ok_or_else(|| CallError::nonsense("LOCK"))?;
                }
                _ => break,
            }
        }
        Err(CallError::nonsense("LOCK"))
    }

    /// Takes a lock back from a session of this node.
    ///
    /// # Errors
    /// Where nobody knows whether it was done.
    pub async fn free_lock(
        &self,
        at: Place<'_>,
        (name, session, fence): (&LockName, SessionId, u64),
    ) -> Result<(), CallError> {
        let mut call = Script::Free.call(&[self.keys.locks(at.partition, at.room)]);
        call.arg(name.as_str()).arg(format!("{}:{}", node_text(self.me), session_text(session))).arg(fence);
        self.link.ask(&call).await.map(drop)
    }

    /// Forgets what is said of a node in a room, unless it was said anew since, or there is something in its section.
    ///
    /// # Errors
    /// Where nobody knows whether it was done.
    pub async fn sweep(&self, at: Place<'_>, node: NodeId, seen: Held) -> Result<bool, CallError> {
        let [meta, section, index, _] = self.keys_of(at, node);
        let mut call = Script::Sweep.call(&[meta, section, index]);
        call.arg(at.room.as_str()).arg(node_text(node)).arg(held_text(seen));
        Ok(word(&self.link.ask(&call).await?) == Some(b"OK".as_slice()))
    }

    /// Says that this node lives.
    ///
    /// # Errors
    /// Where nobody knows whether it was done; [`ConnectError::OtherFormat`] where other nodes write in another way.
    pub async fn renew(&self, sign: &Sign) -> Result<Result<Renewal, ConnectError>, CallError> {
        let mut call = Script::Renew.call(&[self.keys.live(), self.keys.fence(), self.keys.format()]);
        call.arg(node_text(self.me)).arg(sign.inc).arg(sign.counter).arg(sign_info(sign)).arg(FORMAT);
        let answer = self.link.ask(&call).await?;
        let second = reply::list(&answer).and_then(|all| all.get(1)).ok_or_else(|| CallError::nonsense("RENEW"))?;
        let nonsense = || CallError::nonsense("RENEW");
        match word(&answer) {
            Some(b"OK") => {
                let signs = reply::pairs(second).ok_or_else(nonsense)?;
                let read = |(node, sign)| Some((parse_node(node)?, parse_sign(sign)?));
                Ok(Ok(Renewal::Done(signs.into_iter().filter_map(read).collect())))
            }
            Some(b"FENCED") => Ok(Ok(Renewal::Fenced(reply::number(second).ok_or_else(nonsense)?))),
            Some(b"FORMAT") => {
                let theirs = reply::text(second).map(String::from_utf8_lossy).unwrap_or_default();
                Ok(Err(ConnectError::OtherFormat(theirs.chars().take(FORMAT_CHARS_MAX).collect())))
            }
            _ => Err(nonsense()),
        }
    }

    /// Fences a node that fell silent. False where its sign is another one than was seen.
    ///
    /// # Errors
    /// Where nobody knows whether it was done.
    pub async fn claim(&self, node: NodeId, seen: Option<&Sign>, inc: u64) -> Result<bool, CallError> {
        let mut call = Script::Claim.call(&[self.keys.live(), self.keys.fence()]);
        let seen = seen.map_or(String::new(), |sign| format!("{}:{}:{}", sign.inc, sign.counter, sign_info(sign)));
        call.arg(node_text(node)).arg(seen).arg(inc).arg(FENCE_KEPT_S);
        let answer = self.link.ask(&call).await?;
        match word(&answer) {
            Some(b"OK") => Ok(true),
            Some(b"CHANGED") => Ok(false),
            _ => Err(CallError::nonsense("CLAIM")),
        }
    }

    fn own_keys(&self, at: Place<'_>) -> [String; 4] {
        self.keys_of(at, self.me)
    }

    fn keys_of(&self, Place { partition, room }: Place<'_>, node: NodeId) -> [String; 4] {
        [
            self.keys.meta(partition, room),
            self.keys.section(partition, room, node),
            self.keys.index(partition, node),
            self.keys.stage(partition, room, node),
        ]
    }

    /// The arguments that both writes of a section begin with.
    fn begin(&self, call: &mut Cmd, at: Place<'_>, Write { stamp, tag }: Write) {
        call.arg(self.keys.news(at.partition, at.room)).arg(at.room.as_str()).arg(node_text(self.me));
        call.arg(stamp.inc).arg(stamp.seq).arg(tag_text(tag)).arg(KEPT_S);
    }
}

type Put = (String, Vec<u8>);

fn add(call: &mut Cmd, puts: &[Put], gone: &[(String, &'static str)]) {
    for (session, entry) in puts {
        call.arg(session).arg(entry);
    }
    for (session, reason) in gone {
        call.arg(session).arg(*reason);
    }
}

/// Cuts entries into parts that are each within the limits of a call; one part at least.
fn split(entries: &[Put]) -> Vec<&[Put]> {
    let (mut parts, mut from, mut bytes) = (Vec::new(), 0, 0);
    for (at, (_, entry)) in entries.iter().enumerate() {
        if at > from && (at - from == CALL_ENTRIES_MAX || bytes + entry.len() > CALL_BYTES_MAX) {
            parts.push(&entries[from..at]);
            (from, bytes) = (at, 0);
        }
        bytes += entry.len();
    }
    parts.push(&entries[from..]);
    parts
}

fn outcome(answer: &Value) -> Result<Outcome, CallError> {
    let all = reply::list(answer).unwrap_or_default();
    let number = |at: usize| all.get(at).and_then(reply::number).ok_or_else(|| CallError::nonsense("a write"));
    match word(answer) {
        Some(b"OK" | b"DUP") => Ok(Outcome::Done),
        Some(b"RESYNC") => Ok(Outcome::Resync),
        Some(b"FENCED") => Ok(Outcome::Fenced(number(1)?)),
        Some(b"STALE") => Ok(Outcome::Stale(Stamp { inc: number(1)?, seq: number(2)? })),
        _ => Err(CallError::nonsense("a write")),
    }
}

/// The word that an answer begins with.
pub(crate) fn word(answer: &Value) -> Option<&[u8]> {
    reply::text(reply::list(answer)?.first()?)
}

/// Reads what is kept of a section.
pub(crate) fn parse_held(text: &[u8]) -> Option<Held> {
    let (state, stamp) = text.split_first()?;
    let colon = stamp.iter().position(|byte| *byte == b':')?;
    let (inc, seq) = (super::news::number(&stamp[..colon])?, super::news::number(&stamp[colon + 1..])?);
    match state {
        b'l' => Some(Held::Live(Stamp { inc, seq })),
        b'x' => Some(Held::Tomb(inc)),
        _ => None,
    }
}

fn held_text(held: Held) -> String {
    match held {
        Held::Live(Stamp { inc, seq }) => format!("l{inc}:{seq}"),
        Held::Tomb(inc) => format!("x{inc}:0"),
    }
}

/// What a sign says besides its incarnation and counter.
fn sign_info(sign: &Sign) -> String {
    let flag = |is: bool, word: &'static str| if is { word } else { "" };
    let (leaving, resyncing) = (flag(sign.is_leaving, "l"), flag(sign.is_resyncing, "r"));
    format!("{}-{},{leaving}{resyncing}", sign.features.0, sign.features.1)
}

fn parse_sign(text: &[u8]) -> Option<Sign> {
    let mut parts = text.splitn(3, |byte| *byte == b':');
    let (inc, counter) = (super::news::number(parts.next()?)?, super::news::number(parts.next()?)?);
    let info = std::str::from_utf8(parts.next()?).ok()?;
    let (range, flags) = info.split_once(',')?;
    let (oldest, newest) = range.split_once('-')?;
    let features = (oldest.parse().ok()?, newest.parse().ok()?);
    Some(Sign { inc, counter, is_leaving: flags.contains('l'), is_resyncing: flags.contains('r'), features })
}

/// Entries that one call writes at the most.
pub const CALL_ENTRIES_MAX: usize = 1000;
/// Bytes of entries that one call writes at the most, save for a single entry that is larger.
pub const CALL_BYTES_MAX: usize = 1024 * 1024;
/// Rooms of a dead node that are taken from the index of a partition.
const INDEX_MAX: usize = 100_000;
/// How rooms are spread and entries are written.
pub const FORMAT: &str = "64 partitions, entries 1";
const FORMAT_CHARS_MAX: usize = 64;
/// How long what nobody looks after is kept, in seconds. Nothing is decided by that: it is for what a cluster that was
/// switched off for ever leaves behind.
const KEPT_S: u64 = 24 * 3600;
/// How long it is kept that a node was claimed.
const FENCE_KEPT_S: u64 = 7 * 24 * 3600;
/// How often a question is asked anew whose answer names keys that it should have named itself.
pub(crate) const TRIES: usize = 4;
