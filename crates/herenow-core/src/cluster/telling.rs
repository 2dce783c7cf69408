//! Which node tells the app of a room: one of those that have somebody in it, the same for all who know of the same nodes. It
//! hangs on no clock and no vote; while nodes see different things two may tell, or none, and the store that keeps what was
//! told makes one of it.
use crate::{
    cluster::{door::NodeId, member::Member},
    hub::Hub,
    id::RoomId,
};

impl Hub {
    /// Has what other nodes say of this node's own users heard, for as long as those are online: it takes a subscription for
    /// each. Nothing for a hub that is alone.
    pub fn follow_own_users(&mut self) {
        if let Some(member) = &mut self.cluster {
            member.follows_own_users = true;
            self.people.tell_of_distant();
        }
    }

    /// Whether this node is the one that tells the app of a room, or of a user whose own room it is. A hub that is alone
    /// tells of all.
    pub fn tells(&self, id: &RoomId) -> bool {
        self.cluster.as_ref().is_none_or(|member| member.places.get(id).is_some_and(|place| place.tells))
    }

    /// Hands out the rooms that this node has begun to tell the app of since the last call: what was told of them has to be
    /// compared with who is there.
    pub fn take_taken_over(&mut self) -> Vec<RoomId> {
        self.cluster.as_mut().map(|member| std::mem::take(&mut member.taken_over)).unwrap_or_default()
    }

    /// Looks anew which node tells of a room. As long as it is not known who is there it stays as it was. Of a room that nobody
    /// is in any more each node tells that had somebody there: two that emptied at once may each have left it to the other.
    pub(crate) fn elect(&self, member: &mut Member, id: &RoomId) {
        let own = self.has_own(id).then_some(member.me);
        let Some(place) = member.places.get_mut(id).filter(|place| place.replicas.is_whole()) else { return };
        let best = place.replicas.occupied().chain(own).max_by_key(|node| rank(*node, id));
        let tells = best.map_or(place.tells || place.own.acked() > 0, |node| node == member.me);
        if tells && !place.tells {
            member.taken_over.push(id.clone());
        }
        place.tells = tells;
    }
}

/// How high a node stands for a room: another order for each room, so that nodes share the work.
fn rank(node: NodeId, id: &RoomId) -> (u64, NodeId) {
    // FNV-1a, and a turn that carries each bit of the node into the high ones: spreads, and needs no chance.
    let hash = id
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (hash ^ node.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9), node)
}
