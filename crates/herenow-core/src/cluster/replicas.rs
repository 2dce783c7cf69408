//! What other nodes say of one room, as far as this node has heard it: their sections, by stamp, and the chain of writes
//! that says whether something was missed. Decides what changes in the roster; who is told of that belongs to the room.
use crate::{
    cluster::door::{Held, News, NodeId, Section, SectionChange, SectionEntry, Snapshot, Stamp, Tag, Written},
    command::Reason,
    id::{SessionId, UserId},
    time::Time,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

/// The sections of one room that other nodes have.
///
/// Invariant: `buffer` is empty while there is a cursor.
#[derive(Debug, Default)]
pub(crate) struct Replicas {
    sections: BTreeMap<NodeId, Replica>,
    /// The write up to which all is known. None: unknown, a snapshot is wanted; `Some(None)`: there was no write yet.
    cursor: Option<Option<Tag>>,
    /// News that came while there was no cursor.
    buffer: Vec<News>,
}

/// What is known of one node's section.
#[derive(Debug)]
struct Replica {
    stamp: Stamp,
    sessions: BTreeMap<SessionId, UserId>,
    /// Since when the store has lost it, or has it in an older state.
    held_since: Option<Time>,
}

/// One change of the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Another node has this entry.
    Put(NodeId, SectionEntry),
    /// It has it no more.
    Remove(NodeId, UserId, SessionId, Reason),
}

/// How often something happened that the algorithm makes good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// News that did not follow on what was known.
    pub chain_breaks: u64,
    /// Rooms where the store held another stamp of this node's section than was acknowledged.
    pub own_stamp_mismatches: u64,
    /// Rooms where the store knew of a later write than this node, and the news of it did not come.
    pub missed_news: u64,
    /// Sections that were held because the store had lost them.
    pub holds: u64,
    /// Held sections that nobody confirmed.
    pub holds_dropped: u64,
    /// Writes that were refused because the incarnation was fenced.
    pub fenced: u64,
    /// Writes of which nobody knew what became of them.
    pub unknown_outcomes: u64,
}

/// News that cannot be taken in, because something before them is missing.
struct Gap;

impl Replicas {
    /// Whether all is known up to some write.
    pub(crate) const fn is_whole(&self) -> bool {
        self.cursor.is_some()
    }

    /// The write up to which all is known.
    pub(crate) const fn cursor(&self) -> Option<Option<Tag>> {
        self.cursor
    }

    /// Notes that something may have been missed.
    pub(crate) fn lose(&mut self) {
        self.cursor = None;
        self.buffer.clear();
    }

    /// The stamps of all sections that are known.
    pub(crate) fn stamps(&self) -> Vec<(NodeId, Stamp)> {
        self.sections.iter().map(|(node, replica)| (*node, replica.stamp)).collect()
    }

