//! The way from the store to the hubs. Does not keep the shards alive.
use crate::{cluster::beat::Beat, partition::Partition, shard::ToShard};
use herenow_core::{cluster::door::Heard, command::Input};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::mpsc;

/// Where the shards of this node are.
#[derive(Clone, Debug)]
pub struct Shards {
    senders: Arc<[mpsc::WeakSender<ToShard>]>,
    beats: Arc<[AtomicU64]>,
}

/// The process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl Shards {
    /// The shards behind these senders.
    pub fn new(senders: &[mpsc::Sender<ToShard>]) -> Self {
        Self {
            senders: senders.iter().map(mpsc::Sender::downgrade).collect(),
            beats: senders.iter().map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Tells the hub of a partition something; waits while its shard has too much to do.
    ///
    /// # Errors
    /// Where the process ends.
    pub async fn tell(&self, partition: Partition, heard: Heard) -> Result<(), Gone> {
        let shard = &self.senders[partition.index() % self.senders.len()];
        let sender = shard.upgrade().ok_or(Gone)?;
        sender.send(ToShard::Cluster { partition, heard: Box::new(heard) }).await.map_err(|_| Gone)
    }

    /// Tells every hub something.
    ///
    /// # Errors
    /// Where the process ends.
    pub async fn tell_all(&self, heard: &Heard) -> Result<(), Gone> {
        for shard in self.senders.iter() {
            let sender = shard.upgrade().ok_or(Gone)?;
            sender.send(ToShard::Everywhere(Box::new(Input::Cluster(heard.clone())))).await.map_err(|_| Gone)?;
        }
        Ok(())
    }

    /// Whether the process ends.
    pub fn are_gone(&self) -> bool {
        self.senders.iter().any(|shard| shard.upgrade().is_none())
    }

    /// Asks every shard to say that it has taken a turn; one whose inbox is full is not asked.
    ///
    /// # Errors
    /// Where the process ends.
    pub fn call(&self, number: u64) -> Result<(), Gone> {
        for (at, shard) in self.senders.iter().enumerate() {
            let beat = Beat::new(Arc::clone(&self.beats), at, number);
            let _ = shard.upgrade().ok_or(Gone)?.try_send(ToShard::Beat(beat));
        }
        Ok(())
    }

    /// Whether every shard has taken a turn since it was called with this number.
    pub fn has_answered(&self, number: u64) -> bool {
        self.beats.iter().all(|beat| beat.load(Ordering::Acquire) >= number)
    }
}
