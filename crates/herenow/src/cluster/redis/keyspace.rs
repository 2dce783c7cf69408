//! Names of keys and channels. All of a room lies in the slot of its partition.
use crate::partition::Partition;
use herenow_core::{cluster::door::NodeId, id::RoomId};

/// The names that a cluster uses in its Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyspace {
    name: String,
}

impl Keyspace {
    /// What keys begin with where nothing else is said.
    pub const DEFAULT: &str = "ps";
    /// Bytes that the name may have.
    pub const NAME_BYTES_MAX: usize = 32;

    /// Takes a name of 1 to [`Self::NAME_BYTES_MAX`] lower-case letters, digits and hyphens; `None` where it is none.
    pub fn parse(name: &str) -> Option<Self> {
        let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_good = !name.is_empty() && name.len() <= Self::NAME_BYTES_MAX && name.bytes().all(is_good);
        is_good.then(|| Self { name: name.to_owned() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Hash: the room's last tag, and the stamp of each node's section.
    pub fn meta(&self, partition: Partition, room: &RoomId) -> String {
        self.key(partition, 'm', room.as_str())
    }

    /// Hash: a node's section of a room, an entry a session.
    pub fn section(&self, partition: Partition, room: &RoomId, node: NodeId) -> String {
        format!("{}:{:016x}", self.key(partition, 'c', room.as_str()), node.0)
    }

    /// Hash: a section that is being written in parts.
    pub fn stage(&self, partition: Partition, room: &RoomId, node: NodeId) -> String {
        format!("{}:{:016x}", self.key(partition, 's', room.as_str()), node.0)
    }

    /// Set: the rooms of the partition where a node has a section.
    pub fn index(&self, partition: Partition, node: NodeId) -> String {
        format!("{{{}:{}}}:x:{:016x}", self.name, partition.index(), node.0)
    }

    /// Hash: the locks of a room.
    pub fn locks(&self, partition: Partition, room: &RoomId) -> String {
        self.key(partition, 'k', room.as_str())
    }

    /// Hash: what an app was told of the users of a room.
    pub fn told(&self, partition: Partition, room: &RoomId) -> String {
        self.key(partition, 'w', room.as_str())
    }

    /// Text: drawn anew where all that was told of the rooms of a partition is lost.
    pub fn told_name(&self, partition: Partition) -> String {
        format!("{{{}:{}}}:w", self.name, partition.index())
    }

    /// Channel: what is written to a room.
    pub fn news(&self, partition: Partition, room: &RoomId) -> String {
        self.key(partition, 'r', room.as_str())
    }

    /// Channel: what passes in a room and is not kept.
    pub fn passing(&self, partition: Partition, room: &RoomId) -> String {
        self.key(partition, 'e', room.as_str())
    }

    /// Hash: the nodes that live.
    pub fn live(&self) -> String {
        format!("{{{}:reg}}:live", self.name)
    }

    /// Hash: the nodes that were claimed, up to which incarnation.
    pub fn fence(&self) -> String {
        format!("{{{}:reg}}:fence", self.name)
    }

    /// Sorted set: whose tokens are withdrawn, in the order in which that was noted.
    pub fn revoked(&self) -> String {
        format!("{{{}:reg}}:revoked", self.name)
    }

    /// Text: how rooms are spread and entries are written, which all nodes must agree on.
    pub fn format(&self) -> String {
        format!("{{{}:reg}}:cfg", self.name)
    }

    fn key(&self, partition: Partition, kind: char, room: &str) -> String {
        format!("{{{}:{}}}:{kind}:{room}", self.name, partition.index())
    }
}

impl Default for Keyspace {
    fn default() -> Self {
        Self { name: Self::DEFAULT.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_room_lies_under_one_tag() {
        let keys = Keyspace::default();
        let room = RoomId::parse("board-{1}").expect("a room");
        let (at, node) = (Partition::of(&room), NodeId(0xabc));
        let tag = format!("{{ps:{}}}:", at.index());
        for key in [
            keys.meta(at, &room),
            keys.section(at, &room, node),
            keys.stage(at, &room, node),
            keys.index(at, node),
            keys.locks(at, &room),
            keys.told(at, &room),
            keys.news(at, &room),
            keys.passing(at, &room),
        ] {
            assert!(key.starts_with(&tag), "{key}");
        }
        assert_eq!(keys.section(at, &room, node), format!("{tag}c:board-{{1}}:0000000000000abc"));
    }

    #[test]
    fn a_name_cannot_leave_its_braces() {
        for bad in ["", "a}b", "A", "a b", "a:b", &"a".repeat(33)] {
            assert_eq!(Keyspace::parse(bad), None, "{bad}");
        }
        assert_eq!(Keyspace::parse("chat-2").map(|keys| keys.live()), Some("{chat-2:reg}:live".to_owned()));
    }
}
