//! What a hub shows to whoever asks from outside, without being in a room: pages, lists, whereabouts. Changes nothing.
use crate::{
    event::{Count, Gear, Viewer},
    hub::Hub,
    id::{RoomId, SessionId, UserId},
    people::Dot,
    room::Room,
    roster::EntryFact,
    rules::RoomMode,
    time::Time,
    version::Version,
};
use std::{collections::BTreeMap, ops::Bound};

/// A part of a room's roster, and what is known of the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// As of when.
    pub version: Version,
    /// How the room tells its news.
    pub gear: Gear,
    /// How many are in the room.
    pub count: Count,
    /// The viewers of this page, by joined time, then user id.
    pub viewers: Vec<Viewer>,
    /// Whether others come after them.
    pub has_more: bool,
    /// Whether clients may see them: not so where only numbers are told.
    pub names_viewers: bool,
    /// Since when it is not known what other nodes say of the room, so that this may be old.
    pub stale_since: Option<Time>,
}

/// A room in a list of rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Which.
    pub room: RoomId,
    /// As of when.
    pub version: Version,
    /// How it tells its news.
    pub gear: Gear,
    /// How many are in it.
    pub count: Count,
}

impl Hub {
    /// The viewers of a room after a place in their order, at most `viewers_max` of them. A room that nobody is in is an
    /// empty one. O(log viewers + page).
    pub fn page(&self, room: &RoomId, after: Option<&(Time, UserId)>, viewers_max: usize) -> Page {
        let stale_since = self.doubted_since(room);
        let version = |number| Version { epoch: self.epoch.clone(), number };
        let Some(room) = self.rooms.get(room) else {
            let (gear, count) = (Gear::default(), Count::default());
            return Page {
                version: version(self.floor),
                gear,
                count,
                viewers: Vec::new(),
                has_more: false,
                names_viewers: true,
                stale_since,
            };
        };
        let mut rest = room.roster.viewers_after(after);
        let viewers = rest.by_ref().take(viewers_max).collect();
        let has_more = rest.next().is_some();
        let (version, gear, count) = (version(room.history.number()), room.pace.gear, room.roster.count());
        let names_viewers = room.settings.names_viewers();
        Page { version, gear, count, viewers, has_more, names_viewers, stale_since }
    }

