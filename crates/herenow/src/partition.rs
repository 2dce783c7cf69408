//! How rooms are spread: over a fixed number of hubs, the same on every node.
use herenow_core::id::{RoomId, UserId};
use xxhash_rust::xxh3::xxh3_64;

/// Which of the [`Partition::COUNT`] hubs a room belongs to; the same on every node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition(u8);

impl Partition {
    /// How many partitions there are.
    pub const COUNT: usize = 64;

    /// The partition of a room.
    pub fn of(room: &RoomId) -> Self {
        Self((xxh3_64(room.as_str().as_bytes()) % Self::COUNT as u64) as u8)
    }

    /// The partition that is a user's home.
    pub fn of_user(user: &UserId) -> Self {
        Self((xxh3_64(user.as_str().as_bytes()) % Self::COUNT as u64) as u8)
    }

    /// The partition of a room, where it may be a user's own: then that user's home.
    pub fn holding(room: &RoomId) -> Self {
        room.user().map_or_else(|| Self::of(room), |user| Self::of_user(&user))
    }

    /// The partition of a number below [`Self::COUNT`].
    pub fn at(index: usize) -> Option<Self> {
        u8::try_from(index).ok().filter(|_| index < Self::COUNT).map(Self)
    }

    /// A number below [`Self::COUNT`].
    pub fn index(self) -> usize {
        self.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::Partition;
    use herenow_core::id::RoomId;

    #[test]
    fn a_room_has_the_same_partition_on_every_node_and_rooms_spread_over_all() {
        let partition = |name: &str| Partition::of(&RoomId::parse(name).unwrap()).index();
        assert_eq!((partition("board-1"), partition("board-2")), (partition("board-1"), partition("board-2")));
        let used: std::collections::BTreeSet<_> = (0..2000).map(|at| partition(&format!("board-{at}"))).collect();
        assert_eq!(used.len(), Partition::COUNT);
    }
}
