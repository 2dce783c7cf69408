//! Webhooks of a node among several: what was told is kept in the store of the cluster, so that one node tells a thing, and
//! another one tells it where that node died before the app had it. Only what comes to the file here is sent from here.
use super::{
    COMPARE_WAIT, Worker,
    held::Waiting,
    telling::{Fate, Item, Made, Telling, sort, turn_of},
};
use crate::{
    cluster::redis::{
        announce::{Noting, TURNS_EACH_MAX, Turn},
        error::CallError,
        store::{Place, Store},
    },
    partition::Partition,
    webhooks::{
        ledger::{Ledger, Present},
        orders::News,
        spool::Stored,
        wall::wall_clock,
    },
};
use futures_util::StreamExt;
use herenow_core::{
    cluster::door::NodeId,
    hub::Hub,
    id::{RoomId, UserId},
    time::Time,
};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    mem,
    time::{Duration, Instant},
};

impl Worker {
    /// The way to what all nodes know of what was told: `None` where the node is alone. Within it, `None` where it cannot be
    /// reached.
    pub(super) fn joint(&self) -> Option<Option<Store>> {
        self.presence.upgrade()?.cluster().map(|node| node.store())
    }

    /// Tells what of the news no node has told, and puts it into the file.
    pub(super) async fn take_jointly(&mut self, store: Option<Store>, batch: &mut Vec<News>) {
        let news = mem::take(batch);
        let Some(settings) = self.settings.clone() else { return };
        if self.flags.has_dropped.swap(false, std::sync::atomic::Ordering::Relaxed) {
            self.fall_behind(0..Partition::COUNT);
        }
        let (mut rooms, compared) = sort(news, &settings);
        let partitions: BTreeSet<usize> =
            rooms.keys().map(|room| Partition::holding(room).index()).chain(compared.iter().copied()).collect();
        let ready = match store.filter(|_| self.spool.has_room()) {
            Some(store) => self.get_ready(&store).await.map(|dead| (store, dead)),
            None => return self.fall_behind(partitions),
        };
        let Ok((store, dead)) = ready else { return self.fall_behind(partitions) };
        self.behind.retain(|partition| !compared.contains(partition));
        let held = rooms.extract_if(.., |room, _| self.joint.waiting.contains_key(&Partition::holding(room).index()));
        let held: Vec<_> = held.collect();
        let lost = self.tell_rooms((&store, &dead), rooms, false).await;
        let until = Instant::now() + RECOVERY;
        for (room, items) in held.into_iter().chain(lost) {
            self.hold(until, room, items);
        }
    }

    /// Tells what had to wait, and whose time has come.
    pub(super) async fn tell_held(&mut self) {
        let now = Instant::now();
        if self.joint.next().is_none_or(|at| at > now) {
            return;
        }
        let Some(Some(store)) = self.joint() else {
            self.joint.waiting.values_mut().for_each(|waiting| waiting.until = waiting.until.max(now + COMPARE_WAIT));
            return;
        };
        let due: Vec<(usize, Waiting)> = self.joint.waiting.extract_if(.., |_, waiting| waiting.until <= now).collect();
        for (partition, mut waiting) in due {
            let told = match Partition::at(partition) {
                Some(partition) => self.tell_again(&store, partition, &mut waiting).await,
                None => Ok(()),
            };
            if told.is_err() {
                waiting.until = now + COMPARE_WAIT;
                self.joint.waiting.insert(partition, waiting);
            }
        }
    }

