//! How a shard says that it takes turns still: a node whose shards stand still must not say that it lives.
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A shard's word that it has taken a turn.
#[derive(Debug)]
pub struct Beat {
    beats: Arc<[AtomicU64]>,
    at: usize,
    number: u64,
}

impl Beat {
    /// The word that the shard at a place was called for with a number.
    pub const fn new(beats: Arc<[AtomicU64]>, at: usize, number: u64) -> Self {
        Self { beats, at, number }
    }

    /// Says so, at the end of the turn.
    pub fn strike(self) {
        self.beats[self.at].fetch_max(self.number, Ordering::Release);
    }
}
