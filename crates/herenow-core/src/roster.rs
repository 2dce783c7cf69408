//! Who is here: each user once, however many sessions they have. Knows entries and their seats; versions, timers and
//! who is told belong to the room.
mod section;

use crate::{
    cluster::{
        changes::OwnChanges,
        door::{NodeId, ValueStamp},
    },
    command::{Patch, Reason},
    event::{Count, SessionView, State, Viewer},
    id::{SessionId, UserId},
    limits::Limits,
    profile::{Profile, Status},
    refusal::Refusal,
    time::Time,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

/// The viewers of one room.
///
/// Invariants: no member is without an entry; `order` holds exactly the members; `entries` is the sum over members, and
/// `distant` that of those entries that other nodes have.
#[derive(Debug, Default)]
pub struct Roster {
    members: BTreeMap<UserId, Member>,
    order: BTreeSet<(Time, UserId)>,
    entries: usize,
    distant: usize,
    /// The highest number of a value that was seen.
    stamp: u64,
    came: u64,
    no_state: Arc<State>,
    /// This node, among several.
    me: NodeId,
    /// Where it is one among several: what has changed of its own entries.
    changed: Option<Box<OwnChanges>>,
}

/// A unique user in a room. Where this node has an entry of theirs, name and time are what its section says, too.
#[derive(Debug)]
struct Member {
    profile: Arc<Profile>,
    profile_stamp: ValueStamp,
    joined_at: Time,
    /// What others were told last; recomputed from the entries.
    status: Status,
    state: Arc<State>,
    sessions_told: u32,
    entries: Vec<Entry>,
}

/// One session's place in the room.
#[derive(Debug)]
struct Entry {
    session: SessionId,
    /// Its place among the entries of the room, by when they came.
    came: u64,
    seat: Seat,
    status: Status,
    /// Each key with the stamp of its last write.
    state: BTreeMap<Arc<str>, (u64, Arc<str>)>,
    /// Where another node has it: which, and what that says of the user.
    distant: Option<Box<Distant>>,
}

/// What another node says of an entry that it has.
#[derive(Debug)]
struct Distant {
    node: NodeId,
    profile: Arc<Profile>,
    profile_stamp: ValueStamp,
    since: Time,
}

/// Whether an entry has a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seat {
    Connected,
    Grace { until: Time, reason: Reason },
}

/// One session's place in the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryFact {
    /// Which session.
    pub session: SessionId,
    /// Whether it is active.
    pub status: Status,
    /// Where it has no connection: when the entry ends, and how the connection did.
    pub grace: Option<(Time, Reason)>,
}

/// A session that takes its place.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Which.
    pub session: SessionId,
    /// Whose, as of now.
    pub profile: &'a Arc<Profile>,
    /// Whether it is active.
    pub status: Status,
    /// Its first state in the room.
    pub state: Option<&'a Patch>,
}

/// What a change of an entry means for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing that others see.
    Nothing,
    /// The user came.
    Joined,
    /// The user's name, status or state changed.
    Updated,
    /// The user is gone.
    Left {
        /// Who it was.
        profile: Arc<Profile>,
        /// Since when.
        joined_at: Time,
    },
}