    /// Notes, without telling anybody, who was in the rooms of a partition before all was lost that was noted, and tells who
    /// came and who went since.
    async fn tell_again(
        &mut self,
        store: &Store,
        partition: Partition,
        waiting: &mut Waiting,
    ) -> Result<(), CallError> {
        let Some(presence) = self.presence.upgrade() else { return Ok(()) };
        let names: Vec<RoomId> = waiting.rooms.keys().cloned().collect();
        let look = move |hub: &Hub| (Present::in_hub(hub), names.into_iter().filter(|room| hub.tells(room)).collect());
        let seen = presence.look(partition, look).await;
        let Some((present, mine)): Option<(Present, BTreeSet<RoomId>)> = seen else { return Ok(()) };
        let (name, dead, now) = (store.told_name(partition).await?, store.dead_nodes().await?, wall_clock());
        let mut rooms = mem::take(&mut waiting.rooms);
        // Who tells of the others by now looks who is there by itself.
        rooms.retain(|room, _| mine.contains(room));
        let noting = Noting { name: &name, is_silent: true, ..Noting::default() };
        let online = present.online.iter().map(|user| (RoomId::of_user(user), BTreeMap::from([(user.clone(), now)])));
        let views: Vec<_> = present.rooms.into_iter().chain(online).collect();
        for (room, users) in views {
            let items = rooms.entry(room.clone()).or_default();
            // Of users it is not known since when they are online: by what was noticed.
            let is_new = room.user().is_some() && items.iter().any(Item::is_arrival);
            let before = users.iter().filter(
                |(_, joined_at)| {
                    if room.user().is_some() { !is_new } else { **joined_at < waiting.since }
                },
            );
            let turn = |(user, joined_at): (&UserId, &Time)| Turn {
                user: user.clone(),
                is_here: true,
                joined_at: *joined_at,
                at: now,
            };
            for turns in before.map(turn).collect::<Vec<Turn>>().chunks(TURNS_EACH_MAX) {
                if let Err(error) = store.announce(Place { partition, room: &room }, noting, turns).await {
                    waiting.rooms = rooms;
                    return Err(error);
                }
            }
            // Who came is there, and who went is not: what was noticed in between says no more.
            items.retain(|item| !item.is_arrival() && item.departed().is_none_or(|user| !users.contains_key(user)));
            items.push(Item::View { users, own: None });
        }
        self.joint.names.insert(partition.index(), name);
        let left = self.tell_rooms((store, &dead), rooms, true).await;
        for (room, items) in left {
            self.hold(Instant::now() + COMPARE_WAIT, room, items);
        }
        Ok(())
    }

    fn hold(&mut self, until: Instant, room: RoomId, items: Vec<Item>) {
        let (partition, count) = (Partition::holding(&room).index(), items.len());
        if !self.joint.hold(until, room, items) {
            self.meters.dropped.inc_by(count as u64);
            self.fall_behind([partition]);
        }
    }

    /// Learns what stands for what was told before anything is told; then a loss shows with the next thing that is to be told.
    /// The nodes that are no more.
    async fn get_ready(&mut self, store: &Store) -> Result<BTreeSet<NodeId>, CallError> {
        for partition in (0..Partition::COUNT).filter_map(Partition::at) {
            if let Entry::Vacant(place) = self.joint.names.entry(partition.index()) {
                place.insert(store.told_name(partition).await?);
            }
        }
        store.dead_nodes().await
    }

    /// Has partitions compared later.
    fn fall_behind(&mut self, partitions: impl IntoIterator<Item = usize>) {
        self.behind.extend(partitions);
        if !self.behind.is_empty() {
            self.compare_at.get_or_insert(Instant::now() + COMPARE_WAIT);
        }
    }

