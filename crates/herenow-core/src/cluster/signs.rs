//! What a node's registry asks of the store and hears from it: the other half of [`super::door`].
use crate::cluster::door::{Heard, NodeId};

/// A node's sign of life: what the registry holds of it. The counter grows with each renewal; a sign that does not
/// change is silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// The node's incarnation.
    pub inc: u64,
    /// Counts the renewals.
    pub counter: u64,
    /// About to stop: silence is expected, and its users have their grace before anybody tells that they left.
    pub is_leaving: bool,
    /// Came back and has not written all of its sections yet.
    pub is_resyncing: bool,
    /// The oldest and the newest way of writing sections that it understands.
    pub features: (u32, u32),
}

/// What a registry asks of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryAsk {
    /// RENEW: writes the node's sign, unless its incarnation is fenced. Answered by [`RegistryHeard::Renewed`],
    /// [`RegistryHeard::Fenced`] or [`RegistryHeard::Failed`].
    Renew {
        /// What.
        sign: Sign,
    },
    /// CLAIM: fences a silent node and takes its sign away, unless the sign is another one than was seen. Answered by
    /// [`RegistryHeard::Claimed`].
    Claim {
        /// Which node.
        node: NodeId,
        /// What was seen of it; `None` where the registry had nothing.
        seen: Option<Sign>,
        /// Up to which incarnation.
        inc: u64,
    },
}

/// What a registry hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryHeard {
    /// The renewal is written; all signs, this node's own as well.
    Renewed {
        /// By node.
        signs: Vec<(NodeId, Sign)>,
    },
    /// The node's incarnation is fenced, up to this one. Also said where a hub asks [`super::door::Ask::Fenced`].
    Fenced {
        /// Up to which.
        inc: u64,
    },
    /// A renewal came to nothing, or nobody knows.
    Failed,
    /// What became of a claim; `None`: nobody knows.
    Claimed {
        /// Which node.
        node: NodeId,
        /// Whether it is fenced now; otherwise its sign was another one.
        done: Option<bool>,
    },
    /// The connections that did not answer after [`RegistrySays::Revalidate`] were ended.
    Revalidated,
    /// Every hub of the node has ended a turn since this was said last. The sign is renewed only while this is said at
    /// least every [`super::timing::Timing::ticked_max`]: a node whose hubs stand still does not live.
    Ticked,
    /// A hub has seen a section of a node, of this incarnation.
    Noticed {
        /// Which node.
        node: NodeId,
        /// Of which incarnation.
        inc: u64,
    },
}

/// What a registry has the driver do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrySays {
    /// Carry this to the store, over a connection that nothing else uses.
    Ask(RegistryAsk),
    /// Hand this to every hub of the node.
    Tell(Heard),
    /// Hand in what the sockets have, ask each connection for a sign of life, end those that give none within 3 s, then say
    /// [`RegistryHeard::Revalidated`].
    Revalidate,
}