impl Roster {
    /// Seats a session, or seats it again. O(log viewers).
    ///
    /// # Errors
    /// Refuses a state over the limits; then nothing has changed.
    pub fn enter(&mut self, arrival: Arrival<'_>, now: Time, limits: &Limits) -> Result<Effect, Refusal> {
        let user = &arrival.profile.user;
        let seated = self.members.get(user).and_then(|member| member.entry(arrival.session));
        let (came, was) = (seated.map(|entry| entry.came), seated.map(|entry| entry.status));
        let mut state = seated.map_or_else(BTreeMap::new, |entry| entry.state.clone());
        if let Some(patch) = arrival.state {
            self.stamp += 1;
            apply(&mut state, patch, self.stamp, limits)?;
        }
        self.came += 1;
        let came = came.unwrap_or(self.came);
        let (session, status) = (arrival.session, arrival.status);
        let entry = Entry { session, came, seat: Seat::Connected, status, state, distant: None };
        // Who comes back within grace is no news for other nodes.
        if was != Some(status) || arrival.state.is_some() {
            self.note_own(user, session, None);
        }
        let Some(member) = self.members.get_mut(user) else {
            let profile_stamp = self.next_stamp();
            let mut member = Member {
                profile: Arc::clone(arrival.profile),
                profile_stamp,
                joined_at: now,
                status: arrival.status,
                state: Arc::clone(&self.no_state),
                sessions_told: 1,
                entries: Vec::with_capacity(1),
            };
            member.entries.push(entry);
            member.refresh(&self.no_state, self.me);
            self.members.insert(user.clone(), member);
            self.order.insert((now, user.clone()));
            self.entries += 1;
            return Ok(Effect::Joined);
        };
        match member.entries.iter_mut().find(|seated| seated.session == arrival.session) {
            Some(seated) => *seated = entry,
            None => {
                member.entries.push(entry);
                self.entries += 1;
            }
        }
        let refreshed = member.refresh(&self.no_state, self.me);
        let renamed = self.rename(arrival.profile);
        Ok(if renamed || refreshed { Effect::Updated } else { Effect::Nothing })
    }

    /// Takes a session's place away. Nothing happens where it has none. O(log viewers).
    pub fn exit(&mut self, user: &UserId, session: SessionId, reason: Reason) -> Effect {
        let Some(member) = self.members.get_mut(user) else { return Effect::Nothing };
        let Some(at) = member.entries.iter().position(|entry| entry.session == session) else {
            return Effect::Nothing;
        };
        let is_own = member.entries.swap_remove(at).distant.is_none();
        self.entries -= 1;
        if is_own {
            self.note_own(user, session, Some(reason));
        } else {
            self.distant -= 1;
        }
        let Some(member) = self.members.get_mut(user) else { return Effect::Nothing };
        if !member.entries.is_empty() {
            let refreshed = member.refresh(&self.no_state, self.me);
            return if self.regard(user) || refreshed { Effect::Updated } else { Effect::Nothing };
        }
        let Some(member) = self.members.remove(user) else { return Effect::Nothing };
        self.order.remove(&(member.joined_at, user.clone()));
        Effect::Left { profile: member.profile, joined_at: member.joined_at }
    }

    /// Notes that a session has no connection and keeps its place until `until`. False where it has no place.
    pub fn suspend(&mut self, user: &UserId, session: SessionId, until: Time, reason: Reason) -> bool {
        let entry = self.members.get_mut(user).and_then(|member| member.entry_mut(session));
        entry.map(|entry| entry.seat = Seat::Grace { until, reason }).is_some()
    }

    /// Why a session that is in grace ends at `now`; `None` where it is not in grace, or not due.
    pub fn grace_over(&self, user: &UserId, session: SessionId, now: Time) -> Option<Reason> {
        match self.members.get(user)?.entry(session)?.seat {
            Seat::Grace { until, reason } if until <= now => Some(reason),
            Seat::Grace { .. } | Seat::Connected => None,
        }
    }

    /// When the connection of a session ended that is in grace; `None` where it is not.
    pub fn suspended_at(&self, user: &UserId, session: SessionId, limits: &Limits) -> Option<Time> {
        match self.members.get(user)?.entry(session)?.seat {
            Seat::Grace { until, reason } => Some(Time::from_millis(
                until.as_millis().saturating_sub(u64::try_from(reason.grace(limits).as_millis()).unwrap_or(u64::MAX)),
            )),
            Seat::Connected => None,
        }
    }

    /// The user's sessions in grace whose page said that it goes away, where no session of theirs is connected: what
    /// an explicit leave of the last connected one ends as well.
    pub fn closed_behind(&self, user: &UserId) -> Vec<SessionId> {
        let Some(member) = self.members.get(user) else { return Vec::new() };
        if member.entries.iter().any(|entry| entry.seat == Seat::Connected) {
            return Vec::new();
        }
        let closed = |entry: &&Entry| matches!(entry.seat, Seat::Grace { reason: Reason::Closed, .. });
        member.entries.iter().filter(closed).map(|entry| entry.session).collect()
    }

