//! A room as somebody knows it who has only frames to go by: what an SDK keeps.
use herenow_core::{
    cursors::Point,
    event::{Count, CountView, DiffView, Gear, LockView, RosterView, SessionView, StepView, Typist, Viewer},
    id::{LockName, SessionId, Target, UserId},
    typing::Place,
    version::Version,
};
use std::collections::{BTreeMap, BTreeSet};

/// What was found wrong, in words.
pub type Fault = String;

/// A room as its listener knows it.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// As of which version; `None` before the first roster.
    pub version: Option<Version>,
    /// Who is there.
    pub viewers: BTreeMap<UserId, Viewer>,
    /// Whether `viewers` is kept up to date: not before a roster, nor once a count said that lists end.
    pub lists: bool,
    /// How many there are.
    pub count: Count,
    /// Who types into what.
    pub typing: BTreeSet<(UserId, Place)>,
    /// Who holds which lock under which number; `None` before a roster said so.
    pub locks: Option<BTreeMap<LockName, (SessionId, u64)>>,
    /// The highest number seen of each lock.
    fences: BTreeMap<LockName, u64>,
    /// The sessions of everyone; `None` where no roster said so.
    pub sessions: Option<BTreeMap<UserId, Vec<SessionView>>>,
    /// Where pointers are, as far as they moved since the last roster.
    pub pointers: BTreeMap<SessionId, Point>,
}

/// What a diff meant to a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It was news, and fitted.
    Applied,
    /// The view is that new already.
    Old,
    /// Something between is missing.
    Gap,
}

impl View {
    /// The view of who knows a roster, and nothing else.
    pub fn of(viewers: &[Viewer], version: Version) -> Self {
        let viewers = viewers.iter().map(|viewer| (viewer.profile.user.clone(), viewer.clone())).collect();
        Self { version: Some(version), viewers, lists: true, ..Self::default() }
    }

    /// Takes a whole roster in.
    ///
    /// # Errors
    /// A user twice, a wrong order or count, a version older than the one known.
    pub fn take_roster(&mut self, roster: &RosterView) -> Result<(), Fault> {
        let order: Vec<_> = roster.viewers.iter().map(|viewer| (viewer.joined_at, &viewer.profile.user)).collect();
        if !order.is_sorted() {
            return Err(format!("roster of {} {} is out of order", roster.room, roster.version));
        }
        let viewers: BTreeMap<UserId, Viewer> =
            roster.viewers.iter().map(|viewer| (viewer.profile.user.clone(), viewer.clone())).collect();
        if viewers.len() != roster.viewers.len() {
            return Err(format!("roster of {} {} holds a user twice", roster.room, roster.version));
        }
        if viewers.len() != roster.count.users {
            return Err(format!("roster of {} {} counts {}", roster.room, roster.version, roster.count.users));
        }
        if let Some(known) = self.known(&roster.version)
            && known > roster.version.number
        {
            return Err(format!("roster of {} {} is older than {known}", roster.room, roster.version));
        }
        (self.version, self.viewers, self.lists) = (Some(roster.version.clone()), viewers, true);
        self.count = roster.count;
        self.take_typists(&roster.typing);
        self.sessions = roster.sessions.as_ref().map(|lists| {
            let users = roster.viewers.iter().map(|viewer| viewer.profile.user.clone());
            users.zip(lists.iter().cloned()).collect()
        });
        // Somebody may have been hidden while nobody could say so.
        self.pointers.clear();
        self.take_locks(&roster.locks)
    }

    /// Takes a count in; in a crowd it ends the lists of who had them.
    ///
    /// # Errors
    /// A version older than the one known.
    pub fn take_count(&mut self, count: &CountView) -> Result<(), Fault> {
        if let Some(known) = self.known(&count.version)
            && known > count.version.number
        {
            return Err(format!("count of {} {} is older than {known}", count.room, count.version));
        }
        (self.version, self.count, self.lists) = (Some(count.version.clone()), count.count, false);
        if count.gear == Gear::Crowd {
            self.typing.clear();
            self.pointers.clear();
            self.sessions = None;
        }
        Ok(())
    }

    /// Takes in that a lock changed hands.
    ///
    /// # Errors
    /// A number that two had.
    pub fn take_lock(&mut self, lock: &LockView) -> Result<(), Fault> {
        let known = self.fences.get(&lock.name).copied().unwrap_or_default();
        if lock.fence < known {
            // On its way a roster has overtaken it.
            return Ok(());
        }
        let held = self.locks.as_ref().and_then(|locks| locks.get(&lock.name));
        let same = lock.holder.as_ref().map(|(_, session)| (*session, lock.fence));
        if lock.fence == known && same.is_some() && held.is_some() && held != same.as_ref() {
            return Err(format!("lock {} is held under {} twice", lock.name, lock.fence));
        }
        self.fences.insert(lock.name.clone(), lock.fence);
        if let Some(locks) = &mut self.locks {
            match same {
                Some(held) => locks.insert(lock.name.clone(), held),
                None => locks.remove(&lock.name),
            };
        }
        Ok(())
    }

    /// Takes all locks that are held in.
    ///
    /// # Errors
    /// A number that went back.
    pub fn take_locks(&mut self, locks: &[LockView]) -> Result<(), Fault> {
        let mut held = BTreeMap::new();
        for lock in locks {
            let known = self.fences.get(&lock.name).copied().unwrap_or_default();
            let Some((_, session)) = lock.holder.as_ref().filter(|_| lock.fence >= known) else {
                return Err(format!("lock {} is of {:?} under {}, after {known}", lock.name, lock.holder, lock.fence));
            };
            held.insert(lock.name.clone(), (*session, lock.fence));
            self.fences.insert(lock.name.clone(), lock.fence);
        }
        self.locks = Some(held);
        Ok(())
    }

