//! What a hub does as one among several: at the end of a turn it looks at each room that something happened to or whose
//! time has come, and asks the store for what is missing: one write, one snapshot, one audit of a room at a time.
use crate::{
    cluster::{
        door::{Ask, NodeId, Section, Stamp},
        member::{Member, Subscription},
        own::Write,
        timing::AUDIT_BATCH,
    },
    event::{Audience, Event, Except, Hearing, Mark, Output},
    hub::Hub,
    id::RoomId,
    time::Time,
};
use std::time::Duration;

impl Hub {
    /// Does the cluster's part of the end of a turn.
    pub(crate) fn settle_cluster(&mut self, now: Time) {
        let Some(mut member) = self.cluster.take() else { return };
        for (user, changes) in self.people.take_changed() {
            let id = RoomId::of_user(&user);
            member.open(now, &id);
            if let Some(place) = member.places.get_mut(&id) {
                place.own.change(changes);
            }
        }
        for id in std::mem::take(&mut member.touched) {
            self.look(now, &mut member, &id);
        }
        let audits = std::mem::take(&mut member.audits);
        for rooms in audits.chunks(AUDIT_BATCH) {
            self.ask_store(Ask::Audit { rooms: rooms.to_vec() });
        }
        self.cluster = Some(member);
    }

    /// Looks at one room: what it has to write, whether it is heard, whether it is known whole, whether it is forgotten.
    fn look(&mut self, now: Time, member: &mut Member, id: &RoomId) {
        self.note_use(now, member, id);
        give_up(now, member, id);
        if member.is_up() {
            self.subscribe(now, member, id);
            self.ask_snapshot(now, member, id);
            self.write_section(now, member, id);
            audit(now, member, id);
            self.notice_nodes(now, member, id);
        }
        self.ask_locks(now, member, id);
        self.tell_doubt(now, member, id);
        self.elect(member, id);
        if self.may_forget(now, member, id) {
            member.forget(id);
        } else {
            plan(now, member, id);
            if let Some(at) = self.rooms.get(id).and_then(|room| room.locks_at()).filter(|_| member.is_up()) {
                member.look_by(id, at.max(now + Duration::from_millis(1)));
            }
        }
    }

    /// Takes over what changed, and notes whether somebody here is in the room. A room that nobody was in for a while
    /// is not shown any more.
    fn note_use(&mut self, now: Time, member: &mut Member, id: &RoomId) {
        let Some(place) = member.places.get_mut(id) else { return };
        let user = id.user();
        let is_used = match (&user, self.rooms.get_mut(id)) {
            (Some(user), _) => self.people.is_watched(user) || (member.follows_own_users && self.people.has_own(user)),
            (None, Some(room)) => {
                place.own.change(room.roster.take_changed());
                !room.is_unused()
            }
            (None, None) => false,
        };
        if is_used {
            (place.idle_since, place.is_wanted) = (None, true);
            member.visited.remove(id);
            return;
        }
        let since = *place.idle_since.get_or_insert(now);
        if now.since(since) < member.timing.linger || !place.is_wanted {
            return;
        }
        (place.is_wanted, place.tells) = (false, false);
        member.visited.remove(id);
        if let Some(user) = &user {
            self.people.drop_distant(user);
        }
        if let Some(room) = self.rooms.remove(id) {
            self.floor = self.floor.max(room.history.number());
        }
        if place.subscription != Subscription::None {
            place.unsubscribed();
            place.replicas = Default::default();
            self.ask_store(Ask::Unsubscribe { room: id.clone() });
        }
    }

