//! Says that this node lives, and learns who else does: on a thread and a connection of its own, so that nothing else that the
//! node does can hold it up, and only while its shards take turns.
use crate::{
    clock::Clock,
    cluster::{
        redis::{
            error::CallError,
            keyspace::Keyspace,
            link::{Link, Route},
            store::{Renewal, Store},
        },
        shards::{Gone, Shards},
        status::ClusterStatus,
        withdrawals::Withdrawals,
    },
    heartbeat::Heartbeat,
};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use herenow_core::{
    cluster::{
        door::{Heard, NodeId},
        registry::Registry,
        signs::{RegistryAsk, RegistryHeard, RegistrySays},
        timing::Timing,
    },
    time::Time,
};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::sync::{Notify, mpsc, watch};

/// What a renewer is made from.
pub struct RenewerSetup {
    /// How to reach the store.
    pub route: Route,
    /// What keys are called there.
    pub keys: Keyspace,
    /// Who this node is.
    pub node: NodeId,
    /// How long things take.
    pub timing: Timing,
    /// The clock of the process.
    pub clock: Clock,
    /// Where the hubs are.
    pub shards: Shards,
    /// Where the connections of clients are.
    pub heartbeat: Weak<Heartbeat>,
    /// Where it is noted how things are.
    pub status: Arc<ClusterStatus>,
    /// What others know of which nodes live.
    pub heard: mpsc::Receiver<RegistryHeard>,
    /// Whether the other connections are up.
    pub up: watch::Receiver<bool>,
    /// Told where the connection of the renewals is of no use any more.
    pub lost: Arc<Notify>,
    /// Told where the node is about to stop.
    pub leave: Arc<Notify>,
    /// What passes with the renewals.
    pub withdrawals: Arc<Withdrawals>,
}

/// Begins to renew, on a thread of its own, until the shards are gone.
///
/// # Errors
/// Where the system gives no thread.
pub fn start(setup: RenewerSetup) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("renewals".to_owned()).spawn(move || {
        // The process ends: there is nothing to say to anybody.
        let Err(Gone) = runtime.block_on(Renewer::new(setup).run());
    })?;
    Ok(())
}

struct Renewer {
    setup: RenewerSetup,
    registry: Registry,
    pen: Arc<Pen>,
    under_way: FuturesUnordered<BoxFuture<'static, RegistryHeard>>,
    called: u64,
    called_at: Option<Time>,
    renewed_at: Option<Time>,
}

impl Renewer {
    fn new(setup: RenewerSetup) -> Self {
        let pen = Arc::new(Pen {
            route: setup.route.clone(),
            keys: setup.keys.clone(),
            node: setup.node,
            status: Arc::clone(&setup.status),
            up: setup.up.clone(),
            lost: Arc::clone(&setup.lost),
            store: Mutex::new(None),
            withdrawals: Arc::clone(&setup.withdrawals),
        });
        Self {
            registry: Registry::new(setup.node, setup.timing.clone(), FEATURES),
            pen,
            setup,
            under_way: FuturesUnordered::new(),
            called: 0,
            called_at: None,
            renewed_at: None,
        }
    }

    async fn run(mut self) -> Result<std::convert::Infallible, Gone> {
        // Ends with the runtime of this thread.
        tokio::spawn(pass_withdrawals(Arc::clone(&self.pen), self.setup.timing.renew));
        loop {
            let now = self.setup.clock.now();
            self.listen_to_shards(now)?;
            self.registry.handle_timeout(now);
            while let Some(says) = self.registry.poll_output() {
                self.carry_out(says).await?;
            }
            let wait = self.registry.poll_timeout().since(self.setup.clock.now()).clamp(SHORTEST, LOOK_EACH);
            let heard = tokio::select! {
                Some(heard) = self.under_way.next(), if !self.under_way.is_empty() => Some(heard),
                Some(heard) = self.setup.heard.recv() => Some(heard),
                Ok(()) = self.setup.up.changed() => {
                    let is_up = *self.setup.up.borrow_and_update();
                    if !is_up {
                        self.pen.forget();
                    }
                    (!is_up).then_some(RegistryHeard::Failed)
                }
                () = self.setup.leave.notified() => {
                    self.registry.leave();
                    None
                }
                () = tokio::time::sleep(wait) => None,
            };
            if let Some(heard) = heard {
                self.take(heard);
            }
        }
    }

    fn take(&mut self, heard: RegistryHeard) {
        let (now, status) = (self.setup.clock.now(), &self.setup.status);
        match &heard {
            RegistryHeard::Renewed { signs } => {
                let late = self.setup.timing.renew * 2;
                if self.renewed_at.replace(now).is_some_and(|before| now.since(before) > late) {
                    status.note_late_renewal();
                }
                status.note_nodes(signs);
            }
            RegistryHeard::Claimed { done: Some(true), .. } => status.note_claim(),
            RegistryHeard::Fenced { .. } => status.note_fenced(),
            RegistryHeard::Failed
            | RegistryHeard::Claimed { .. }
            | RegistryHeard::Revalidated
            | RegistryHeard::Ticked
            | RegistryHeard::Noticed { .. } => {}
        }
        self.registry.handle(now, heard);
    }