    /// Changes a session's state. `None` where it has no place; otherwise whether the viewer changed.
    ///
    /// # Errors
    /// Refuses a state over the limits; then nothing has changed.
    pub fn patch(
        &mut self,
        user: &UserId,
        session: SessionId,
        patch: &Patch,
        limits: &Limits,
    ) -> Result<Option<bool>, Refusal> {
        let Some(member) = self.members.get_mut(user) else { return Ok(None) };
        let Some(entry) = member.entry_mut(session) else { return Ok(None) };
        self.stamp += 1;
        let mut state = entry.state.clone();
        apply(&mut state, patch, self.stamp, limits)?;
        entry.state = state;
        let changed = member.refresh(&self.no_state, self.me);
        self.note_own(user, session, None);
        Ok(Some(changed))
    }

    /// Takes a profile over for the viewer that it names. True where that changed something.
    pub fn rename(&mut self, profile: &Arc<Profile>) -> bool {
        let Some(member) = self.members.get_mut(&profile.user) else { return false };
        if member.profile == *profile {
            return false;
        }
        member.profile = Arc::clone(profile);
        let stamp = self.next_stamp();
        if let Some(member) = self.members.get_mut(&profile.user) {
            member.profile_stamp = stamp;
        }
        self.note_all_own(&profile.user);
        true
    }

    /// Notes whether a session is active. True where the viewer changed.
    pub fn set_status(&mut self, user: &UserId, session: SessionId, status: Status) -> bool {
        let Some(member) = self.members.get_mut(user) else { return false };
        let Some(entry) = member.entry_mut(session) else { return false };
        entry.status = status;
        let changed = member.refresh(&self.no_state, self.me);
        self.note_own(user, session, None);
        changed
    }

    /// Takes the number of the user's sessions as told from now on; the room calls it with each change of the viewer.
    pub fn note_told(&mut self, user: &UserId) {
        if let Some(member) = self.members.get_mut(user) {
            member.sessions_told = u32::try_from(member.entries.len()).unwrap_or(u32::MAX);
        }
    }

    /// What each of a user's sessions shares, in the order of their coming.
    pub fn session_views(&self, user: &UserId) -> Vec<SessionView> {
        let entries = self.members.get(user).map(|member| member.entries.as_slice());
        let mut entries: Vec<&Entry> = entries.unwrap_or_default().iter().collect();
        entries.sort_by_key(|entry| entry.came);
        let view = |entry: &&Entry| SessionView { session: entry.session, status: entry.status, state: entry.shared() };
        entries.iter().map(view).collect()
    }

    /// What one session shares; nothing where it has no place.
    pub fn state_of(&self, user: &UserId, session: SessionId) -> State {
        let entry = self.members.get(user).and_then(|member| member.entry(session));
        entry.map(Entry::shared).unwrap_or_default()
    }

    /// What keeps a user here.
    pub fn facts(&self, user: &UserId) -> Vec<EntryFact> {
        let entries = self.members.get(user).map(|member| member.entries.as_slice());
        let fact = |entry: &Entry| EntryFact {
            session: entry.session,
            status: entry.status,
            grace: match entry.seat {
                Seat::Connected => None,
                Seat::Grace { until, reason } => Some((until, reason)),
            },
        };
        entries.unwrap_or_default().iter().map(fact).collect()
    }

    /// The user's sessions in the room, those in grace included.
    pub fn sessions(&self, user: &UserId) -> Vec<SessionId> {
        let entries = self.members.get(user).map(|member| member.entries.as_slice());
        entries.unwrap_or_default().iter().map(|entry| entry.session).collect()
    }

    /// Whether the user is here.
    pub fn contains(&self, user: &UserId) -> bool {
        self.members.contains_key(user)
    }

    /// Whether this session has a place.
    pub fn has_entry(&self, user: &UserId, session: SessionId) -> bool {
        self.members.get(user).is_some_and(|member| member.entry(session).is_some())
    }