    /// Tells who is in a room that what they see may be old, or is no more.
    fn tell_doubt(&mut self, now: Time, member: &mut Member, id: &RoomId) {
        let is_up = member.is_up();
        let Some(place) = member.places.get_mut(id).filter(|place| place.is_wanted && id.user().is_none()) else {
            return;
        };
        let since = if is_up && place.replicas.is_whole() {
            place.doubted_since = None;
            None
        } else {
            let since = *place.doubted_since.get_or_insert(now);
            (now.since(since) >= member.timing.stale_after).then_some(since)
        };
        if place.stale_since != since {
            place.stale_since = since;
            let (event, room) = (Event::Stale { room: id.clone(), since }, id.clone());
            let (hearing, except, before) = (Hearing::Everybody, Except::Nobody, Mark(u64::MAX));
            self.outputs.push_back(Output::Deliver { to: Audience::Room { room, hearing, except, before }, event });
        }
    }

    fn subscribe(&mut self, now: Time, member: &mut Member, id: &RoomId) {
        let Some(place) = member.places.get_mut(id) else { return };
        if place.subscription == Subscription::None && place.is_wanted {
            member.generation += 1;
            let generation = member.generation;
            place.subscription = Subscription::Asked { generation, at: now };
            self.ask_store(Ask::Subscribe { room: id.clone(), generation });
        }
    }

    /// Asks what the store holds where that is not known: only under a subscription that holds already, so that nothing
    /// can fall between the two.
    fn ask_snapshot(&mut self, now: Time, member: &mut Member, id: &RoomId) {
        let Some(place) = member.places.get_mut(id) else { return };
        let Some(generation) = place.held() else { return };
        if place.replicas.is_whole() || place.snapshot_asked.is_some() || now < place.snapshot_at {
            return;
        }
        if member.snapshots_asked >= SNAPSHOTS_AT_ONCE {
            place.snapshot_at = now + SNAPSHOT_AGAIN;
            return;
        }
        member.snapshots_asked += 1;
        place.snapshot_asked = Some(now);
        let known = place.replicas.stamps();
        self.ask_store(Ask::Snapshot { room: id.clone(), generation, known });
    }

    fn write_section(&mut self, now: Time, member: &mut Member, id: &RoomId) {
        let Some(place) = member.places.get_mut(id) else { return };
        if now < place.own.write_at {
            return;
        }
        let (room, people, is_room) = (self.rooms.get(id), &self.people, id.user().is_none());
        let write = place.own.write(now, member.inc, |user, session| {
            if is_room { room?.own_entry(user, session) } else { people.own_entry(user, session) }
        });
        let Some(write) = write else { return };
        place.own.write_at = now + member.timing.tick;
        let (room, tag) = (id.clone(), member.next_tag());
        self.ask_store(match write {
            Write::Changes(stamp, changes) => Ask::Apply { room, stamp, tag, changes },
            Write::Whole(stamp, gone) => {
                let entries = match (id.user(), self.rooms.get(id)) {
                    (Some(user), _) => self.people.own_entries(&user),
                    (None, Some(room)) => room.own_entries(),
                    (None, None) => Vec::new(),
                };
                Ask::Sync { room, stamp, tag, section: Section { entries, gone } }
            }
        });
    }

    /// Tells the registry, now and then, of whom there are sections: so that one of a node that nobody knows any more is
    /// found, also where the node that should have ended it has died over that.
    fn notice_nodes(&mut self, now: Time, member: &mut Member, id: &RoomId) {
        let Some(place) = member.places.get(id) else { return };
        let nodes: Vec<(NodeId, u64)> = place.replicas.nodes().collect();
        for (node, inc) in nodes {
            let told = member.noticed.get(&node);
            if told.is_none_or(|(known, at)| *known < inc || now.since(*at) >= NOTICE_EVERY) {
                member.noticed.insert(node, (inc, now));
                self.ask_store(Ask::Noticed { node, inc });
            }
        }
    }

    /// Whether nothing of a room is worth being remembered: nobody is in it, and the store has nothing of this node, or
    /// only the stamp of an empty section for a while.
    fn may_forget(&self, now: Time, member: &Member, id: &RoomId) -> bool {
        let Some(place) = member.places.get(id) else { return true };
        let idle = place.idle_since.map(|since| now.since(since));
        let is_over = idle.is_some_and(|idle| idle >= member.timing.empty || place.own.acked() == 0);
        is_over && place.own.is_settled() && !place.is_wanted && !self.has_own(id)
    }

