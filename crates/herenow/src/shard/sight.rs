//! Looking at what a shard holds, without changing it: how the HTTP API and others read.
use crate::{connection::Connection, fanout::Seat, partition::Partition};
use herenow_core::{hub::Hub, id::UserId};
use slab::Slab;
use std::{fmt, sync::Arc};

/// Something that looks at a shard, and sends what it saw to whoever wants to know. Must be quick: the shard waits for it.
pub struct Look(pub Box<dyn FnOnce(Sight<'_>) + Send + Sync>);

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Look")
    }
}

/// What a shard holds, for who only looks.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    pub(super) hubs: &'a [Hub],
    pub(super) seats: &'a Slab<Seat>,
    /// How many shards there are: this one owns each such partition.
    pub(super) shards: usize,
}

impl<'a> Sight<'a> {
    /// The hub of a partition that this shard owns.
    pub fn hub(self, partition: Partition) -> &'a Hub {
        &self.hubs[partition.index() / self.shards]
    }

    /// All hubs of the shard.
    pub fn hubs(self) -> &'a [Hub] {
        self.hubs
    }

    /// The connections of a user that have asked for something in a room of this shard. O(connections).
    pub fn connections_of(self, user: &UserId) -> Vec<Arc<Connection>> {
        let theirs = self.seats.iter().filter(|(_, seat)| seat.profile.user == *user);
        theirs.map(|(_, seat)| Arc::clone(&seat.connection)).collect()
    }
}