    /// Takes the sessions of a user in, where those of the others are known.
    pub fn take_sessions(&mut self, user: &UserId, list: &[SessionView]) {
        if let Some(sessions) = &mut self.sessions {
            if list.is_empty() {
                sessions.remove(user)
            } else {
                sessions.insert(user.clone(), list.to_vec())
            };
        }
    }

    /// Takes in where pointers moved.
    pub fn take_pointers(&mut self, at: &[(SessionId, Option<Point>)]) {
        for (session, point) in at {
            match point {
                Some(point) => self.pointers.insert(*session, point.clone()),
                None => self.pointers.remove(session),
            };
        }
    }

    /// Takes a diff in, where it fits.
    ///
    /// # Errors
    /// A user in two lists, a joined who is there, a left or updated who is not, a wrong count.
    pub fn take_diff(&mut self, diff: &DiffView, typing: Option<&[Typist]>) -> Result<Heard, Fault> {
        let Some(known) = self.known(&diff.version).filter(|_| self.lists) else { return Ok(Heard::Gap) };
        if diff.version.number < diff.from {
            return Err(format!("diff of {} goes back from {} to {}", diff.room, diff.from, diff.version));
        }
        if known != diff.from {
            return Ok(if diff.version.number <= known { Heard::Old } else { Heard::Gap });
        }
        let fault = |user: &UserId, what| format!("diff of {} {}: {user} {what}", diff.room, diff.version);
        let mut named = BTreeSet::new();
        for user in diff.left.iter().map(|(user, _)| user).chain(joined_and_updated(diff)) {
            if !named.insert(user) {
                return Err(fault(user, "is named twice"));
            }
        }
        for (user, _) in &diff.left {
            if self.viewers.remove(user).is_none() {
                return Err(fault(user, "left, but was not there"));
            }
        }
        for viewer in &diff.joined {
            if self.viewers.insert(viewer.profile.user.clone(), viewer.clone()).is_some() {
                return Err(fault(&viewer.profile.user, "joined, but was there"));
            }
        }
        for viewer in &diff.updated {
            if self.viewers.insert(viewer.profile.user.clone(), viewer.clone()).is_none() {
                return Err(fault(&viewer.profile.user, "updated, but was not there"));
            }
        }
        if self.viewers.len() != diff.count.users {
            return Err(format!(
                "diff of {} {} counts {}, not {}",
                diff.room,
                diff.version,
                diff.count.users,
                self.viewers.len()
            ));
        }
        (self.version, self.count) = (Some(diff.version.clone()), diff.count);
        if let Some(typing) = typing {
            self.take_typists(typing);
        }
        Ok(Heard::Applied)
    }

    /// Takes one transition in.
    ///
    /// # Errors
    /// A joined who is there, a left who is not, a version that is not newer.
    pub fn take_step(&mut self, step: &StepView) -> Result<(), Fault> {
        let user = &step.profile.user;
        let fault = |what| Err(format!("step of {} {}: {user} {what}", step.room, step.version));
        match self.known(&step.version) {
            None => return fault("before the roster"),
            Some(known) if known >= step.version.number => return fault("is no news"),
            Some(_) => (self.version, self.count) = (Some(step.version.clone()), step.count),
        }
        if step.left.is_some() {
            if self.viewers.remove(user).is_none() {
                return fault("left, but was not there");
            }
            return Ok(());
        }
        // Who is gone again at the end of the turn is not in the list: their profile must do.
        let listed = step.first.iter().find(|viewer| viewer.profile.user == *user).cloned();
        let viewer = listed.unwrap_or_else(|| Viewer {
            profile: step.profile.clone(),
            status: Default::default(),
            joined_at: Default::default(),
            sessions: 1,
            state: Default::default(),
        });
        if self.viewers.insert(user.clone(), viewer).is_some() {
            return fault("joined, but was there");
        }
        Ok(())
    }

    /// Takes in that somebody types, or stopped. True where that was news.
    pub fn take_typing(&mut self, user: &UserId, place: &Option<Target>, on: bool) -> bool {
        let key = (user.clone(), place.clone());
        if on { self.typing.insert(key) } else { self.typing.remove(&key) }
    }

    /// Everyone, by joined time, then user id.
    pub fn in_order(&self) -> Vec<&Viewer> {
        let mut viewers: Vec<&Viewer> = self.viewers.values().collect();
        viewers.sort_by_key(|viewer| (viewer.joined_at, viewer.profile.user.clone()));
        viewers
    }

    /// Takes all who type in.
    pub fn take_typists(&mut self, typists: &[Typist]) {
        let places = |typist: &Typist| {
            let user = typist.profile.user.clone();
            typist.targets.clone().into_iter().map(move |place| (user.clone(), place))
        };
        self.typing = typists.iter().flat_map(places).collect();
    }

    /// The number of the version known, where it is of the same epoch as `other`.
    fn known(&self, other: &Version) -> Option<u64> {
        self.version.as_ref().filter(|version| version.epoch == other.epoch).map(|version| version.number)
    }
}

fn joined_and_updated(diff: &DiffView) -> impl Iterator<Item = &UserId> {
    diff.joined.iter().chain(&diff.updated).map(|viewer| &viewer.profile.user)
}