    /// Whether this node has an entry in a room.
    pub(crate) fn has_own(&self, id: &RoomId) -> bool {
        match id.user() {
            Some(user) => self.people.has_own(&user),
            None => self.rooms.get(id).is_some_and(|room| room.roster.has_own()),
        }
    }

    pub(crate) fn ask_store(&mut self, ask: Ask) {
        self.outputs.push_back(Output::Cluster(ask));
    }

    /// Ends the section of a node that was claimed.
    pub(crate) fn reap(&mut self, member: &mut Member, room: RoomId, dead: Stamp, node: NodeId) {
        let tag = member.next_tag();
        self.ask_store(Ask::Reap { room, node, inc: dead.inc, tag });
    }
}

/// Gives up answers that did not come.
fn give_up(now: Time, member: &mut Member, id: &RoomId) {
    let Some(place) = member.places.get_mut(id) else { return };
    let answer_max = member.timing.answer_max;
    let is_over = |at: Option<Time>| at.is_some_and(|at| now.since(at) >= answer_max);
    if is_over(place.own.sent_at()) {
        member.counters.unknown_outcomes += 1;
        place.own.doubt();
    }
    if is_over(place.snapshot_asked) {
        place.snapshot_asked = None;
        member.snapshots_asked = member.snapshots_asked.saturating_sub(1);
    }
    if is_over(place.audit_asked) {
        place.audit_asked = None;
    }
    if let Subscription::Asked { at, .. } = place.subscription
        && now.since(at) >= answer_max
    {
        place.unsubscribed();
    }
    if place.first_look_until.is_some_and(|until| until <= now) {
        place.first_look_until = None;
    }
}

/// Has a room audited where it is time for that.
fn audit(now: Time, member: &mut Member, id: &RoomId) {
    let period = member.audit_period(id);
    let Some(place) = member.places.get_mut(id) else { return };
    if now < place.audit_at || place.audit_asked.is_some() {
        return;
    }
    place.audit_at = now + period;
    place.audit_asked = Some(now);
    place.own.wrote_since_audit = false;
    member.audits.push(id.clone());
}

/// Sees to it that the room is looked at when the next thing is due.
fn plan(now: Time, member: &mut Member, id: &RoomId) {
    let (is_up, timing) = (member.is_up(), &member.timing);
    let Some(place) = member.places.get(id) else { return };
    let asked = [place.own.sent_at(), place.snapshot_asked, place.audit_asked];
    let asked = asked.into_iter().flatten().map(|at| at + timing.answer_max);
    let subscription = match place.subscription {
        Subscription::Asked { at, .. } => Some(at + timing.answer_max),
        Subscription::None | Subscription::Held { .. } => None,
    };
    let wants_snapshot = place.held().is_some() && !place.replicas.is_whole() && place.snapshot_asked.is_none();
    let work = [
        place.own.wants_to_write().then_some(place.own.write_at),
        wants_snapshot.then_some(place.snapshot_at),
        place.audit_asked.is_none().then_some(place.audit_at),
    ];
    let idle = place.idle_since.into_iter().flat_map(|since| [since + timing.linger, since + timing.empty]);
    let doubt = place.doubted_since.map(|since| since + timing.stale_after).filter(|at| *at > now);
    let due = asked.chain(subscription).chain(doubt).chain(place.first_look_until).chain(idle.filter(|at| *at > now));
    let due = due.chain(work.into_iter().flatten().filter(|_| is_up));
    if let Some(at) = due.min() {
        member.look_by(id, at.max(now + Duration::from_millis(1)));
    }
}

/// Snapshots that a hub waits for at once; the others wait their turn, so that a store that comes back is not asked for
/// everything in one moment.
const SNAPSHOTS_AT_ONCE: usize = 64;
/// When to look again whether one of them has come.
const SNAPSHOT_AGAIN: Duration = Duration::from_millis(20);
/// How often the registry is told of the same node.
const NOTICE_EVERY: Duration = Duration::from_secs(10);
