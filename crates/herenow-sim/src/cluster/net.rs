//! What is on its way in a cluster, and when it arrives. Each way keeps its order.
use herenow_core::{
    cluster::{
        door::{Ask, Heard},
        signs::{RegistryAsk, RegistryHeard},
    },
    command::Input,
};
use std::collections::{BTreeMap, VecDeque};

/// Something that happens at a time.
#[derive(Debug)]
pub(super) enum Happening {
    /// A node does what is due, and what has come in.
    Turn(usize),
    /// A hub's ask arrives at the store: from which life of which connection, under which number.
    Arrive { node: usize, connection: u64, number: u64, ask: Ask, late: bool },
    /// An answer arrives at a node.
    Answer { node: usize, connection: u64, number: u64, heard: Vec<Heard> },
    /// Nobody has answered.
    TimeOver { node: usize, connection: u64, number: u64 },
    /// A registry's ask arrives.
    Sign { node: usize, life: u64, number: u64, ask: RegistryAsk },
    /// The answer to that.
    Signed { node: usize, life: u64, number: u64, heard: RegistryHeard },
    /// Nobody has answered that.
    SignOver { node: usize, life: u64, number: u64 },
    /// Something arrives by subscription.
    Told { node: usize, subscriptions: u64, heard: Heard },
    /// The sockets of a node have been asked for a sign of life.
    Revalidated { node: usize, life: u64 },
    /// A socket that nobody saw ending is noticed by the ping.
    Pinged { client: usize },
    /// Something begins or ends.
    Mend(Mend),
}

/// What gets better by itself.
#[derive(Debug)]
pub(super) enum Mend {
    Resume(usize),
    Rejoin(usize),
    Restart,
    StoreBack,
}

/// Everything that is to happen, in order.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    happenings: BTreeMap<(u64, u64), Happening>,
    count: u64,
}

impl Agenda {
    pub(super) fn set(&mut self, at: u64, happening: Happening) {
        self.count += 1;
        self.happenings.insert((at, self.count), happening);
    }

    /// Whether something is on its way that was sent before its way broke.
    pub(super) fn has_late(&self) -> bool {
        self.happenings.values().any(|happening| matches!(happening, Happening::Arrive { late: true, .. }))
    }

    /// Takes the next thing that happens by `until`.
    pub(super) fn next(&mut self, until: u64) -> Option<(u64, Happening)> {
        let first = self.happenings.first_key_value().filter(|((at, _), _)| *at <= until).map(|(key, _)| *key)?;
        self.happenings.remove(&first).map(|happening| (first.0, happening))
    }
}

/// A node's ways to the store and back.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// Counts the connections: what comes over an older one is not heard.
    pub(super) connection: u64,
    pub(super) subscriptions: u64,
    /// Asks that are not answered, by number.
    pub(super) open: BTreeMap<u64, Ask>,
    pub(super) open_signs: BTreeMap<u64, RegistryAsk>,
    pub(super) numbers: u64,
    /// When the last thing on each way arrives.
    pub(super) there_at: u64,
    pub(super) back_at: u64,
    pub(super) news_at: u64,
    /// Until when the node is cut off.
    pub(super) cut_until: u64,
    /// Inputs for the next turn.
    pub(super) inbox: VecDeque<Input>,
    /// When the next turn is.
    pub(super) turn_at: Option<u64>,
}
