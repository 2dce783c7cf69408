//! The way from the shards to who carries what their hubs ask. Never waits: a hub gives up by itself what is not answered.
use crate::{cluster::status::ClusterStatus, partition::Partition};
use herenow_core::cluster::door::Ask;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Takes what hubs ask.
#[derive(Clone, Debug)]
pub struct AskSink {
    sender: mpsc::Sender<(Partition, Ask)>,
    status: Arc<ClusterStatus>,
}

/// What hubs asked.
pub type Asks = mpsc::Receiver<(Partition, Ask)>;

/// Both ends of the way.
pub fn channel(status: Arc<ClusterStatus>) -> (AskSink, Asks) {
    let (sender, asks) = mpsc::channel(ASKS_MAX);
    (AskSink { sender, status }, asks)
}

impl AskSink {
    /// Passes on what the hub of a partition asks; what is too much is dropped, and counted.
    pub fn ask(&self, partition: Partition, ask: Ask) {
        if self.sender.try_send((partition, ask)).is_err() {
            self.status.note_dropped();
        }
    }
}

/// Asks that wait at the most.
const ASKS_MAX: usize = 64 * 1024;
