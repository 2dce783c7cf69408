//! Users whose tokens are withdrawn, as the nodes of a cluster tell each other. Each node has all of them in memory; what the
//! store has lost is noted there again by whoever knows it.
use crate::{
    auth::revoked::{Revocations, Withdrawal},
    clock::Clock,
    cluster::{
        redis::{
            error::CallError,
            revoke::{Told, WITHDRAWALS_MAX},
            store::Store,
        },
        status::ClusterStatus,
    },
};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, mpsc};

/// What other nodes withdrew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    /// Each once, the earliest first.
    pub all: Vec<Withdrawal>,
    /// Whether they may have been withdrawn long ago, so that who is here may have come by a newer token.
    pub is_late: bool,
}

/// Between what a node knows and what the store does.
#[derive(Debug)]
pub struct Withdrawals {
    revoked: Arc<Revocations>,
    clock: Clock,
    status: Arc<ClusterStatus>,
    told: mpsc::Sender<Withdrawn>,
    wanted: Notify,
    ledger: Mutex<Ledger>,
}

/// How far this node has read, and what it has yet to say.
#[derive(Debug, Default)]
struct Ledger {
    /// Of what was read; `None`: nothing was, since the connection was opened.
    name: Option<Vec<u8>>,
    seen: u64,
    unsaid: Vec<Withdrawal>,
    /// How often it was begun anew.
    generation: u64,
}

impl Withdrawals {
    /// Between a list and the store; what others withdraw goes to `told`.
    pub fn new(
        revoked: Arc<Revocations>,
        clock: Clock,
        status: Arc<ClusterStatus>,
        told: mpsc::Sender<Withdrawn>,
    ) -> Self {
        Self { revoked, clock, status, told, wanted: Notify::new(), ledger: Mutex::default() }
    }

    /// Has other nodes know of one that this node has noted already: at once, or when the store is there again.
    pub fn say(&self, withdrawal: Withdrawal) {
        if self.ledger().unsaid.len() >= Revocations::ENTRIES_MAX {
            // An exchange about all says as much as can be kept.
            self.begin_anew();
        }
        self.ledger().unsaid.push(withdrawal);
        self.wanted.notify_one();
    }

    /// Waits until there is something to say.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Forgets how far was read: the next exchange is about all.
    pub fn begin_anew(&self) {
        let mut ledger = self.ledger();
        *ledger = Ledger { generation: ledger.generation + 1, ..Ledger::default() };
    }

    /// Says what is to be said, and hears what others said since.
    ///
    /// # Errors
    /// Where the store did not do it; the next exchange is about all.
    pub async fn exchange(&self, store: &Store) -> Result<(), CallError> {
        let exchanged = self.try_exchange(store).await;
        if exchanged.is_err() {
            self.begin_anew();
        }
        exchanged
    }

    async fn try_exchange(&self, store: &Store) -> Result<(), CallError> {
        let generation = self.ledger().generation;
        let (known, mut seen, say) = self.due();
        let mut name = known.clone();
        let mut parts = say.chunks(WITHDRAWALS_MAX);
        let draft = format!("n{:016x}", getrandom::u64().unwrap_or_default());
        loop {
            let part = parts.next();
            let told = store.revoke(seen, &draft, part.unwrap_or_default()).await?;
            if name.as_ref().is_some_and(|name| *name != told.name) {
                // The store has lost all since: the next exchange tells it again.
                self.begin_anew();
                return Ok(());
            }
            seen = told.seen;
            let (is_over, is_part) = (parts.len() == 0, told.is_part);
            name = Some(told.name.clone());
            self.hear(told, known.is_none()).await;
            if is_over && !is_part {
                break;
            }
        }
        let mut ledger = self.ledger();
        // Where the connection was lost meanwhile, all is read again.
        if ledger.generation == generation {
            (ledger.name, ledger.seen) = (name, seen);
        }
        Ok(())
    }

    /// What was read of, how far, and what is to be said.
    fn due(&self) -> (Option<Vec<u8>>, u64, Vec<Withdrawal>) {
        let mut ledger = self.ledger();
        let unsaid = std::mem::take(&mut ledger.unsaid);
        match &ledger.name {
            Some(name) => (Some(name.clone()), ledger.seen, unsaid),
            // What was unsaid is among them, and what is said from now on comes next.
            None => (None, 0, self.revoked.users(self.now_s())),
        }
    }

    async fn hear(&self, told: Told, is_late: bool) {
        for _ in 0..told.senseless {
            self.status.note_hostile();
        }
        let now_s = self.now_s();
        // Where the list is full, who is here is put out all the same.
        let is_news = |withdrawal: &Withdrawal| self.revoked.note(withdrawal, now_s).unwrap_or(true);
        let all: Vec<Withdrawal> = told.withdrawals.into_iter().filter(is_news).collect();
        if !all.is_empty() {
            // Nobody obeys only where the process ends.
            let _ = self.told.send(Withdrawn { all, is_late }).await;
        }
    }

    fn now_s(&self) -> u64 {
        self.clock.now().as_millis() / 1000
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
