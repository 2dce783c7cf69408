//! What a node among several knows of what was told, and what waits because that is lost.
use super::telling::Item;
use crate::{partition::Partition, webhooks::wall::wall_clock};
use herenow_core::{id::RoomId, time::Time};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

/// What a node among several knows of what was told.
#[derive(Default)]
pub(super) struct Joint {
    /// What stands for all that was told in each partition, as far as it was looked at.
    pub(super) names: BTreeMap<usize, String>,
    /// Partitions of which it is lost what was told: what is to be told there waits until all nodes know again who is there.
    pub(super) waiting: BTreeMap<usize, Waiting>,
    /// Rooms of which it is not known what became of the last thing that was to be told.
    pub(super) doubtful: BTreeSet<RoomId>,
}

/// What waits in a partition.
pub(super) struct Waiting {
    /// Who came before is not news.
    pub(super) since: Time,
    /// When it is to be told.
    pub(super) until: Instant,
    /// What, of which rooms.
    pub(super) rooms: BTreeMap<RoomId, Vec<Item>>,
    items: usize,
}

impl Joint {
    /// When something that waits is to be told.
    pub(super) fn next(&self) -> Option<Instant> {
        self.waiting.values().map(|waiting| waiting.until).min()
    }

    /// Has things of a room wait. False where so many do that these are not kept.
    pub(super) fn hold(&mut self, until: Instant, room: RoomId, items: Vec<Item>) -> bool {
        let waiting = self.waiting.entry(Partition::holding(&room).index());
        let waiting = waiting.or_insert_with(|| {
            let since = Time::from_millis(wall_clock().as_millis().saturating_sub(NOTICED_MS));
            Waiting { since, until, rooms: BTreeMap::new(), items: 0 }
        });
        // Who is there is looked at anew when it is time.
        let items: Vec<Item> = items.into_iter().filter(|item| !matches!(item, Item::View { .. })).collect();
        if waiting.items + items.len() > WAITING_MAX {
            return false;
        }
        waiting.items += items.len();
        waiting.rooms.entry(room).or_default().extend(items);
        true
    }
}

/// How much earlier somebody came than a loss was noticed by that, in milliseconds, at the most.
const NOTICED_MS: u64 = 1_000;
/// Things of a partition that wait meanwhile; what is more is made good for later by comparing, without its reason.
const WAITING_MAX: usize = 10_000;
