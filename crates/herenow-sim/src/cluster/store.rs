//! The store as its scripts define it, without its network: what each ask does, and what is told to subscribers.
use crate::cluster::wrong::Wrong;
use herenow_core::{
    cluster::{
        door::{
            Held, LockDecision, News, NodeId, Outcome, Section, SectionChange, SectionEntry, Snapshot, Stamp, Tag,
            Written,
        },
        signs::Sign,
    },
    id::{LockName, RoomId, SessionId},
};
use std::collections::BTreeMap;

/// All that the store holds.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// By room.
    pub rooms: BTreeMap<RoomId, Stored>,
    /// The signs of life.
    pub live: BTreeMap<NodeId, Sign>,
    /// Up to which incarnation nodes are fenced.
    pub fence: BTreeMap<NodeId, u64>,
    /// Which of its rules is broken.
    pub wrong: Option<Wrong>,
}

/// One room.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// The last write.
    pub tag: Option<Tag>,
    /// Counts the writes, for people.
    version: u64,
    /// What there is of each node.
    pub marks: BTreeMap<NodeId, Held>,
    /// The sections, by session.
    pub sections: BTreeMap<NodeId, BTreeMap<SessionId, SectionEntry>>,
    /// Who holds which lock, under which number.
    pub locks: BTreeMap<LockName, (NodeId, SessionId, u64)>,
    /// The highest number of a lock.
    pub fence: u64,
}

/// What a write is about.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// The room.
    pub room: &'a RoomId,
    /// Whose section.
    pub node: NodeId,
    /// The stamp after it.
    pub stamp: Stamp,
    /// Its name.
    pub tag: Tag,
}

impl Store {
    /// APPLY.
    pub fn apply(&mut self, write: Write<'_>, changes: &[SectionChange]) -> (Outcome, Option<News>) {
        let Write { room, node, stamp, .. } = write;
        let is_first = stamp == Stamp { inc: 1, seq: 1 };
        let unguarded = self.wrong == Some(Wrong::NoStampGuard);
        let stored = self.rooms.entry(room.clone()).or_default();
        match stored.marks.get(&node) {
            _ if unguarded => {}
            Some(Held::Tomb(inc)) if stamp.inc <= *inc => return (Outcome::Fenced(*inc), None),
            Some(Held::Tomb(_)) => return (Outcome::Resync, None),
            Some(Held::Live(held)) if *held == stamp => return (Outcome::Done, None),
            Some(Held::Live(held)) if held.inc != stamp.inc || held.seq + 1 != stamp.seq => {
                return (Outcome::Resync, None);
            }
            None if !is_first => return (Outcome::Resync, None),
            Some(Held::Live(_)) | None => {}
        }
        let section = stored.sections.entry(node).or_default();
        for change in changes {
            match change {
                SectionChange::Put(entry) => section.insert(entry.session, entry.clone()),
                SectionChange::Remove(session, _) => section.remove(session),
            };
        }
        (Outcome::Done, Some(self.note(write, Written::Changes(changes.to_vec()))))
    }

    /// SYNC.
    pub fn sync(&mut self, write: Write<'_>, section: &Section) -> (Outcome, Option<News>) {
        let Write { room, node, stamp, .. } = write;
        let unguarded = self.wrong == Some(Wrong::NoStampGuard);
        let stored = self.rooms.entry(room.clone()).or_default();
        match stored.marks.get(&node) {
            _ if unguarded => {}
            Some(Held::Tomb(inc)) if stamp.inc <= *inc => return (Outcome::Fenced(*inc), None),
            Some(Held::Live(held)) if *held == stamp => return (Outcome::Done, None),
            Some(Held::Live(held)) if *held > stamp => return (Outcome::Stale(*held), None),
            Some(Held::Live(_) | Held::Tomb(_)) | None => {}
        }
        let entries = section.entries.iter().map(|entry| (entry.session, entry.clone()));
        if self.wrong == Some(Wrong::SyncMerges) {
            stored.sections.entry(node).or_default().extend(entries);
        } else {
            stored.sections.insert(node, entries.collect());
        }
        (Outcome::Done, Some(self.note(write, Written::Whole(section.clone()))))
    }

    /// REAP.
    pub fn reap(&mut self, write: Write<'_>) -> Option<News> {
        let Write { room, node, stamp, .. } = write;
        let stored = self.rooms.get_mut(room)?;
        match stored.marks.get(&node)? {
            Held::Tomb(_) => return None,
            Held::Live(held) if held.inc > stamp.inc && self.wrong != Some(Wrong::ReapIgnoresIncarnation) => {
                return None;
            }
            Held::Live(_) => {}
        }
        stored.sections.remove(&node);
        Some(self.note(write, Written::Reaped))
    }

