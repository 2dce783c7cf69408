//! How one room is told of where several nodes may: what of it is news is asked of the store that all share.
use crate::{
    cluster::redis::{
        announce::{IsNews, Noted, Noting, TURNS_EACH_MAX, Told, Turn},
        error::CallError,
        store::{Place, Store},
    },
    partition::Partition,
    webhooks::{event::Event, kinds::EventKind, orders::News, settings::Settings, wall::wall_clock},
};
use herenow_core::{
    cluster::door::{Held, NodeId},
    event::Notice,
    id::{RoomId, UserId},
    time::Time,
    version::Version,
};
use herenow_wire::words;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Something of one room, in the order in which it was noticed.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// Somebody came or went.
    Turned(Change),
    /// Something of somebody is different.
    Updated(Change),
    /// Who is there. Where the node has just begun to tell of the room, what others told may be on its way to be seen here: then
    /// only those are told who are there by this node, and other differences are looked at again.
    View { users: BTreeMap<UserId, Time>, own: Option<BTreeSet<UserId>> },
    /// The section of a node that died was ended.
    Reaped,
}

#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) turn: Turn,
    version: Option<Version>,
    reason: Option<&'static str>,
}

impl Item {
    /// Whether somebody came.
    pub(super) fn is_arrival(&self) -> bool {
        matches!(self, Self::Turned(change) if change.turn.is_here)
    }

    /// Who went.
    pub(super) fn departed(&self) -> Option<&UserId> {
        match self {
            Self::Turned(change) if !change.turn.is_here => Some(&change.turn.user),
            Self::Turned(_) | Self::Updated(_) | Self::View { .. } | Self::Reaped => None,
        }
    }
}

/// What is to be sent.
pub(super) struct Made {
    pub(super) kind: EventKind,
    pub(super) change: Change,
}

/// What became of the items of a room.
pub(super) struct Fate {
    /// What is to be sent.
    pub(super) made: Vec<Made>,
    /// What is still to be told: all is lost that was told before, or it cannot be reached.
    pub(super) left: Vec<Item>,
    /// Why not, where it cannot be reached.
    pub(super) error: Option<CallError>,
    /// Whether it has to be looked at again soon who is there.
    pub(super) is_behind: bool,
}

/// How one room is told of.
pub(super) struct Telling<'a> {
    pub(super) store: &'a Store,
    pub(super) dead: &'a BTreeSet<NodeId>,
    pub(super) room: &'a RoomId,
    pub(super) name: String,
    /// Whether all that a hub noticed is news.
    pub(super) is_forced: bool,
    /// Whether it is not known what of this node's own words came to the file.
    pub(super) is_doubtful: bool,
    /// Whether it has to be looked at again soon who is there.
    pub(super) is_behind: bool,
}

