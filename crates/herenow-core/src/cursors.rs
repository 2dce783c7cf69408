//! Where pointers are: the last place of each session, told in batches. Never queued, never replayed.
use crate::{
    id::{SessionId, Target},
    time::Time,
};
use std::collections::{BTreeMap, BTreeSet};

/// A place on the thing named by `on`, in hundred-thousandths of its width and height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// From its left edge: 0 to [`Point::WHOLE`].
    pub x: u32,
    /// From its top edge: 0 to [`Point::WHOLE`].
    pub y: u32,
    /// What the place is on; the room as a whole where absent.
    pub on: Option<Target>,
}

impl Point {
    /// The far edge.
    pub const WHOLE: u32 = 100_000;
}

/// What moved since the last batch.
#[derive(Debug, Default)]
pub struct Cursors {
    moved: BTreeMap<SessionId, Option<Point>>,
    /// Sessions whose pointer others see.
    shown: BTreeSet<SessionId>,
    /// Sessions of other nodes, which tell of them themselves.
    distant: BTreeSet<SessionId>,
    /// When the next batch may be told.
    pub(crate) tell_at: Time,
    /// Whether somebody wakes the room for it.
    pub(crate) is_woken: bool,
}

impl Cursors {
    /// Notes where a session's pointer is, or that it is hidden.
    pub fn place(&mut self, session: SessionId, point: Option<Point>) {
        self.moved.insert(session, point);
    }

    /// As [`Self::place`], of a session that another node has.
    pub(crate) fn place_distant(&mut self, session: SessionId, point: Option<Point>) {
        self.distant.insert(session);
        match point {
            Some(point) => self.place(session, Some(point)),
            None => self.hide(session),
        }
    }

    /// Of what moved, what this node has to tell others.
    pub(crate) fn own(&self) -> Vec<(SessionId, Option<Point>)> {
        let own = self.moved.iter().filter(|(session, _)| !self.distant.contains(session));
        own.map(|(session, point)| (*session, point.clone())).collect()
    }

    /// Forgets that another node has a session, unless its pointer is to be hidden still.
    pub(crate) fn forget_distant(&mut self, session: SessionId) {
        if !self.moved.contains_key(&session) {
            self.distant.remove(&session);
        }
    }

    /// Hides a session's pointer, where others see it.
    pub fn hide(&mut self, session: SessionId) {
        if self.shown.contains(&session) {
            self.moved.insert(session, None);
        } else {
            self.moved.remove(&session);
        }
    }

    /// Hides all pointers that others see.
    pub fn hide_all(&mut self) {
        self.moved = self.shown.iter().map(|session| (*session, None)).collect();
    }

    /// Hands out what moved, by session.
    pub fn take(&mut self) -> Vec<(SessionId, Option<Point>)> {
        let moved: Vec<(SessionId, Option<Point>)> = std::mem::take(&mut self.moved).into_iter().collect();
        for (session, point) in &moved {
            match point {
                Some(_) => self.shown.insert(*session),
                None => self.shown.remove(session) | self.distant.remove(session),
            };
        }
        moved
    }

    /// Whether nothing moved.
    pub fn is_still(&self) -> bool {
        self.moved.is_empty()
    }
}