    fn note(&mut self, write: Write<'_>, what: Written) -> News {
        let stored = self.rooms.entry(write.room.clone()).or_default();
        stored.version += 1;
        // A plain number instead of a name that is never used again.
        let plain = Tag { node: NodeId(1), number: stored.version };
        let tag = if self.wrong == Some(Wrong::PlainVersion) { plain } else { write.tag };
        let before = stored.tag.replace(tag);
        let mark = if what == Written::Reaped { Held::Tomb(write.stamp.inc) } else { Held::Live(write.stamp) };
        stored.marks.insert(write.node, mark);
        News { before, tag, node: write.node, stamp: write.stamp, what }
    }

    /// SNAP.
    pub fn snapshot(&self, room: &RoomId, known: &[(NodeId, Stamp)]) -> Snapshot {
        let Some(stored) = self.rooms.get(room) else { return Snapshot::default() };
        let section = |(node, held): (&NodeId, &Held)| {
            let entries = match held {
                Held::Live(stamp) if !known.contains(&(*node, *stamp)) => {
                    let section = stored.sections.get(node);
                    Some(section.map(|section| section.values().cloned().collect()).unwrap_or_default())
                }
                Held::Live(_) | Held::Tomb(_) => None,
            };
            (*node, *held, entries)
        };
        Snapshot { tag: stored.tag, sections: stored.marks.iter().map(section).collect(), fence: stored.fence }
    }

    /// POLL, for one room.
    pub fn audit(&self, room: &RoomId, node: NodeId) -> (Option<Tag>, Option<Held>) {
        let stored = self.rooms.get(room);
        (stored.and_then(|stored| stored.tag), stored.and_then(|stored| stored.marks.get(&node).copied()))
    }

    /// The rooms where a node has a section.
    pub fn index(&self, node: NodeId) -> Vec<RoomId> {
        let has = |stored: &Stored| matches!(stored.marks.get(&node), Some(Held::Live(_)));
        self.rooms.iter().filter(|(_, stored)| has(stored)).map(|(id, _)| id.clone()).collect()
    }

    /// RENEW: all signs, or up to which incarnation the node is fenced.
    ///
    /// # Errors
    /// Where it is.
    pub fn renew(&mut self, node: NodeId, sign: &Sign) -> Result<Vec<(NodeId, Sign)>, u64> {
        if let Some(inc) = self.fence.get(&node).filter(|inc| **inc >= sign.inc) {
            return Err(*inc);
        }
        self.live.insert(node, sign.clone());
        Ok(self.live.iter().map(|(node, sign)| (*node, sign.clone())).collect())
    }

    /// CLAIM.
    pub fn claim(&mut self, node: NodeId, seen: Option<&Sign>, inc: u64) -> bool {
        if self.live.get(&node) != seen && self.wrong != Some(Wrong::ClaimUnseen) {
            return false;
        }
        let fence = self.fence.entry(node).or_default();
        *fence = inc.max(*fence);
        self.live.remove(&node);
        true
    }

    /// LOCK.
    pub fn take_lock(&mut self, room: &RoomId, name: &LockName, who: (NodeId, SessionId), floor: u64) -> LockDecision {
        let stored = self.rooms.entry(room.clone()).or_default();
        if let Some((node, session, fence)) = stored.locks.get(name) {
            let is_there = stored.sections.get(node).is_some_and(|section| section.contains_key(session));
            if (*node, *session) == who {
                return LockDecision::Granted(*fence);
            }
            if is_there {
                return LockDecision::Taken(*fence);
            }
        }
        stored.fence = stored.fence.max(floor) + 1;
        stored.locks.insert(name.clone(), (who.0, who.1, stored.fence));
        LockDecision::Granted(stored.fence)
    }

    /// UNLOCK.
    pub fn free_lock(&mut self, room: &RoomId, name: &LockName, who: (NodeId, SessionId), fence: u64) {
        let Some(stored) = self.rooms.get_mut(room) else { return };
        let is_it = |held: &&(NodeId, SessionId, u64)| (held.0, held.1) == who && (fence == 0 || held.2 == fence);
        if stored.locks.get(name).filter(is_it).is_some() {
            stored.locks.remove(name);
        }
    }
}