    /// A viewer as others see them.
    pub fn viewer(&self, user: &UserId) -> Option<Viewer> {
        self.members.get(user).map(Member::view)
    }

    /// Everyone, by joined time, then user id.
    pub fn viewers(&self) -> impl Iterator<Item = Viewer> + '_ {
        self.order.iter().filter_map(|(_, user)| self.viewer(user))
    }

    /// As [`Self::viewers`], those who come after a place in that order. O(log viewers) to the first.
    pub fn viewers_after(&self, place: Option<&(Time, UserId)>) -> impl Iterator<Item = Viewer> + '_ {
        let from = place.map_or(Bound::Unbounded, |place| Bound::Excluded(place.clone()));
        self.order.range((from, Bound::Unbounded)).filter_map(|(_, user)| self.viewer(user))
    }

    /// Users and sessions, those in grace included.
    pub fn count(&self) -> Count {
        Count { users: self.members.len(), sessions: self.entries }
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

impl Entry {
    fn shared(&self) -> State {
        self.state.iter().map(|(key, (_, value))| (Arc::clone(key), Arc::clone(value))).collect()
    }
}

impl Member {
    fn entry(&self, session: SessionId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.session == session)
    }

    fn entry_mut(&mut self, session: SessionId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.session == session)
    }

    /// Merges the entries anew; true where status or state differ from what others were told.
    fn refresh(&mut self, no_state: &Arc<State>, me: NodeId) -> bool {
        let status = self.entries.iter().map(|entry| entry.status).min().unwrap_or_default();
        let mut newest: BTreeMap<&Arc<str>, Newest<'_>> = BTreeMap::new();
        for entry in &self.entries {
            let owner = entry.distant.as_ref().map_or(me, |distant| distant.node);
            for (key, (number, value)) in &entry.state {
                let held = newest.entry(key).or_insert(((*number, owner), value));
                if held.0 < (*number, owner) {
                    *held = ((*number, owner), value);
                }
            }
        }
        let same_state = newest.len() == self.state.len()
            && newest.iter().all(|(key, (_, value))| self.state.get(*key).is_some_and(|held| held == *value));
        if same_state && status == self.status {
            return false;
        }
        if !same_state {
            let merged: State =
                newest.into_iter().map(|(key, (_, value))| (Arc::clone(key), Arc::clone(value))).collect();
            self.state = if merged.is_empty() { Arc::clone(no_state) } else { Arc::new(merged) };
        }
        self.status = status;
        true
    }

    fn view(&self) -> Viewer {
        Viewer {
            profile: Arc::clone(&self.profile),
            status: self.status,
            joined_at: self.joined_at,
            sessions: self.sessions_told,
            state: Arc::clone(&self.state),
        }
    }
}

/// A value of a key, and the stamp that it has to be beaten by.
type Newest<'a> = ((u64, NodeId), &'a Arc<str>);

/// Says whether a session may come with this state into a room where it has none yet. O(keys).
///
/// # Errors
/// Where the state is over the limits.
pub fn check_first_state(state: &Patch, limits: &Limits) -> Result<(), Refusal> {
    apply(&mut BTreeMap::new(), state, 0, limits)
}

/// Merges a patch into a session's state, unless the result would be over the limits.
fn apply(
    state: &mut BTreeMap<Arc<str>, (u64, Arc<str>)>,
    patch: &Patch,
    stamp: u64,
    limits: &Limits,
) -> Result<(), Refusal> {
    for (key, value) in &patch.0 {
        match value {
            Some(value) => state.insert(Arc::clone(key), (stamp, Arc::clone(value))),
            None => state.remove(key),
        };
    }
    if state.len() > limits.state_keys_max {
        return Err(Refusal::StateTooManyKeys { keys_max: limits.state_keys_max });
    }
    // Quotes and colon of each key, and the comma after it: what the state takes as JSON, without its braces.
    let bytes = state.iter().map(|(key, (_, value))| key.len() + value.len() + 4).sum();
    if bytes > limits.state_bytes_max {
        return Err(Refusal::StateTooLarge { bytes, bytes_max: limits.state_bytes_max });
    }
    Ok(())
}
