//! What makes a shard's hubs some among several.
use crate::{cluster::asks::AskSink, webhooks::inlet::Inlet};
use herenow_core::cluster::{door::NodeId, timing::Timing};

/// What a shard has to know to be one of a node among several.
#[derive(Clone, Debug)]
pub struct ClusterSeat {
    /// Who this node is.
    pub node: NodeId,
    /// How long things take.
    pub timing: Timing,
    /// Where its hubs ask.
    pub asks: AskSink,
    /// Who tells the app.
    pub webhooks: Inlet,
    /// Whether the app wants to know who is online.
    pub follows_own_users: bool,
}