impl Telling<'_> {
    pub(super) async fn tell(&mut self, items: Vec<Item>) -> Fate {
        let mut made = Vec::new();
        let mut items = items.into_iter();
        while let Some(item) = items.next() {
            let done = match item.clone() {
                Item::Updated(change) => {
                    made.push(Made { kind: EventKind::UserUpdated, change });
                    Ok(true)
                }
                Item::Turned(change) => self.note(vec![change], self.is_forced, &mut made).await,
                Item::View { users, own } => self.compare(users, own, &mut made).await,
                Item::Reaped => self.end(&mut made).await,
            };
            let error = match done {
                Ok(true) => continue,
                Ok(false) => None,
                Err(error) => Some(error),
            };
            let left = std::iter::once(item).chain(items).collect();
            return Fate { made, left, error, is_behind: self.is_behind };
        }
        Fate { made, left: Vec::new(), error: None, is_behind: self.is_behind }
    }

    /// Notes what happened; false where all is lost that was noted before.
    async fn note(&mut self, changes: Vec<Change>, is_forced: bool, made: &mut Vec<Made>) -> Result<bool, CallError> {
        for changes in changes.chunks(TURNS_EACH_MAX) {
            let turns: Vec<Turn> = changes.iter().map(|change| change.turn.clone()).collect();
            let noting = Noting { name: &self.name, is_forced, ..Noting::default() };
            match self.store.announce(self.at(), noting, &turns).await? {
                Noted::Done(name, news) => {
                    self.name = name;
                    changes.iter().zip(news).for_each(|(change, news)| self.make(change, news, made));
                }
                Noted::Lost(name) => {
                    self.name = name;
                    return Ok(false);
                }
                Noted::Changed => {}
            }
        }
        Ok(true)
    }

    /// Tells the difference between what was told and who is here, and what a node had to tell that is no more.
    async fn compare(
        &mut self,
        users: BTreeMap<UserId, Time>,
        own: Option<BTreeSet<UserId>>,
        made: &mut Vec<Made>,
    ) -> Result<bool, CallError> {
        let told = self.store.announced(self.at()).await?;
        let now = wall_clock();
        let (mut changes, mut again) = (Vec::new(), Vec::new());
        let change = |turn| Change { turn, version: None, reason: None };
        for told in told.values() {
            let is_orphaned = self.is_orphaned(told);
            let is_here = users.contains_key(&told.turn.user);
            if is_orphaned {
                again.push(change(told.turn.clone()));
            }
            if told.turn.is_here && !is_here && own.is_some() {
                self.is_behind = true;
            } else if told.turn.is_here && !is_here {
                changes.push(Change {
                    reason: Some(NODE_LOST).filter(|_| is_orphaned),
                    ..change(Turn { is_here, at: now, ..told.turn.clone() })
                });
            }
        }
        for (user, joined_at) in users {
            let is_told = told.get(&user).is_some_and(|told| told.turn.is_here);
            if !is_told && own.as_ref().is_some_and(|own| !own.contains(&user)) {
                self.is_behind = true;
            } else if !is_told {
                let joined_at = if self.room.user().is_some() { now } else { joined_at };
                changes.push(change(Turn { user, is_here: true, joined_at, at: joined_at }));
            }
        }
        Ok(self.note(again, true, made).await? && self.note(changes, false, made).await?)
    }

    /// Tells that those have left whom only a node had that is no more, where nobody else is there to tell it.
    async fn end(&mut self, made: &mut Vec<Made>) -> Result<bool, CallError> {
        for _ in 0..TRIES {
            let snapshot = self.store.snapshot(self.at(), &[]).await?;
            let is_occupied = snapshot.sections.iter().any(|(_, held, entries)| {
                matches!(held, Held::Live(_)) && entries.as_ref().is_none_or(|entries| !entries.is_empty())
            });
            if is_occupied {
                return Ok(true);
            }
            let (told, now) = (self.store.announced(self.at()).await?, wall_clock());
            let (mut again, mut gone) = (Vec::new(), Vec::new());
            for told in told.into_values() {
                if told.turn.is_here {
                    let turn = Turn { is_here: false, at: now, ..told.turn };
                    gone.push(Change { turn, version: None, reason: Some(NODE_LOST) });
                } else if self.is_orphaned(&told) {
                    again.push(Change { turn: told.turn, version: None, reason: None });
                }
            }
            if !self.note(again, true, made).await? {
                return Ok(false);
            }
            let turns: Vec<Turn> = gone.iter().map(|change| change.turn.clone()).collect();
            let noting = Noting { name: &self.name, only_at: snapshot.tag, ..Noting::default() };
            match self.store.announce(self.at(), noting, &turns).await? {
                Noted::Done(name, news) => {
                    self.name = name;
                    gone.iter().zip(news).for_each(|(change, news)| self.make(change, news, made));
                    return Ok(true);
                }
                Noted::Lost(name) => {
                    self.name = name;
                    return Ok(true);
                }
                Noted::Changed => {}
            }
        }
        Ok(true)
    }

    /// Whether nobody tells it who was to tell it.
    fn is_orphaned(&self, told: &Told) -> bool {
        let is_mine = |node| self.is_doubtful && node == self.store.node();
        told.by.is_some_and(|node| self.dead.contains(&node) || is_mine(node))
    }

    fn make(&self, change: &Change, (news, joined_at): (IsNews, Time), made: &mut Vec<Made>) {
        let mut change = change.clone();
        change.turn.joined_at = joined_at;
        let (is_here, is_user) = (change.turn.is_here, self.room.user().is_some());
        let (user, room) = match (is_here, is_user) {
            (true, false) => (EventKind::UserJoined, EventKind::RoomOccupied),
            (false, false) => (EventKind::UserLeft, EventKind::RoomVacated),
            (true, true) => (EventKind::UserOnline, EventKind::RoomOccupied),
            (false, true) => (EventKind::UserOffline, EventKind::RoomVacated),
        };
        let event = |kind| Made { kind, change: change.clone() };
        let with_room = news == IsNews::WithRoom && !is_user;
        if with_room && is_here {
            made.push(event(room));
        }
        if news != IsNews::No {
            made.push(event(user));
        }
        if with_room && !is_here {
            made.push(event(room));
        }
    }

    fn at(&self) -> Place<'_> {
        Place { partition: Partition::holding(self.room), room: self.room }
    }
}

impl Made {
    pub(super) const fn is_turn(&self) -> bool {
        !matches!(self.kind, EventKind::RoomOccupied | EventKind::RoomVacated | EventKind::UserUpdated)
    }

