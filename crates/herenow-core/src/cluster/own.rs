//! What this node says of one room, and how far the store has acknowledged it. One write at a time is on its way; what
//! it holds is never sent again: where nobody knows what became of it, the whole section follows under a later stamp.
use crate::{
    cluster::{
        changes::OwnChanges,
        door::{Held, Outcome, SectionChange, SectionEntry, Stamp},
    },
    command::Reason,
    id::{SessionId, UserId},
    time::Time,
};
use std::collections::BTreeMap;

/// The state of this node's section of one room.
#[derive(Debug)]
pub(crate) struct Own {
    /// The number of the last write that was acknowledged; 0 is none.
    acked: u64,
    /// The highest number that was used.
    seq: u64,
    /// What changed since the last write.
    pending: OwnChanges,
    sent: Option<Sent>,
    /// Whether the whole section has to be written.
    pub(crate) needs_sync: bool,
    /// Whether a write was sent since the last audit was asked for: then its answer says nothing of the stamp.
    pub(crate) wrote_since_audit: bool,
    /// When the next write may go.
    pub(crate) write_at: Time,
}

/// A write that is on its way.
#[derive(Debug)]
struct Sent {
    stamp: Stamp,
    at: Time,
    changes: OwnChanges,
}

/// What a write holds.
#[derive(Debug)]
pub(crate) enum Write {
    /// What changed.
    Changes(Stamp, Vec<SectionChange>),
    /// Everything. Sessions that are gone, and why.
    Whole(Stamp, Vec<(SessionId, Reason)>),
}

impl Own {
    /// A section that was never written, or was forgotten when its last write had the number `seq` at most.
    pub(crate) fn new(seq: u64) -> Self {
        Self {
            acked: 0,
            seq,
            pending: BTreeMap::new(),
            sent: None,
            needs_sync: false,
            wrote_since_audit: false,
            write_at: Time::default(),
        }
    }

    /// Notes what changed.
    pub(crate) fn change(&mut self, changes: OwnChanges) {
        self.pending.extend(changes);
    }

    /// Whether there is something to write, and nothing is on its way.
    pub(crate) fn wants_to_write(&self) -> bool {
        self.sent.is_none() && (self.needs_sync || !self.pending.is_empty())
    }

    /// Whether nothing is to be written, nor on its way.
    pub(crate) fn is_settled(&self) -> bool {
        self.sent.is_none() && !self.needs_sync && self.pending.is_empty()
    }

    /// Since when a write is on its way.
    pub(crate) fn sent_at(&self) -> Option<Time> {
        self.sent.as_ref().map(|sent| sent.at)
    }

    /// The highest number that was used.
    pub(crate) const fn seq(&self) -> u64 {
        self.seq
    }

    /// The number of the last write that was acknowledged.
    pub(crate) const fn acked(&self) -> u64 {
        self.acked
    }

    /// What is to be written next, where something is: changes where the store is known to have the write before them,
    /// else everything.
    pub(crate) fn write(
        &mut self,
        now: Time,
        inc: u64,
        entry: impl Fn(&UserId, SessionId) -> Option<SectionEntry>,
    ) -> Option<Write> {
        if !self.wants_to_write() {
            return None;
        }
        let follows = self.seq == self.acked && (self.acked > 0 || inc == 1);
        self.seq += 1;
        let stamp = Stamp { inc, seq: self.seq };
        self.wrote_since_audit = true;
        let is_whole = std::mem::take(&mut self.needs_sync) || !follows;
        let mut changes = std::mem::take(&mut self.pending);
        if !is_whole && changes.len() > CHANGES_PER_WRITE_MAX {
            let split = changes.keys().nth(CHANGES_PER_WRITE_MAX).copied();
            self.pending = split.map(|at| changes.split_off(&at)).unwrap_or_default();
        }
        let gone = |(session, (user, reason)): (&SessionId, &(UserId, Option<Reason>))| {
            entry(user, *session).is_none().then(|| (*session, reason.unwrap_or(Reason::Left)))
        };
        let write = if is_whole {
            Write::Whole(stamp, changes.iter().filter_map(gone).collect())
        } else {
            let change = |(session, (user, reason)): (&SessionId, &(UserId, Option<Reason>))| {
                let entry = entry(user, *session).map(SectionChange::Put);
                entry.unwrap_or_else(|| SectionChange::Remove(*session, reason.unwrap_or(Reason::Left)))
            };
            Write::Changes(stamp, changes.iter().map(change).collect())
        };
        self.sent = Some(Sent { stamp, at: now, changes });
        Some(write)
    }

