//! A node of a cluster: who it is, and all that carries for it. Without a configured store there is none of this.
use crate::{
    auth::revoked::{Revocations, Withdrawal},
    clock::Clock,
    cluster::{
        asks::{self, Asks},
        courier::{Courier, CourierSetup},
        redis::{keyspace::Keyspace, link::Route, store::Store},
        renewer::{self, RenewerSetup},
        seat::ClusterSeat,
        shards::Shards,
        status::ClusterStatus,
        withdrawals::{Withdrawals, Withdrawn},
    },
    heartbeat::Heartbeat,
    webhooks::inlet::Inlet,
};
use herenow_core::cluster::{door::NodeId, timing::Timing};
use std::{io, sync::Arc};
use tokio::sync::{Notify, mpsc, watch};

/// What a node of a cluster is made from.
#[derive(Clone, Debug)]
pub struct ClusterSetup {
    /// How to reach the store.
    pub route: Route,
    /// What keys are called there.
    pub keys: Keyspace,
    /// How long things take.
    pub timing: Timing,
    /// Who tells the app what happens.
    pub webhooks: Inlet,
    /// Whether the app wants to know who is online, which takes a subscription for each user.
    pub follows_own_users: bool,
}

/// A node that has not begun to carry.
#[derive(Debug)]
pub struct Waiting {
    setup: ClusterSetup,
    seat: ClusterSeat,
    asks: Asks,
    status: Arc<ClusterStatus>,
    leave: Arc<Notify>,
}

/// A node that carries.
#[derive(Clone)]
pub struct ClusterNode {
    status: Arc<ClusterStatus>,
    leave: Arc<Notify>,
    store: watch::Receiver<Option<Store>>,
    withdrawals: Arc<Withdrawals>,
}

/// What a node carries between, besides the store.
pub struct Carried<'a> {
    /// Where the hubs are.
    pub shards: Shards,
    /// Where the connections of clients are.
    pub heartbeat: &'a Arc<Heartbeat>,
    /// The clock of the process.
    pub clock: Clock,
    /// Which tokens were withdrawn.
    pub revoked: Arc<Revocations>,
    /// Told whose tokens other nodes withdrew.
    pub withdrawn: mpsc::Sender<Withdrawn>,
}

impl Waiting {
    /// A node of this name, which is new at each start.
    pub fn new(setup: ClusterSetup, node: NodeId, clock: Clock) -> Self {
        let status = Arc::new(ClusterStatus::new(node, setup.route.address.to_string(), clock));
        let (sink, asks) = asks::channel(Arc::clone(&status));
        let (timing, webhooks) = (setup.timing.clone(), setup.webhooks.clone());
        let seat = ClusterSeat { node, timing, asks: sink, webhooks, follows_own_users: setup.follows_own_users };
        Self { setup, seat, asks, status, leave: Arc::default() }
    }

    /// What its shards have to know.
    pub const fn seat(&self) -> &ClusterSeat {
        &self.seat
    }

    /// Begins to carry, on the runtime of the caller and a thread of its own.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(self, carried: Carried<'_>) -> io::Result<ClusterNode> {
        let Carried { shards, heartbeat, clock, revoked, withdrawn } = carried;
        let Self { setup, seat, asks, status, leave } = self;
        let ClusterSetup { route, keys, timing, webhooks, follows_own_users: _ } = setup;
        let (registry, heard) = mpsc::channel(REGISTRY_MAX);
        let (up, is_up) = watch::channel(false);
        let (open, store) = watch::channel(None);
        let lost = Arc::<Notify>::default();
        let withdrawals = Arc::new(Withdrawals::new(revoked, clock, Arc::clone(&status), withdrawn));
        renewer::start(RenewerSetup {
            route: route.clone(),
            keys: keys.clone(),
            node: seat.node,
            timing,
            clock,
            shards: shards.clone(),
            heartbeat: Arc::downgrade(heartbeat),
            status: Arc::clone(&status),
            heard,
            up: is_up,
            lost: Arc::clone(&lost),
            leave: Arc::clone(&leave),
            withdrawals: Arc::clone(&withdrawals),
        })?;
        let courier = CourierSetup {
            route,
            keys,
            node: seat.node,
            shards,
            asks,
            status: Arc::clone(&status),
            registry,
            up,
            open,
            webhooks,
            lost,
        };
        tokio::spawn(Courier::new(courier).run());
        Ok(ClusterNode { status, leave, store, withdrawals })
    }
}

impl ClusterNode {
    /// How it stands with its cluster.
    pub fn status(&self) -> &ClusterStatus {
        &self.status
    }

    /// The way into the store, for who only reads; `None` while it cannot be reached.
    pub fn store(&self) -> Option<Store> {
        self.store.borrow().clone()
    }

    /// Has the other nodes withdraw the tokens of a user as well, and put the user out: within about a second, or once the
    /// store can be reached.
    pub fn withdraw(&self, withdrawal: Withdrawal) {
        self.withdrawals.say(withdrawal);
    }

    /// Says to the others that this node is about to stop, so that they give its users their grace.
    pub fn leave(&self) {
        self.leave.notify_one();
    }
}

/// What hubs have to say to the registry and is not taken yet.
const REGISTRY_MAX: usize = 4096;
