//! How long things take in a cluster. All of it is measured on the node's own monotonic clock.
use std::time::Duration;

/// The times of a node among others. `Default` is what `SEMANTICS` promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Time between two writes of a hub to one room; the first after a quiet time goes at once. Larger: fewer calls of
    /// the store where a room is busy; smaller: others hear sooner. Default 25 ms.
    pub tick: Duration,
    /// Time between two signs of life. Default 1 s.
    pub renew: Duration,
    /// For how long a node gives no sign before it is claimed. Must stay above three times `renew`. Default 5 s.
    pub lease: Duration,
    /// How much later than the claim it is told that the users of a dead node left: the rest of their grace.
    /// Default 5 s.
    pub node_grace: Duration,
    /// How much longer than `lease` a node may be silent that said that it stops. Default 30 s.
    pub leaving_grace: Duration,
    /// Time between two audits of a room, about; longer where there are so many rooms that the store would have more
    /// than [`AUDITS_PER_SECOND`] of them. Default 5 s.
    pub audit: Duration,
    /// How long a section is kept that the store has lost, or has in an older state. Must stay above twice `audit`.
    /// Default 20 s.
    pub hold: Duration,
    /// How long the news of a room are heard after nobody here is in it any more. Default 30 s.
    pub linger: Duration,
    /// How long the first who joins a room waits for what other nodes know of it. Default 500 ms.
    pub first_look: Duration,
    /// How long a node may not know what others say of a room before it tells that its view may be old. Default 2 s.
    pub stale_after: Duration,
    /// How long the answer of the store may take; after that, nobody knows. Default 2 s.
    pub answer_max: Duration,
    /// How long hubs may stand still before the node's sign is not renewed any more. Default 2 s.
    pub ticked_max: Duration,
    /// How long an own section that is empty is remembered. Default 60 s.
    pub empty: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            tick: Duration::from_millis(25),
            renew: Duration::from_secs(1),
            lease: Duration::from_secs(5),
            node_grace: Duration::from_secs(5),
            leaving_grace: Duration::from_secs(30),
            audit: Duration::from_secs(5),
            hold: Duration::from_secs(20),
            linger: Duration::from_secs(30),
            first_look: Duration::from_millis(500),
            stale_after: Duration::from_secs(2),
            answer_max: Duration::from_secs(2),
            ticked_max: Duration::from_secs(2),
            empty: Duration::from_secs(60),
        }
    }
}

/// Rooms in one audit, at most.
pub const AUDIT_BATCH: usize = 200;
/// Rooms that one node audits in a second, all hubs together.
pub const AUDITS_PER_SECOND: u32 = 2_000;
