//! What webhooks go by.
use crate::{
    auth::secret::Secret,
    outgoing::{Outgoing, OutgoingSetup, Reach, WebAddress},
    webhooks::kinds::EventKinds,
};
use herenow_core::{id::RoomId, pattern::Pattern};
use std::{io, sync::Arc, time::Duration};

/// Where to send what. All of it can change while the server runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The receiver.
    pub outgoing: Arc<Outgoing>,
    /// What signs: one, or two while a receiver changes from one to the other.
    pub secrets: Vec<Secret>,
    /// Which events.
    pub kinds: EventKinds,
    /// Of which rooms; `None`: of all.
    pub rooms: Option<Vec<Pattern>>,
    /// The longest wait between two tries.
    pub retry_max: Duration,
    /// For how long an event is tried.
    pub give_up: Duration,
    /// How long after a start those who were present before it may take to come back.
    pub return_grace: Duration,
}

impl Settings {
    /// Whether anything of a room is told.
    pub fn wants(&self, room: &RoomId) -> bool {
        self.rooms.as_ref().is_none_or(|rooms| rooms.iter().any(|pattern| pattern.matches(room)))
    }
}

/// The receiver of an address.
///
/// # Errors
/// As [`Outgoing::new`].
pub fn receiver(address: WebAddress, reach: Reach, timeout: Duration) -> io::Result<Arc<Outgoing>> {
    let body_bytes_max = ANSWER_BYTES_MAX;
    Outgoing::new(OutgoingSetup { address, reach, timeout, body_bytes_max }).map(Arc::new)
}

/// Bytes of an answer's body that are read, so that the connection can be used again. What it says does not matter.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
