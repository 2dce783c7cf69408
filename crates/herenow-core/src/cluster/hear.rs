//! What a hub makes of what it hears from the store.
use crate::{
    cluster::{
        door::{Ask, Heard, Held, NodeId, Outcome, Passing, Snapshot, Stamp, Tag},
        member::{Member, Subscription},
        replicas::Edit,
    },
    command::Reason,
    hub::Hub,
    id::RoomId,
    time::Time,
};
use std::{collections::BTreeSet, time::Duration};

impl Hub {
    /// Takes in what the store, or the registry of the node, says.
    pub(crate) fn hear(&mut self, now: Time, heard: Heard) {
        let Some(mut member) = self.cluster.take() else { return };
        match heard {
            Heard::Store(true) => rise(now, &mut member),
            Heard::Store(false) => fall(&mut member),
            Heard::Written { room, stamp, outcome } => self.written(&mut member, room, stamp, outcome),
            Heard::Snapshot { room, generation, snapshot } => {
                self.looked(now, &mut member, &room, (generation, snapshot));
            }
            Heard::Audited { room, tag, own } => self.audited(now, &mut member, &room, (tag, own)),
            Heard::AuditFailed { room } => {
                if let Some(place) = member.places.get_mut(&room) {
                    place.audit_asked = None;
                }
                member.touched.insert(room);
            }
            Heard::News { room, news } => {
                if let Some(place) =
                    member.places.get_mut(&room).filter(|place| place.subscription != Subscription::None)
                {
                    let edits = place.replicas.hear(member.me, news, &mut member.counters);
                    self.edit(now, &room, edits);
                    member.touched.insert(room);
                }
            }
            Heard::Passing { room, from, passing } => {
                let me = member.me;
                self.cluster = Some(member);
                return self.hear_passing(now, me, (from, &room), passing);
            }
            Heard::Lock { room, name, session, decision } => {
                self.lock_decided(now, &room, (name, session), decision);
                member.touched.insert(room);
            }
            Heard::Subscribed { room, generation } => {
                if let Some(place) = member.places.get_mut(&room)
                    && matches!(place.subscription, Subscription::Asked { generation: asked, .. } if asked == generation)
                {
                    place.subscription = Subscription::Held { generation };
                    member.touched.insert(room);
                }
            }
            Heard::Unsubscribed { room } => unsubscribed(&mut member, room.as_ref()),
            Heard::Dead { node, inc } => self.bury(&mut member, node, inc),
            Heard::Index { node, inc, rooms } => {
                for room in rooms {
                    self.reap(&mut member, room, Stamp { inc, seq: 0 }, node);
                }
            }
            Heard::Incarnation(inc) => self.take_incarnation(&mut member, inc),
            Heard::Resyncing(nodes) => member.resyncing = nodes.into_iter().collect(),
        }
        self.cluster = Some(member);
    }

    fn written(&mut self, member: &mut Member, room: RoomId, stamp: Stamp, outcome: Outcome) {
        let Some(place) = member.places.get_mut(&room) else { return };
        if !place.own.written(stamp, outcome) {
            return;
        }
        match outcome {
            Outcome::Done | Outcome::Resync | Outcome::Stale(_) => {}
            Outcome::Unknown => member.counters.unknown_outcomes += 1,
            Outcome::Fenced(inc) => self.fence(member, inc),
        }
        member.touched.insert(room);
    }

    /// Writes no more until there is a new incarnation.
    fn fence(&mut self, member: &mut Member, inc: u64) {
        if inc >= member.inc && !member.is_fenced {
            member.is_fenced = true;
            member.counters.fenced += 1;
            self.ask_store(Ask::Fenced { inc });
        }
    }

    fn looked(&mut self, now: Time, member: &mut Member, room: &RoomId, answer: (u64, Option<Snapshot>)) {
        let Some(place) = member.places.get_mut(room) else { return };
        if place.snapshot_asked.take().is_none() {
            return;
        }
        member.snapshots_asked = member.snapshots_asked.saturating_sub(1);
        member.touched.insert(room.clone());
        // One that was read under an older subscription may lack what came between the two.
        let (generation, Some(snapshot)) = answer else {
            place.snapshot_at = now + SNAPSHOT_RETRY;
            return;
        };
        if place.held() != Some(generation) {
            return;
        }
        let edits = place.replicas.look(member.me, now, snapshot, &mut member.counters);
        if place.replicas.is_whole() {
            place.first_look_until = None;
        } else {
            place.snapshot_at = now + SNAPSHOT_RETRY;
        }
        self.edit(now, room, edits);
    }

    fn audited(&mut self, now: Time, member: &mut Member, id: &RoomId, (tag, held): (Option<Tag>, Option<Held>)) {
        let is_empty = !self.has_own(id);
        let Some(place) = member.places.get_mut(id) else { return };
        if place.audit_asked.take().is_none() {
            return;
        }
        member.touched.insert(id.clone());
        if place.own.audit(member.inc, held, is_empty) {
            member.counters.own_stamp_mismatches += 1;
            if let Some(Held::Tomb(inc)) = held {
                self.fence(member, inc);
            }
        }
        let Some(place) = member.places.get_mut(id) else { return };
        let (Some(cursor), Some(_)) = (place.replicas.cursor(), place.held()) else { return };
        if cursor == tag {
            place.suspected = None;
            return self.drop_held(now, member, id);
        }
        if place.suspected == Some(cursor) {
            place.suspected = None;
            member.counters.missed_news += 1;
            // Perhaps it is the subscription that does not hold any more, and nobody was told.
            place.unsubscribed();
        } else {
            // The news may be on their way: look again before thinking that they are lost.
            place.suspected = Some(cursor);
            place.audit_at = now + AUDIT_AGAIN;
        }
    }

