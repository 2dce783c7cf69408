//! How the node stands with its cluster, for `/readyz`, metrics and the log.
use crate::{clock::Clock, cluster::redis::error::ConnectError};
use herenow_core::{
    cluster::{door::NodeId, signs::Sign},
    time::Time,
};
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// How the node stands with its cluster; shared by all who know something about it.
#[derive(Debug)]
pub struct ClusterStatus {
    node: NodeId,
    address: String,
    clock: Clock,
    link: Mutex<LinkStatus>,
    counts: Counts,
}

/// How the node stands with its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkStatus {
    /// Whether what other nodes say is heard, and they hear this one.
    pub state: LinkState,
    /// Since when.
    pub since: Time,
    /// What stands in the way, as a stable word and in words.
    pub problem: Option<(&'static str, String)>,
    /// The server's name and version, once it was reached.
    pub server: Option<String>,
    /// The nodes that live, this one as well, as of the last renewal; by name.
    pub nodes: Vec<LivingNode>,
}

/// A node that gives signs of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LivingNode {
    /// Which.
    pub node: NodeId,
    /// Whether it is about to stop.
    pub is_leaving: bool,
    /// Whether it takes anew what others know, and is not to be believed until then.
    pub is_resyncing: bool,
}

/// Whether a node hears the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Not yet, since the node was started.
    Joining,
    /// It does.
    Well,
    /// Not now: it serves its own clients, and shows what it last heard as stale.
    Away,
}

impl LinkState {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Well => "well",
            Self::Away => "away",
        }
    }
}

/// What is counted, since the start.
#[derive(Debug, Default)]
struct Counts {
    sessions: AtomicU64,
    dropped: AtomicU64,
    hostile: AtomicU64,
    refused: AtomicU64,
    calls: AtomicU64,
    claims: AtomicU64,
    fenced: AtomicU64,
    late_renewals: AtomicU64,
}

/// What was counted, each with its name and what it means.
pub type Counted = [(&'static str, &'static str, u64); 8];

impl ClusterStatus {
    /// The status of a node that has not reached its store yet.
    pub fn new(node: NodeId, address: String, clock: Clock) -> Self {
        let state = LinkState::Joining;
        let link = LinkStatus { state, since: clock.now(), problem: None, server: None, nodes: Vec::new() };
        Self { node, address, clock, link: Mutex::new(link), counts: Counts::default() }
    }

    /// The name of the node in the cluster.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The name of the node, as it is shown.
    pub fn node_name(&self) -> String {
        format!("{:016x}", self.node.0)
    }

    /// Where the store is, without its password.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How the node stands with its store.
    pub fn link(&self) -> LinkStatus {
        self.lock().clone()
    }

    /// Seconds since the others were last heard; 0 while they are.
    pub fn stale_seconds(&self) -> u64 {
        self.away_since().map_or(0, |since| self.clock.now().since(since).as_secs())
    }

    /// Since when the others are not heard; `None` while they are.
    pub fn away_since(&self) -> Option<Time> {
        let link = self.lock();
        match link.state {
            LinkState::Well => None,
            LinkState::Joining | LinkState::Away => Some(link.since),
        }
    }

    /// What was counted since the start.
    pub fn counted(&self) -> Counted {
        let Counts { sessions, dropped, hostile, refused, calls, claims, fenced, late_renewals } = &self.counts;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            ("cluster_connects", "Times that the store was connected to", of(sessions)),
            ("cluster_asks_dropped", "Asks of hubs that were dropped because too many waited", of(dropped)),
            ("cluster_messages_refused", "Messages of the store that make no sense", of(hostile)),
            ("cluster_calls", "Calls of the store", of(calls)),
            ("cluster_calls_refused", "Calls that the store refused or answered with nonsense", of(refused)),
            ("cluster_claims", "Silent nodes that this node gave up", of(claims)),
            ("cluster_fenced", "Times that others gave this node up", of(fenced)),
            (
                "cluster_renewals_late",
                "Signs of life of this node that were more than a second late",
                of(late_renewals),
            ),
        ]
    }

    pub(super) fn note_server(&self, server: &str) {
        self.lock().server = Some(server.to_owned());
        self.counts.sessions.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_problem(&self, error: &ConnectError) {
        let problem = (error.code(), error.to_string());
        let mut link = self.lock();
        if link.problem.as_ref() != Some(&problem) {
            tracing::warn!(code = problem.0, redis = self.address, "{}; local presence goes on", problem.1);
        }
        link.problem = Some(problem);
    }

    pub(super) fn note_lost(&self, why: &str) {
        let mut link = self.lock();
        link.problem = Some(("redis.lost", why.to_owned()));
        self.turn(&mut link, LinkState::Away);
    }

    pub(super) fn note_well(&self) {
        let mut link = self.lock();
        link.problem = None;
        self.turn(&mut link, LinkState::Well);
    }

    pub(super) fn note_nodes(&self, signs: &[(NodeId, Sign)]) {
        let living = |(node, sign): &(NodeId, Sign)| LivingNode {
            node: *node,
            is_leaving: sign.is_leaving,
            is_resyncing: sign.is_resyncing,
        };
        let mut nodes: Vec<LivingNode> = signs.iter().map(living).collect();
        nodes.sort_unstable();
        self.lock().nodes = nodes;
    }

    pub(super) fn note_dropped(&self) {
        self.counts.dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_hostile(&self) {
        self.counts.hostile.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_refused(&self, why: &str) {
        if self.counts.refused.fetch_add(1, Ordering::Relaxed).is_multiple_of(REFUSALS_LOGGED_EACH) {
            tracing::warn!(redis = self.address, "{why}");
        }
    }

    pub(super) fn note_call(&self) {
        self.counts.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_claim(&self) {
        self.counts.claims.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_fenced(&self) {
        self.counts.fenced.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_late_renewal(&self) {
        self.counts.late_renewals.fetch_add(1, Ordering::Relaxed);
    }

    fn turn(&self, link: &mut LinkStatus, state: LinkState) {
        if link.state != state && !(link.state == LinkState::Joining && state == LinkState::Away) {
            link.state = state;
            link.since = self.clock.now();
            tracing::info!(redis = self.address, state = state.word(), problem = ?link.problem, "cluster");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LinkStatus> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many refusals share a line in the log.
const REFUSALS_LOGGED_EACH: u64 = 1000;