    /// Tells what there is to tell of rooms; what is left over of those whose past is lost, or for which it was forced.
    async fn tell_rooms(
        &mut self,
        (store, dead): (&Store, &BTreeSet<NodeId>),
        rooms: BTreeMap<RoomId, Vec<Item>>,
        is_forced: bool,
    ) -> BTreeMap<RoomId, Vec<Item>> {
        let names = mem::take(&mut self.joint.names);
        let tellings = rooms.into_iter().map(|(room, items)| {
            let name = names.get(&Partition::holding(&room).index()).cloned().unwrap_or_default();
            let is_doubtful = self.joint.doubtful.contains(&room);
            async move {
                let mut telling = Telling { store, dead, room: &room, name, is_forced, is_doubtful, is_behind: false };
                let fate = telling.tell(items).await;
                let name = telling.name;
                (room, name, fate)
            }
        });
        let fates: Vec<_> = futures_util::stream::iter(tellings).buffer_unordered(ROOMS_AT_ONCE).collect().await;
        self.joint.names = names;
        let (mut lost, mut made, mut failed) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
        let mut doubtful = Vec::new();
        for (room, name, fate) in fates {
            let partition = Partition::holding(&room).index();
            if !name.is_empty() {
                self.joint.names.insert(partition, name);
            }
            let Fate { made: events, left, error, is_behind } = fate;
            failed.extend(Some(partition).filter(|_| is_behind));
            match error {
                None => drop(self.joint.doubtful.remove(&room)),
                Some(error) => {
                    tracing::debug!(%error, "what is to be told of a room waits");
                    doubtful.push(room.clone());
                    failed.extend(Some(partition).filter(|_| !is_forced));
                }
            }
            let is_lost = is_forced || !failed.contains(&partition);
            if !left.is_empty() && is_lost {
                lost.insert(room.clone(), left);
            }
            made.push((room, events));
        }
        if self.joint.doubtful.len() < DOUBTFUL_MAX {
            self.joint.doubtful.extend(doubtful);
        }
        self.fall_behind(failed);
        self.put(made);
        lost
    }

    /// Puts events into the file. What nobody wants to hear counts as taken.
    fn put(&mut self, made: Vec<(RoomId, Vec<Made>)>) {
        let Some(settings) = self.settings.clone() else { return };
        let kinds = settings.kinds;
        let before = self.spool.pending();
        let now = wall_clock();
        let written = self.spool.write(|desk| {
            let mut ledger = Ledger { desk, kinds, now };
            for (room, events) in &made {
                let lane = Partition::holding(room).index();
                for made in events {
                    ledger.put(lane, &made.event(room))?;
                }
            }
            Ok(())
        });
        match written {
            Ok(()) => {
                self.meters.stored.inc_by((self.spool.pending() - before) as u64);
            }
            Err(error) => {
                tracing::error!(%error, "the spool of webhooks cannot be written; other nodes tell it where this one ends");
                self.problem = Some(format!("the spool cannot be written: {error}"));
                return;
            }
        }
        let unwanted = made.into_iter().flat_map(|(room, events)| {
            let turns = events.into_iter().filter(move |made| !kinds.contains(made.kind));
            turns.filter(|made| made.is_turn()).map(move |made| (room.clone(), made.change.turn))
        });
        self.confirm(unwanted.collect());
    }

    /// Notes that the app has these.
    pub(super) fn confirm_taken(&self, events: &[Stored]) {
        let turns = events.iter().filter_map(|event| turn_of(&event.json)).collect();
        self.confirm(turns);
    }

    fn confirm(&self, turns: Vec<(RoomId, Turn)>) {
        let Some(Some(store)) = self.joint() else { return };
        let mut rooms: BTreeMap<RoomId, Vec<Turn>> = BTreeMap::new();
        for (room, turn) in turns {
            rooms.entry(room).or_default().push(turn);
        }
        if rooms.is_empty() {
            return;
        }
        tokio::spawn(async move {
            for (room, turns) in &rooms {
                let at = Place { partition: Partition::holding(room), room };
                // Where it fails, and this node ends after that, the app is told it again.
                let _ = store.confirm(at, turns).await;
            }
        });
    }
}

/// Rooms of which is told at once.
const ROOMS_AT_ONCE: usize = 64;
/// After what was told is lost: how long it may take until all nodes know again who is there, each by its own audit.
const RECOVERY: Duration = Duration::from_secs(15);
/// Rooms of which that is remembered; of what is more the app may not be told, as where this node had ended then.
const DOUBTFUL_MAX: usize = 10_000;
