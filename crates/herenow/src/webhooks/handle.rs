//! What the rest of the server holds of webhooks: where news go in, and how they stand.
use crate::{
    presence::WeakPresence,
    webhooks::{
        inlet::Inlet,
        meters::WebhookMeters,
        orders::{Health, Inboxes, Order},
        settings::Settings,
        spool::{Dead, Spool, SpoolError, Which},
        worker::Worker,
    },
};
use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread,
};
use tokio::sync::{mpsc, oneshot};

/// The webhooks of one process; cheap to clone. Without settings they take no news, and write nothing.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    inlet: Inlet,
    orders: mpsc::Sender<Order>,
    meters: WebhookMeters,
    /// What the thread will take, until there is one.
    unstarted: Mutex<Option<Inboxes>>,
}

/// Why webhooks did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum WebhookError {
    /// The file cannot be used.
    Spool {
        /// Which.
        path: PathBuf,
        /// Why.
        error: SpoolError,
    },
    /// The system gives no thread.
    Thread(io::Error),
}

/// What webhooks are started with.
pub struct Start<'a> {
    /// What they go by.
    pub settings: Arc<Settings>,
    /// The file.
    pub spool: &'a Path,
    /// Events that may wait in it.
    pub events_max: usize,
    /// Whose news they are.
    pub presence: WeakPresence,
}

impl Webhooks {
    /// Webhooks that are off.
    pub fn new(meters: WebhookMeters) -> Self {
        let (inlet, news) = Inlet::new(meters.dropped.clone());
        let (orders, orders_inbox) = mpsc::channel(ORDERS_MAX);
        let unstarted = Mutex::new(Some(Inboxes { news, orders: orders_inbox }));
        Self(Arc::new(Inner { inlet, orders, meters, unstarted }))
    }

    /// Where hubs and who carries for a node among several put their news.
    pub fn inlet(&self) -> &Inlet {
        &self.0.inlet
    }

    /// Opens the file and begins. Only once; later changes go to [`Self::change`].
    ///
    /// # Errors
    /// See [`WebhookError`]; they are off then, as before.
    pub fn start(&self, start: Start<'_>) -> Result<(), WebhookError> {
        let Start { settings, spool: path, events_max, presence } = start;
        let spool = Spool::open(path, events_max);
        let spool = spool.map_err(|error| WebhookError::Spool { path: path.to_owned(), error })?;
        let Some(inboxes) = self.unstarted().take() else { return Ok(()) };
        let flags = self.0.inlet.flags();
        flags.is_on.store(true, Ordering::Relaxed);
        let (flags, meters, news) = (Arc::clone(flags), self.0.meters.clone(), self.0.inlet.downgrade());
        let worker = Worker::new((spool, settings), (presence, news), (flags, meters));
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(worker.run(inboxes)),
                Err(error) => tracing::error!(%error, "webhooks have no runtime, and tell nobody anything"),
            }
        };
        thread::Builder::new().name("webhooks".into()).spawn(run).map_err(WebhookError::Thread)?;
        Ok(())
    }

    /// Whether [`Self::start`] was called.
    pub fn is_started(&self) -> bool {
        self.unstarted().is_none()
    }

    /// Goes by other settings from now on; without, no news are taken.
    pub fn change(&self, settings: Option<Arc<Settings>>) {
        if !self.is_started() {
            return;
        }
        self.0.inlet.flags().is_on.store(settings.is_some(), Ordering::Relaxed);
        // Where the thread has more orders than it can take it is as good as gone.
        if self.0.orders.try_send(Order::Settings(settings)).is_err() {
            tracing::error!("webhooks do not take their new settings");
        }
    }

    /// How they stand.
    pub async fn health(&self) -> Health {
        self.ask(Order::Health).await.unwrap_or_default()
    }

    /// Events that were given up, after a place in their list.
    pub async fn dead(&self, after: i64, events_max: usize) -> Vec<Dead> {
        self.ask(|answer| Order::Dead(after, events_max, answer)).await.unwrap_or_default()
    }

    /// Has events sent again that were given up; how many.
    pub async fn replay(&self, which: Which) -> usize {
        self.ask(|answer| Order::Replay(which, answer)).await.unwrap_or_default()
    }

    /// Forgets events that were given up; how many.
    pub async fn forget(&self, which: Which) -> usize {
        self.ask(|answer| Order::Forget(which, answer)).await.unwrap_or_default()
    }

    /// Writes what came so far, and ends.
    pub async fn close(&self) {
        let _ = self.ask(Order::Close).await;
    }

    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Option<T> {
        if !self.is_started() {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        self.0.orders.send(order(answer)).await.ok()?;
        answered.await.ok()
    }

    fn unstarted(&self) -> std::sync::MutexGuard<'_, Option<Inboxes>> {
        // It is taken or there.
        self.0.unstarted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").field("inlet", &self.0.inlet).finish_non_exhaustive()
    }
}

impl fmt::Display for WebhookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spool { path, error } => {
                write!(f, "the file {} of webhooks.spool cannot be used: {error}", path.display())
            }
            Self::Thread(_) => write!(f, "the system gives no thread for webhooks"),
        }
    }
}

impl std::error::Error for WebhookError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Spool { error, .. } => std::error::Error::source(error),
            Self::Thread(error) => Some(error),
        }
    }
}

/// Orders that wait for the thread at the most; who has more waits with them.
const ORDERS_MAX: usize = 64;
