//! Who looks on: what an observer at a node is told of a room must fit together, whatever happens to the store.
use herenow_core::{
    event::{Event, Viewer},
    id::{LockName, RoomId, SessionId, UserId},
    profile::Status,
};
use std::collections::BTreeMap;

/// An observer of one room at one node.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) room: RoomId,
    pub(super) session: SessionId,
    /// Who is there, as it was told; nothing before the first roster.
    pub(super) roster: Option<BTreeMap<UserId, Viewer>>,
    pub(super) version: u64,
    /// Who holds which lock, as it was told.
    pub(super) locks: BTreeMap<LockName, (SessionId, u64)>,
    /// Who is online, as it was told.
    pub(super) dots: BTreeMap<UserId, Option<Status>>,
}

/// A user came or went, as an observer was told.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub(super) room: RoomId,
    pub(super) user: UserId,
    pub(super) joined: bool,
}

impl Watcher {
    /// Takes an event in.
    ///
    /// # Errors
    /// Where it does not fit what was told before.
    pub(super) fn hear(&mut self, event: &Event, edges: &mut Vec<Edge>) -> Result<(), String> {
        match event {
            Event::Roster { view, .. } if view.room == self.room => {
                let roster = view.viewers.iter().map(|viewer| (viewer.profile.user.clone(), viewer.clone()));
                self.roster = Some(roster.collect());
                let held = view
                    .locks
                    .iter()
                    .filter_map(|lock| Some((lock.name.clone(), (lock.holder.as_ref()?.1, lock.fence))));
                self.locks = held.collect();
                self.version = view.version.number;
            }
            Event::Diff { view, .. } if view.room == self.room => {
                if view.from != self.version {
                    return Err(format!("a diff from {} where the roster is {}", view.from, self.version));
                }
                self.version = view.version.number;
                let Some(roster) = &mut self.roster else { return Err("a diff before the roster".into()) };
                for (user, _) in &view.left {
                    if roster.remove(user).is_none() {
                        return Err(format!("{user} left, and was not there"));
                    }
                    edges.push(Edge { room: self.room.clone(), user: user.clone(), joined: false });
                }
                for viewer in &view.updated {
                    if roster.insert(viewer.profile.user.clone(), viewer.clone()).is_none() {
                        return Err(format!("{} changed, and was not there", viewer.profile.user));
                    }
                }
                for viewer in &view.joined {
                    let user = &viewer.profile.user;
                    if roster.insert(user.clone(), viewer.clone()).is_some() {
                        return Err(format!("{user} joined twice"));
                    }
                    edges.push(Edge { room: self.room.clone(), user: user.clone(), joined: true });
                }
            }
            Event::Lock { room, lock } if *room == self.room => match &lock.holder {
                Some((_, session)) => {
                    self.locks.insert(lock.name.clone(), (*session, lock.fence));
                }
                None => {
                    self.locks.remove(&lock.name);
                }
            },
            Event::Statuses(dots) => {
                self.dots.extend(dots.iter().map(|dot| (dot.user.clone(), dot.status)));
            }
            _ => {}
        }
        Ok(())
    }
}