    pub(super) fn event<'a>(&'a self, room: &'a RoomId) -> Event<'a> {
        let Self { kind, change: Change { turn, version, reason } } = self;
        let is_user = room.user().is_some();
        let of_room = matches!(kind, EventKind::RoomOccupied | EventKind::RoomVacated);
        let is_end = matches!(kind, EventKind::UserLeft | EventKind::UserOffline);
        Event {
            kind: *kind,
            room: Some(room).filter(|_| !is_user),
            user: Some(&turn.user).filter(|_| !of_room),
            version: version.as_ref(),
            at: turn.at,
            joined_at: Some(turn.joined_at).filter(|at| is_end && *at != Time::default()),
            reason: reason.filter(|_| *kind == EventKind::UserLeft),
        }
    }
}

/// News by room, in order; and the partitions of which all rooms are among them.
pub(super) fn sort(news: Vec<News>, settings: &Settings) -> (BTreeMap<RoomId, Vec<Item>>, BTreeSet<usize>) {
    let (mut rooms, mut compared) = (BTreeMap::<RoomId, Vec<Item>>::new(), BTreeSet::new());
    let mut add = |room: RoomId, item: Item| {
        if is_wanted(&room, settings) {
            rooms.entry(room).or_default().push(item);
        }
    };
    for news in news {
        match news {
            News::Notice(at, notice) => {
                if let Some((room, item)) = item_of(at, notice) {
                    add(room, item);
                }
            }
            News::View { room, users, own } => add(room, Item::View { users, own: Some(own) }),
            News::Reaped(room) => add(room, Item::Reaped),
            News::Present(partition, present) => {
                compared.insert(partition.index());
                let now = wall_clock();
                let whole = |users| Item::View { users, own: None };
                present.rooms.into_iter().for_each(|(room, users)| add(room, whole(users)));
                for user in present.online {
                    add(RoomId::of_user(&user), whole(BTreeMap::from([(user, now)])));
                }
            }
        }
    }
    (rooms, compared)
}

fn is_wanted(room: &RoomId, settings: &Settings) -> bool {
    let hears = |kinds: [EventKind; 2]| kinds.iter().any(|kind| settings.kinds.contains(*kind));
    if room.user().is_some() { hears([EventKind::UserOnline, EventKind::UserOffline]) } else { settings.wants(room) }
}

fn item_of(at: Time, notice: Notice) -> Option<(RoomId, Item)> {
    let turn = |user: &UserId, is_here, joined_at| Turn { user: user.clone(), is_here, joined_at, at };
    Some(match notice {
        Notice::Joined { room, profile, version, .. } => {
            let turn = turn(&profile.user, true, at);
            (room, Item::Turned(Change { turn, version: Some(version), reason: None }))
        }
        Notice::Left { room, profile, version, reason, joined_at, .. } => {
            let turn = turn(&profile.user, false, joined_at);
            (room, Item::Turned(Change { turn, version: Some(version), reason: Some(words::reason(reason)) }))
        }
        Notice::Updated { room, profile, version } => {
            let turn = turn(&profile.user, true, at);
            (room, Item::Updated(Change { turn, version: Some(version), reason: None }))
        }
        Notice::Online { user } => {
            let turn = turn(&user, true, at);
            (RoomId::of_user(&user), Item::Turned(Change { turn, version: None, reason: None }))
        }
        Notice::Offline { user } => {
            let turn = turn(&user, false, Time::default());
            (RoomId::of_user(&user), Item::Turned(Change { turn, version: None, reason: None }))
        }
        Notice::Typing { .. } => return None,
    })
}

/// The turn that an event tells, where it tells one.
pub(super) fn turn_of(json: &str) -> Option<(RoomId, Turn)> {
    #[derive(Deserialize)]
    struct Form {
        event: String,
        room: Option<String>,
        user: Option<String>,
        at_ms: u64,
        joined_at_ms: Option<u64>,
    }
    let form: Form = serde_json::from_str(json).ok()?;
    let user = UserId::parse(form.user.as_deref()?).ok()?;
    let is_here = match EventKind::named(&form.event)? {
        EventKind::UserJoined | EventKind::UserOnline => true,
        EventKind::UserLeft | EventKind::UserOffline => false,
        EventKind::UserUpdated | EventKind::RoomOccupied | EventKind::RoomVacated => return None,
    };
    let room = match &form.room {
        Some(room) => RoomId::parse(room).ok()?,
        None => RoomId::of_user(&user),
    };
    let (joined_at, at) = (Time::from_millis(form.joined_at_ms.unwrap_or_default()), Time::from_millis(form.at_ms));
    Some((room, Turn { user, is_here, joined_at, at }))
}

/// Times that a room is looked at anew which was written to meanwhile; who writes is there to tell of it.
const TRIES: usize = 3;
/// Why those left whose node is no more.
const NODE_LOST: &str = "node_lost";
