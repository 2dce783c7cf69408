//! One hub as a shard task would own it, its inbox, and beside it the model that it is compared with.
use crate::{
    model::Model,
    mutation::Tamper,
    told::Told,
    view::{Fault, View},
};
use herenow_core::{
    command::Input,
    event::{Notice, Output, Viewer},
    hub::Hub,
    id::{ConnectionKey, RoomId},
    limits::Limits,
    time::Time,
    version::{Epoch, Version},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// A hub and what is known of it.
#[derive(Debug)]
pub struct Partition {
    pub(crate) hub: Hub,
    pub(crate) limits: Limits,
    pub(crate) epoch: Epoch,
    /// What the hub should hold.
    pub model: Model,
    /// What happened and was not taken in yet.
    pub inbox: VecDeque<Input>,
    /// The roster at each version that anybody may have been told.
    pub(crate) snapshots: BTreeMap<(RoomId, u64), Arc<[Viewer]>>,
    pub(crate) known: BTreeMap<RoomId, Known>,
    /// Each room as each connection must know it, frame by frame, without any delay.
    pub(crate) shadows: BTreeMap<(ConnectionKey, RoomId), Shadow>,
}

/// A room as of the end of the turn before.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) number: u64,
    pub(crate) viewers: Arc<[Viewer]>,
    /// Whether the hub held it.
    pub(crate) held: bool,
}

/// What a connection was told of a room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shadow {
    pub(crate) period: u64,
    pub(crate) view: View,
    /// A roster, or a diff with who types, came in this turn.
    pub(crate) whole: bool,
}

/// What a turn brought.
#[derive(Debug, Default)]
pub struct Turn {
    /// What clients are told, in order.
    pub told: Vec<Told>,
    /// What others may want to know, in order.
    pub notices: Vec<Notice>,
    /// Whether a roster changed.
    pub changed: bool,
}

impl Partition {
    /// An empty partition whose hub has `hub_limits`: those of the model, unless a fault is planted.
    pub fn new(epoch: Epoch, limits: Limits, hub_limits: Limits) -> Self {
        Self {
            hub: Hub::new(epoch.clone(), hub_limits),
            model: Model::new(limits.clone()),
            limits,
            epoch,
            inbox: VecDeque::new(),
            snapshots: BTreeMap::new(),
            known: BTreeMap::new(),
            shadows: BTreeMap::new(),
        }
    }

    /// When the hub wants to be woken.
    pub fn due(&self) -> Option<Time> {
        self.hub.poll_timeout()
    }

    /// Runs one turn over the first `inputs` of the inbox, and compares.
    ///
    /// # Errors
    /// What does not hold.
    pub fn turn(&mut self, now: Time, inputs: usize, tamper: &mut Tamper) -> Result<Turn, Fault> {
        if !tamper.skips_timeout() {
            self.hub.handle_timeout(now);
        }
        self.model.wake(now);
        for input in self.inbox.drain(..inputs.min(self.inbox.len())) {
            let believed = tamper.input(&input, &self.model);
            self.model.take(now, &input);
            for input in believed {
                self.hub.handle(now, input);
            }
        }
        self.hub.settle(now);
        self.model.settle();
        let mut turn = Turn::default();
        while let Some(output) = self.hub.poll_output() {
            match output {
                Output::Deliver { to, event } => {
                    let to = self.hub.recipients(&to).collect();
                    turn.told.push(Told { event, to });
                }
                Output::Notice(notice) => turn.notices.push(notice),
            }
        }
        tamper.outputs(&mut turn.told, &self.model);
        self.check(now, &mut turn)?;
        Ok(turn)
    }

    /// The roster at a version, where it is of this life and anybody can have been told of it.
    pub fn snapshot(&self, room: &RoomId, version: &Version) -> Option<&Arc<[Viewer]>> {
        let ours = version.epoch == self.epoch;
        self.snapshots.get(&(room.clone(), version.number)).filter(|_| ours)
    }

    /// The version and roster of a room now; `None` where the hub holds no such room.
    pub fn now(&self, room: &RoomId) -> Option<(u64, &Arc<[Viewer]>)> {
        self.known.get(room).filter(|known| known.held).map(|known| (known.number, &known.viewers))
    }

    /// What the hub holds.
    pub fn load(&self) -> herenow_core::hub::Load {
        self.hub.load()
    }
}