    /// Which nodes have a section, as far as is known.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (NodeId, u64)> {
        self.sections.iter().map(|(node, replica)| (*node, replica.stamp.inc))
    }

    /// Which nodes have somebody in the room, as far as is known.
    pub(crate) fn occupied(&self) -> impl Iterator<Item = NodeId> {
        self.sections.iter().filter(|(_, replica)| !replica.sessions.is_empty()).map(|(node, _)| *node)
    }

    /// The nodes whose section is held, and since when.
    pub(crate) fn held_since(&self) -> Vec<(NodeId, Time)> {
        self.sections.iter().filter_map(|(node, replica)| Some((*node, replica.held_since?))).collect()
    }

    /// Takes one piece of news in.
    pub(crate) fn hear(&mut self, me: NodeId, news: News, counters: &mut Counters) -> Vec<Edit> {
        let Some(cursor) = self.cursor else {
            if self.buffer.len() >= NEWS_BUFFERED_MAX {
                self.buffer.clear();
            }
            self.buffer.push(news);
            return Vec::new();
        };
        let mut edits = Vec::new();
        if cursor != news.before || self.integrate(me, &news, &mut edits).is_err() {
            counters.chain_breaks += 1;
            self.cursor = None;
            self.buffer.push(news);
        } else {
            self.cursor = Some(Some(news.tag));
        }
        edits
    }

    /// Takes in what the store holds, and what was heard after that. What the store has lost is held, never dropped.
    pub(crate) fn look(&mut self, me: NodeId, now: Time, snapshot: Snapshot, counters: &mut Counters) -> Vec<Edit> {
        let (mut edits, mut named) = (Vec::new(), BTreeSet::new());
        for (node, held, entries) in snapshot.sections.into_iter().filter(|(node, ..)| *node != me) {
            named.insert(node);
            let known = self.sections.get(&node).map(|replica| replica.stamp);
            match held {
                Held::Live(stamp) if known.is_some_and(|known| known > stamp) => self.hold(node, now, counters),
                Held::Live(stamp) => match entries {
                    Some(entries) => self.replace(node, stamp, Section { entries, gone: Vec::new() }, &mut edits),
                    None if known == Some(stamp) => self.confirm(node),
                    // Not what was asked for: ask again.
                    None => return edits,
                },
                Held::Tomb(inc) if known.is_some_and(|known| known.inc > inc) => self.hold(node, now, counters),
                Held::Tomb(_) => self.drop_section(node, Reason::NodeLost, &mut edits),
            }
        }
        let missing: Vec<NodeId> = self.sections.keys().filter(|node| !named.contains(*node)).copied().collect();
        for node in missing {
            self.hold(node, now, counters);
        }
        self.cursor = Some(snapshot.tag);
        let buffer = mem::take(&mut self.buffer);
        let after = buffer.iter().rposition(|news| Some(news.tag) == snapshot.tag).map_or(0, |at| at + 1);
        for news in buffer.into_iter().skip(after) {
            if self.cursor == Some(news.before) {
                let whole = self.integrate(me, &news, &mut edits).is_ok();
                self.cursor = whole.then_some(Some(news.tag));
            }
        }
        edits
    }

    /// Drops the section of a node that nobody confirmed, or that is reaped.
    pub(crate) fn drop_section(&mut self, node: NodeId, reason: Reason, edits: &mut Vec<Edit>) {
        let gone = self.sections.remove(&node).map(|replica| replica.sessions).unwrap_or_default();
        edits.extend(gone.into_iter().map(|(session, user)| Edit::Remove(node, user, session, reason)));
    }

    fn integrate(&mut self, me: NodeId, news: &News, edits: &mut Vec<Edit>) -> Result<(), Gap> {
        if news.node == me {
            return Ok(());
        }
        let known = self.sections.get(&news.node).map(|replica| replica.stamp);
        match &news.what {
            Written::Whole(section) => {
                if known.is_none_or(|known| news.stamp >= known) {
                    self.replace(news.node, news.stamp, section.clone(), edits);
                }
            }
            Written::TooLarge => return Err(Gap),
            Written::Changes(changes) => {
                let follows = match known {
                    Some(known) => known.inc == news.stamp.inc && known.seq + 1 == news.stamp.seq,
                    None => news.stamp == FIRST,
                };
                if follows {
                    self.change(news.node, news.stamp, changes, edits);
                } else if known.is_none_or(|known| news.stamp > known) {
                    return Err(Gap);
                }
            }
            Written::Reaped => {
                if known.is_some_and(|known| known.inc <= news.stamp.inc) {
                    self.drop_section(news.node, Reason::NodeLost, edits);
                }
            }
        }
        Ok(())
    }

    fn change(&mut self, node: NodeId, stamp: Stamp, changes: &[SectionChange], edits: &mut Vec<Edit>) {
        let replica = self.sections.entry(node).or_insert_with(|| Replica::new(stamp));
        (replica.stamp, replica.held_since) = (stamp, None);
        for change in changes {
            match change {
                SectionChange::Put(entry) => {
                    replica.sessions.insert(entry.session, entry.profile.user.clone());
                    edits.push(Edit::Put(node, entry.clone()));
                }
                SectionChange::Remove(session, reason) => {
                    if let Some(user) = replica.sessions.remove(session) {
                        edits.push(Edit::Remove(node, user, *session, *reason));
                    }
                }
            }
        }
    }

    fn replace(&mut self, node: NodeId, stamp: Stamp, section: Section, edits: &mut Vec<Edit>) {
        let replica = self.sections.entry(node).or_insert_with(|| Replica::new(stamp));
        (replica.stamp, replica.held_since) = (stamp, None);
        let sessions = section.entries.iter().map(|entry| (entry.session, entry.profile.user.clone())).collect();
        let before = mem::replace(&mut replica.sessions, sessions);
        let gone: BTreeMap<SessionId, Reason> = section.gone.into_iter().collect();
        edits.extend(section.entries.into_iter().map(|entry| Edit::Put(node, entry)));
        // The news that said why were missed: all that is known is that they are not there any more.
        let reason = |session: &SessionId| gone.get(session).copied().unwrap_or(Reason::Lost);
        let left = before.into_iter().filter(|(session, _)| !replica.sessions.contains_key(session));
        edits.extend(left.map(|(session, user)| Edit::Remove(node, user, session, reason(&session))));
    }

    fn confirm(&mut self, node: NodeId) {
        if let Some(replica) = self.sections.get_mut(&node) {
            replica.held_since = None;
        }
    }

    fn hold(&mut self, node: NodeId, now: Time, counters: &mut Counters) {
        if let Some(replica) = self.sections.get_mut(&node).filter(|replica| replica.held_since.is_none()) {
            replica.held_since = Some(now);
            counters.holds += 1;
        }
    }
}

impl Replica {
    const fn new(stamp: Stamp) -> Self {
        Self { stamp, sessions: BTreeMap::new(), held_since: None }
    }
}