    /// Drops what the store has lost and nobody confirmed for long, now that an audit has just said that there is no news.
    fn drop_held(&mut self, now: Time, member: &mut Member, id: &RoomId) {
        let Some(place) = member.places.get_mut(id) else { return };
        let is_long = |since: Time| now.since(since) >= member.timing.hold;
        if !member.up_since.is_some_and(is_long) {
            return;
        }
        let mut edits = Vec::new();
        for (node, since) in place.replicas.held_since() {
            if is_long(since) && !member.resyncing.contains(&node) {
                member.counters.holds_dropped += 1;
                place.replicas.drop_section(node, Reason::Lost, &mut edits);
            }
        }
        if !edits.is_empty() {
            place.replicas.lose();
        }
        self.edit(now, id, edits);
    }

    fn bury(&mut self, member: &mut Member, node: NodeId, inc: u64) {
        if member.noticed.get(&node).is_some_and(|(known, _)| *known <= inc) {
            member.noticed.remove(&node);
        }
        let has_section =
            |stamps: Vec<(NodeId, Stamp)>| stamps.iter().any(|(of, stamp)| *of == node && stamp.inc <= inc);
        let rooms = member.places.iter().filter(|(_, place)| has_section(place.replicas.stamps()));
        let rooms: Vec<RoomId> = rooms.map(|(id, _)| id.clone()).collect();
        for room in rooms {
            self.reap(member, room, Stamp { inc, seq: 0 }, node);
        }
        self.ask_store(Ask::Index { node, inc });
    }

    /// Writes everything anew under a new incarnation.
    fn take_incarnation(&mut self, member: &mut Member, inc: u64) {
        if inc == member.inc && !member.is_fenced {
            return;
        }
        (member.inc, member.is_fenced) = (inc.max(member.inc), false);
        let rooms: BTreeSet<RoomId> = member.places.keys().cloned().collect();
        for (id, place) in &mut member.places {
            if place.own.acked() > 0 || self.has_own(id) {
                place.own.doubt();
            }
        }
        member.touched.extend(rooms);
    }

    /// Changes the roster of a room by what other nodes say.
    pub(crate) fn edit(&mut self, now: Time, id: &RoomId, edits: Vec<Edit>) {
        if edits.is_empty() {
            return;
        }
        if let Some(user) = id.user() {
            return self.people.take_edits(&user, edits);
        }
        // Who is kept out of the room may have come by a node that did not hear of that.
        for edit in &edits {
            if let Edit::Put(_, entry) = edit
                && let Some(until) = self.blocked_until(id, &entry.profile.user).filter(|until| *until > now)
            {
                let (user, block) = (entry.profile.user.clone(), Some(until.since(now)));
                let passing = Passing::Evict { user, reason: Reason::Kicked, block };
                self.ask_store(Ask::Publish { room: id.clone(), passing });
            }
        }
        self.in_room(now, id, |room, desk| room.take_edits(desk, edits));
    }
}

/// The store can be reached again. Silence until now was its own, not that of other nodes.
fn rise(now: Time, member: &mut Member) {
    member.up_since = Some(now);
    let rooms: Vec<RoomId> = member.places.keys().cloned().collect();
    for (id, place) in &mut member.places {
        place.unsubscribed();
        place.audit_asked = None;
        // Whoever tells the app of it has to look what was told meanwhile, or is lost.
        place.tells = false;
        // Whether the store still has what it acknowledged is looked at soon, but not everywhere at once.
        let spread = u64::from(id.as_str().bytes().fold(0_u8, u8::wrapping_add));
        place.audit_at = now + Duration::from_millis(spread * 4);
    }
    member.touched.extend(rooms);
}

/// The store cannot be reached: nobody knows what became of what is on its way. What other nodes said stays.
fn fall(member: &mut Member) {
    member.up_since = None;
    member.snapshots_asked = 0;
    let rooms: Vec<RoomId> = member.places.keys().cloned().collect();
    for place in member.places.values_mut() {
        if place.own.sent_at().is_some() {
            member.counters.unknown_outcomes += 1;
            place.own.doubt();
        }
        (place.snapshot_asked, place.audit_asked, place.first_look_until) = (None, None, None);
        place.unsubscribed();
    }
    member.touched.extend(rooms);
}

fn unsubscribed(member: &mut Member, room: Option<&RoomId>) {
    let rooms: Vec<RoomId> = match room {
        Some(room) => vec![room.clone()],
        None => member.places.keys().cloned().collect(),
    };
    for room in rooms {
        if let Some(place) = member.places.get_mut(&room) {
            place.unsubscribed();
            member.touched.insert(room);
        }
    }
}

/// When to ask again for a snapshot that did not come, or did not fit.
const SNAPSHOT_RETRY: Duration = Duration::from_millis(250);
/// How long news may be on their way after the store has named their write.
const AUDIT_AGAIN: Duration = Duration::from_millis(500);
