//! What all requests share: the database thread, the log of events, and how many may follow it.

use super::{bus::Bus, store::Store};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The boards and those who follow them.
#[derive(Clone, Debug)]
pub(super) struct Boards {
    pub(super) store: Store,
    pub(super) bus: Arc<Bus>,
    /// One permit for each stream or long poll that may be open.
    pub(super) readers: Arc<Semaphore>,
}

impl Boards {
    pub(super) const READERS_MAX: usize = 1_000;

    pub(super) fn new(store: Store, bus: Bus) -> Self {
        Self { store, bus: Arc::new(bus), readers: Arc::new(Semaphore::new(Self::READERS_MAX)) }
    }
}
