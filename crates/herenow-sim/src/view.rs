//! A room as somebody knows it who has only frames to go by: what an SDK keeps.
use herenow_core::{
    event::{DiffView, RosterView, StepView, Typist, Viewer},
    id::{Target, UserId},
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
    /// Who types into what.
    pub typing: BTreeSet<(UserId, Place)>,
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
        self.version = Some(roster.version.clone());
        self.viewers = viewers;
        self.take_typists(&roster.typing);
        Ok(())
    }

    /// Takes a diff in, where it fits.
    ///
    /// # Errors
    /// A user in two lists, a joined who is there, a left or updated who is not, a wrong count.
    pub fn take_diff(&mut self, diff: &DiffView, typing: Option<&[Typist]>) -> Result<Heard, Fault> {
        let Some(known) = self.known(&diff.version) else { return Ok(Heard::Gap) };
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
        self.version = Some(diff.version.clone());
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
            Some(_) => self.version = Some(step.version.clone()),
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

    fn take_typists(&mut self, typists: &[Typist]) {
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