    /// Takes in what became of a write. False where it is none that is on its way.
    pub(crate) fn written(&mut self, stamp: Stamp, outcome: Outcome) -> bool {
        if self.sent.as_ref().is_none_or(|sent| sent.stamp != stamp) {
            return false;
        }
        match outcome {
            Outcome::Done => {
                self.acked = stamp.seq;
                self.sent = None;
            }
            Outcome::Stale(held) => {
                self.seq = self.seq.max(held.seq);
                self.doubt();
            }
            Outcome::Resync | Outcome::Fenced(_) | Outcome::Unknown => self.doubt(),
        }
        true
    }

    /// Nobody knows what became of what is on its way: everything has to be written anew.
    pub(crate) fn doubt(&mut self) {
        self.needs_sync = true;
        if let Some(sent) = self.sent.take() {
            // What has changed since then counts more.
            let newer = std::mem::replace(&mut self.pending, sent.changes);
            self.pending.extend(newer);
        }
    }

    /// Compares what the store holds with what it acknowledged. True where they differ.
    pub(crate) fn audit(&mut self, inc: u64, held: Option<Held>, is_empty: bool) -> bool {
        let expected = (self.acked > 0).then_some(Held::Live(Stamp { inc, seq: self.acked }));
        if self.wrote_since_audit || self.sent.is_some() || self.needs_sync || held == expected {
            return false;
        }
        // A section that is lost and was empty is missed by nobody.
        if is_empty && (held.is_none() || self.acked == 0) {
            return false;
        }
        if let Some(Held::Live(stamp)) = held {
            self.seq = self.seq.max(stamp.seq);
        }
        self.needs_sync = true;
        true
    }
}

/// Changes in one write; the rest goes with the next.
pub(crate) const CHANGES_PER_WRITE_MAX: usize = 500;

#[cfg(test)]
mod tests {
    use super::{CHANGES_PER_WRITE_MAX, Own, Write};
    use crate::{
        cluster::door::{Held, Outcome, Stamp},
        command::Reason,
        id::{SessionId, UserId},
        time::Time,
    };

    const NOW: Time = Time::from_millis(1_000);

    fn own(gone: u64) -> Own {
        let mut own = Own::new(0);
        change(&mut own, 0..gone);
        own
    }

    fn change(own: &mut Own, sessions: std::ops::Range<u64>) {
        let user = UserId::parse("u").unwrap();
        own.change(sessions.map(|session| (SessionId(session), (user.clone(), Some(Reason::Left)))).collect());
    }

    fn write(own: &mut Own) -> Option<Write> {
        own.write(NOW, 1, |_, _| None)
    }

    fn stamp(seq: u64) -> Stamp {
        Stamp { inc: 1, seq }
    }

    #[test]
    fn one_write_is_on_its_way_and_what_changes_meanwhile_goes_with_the_next() {
        let mut own = own(1);
        assert!(matches!(write(&mut own), Some(Write::Changes(at, changes)) if at == stamp(1) && changes.len() == 1));
        change(&mut own, 5..7);
        assert!(write(&mut own).is_none());
        assert!(own.written(stamp(1), Outcome::Done));
        assert!(matches!(write(&mut own), Some(Write::Changes(at, changes)) if at == stamp(2) && changes.len() == 2));
    }

    #[test]
    fn after_an_unknown_outcome_everything_is_written_under_a_later_stamp() {
        let mut own = own(2);
        write(&mut own);
        assert!(own.written(stamp(1), Outcome::Unknown));
        assert!(!own.written(stamp(1), Outcome::Done), "an answer that comes late is not heard");
        assert!(matches!(write(&mut own), Some(Write::Whole(at, gone)) if at == stamp(2) && gone.len() == 2));
        assert!(own.written(stamp(2), Outcome::Stale(stamp(9))));
        assert!(matches!(write(&mut own), Some(Write::Whole(at, _)) if at == stamp(10)));
    }

    #[test]
    fn an_audit_finds_what_the_store_has_lost_unless_a_write_is_on_its_way() {
        let mut own = own(1);
        write(&mut own);
        own.written(stamp(1), Outcome::Done);
        own.wrote_since_audit = false;
        assert!(!own.audit(1, Some(Held::Live(stamp(1))), false));
        assert!(!own.audit(1, None, true), "nobody misses an empty section");
        assert!(own.audit(1, None, false));
        assert!(!own.audit(1, None, false), "it is known already");
        assert!(matches!(write(&mut own), Some(Write::Whole(..))));
    }

    #[test]
    fn a_write_holds_so_many_changes_at_most() {
        let mut own = own(CHANGES_PER_WRITE_MAX as u64 + 1);
        let changes = |write| match write {
            Some(Write::Changes(_, changes)) => changes.len(),
            Some(Write::Whole(..)) | None => 0,
        };
        assert_eq!(changes(write(&mut own)), CHANGES_PER_WRITE_MAX);
        own.written(stamp(1), Outcome::Done);
        assert_eq!(changes(write(&mut own)), 1);
    }
}
