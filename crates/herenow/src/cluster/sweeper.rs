//! Takes out of the store what nobody misses: stamps of this node's sections that are empty, and tombstones that it wrote.
//! Only keeps memory from growing: each is taken out by a script that looks whether it still is what it was, what is not taken
//! out ends with its key a day later, and no decision about presence hangs on it.
use crate::{
    cluster::redis::{
        error::CallError,
        store::{Place, Store},
    },
    partition::Partition,
};
use herenow_core::{
    cluster::door::{Held, NodeId},
    id::RoomId,
};
use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What is to be taken out, and when.
#[derive(Debug)]
pub struct Sweeper {
    times: SweepTimes,
    due: Mutex<Due>,
}

/// How old things have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepTimes {
    /// An own section that became empty. Must stay above [`herenow_core::cluster::timing::Timing::empty`], until which the
    /// hub counts on its stamp. Default 90 s.
    pub empty: Duration,
    /// A tombstone: late packets of the node that it ended must not find it gone. Default 10 min.
    pub tomb: Duration,
}

#[derive(Debug, Default)]
struct Due {
    empty: VecDeque<(Instant, RoomId)>,
    /// The rooms in `empty`, each once.
    waiting: HashSet<RoomId>,
    tombs: VecDeque<(Instant, RoomId, NodeId, u64)>,
}

impl Default for SweepTimes {
    fn default() -> Self {
        Self { empty: Duration::from_secs(90), tomb: Duration::from_secs(600) }
    }
}

impl Sweeper {
    /// One that has nothing to do.
    pub fn new(times: SweepTimes) -> Self {
        Self { times, due: Mutex::default() }
    }

    /// Notes that this node's section of a room may be empty.
    pub fn note_left(&self, room: &RoomId) {
        let mut due = self.lock();
        if due.empty.len() < SWEEPS_MAX && due.waiting.insert(room.clone()) {
            due.empty.push_back((Instant::now() + self.times.empty, room.clone()));
        }
    }

    /// Notes that the section of a node was ended up to an incarnation.
    pub fn note_tomb(&self, room: &RoomId, node: NodeId, inc: u64) {
        let mut due = self.lock();
        if due.tombs.len() < SWEEPS_MAX {
            due.tombs.push_back((Instant::now() + self.times.tomb, room.clone(), node, inc));
        }
    }

    /// Takes out what is old enough, at most so many things; how many were taken out.
    ///
    /// # Errors
    /// Where the store was not reached; what was under way is left to end by itself.
    pub async fn sweep(&self, store: &Store, things_max: usize) -> Result<usize, CallError> {
        let (mut swept, now) = (0, Instant::now());
        for _ in 0..things_max {
            let (room, node, tomb) = {
                let mut due = self.lock();
                if let Some((_, room)) = due.empty.pop_front_if(|(at, _)| *at <= now) {
                    due.waiting.remove(&room);
                    (room, store.node(), None)
                } else if let Some((_, room, node, inc)) = due.tombs.pop_front_if(|(at, ..)| *at <= now) {
                    (room, node, Some(Held::Tomb(inc)))
                } else {
                    break;
                }
            };
            let at = Place { partition: Partition::holding(&room), room: &room };
            let held = match tomb {
                Some(tomb) => Some(tomb),
                None => {
                    let audited = store.audit(at.partition, std::slice::from_ref(&room), false).await?;
                    audited.into_iter().find_map(|(_, own)| own)
                }
            };
            if let Some(held) = held
                && store.sweep(at, node, held).await?
            {
                swept += 1;
            }
        }
        Ok(swept)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Things of each kind that are remembered; what is more ends by itself.
const SWEEPS_MAX: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::{SWEEPS_MAX, SweepTimes, Sweeper};
    use herenow_core::{cluster::door::NodeId, id::RoomId};

    #[test]
    fn what_is_to_be_swept_is_bounded_and_each_room_once() {
        let sweeper = Sweeper::new(SweepTimes::default());
        let room = |number: usize| RoomId::parse(&format!("board-{number}")).unwrap();
        for number in 0..=SWEEPS_MAX {
            sweeper.note_left(&room(number));
            sweeper.note_left(&room(number));
            sweeper.note_tomb(&room(number), NodeId(1), 1);
        }
        let due = sweeper.lock();
        assert_eq!((due.empty.len(), due.waiting.len(), due.tombs.len()), (SWEEPS_MAX, SWEEPS_MAX, SWEEPS_MAX));
    }
}