    /// Rooms with viewers whose names begin with `prefix`, by name, those after a name where one is given.
    pub fn occupied_rooms<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&RoomId>,
    ) -> impl Iterator<Item = Summary> + use<'a> {
        let first = RoomId::parse(prefix).ok();
        let from = match (after, first) {
            (Some(after), Some(first)) if *after < first => Bound::Included(first),
            (Some(after), _) => Bound::Excluded(after.clone()),
            (None, Some(first)) => Bound::Included(first),
            (None, None) => Bound::Unbounded,
        };
        let named =
            self.rooms.range((from, Bound::Unbounded)).take_while(move |(id, _)| id.as_str().starts_with(prefix));
        named.filter(|(_, room)| !room.roster.is_empty()).map(|(id, room)| self.summary_of(id, room))
    }

    /// Whether lists leave a room out for whoever is no operator.
    pub fn is_private(&self, room: &RoomId) -> bool {
        self.rooms.get(room).is_some_and(|room| room.settings.mode == RoomMode::Private)
    }

    /// The rooms of this hub that a user is in, with their entries. O(rooms).
    pub fn places(&self, user: &UserId) -> Vec<(RoomId, Vec<EntryFact>)> {
        let there = self.rooms.iter().filter(|(_, room)| room.roster.contains(user));
        there.map(|(id, room)| (id.clone(), room.roster.facts(user))).collect()
    }

    /// Whether a user whose home is this hub is online, or when they last were.
    pub fn dot(&self, user: &UserId, now: Time) -> Dot {
        self.people.dot(user, (now, &self.limits))
    }

    /// The users whose home is this hub and who are online, by id.
    pub fn online_users(&self) -> impl Iterator<Item = &UserId> {
        self.people.all_online()
    }

    /// The sessions of a user whose home is this hub that are online, those in grace included.
    pub fn online_sessions(&self, user: &UserId) -> Vec<SessionId> {
        self.people.sessions_of(user)
    }

    /// The sessions of such a user that other nodes say are online, as far as they are heard.
    pub fn distant_sessions(&self, user: &UserId) -> Vec<SessionId> {
        self.people.distant_sessions_of(user)
    }

    /// One room as it is in lists; `None` where nobody is in it.
    pub fn summary(&self, id: &RoomId) -> Option<Summary> {
        let room = self.rooms.get(id).filter(|room| !room.roster.is_empty())?;
        Some(self.summary_of(id, room))
    }

    /// Who is in a room, and since when; of a user's own room, the user while they are online.
    pub fn present_in(&self, id: &RoomId) -> BTreeMap<UserId, Time> {
        if let Some(user) = id.user() {
            let online = self.people.status(&user).map(|_| (user, Time::default()));
            return online.into_iter().collect();
        }
        let viewers = self.rooms.get(id).into_iter().flat_map(|room| room.roster.viewers());
        viewers.map(|viewer| (viewer.profile.user.clone(), viewer.joined_at)).collect()
    }

    /// Whether a user is in a room, or online where it is their own, by this node.
    pub fn has_own_in(&self, id: &RoomId, user: &UserId) -> bool {
        match id.user() {
            Some(_) => self.people.has_own(user),
            None => self.rooms.get(id).is_some_and(|room| !room.roster.own_sessions(user).is_empty()),
        }
    }

    fn summary_of(&self, id: &RoomId, room: &Room) -> Summary {
        Summary {
            room: id.clone(),
            version: Version { epoch: self.epoch.clone(), number: room.history.number() },
            gear: room.pace.gear,
            count: room.roster.count(),
        }
    }

    /// Until when a user may not come into a room.
    pub fn blocked_until(&self, room: &RoomId, user: &UserId) -> Option<Time> {
        self.blocks.get(&(room.clone(), user.clone())).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::Hub;
    use crate::{
        command::{Command, Ending, HomeNews, Input, Interest},
        event::{Count, Gear, Notice, Output},
        id::{ConnectionKey, RoomId, SessionId, UserId},
        limits::Limits,
        profile::{Profile, Status},
        time::Time,
        version::Epoch,
    };
    use std::sync::Arc;

    const NOW: Time = Time::from_millis(1000);

    fn room(name: &str) -> RoomId {
        RoomId::parse(name).unwrap()
    }

    fn user(id: &str) -> UserId {
        UserId::parse(id).unwrap()
    }

    /// A hub with users in rooms, the first of each pair in the second.
    fn hub(places: &[(&str, &str)]) -> Hub {
        let mut hub = Hub::new(Epoch::parse("e").unwrap(), Limits::default());
        for (at, (who, name)) in places.iter().enumerate() {
            let session = SessionId(at as u64);
            let profile = Arc::new(Profile { user: user(who), name: (*who).into(), avatar: None });
            hub.handle(NOW, Input::Attached { session, profile, connection: ConnectionKey(at as u32) });
            let (interest, state, since) = (Interest::Auto, None, None);
            let command = Command::Join { room: room(name), interest, observe: false, state, since, sessions: false };
            hub.handle(NOW, Input::Asked { session, re: None, command });
        }
        hub.settle(NOW);
        while hub.poll_output().is_some() {}
        hub
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_overlap() {
        let hub = hub(&[("c", "r"), ("a", "r"), ("b", "r"), ("a", "other")]);
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let page = hub.page(&room("r"), after.as_ref(), 2);
            assert_eq!((page.count, page.version.number), (Count { users: 3, sessions: 3 }, 3));
            seen.extend(page.viewers.iter().map(|viewer| viewer.profile.user.as_str().to_owned()));
            after = page.viewers.last().map(|viewer| (viewer.joined_at, viewer.profile.user.clone()));
            if !page.has_more {
                break;
            }
        }
        assert_eq!(seen, ["a", "b", "c"]);
        let empty = hub.page(&room("nobody"), None, 2);
        assert_eq!((empty.gear, empty.count, empty.has_more), (Gear::Live, Count::default(), false));
    }

    #[test]
    fn rooms_are_listed_by_name_from_where_a_list_ended() {
        let hub = hub(&[("a", "board-2"), ("a", "board-1"), ("b", "board-10"), ("b", "chat"), ("b", "a")]);
        let names = |prefix: &str, after: Option<&str>| {
            let after = after.map(room);
            let rooms = hub.occupied_rooms(prefix, after.as_ref());
            rooms.map(|summary| summary.room.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names("", None), ["a", "board-1", "board-10", "board-2", "chat"]);
        assert_eq!(names("board-", None), ["board-1", "board-10", "board-2"]);
        assert_eq!(names("board-", Some("board-1")), ["board-10", "board-2"]);
        assert_eq!(names("board-", Some("a")), ["board-1", "board-10", "board-2"]);
        assert_eq!(names("x", None), [""; 0]);
    }

    #[test]
    fn who_comes_online_and_goes_offline_is_noticed_once() {
        let mut hub = hub(&[]);
        let noticed = |hub: &mut Hub, now: Time, news: &[(&str, u64, HomeNews)]| -> Vec<String> {
            hub.handle_timeout(now);
            for (who, session, news) in news {
                hub.handle(now, Input::Home { user: user(who), session: SessionId(*session), news: *news });
            }
            hub.settle(now);
            let mut said = Vec::new();
            while let Some(output) = hub.poll_output() {
                match output {
                    Output::Notice(Notice::Online { user }) => said.push(format!("{user} online")),
                    Output::Notice(Notice::Offline { user }) => said.push(format!("{user} offline")),
                    other => panic!("{other:?}"),
                }
            }
            said
        };
        let (came, left, lost) =
            (HomeNews::Arrived(Status::Active), HomeNews::Departed(Ending::Left), HomeNews::Departed(Ending::Lost));
        assert_eq!(noticed(&mut hub, NOW, &[("a", 1, came), ("b", 2, came)]), ["a online", "b online"]);
        // A second session, and what comes and goes within a turn, is no news.
        let within = [("a", 3, came), ("a", 1, left), ("c", 4, came), ("c", 4, left), ("b", 2, left), ("b", 2, came)];
        assert_eq!(noticed(&mut hub, NOW, &within), [""; 0]);
        assert_eq!(hub.online_users().map(UserId::as_str).collect::<Vec<_>>(), ["a", "b"]);
        // One that was lost counts until its grace is over.
        assert_eq!(noticed(&mut hub, NOW, &[("a", 3, lost)]), [""; 0]);
        let later = NOW + hub.limits.grace_lost;
        assert_eq!(noticed(&mut hub, later, &[("b", 2, HomeNews::Status(Status::Idle))]), ["a offline"]);
        assert_eq!(noticed(&mut hub, later, &[("b", 2, left)]), ["b offline"]);
        assert_eq!(hub.online_users().count(), 0);
    }

    #[test]
    fn a_user_is_found_wherever_they_are() {
        let hub = hub(&[("a", "r"), ("a", "r"), ("b", "r"), ("a", "s")]);
        let places = hub.places(&user("a"));
        let shown: Vec<_> = places.iter().map(|(room, entries)| (room.as_str(), entries.len())).collect();
        assert_eq!(shown, [("r", 2), ("s", 1)]);
        assert!(hub.places(&user("nobody")).is_empty());
    }
}