    /// Notes whether every shard has taken a turn, and asks them for the next one.
    fn listen_to_shards(&mut self, now: Time) -> Result<(), Gone> {
        if self.called_at.is_some_and(|at| now.since(at) < LOOK_EACH) {
            return Ok(());
        }
        if self.called > 0 && !self.setup.shards.has_answered(self.called) {
            return Ok(());
        }
        if self.called > 0 {
            self.registry.handle(now, RegistryHeard::Ticked);
        }
        self.called += 1;
        self.called_at = Some(now);
        self.setup.shards.call(self.called)
    }

    async fn carry_out(&mut self, says: RegistrySays) -> Result<(), Gone> {
        match says {
            RegistrySays::Ask(ask) => {
                let pen = Arc::clone(&self.pen);
                self.under_way.push(Box::pin(async move { pen.write(ask).await }));
            }
            RegistrySays::Tell(heard) => {
                match heard {
                    Heard::Store(true) => self.setup.status.note_well(),
                    Heard::Store(false) => self.setup.status.note_lost("signs of life are not answered"),
                    _ => {}
                }
                self.setup.shards.tell_all(&heard).await?;
            }
            RegistrySays::Revalidate => {
                let heartbeat = self.setup.heartbeat.upgrade();
                self.under_way.push(Box::pin(async move {
                    if let Some(heartbeat) = heartbeat {
                        heartbeat.revalidate(REVALIDATE_WITHIN).await;
                    }
                    RegistryHeard::Revalidated
                }));
            }
        }
        Ok(())
    }
}

/// Says what is withdrawn and hears what others withdrew, as often as signs of life are given, and when there is something to
/// say.
async fn pass_withdrawals(pen: Arc<Pen>, each: Duration) {
    let mut wait = each;
    loop {
        tokio::select! {
            () = pen.withdrawals.wanted() => {}
            () = tokio::time::sleep(wait) => {}
        }
        // Whoever renews opens the connection.
        let store = pen.known().clone();
        let Some(store) = store else { continue };
        wait = match pen.withdrawals.exchange(&store).await {
            Ok(()) => each,
            Err(error) => {
                pen.fail(&error);
                // A user of Redis without the rights for it does not get them by asking again and again.
                if error.is_lost() { each } else { (wait * 2).min(WITHDRAWALS_WAIT_LONGEST) }
            }
        };
    }
}

/// Writes signs and claims.
struct Pen {
    route: Route,
    keys: Keyspace,
    node: NodeId,
    status: Arc<ClusterStatus>,
    up: watch::Receiver<bool>,
    lost: Arc<Notify>,
    store: Mutex<Option<Store>>,
    withdrawals: Arc<Withdrawals>,
}

impl Pen {
    fn forget(&self) {
        self.known().take();
        self.withdrawals.begin_anew();
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<Store>> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn store(&self) -> Option<Store> {
        if !*self.up.borrow() {
            return None;
        }
        // Never held while something is waited for: who forgets the connection does not let this go on meanwhile.
        let known = self.known().clone();
        if known.is_some() {
            return known;
        }
        match Link::open(&self.route).await {
            Ok((link, _)) => {
                let store = Store::new(link, self.keys.clone(), self.node);
                Some(self.known().insert(store).clone())
            }
            Err(error) => {
                self.status.note_problem(&error);
                None
            }
        }
    }

    async fn write(&self, ask: RegistryAsk) -> RegistryHeard {
        let failed = match &ask {
            RegistryAsk::Renew { .. } => RegistryHeard::Failed,
            RegistryAsk::Claim { node, .. } => RegistryHeard::Claimed { node: *node, done: None },
        };
        let Some(store) = self.store().await else { return failed };
        let answer = match &ask {
            RegistryAsk::Renew { sign } => match store.renew(sign).await {
                Ok(Ok(Renewal::Done(signs))) => Ok(RegistryHeard::Renewed { signs }),
                Ok(Ok(Renewal::Fenced(inc))) => Ok(RegistryHeard::Fenced { inc }),
                Ok(Err(other)) => {
                    self.status.note_problem(&other);
                    return failed;
                }
                Err(error) => Err(error),
            },
            RegistryAsk::Claim { node, seen, inc } => {
                let done = store.claim(*node, seen.as_ref(), *inc).await;
                done.map(|done| RegistryHeard::Claimed { node: *node, done: Some(done) })
            }
        };
        match answer {
            Ok(heard) => heard,
            Err(error) => {
                self.fail(&error);
                failed
            }
        }
    }

    fn fail(&self, error: &CallError) {
        if error.is_lost() {
            self.forget();
            self.lost.notify_one();
        } else {
            self.status.note_refused(&error.to_string());
        }
    }
}

/// The oldest and the newest way of writing sections that this version understands.
const FEATURES: (u32, u32) = (1, 1);
/// How long is waited at the most after an exchange of withdrawals that failed.
const WITHDRAWALS_WAIT_LONGEST: Duration = Duration::from_secs(60);
/// How often it is looked whether shards take turns.
const LOOK_EACH: Duration = Duration::from_millis(250);
/// What is due already is done after this, so that nothing can make the thread spin.
const SHORTEST: Duration = Duration::from_millis(1);
/// How long clients have to give a sign of life before what this node says of them is believed again.
const REVALIDATE_WITHIN: Duration = Duration::from_secs(3);