/// The stamp of the first write of a node to a room.
const FIRST: Stamp = Stamp { inc: 1, seq: 1 };
/// News of one room that wait for a snapshot; when more come, those before them are forgotten, and what they brought is
/// found by the audit.
pub(crate) const NEWS_BUFFERED_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::{Counters, Edit, NEWS_BUFFERED_MAX, Replicas};
    use crate::{
        cluster::door::{Held, News, NodeId, SectionChange, SectionEntry, Snapshot, Stamp, Tag, ValueStamp, Written},
        command::Reason,
        id::{SessionId, UserId},
        profile::{Profile, Status},
        time::Time,
    };
    use std::sync::Arc;

    const ME: NodeId = NodeId(1);
    const OTHER: NodeId = NodeId(2);
    const NOW: Time = Time::from_millis(1_000);

    fn entry(session: u64) -> SectionEntry {
        let user = UserId::parse("u").unwrap();
        SectionEntry {
            session: SessionId(session),
            profile: Arc::new(Profile { user, name: "U".into(), avatar: None }),
            profile_stamp: ValueStamp::default(),
            since: NOW,
            status: Status::Active,
            state: Vec::new(),
            locks: Vec::new(),
        }
    }

    fn tag(number: u64) -> Option<Tag> {
        (number > 0).then_some(Tag { node: OTHER, number })
    }

    fn put(number: u64, session: u64) -> News {
        let what = Written::Changes(vec![SectionChange::Put(entry(session))]);
        let (before, stamp) = (tag(number - 1), Stamp { inc: 1, seq: number });
        News { before, tag: tag(number).unwrap(), node: OTHER, stamp, what }
    }

    fn known(sessions: u64) -> Replicas {
        let (mut replicas, mut counters) = (Replicas::default(), Counters::default());
        replicas.look(ME, NOW, Snapshot::default(), &mut counters);
        for number in 1..=sessions {
            replicas.hear(ME, put(number, number), &mut counters);
        }
        replicas
    }

    #[test]
    fn news_that_follow_are_taken_in_and_a_gap_asks_for_a_snapshot() {
        let (mut replicas, mut counters) = (known(1), Counters::default());
        assert_eq!(replicas.hear(ME, put(2, 7), &mut counters), [Edit::Put(OTHER, entry(7))]);
        assert_eq!(replicas.hear(ME, put(4, 9), &mut counters), []);
        assert!(!replicas.is_whole());
        assert_eq!(counters.chain_breaks, 1);
        // The snapshot holds what was missed; what was heard after that follows on it.
        let entries = Some(vec![entry(1), entry(7), entry(8)]);
        let sections = vec![(OTHER, Held::Live(Stamp { inc: 1, seq: 3 }), entries)];
        let edits = replicas.look(ME, NOW, Snapshot { tag: tag(3), sections, fence: 0 }, &mut counters);
        assert_eq!(edits.last(), Some(&Edit::Put(OTHER, entry(9))));
        assert_eq!(replicas.cursor(), Some(tag(4)));
    }

    #[test]
    fn what_the_store_has_lost_is_held_and_what_it_has_of_before_is_not_believed() {
        let (mut replicas, mut counters) = (known(2), Counters::default());
        assert_eq!(replicas.look(ME, NOW, Snapshot::default(), &mut counters), []);
        assert_eq!(replicas.held_since(), [(OTHER, NOW)]);
        let sections = vec![(OTHER, Held::Live(Stamp { inc: 1, seq: 1 }), Some(vec![entry(1)]))];
        assert_eq!(replicas.look(ME, NOW, Snapshot { tag: tag(1), sections, fence: 0 }, &mut counters), []);
        assert_eq!(replicas.held_since(), [(OTHER, NOW)]);
        // Its owner writes it anew: nothing was lost, and nobody is told anything.
        let sections = vec![(OTHER, Held::Live(Stamp { inc: 1, seq: 3 }), Some(vec![entry(1), entry(2)]))];
        let edits = replicas.look(ME, NOW, Snapshot { tag: tag(9), sections, fence: 0 }, &mut counters);
        assert!(edits.iter().all(|edit| matches!(edit, Edit::Put(..))), "{edits:?}");
        assert!(replicas.held_since().is_empty());
    }

    #[test]
    fn a_reap_ends_a_section_and_not_that_of_a_later_incarnation() {
        let (mut replicas, mut counters) = (known(1), Counters::default());
        let reap = |inc| News { stamp: Stamp { inc, seq: 0 }, what: Written::Reaped, ..put(2, 1) };
        assert_eq!(replicas.hear(ME, reap(0), &mut counters), []);
        let mut replicas = known(1);
        let user = UserId::parse("u").unwrap();
        let removed = Edit::Remove(OTHER, user, SessionId(1), Reason::NodeLost);
        assert_eq!(replicas.hear(ME, reap(1), &mut counters), [removed]);
    }

    #[test]
    fn news_that_wait_for_a_snapshot_are_bounded() {
        let (mut replicas, mut counters) = (Replicas::default(), Counters::default());
        for number in 1..=3 * NEWS_BUFFERED_MAX as u64 {
            replicas.hear(ME, put(number, number), &mut counters);
            assert!(replicas.buffer.len() <= NEWS_BUFFERED_MAX);
        }
    }
}
