//! Who else lives. A node is dead where its sign has not changed for a lease **on this node's own clock**, while this
//! node's own talk with the store was well all that time: no wall clock, no time-to-live and no clock of the store
//! decides anything. What is only missing is never taken for dead.
use crate::{
    cluster::{
        door::{Heard, NodeId},
        signs::{RegistryAsk, RegistryHeard, RegistrySays, Sign},
        timing::Timing,
    },
    time::Time,
};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// What one node knows of the others, and its own sign. One a node, beside its hubs.
#[derive(Debug)]
pub struct Registry {
    me: NodeId,
    timing: Timing,
    sign: Sign,
    /// When the next renewal is due.
    renew_at: Time,
    /// Since when one waits for its answer.
    asked_at: Option<Time>,
    ticked_at: Option<Time>,
    /// When this machine was last called: a gap means that the whole node stood still.
    called_at: Option<Time>,
    /// When a renewal was last answered.
    renewed_at: Option<Time>,
    /// Since when the store answers; none while it does not.
    well_since: Option<Time>,
    /// Whether the sockets are being asked for a sign of life.
    revalidates: bool,
    /// Whether they must be, before anything that this node holds may be told again.
    is_doubtful: bool,
    seen: BTreeMap<NodeId, Seen>,
    /// Incarnations of nodes that hubs have sections of.
    noticed: BTreeMap<NodeId, u64>,
    /// Nodes that are claimed.
    dying: BTreeMap<NodeId, Dying>,
    resyncing: Vec<NodeId>,
    outputs: VecDeque<RegistrySays>,
}

/// A node that is claimed.
#[derive(Debug)]
struct Dying {
    /// Until when its users have grace.
    until: Time,
    /// Up to which incarnation it is claimed.
    inc: u64,
    /// The counter of the sign that was taken away; none where there was no sign.
    counter: Option<u64>,
}

impl Dying {
    /// Whether this sign is one that the claim should have made impossible: the store has lost the fence, and the node
    /// goes on under the incarnation that was claimed.
    const fn is_belied(&self, sign: &Sign) -> bool {
        match self.counter {
            Some(counter) => sign.inc == self.inc && sign.counter > counter,
            None => sign.inc == self.inc,
        }
    }
}

/// What was seen of another node.
#[derive(Debug)]
struct Seen {
    /// Its sign; none where the store has none.
    sign: Option<Sign>,
    /// Since when, without a change.
    since: Time,
    /// When a claim of it was asked for that is not answered yet.
    claimed_at: Option<Time>,
}

impl Registry {
    /// The registry of a node that begins to live. `features` are the ways of writing sections that it understands.
    pub fn new(me: NodeId, timing: Timing, features: (u32, u32)) -> Self {
        let sign = Sign { inc: 1, counter: 0, is_leaving: false, is_resyncing: false, features };
        Self {
            me,
            timing,
            sign,
            renew_at: Time::default(),
            asked_at: None,
            ticked_at: None,
            called_at: None,
            renewed_at: None,
            well_since: None,
            revalidates: false,
            is_doubtful: false,
            seen: BTreeMap::new(),
            noticed: BTreeMap::new(),
            dying: BTreeMap::new(),
            resyncing: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes one thing in.
    pub fn handle(&mut self, now: Time, heard: RegistryHeard) {
        self.notice_gap(now);
        match heard {
            RegistryHeard::Renewed { signs } => self.renewed(now, signs),
            RegistryHeard::Fenced { inc } => self.fenced(inc),
            RegistryHeard::Failed => self.lose(now),
            RegistryHeard::Claimed { node, done } => self.claimed(now, node, done),
            RegistryHeard::Revalidated => self.revalidated(now),
            RegistryHeard::Ticked => self.ticked_at = Some(now),
            RegistryHeard::Noticed { node, inc } => {
                if node != self.me {
                    let known = self.noticed.entry(node).or_default();
                    *known = inc.max(*known);
                    self.seen.entry(node).or_insert(Seen { sign: None, since: now, claimed_at: None });
                }
            }
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        self.notice_gap(now);
        if self.asked_at.is_some_and(|at| now.since(at) >= self.timing.answer_max) {
            self.lose(now);
        }
        if self.asked_at.is_none() && !self.revalidates && now >= self.renew_at {
            self.renew(now);
        }
        self.claim_silent(now);
        self.bury(now);
    }

    /// Hands out the next thing to do.
    pub fn poll_output(&mut self) -> Option<RegistrySays> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] is wanted next.
    pub fn poll_timeout(&self) -> Time {
        let answer = self.asked_at.map(|at| at + self.timing.answer_max);
        let dying = self.dying.values().map(|dying| dying.until).min();
        let silent = self.seen.iter().filter_map(|(node, seen)| self.claim_due(*node, seen)).min();
        let renew = (self.asked_at.is_none() && !self.revalidates).then_some(self.renew_at);
        let idle = self.called_at.unwrap_or_default() + self.timing.renew;
        [answer, dying, silent, renew].into_iter().flatten().fold(idle, Time::min)
    }

    /// Says from the next renewal on that this node is about to stop.
    pub fn leave(&mut self) {
        self.sign.is_leaving = true;
        self.renew_at = Time::default();
    }

    /// Says from the next renewal on whether this node still has sections to write that the store lost.
    pub fn set_resyncing(&mut self, is_resyncing: bool) {
        self.sign.is_resyncing = is_resyncing;
    }

    /// The newest way of writing sections that every node that lives understands; none where there is no such way.
    pub fn feature_level(&self) -> Option<u32> {
        let signs = self.seen.values().filter_map(|seen| seen.sign.as_ref()).chain([&self.sign]);
        let (oldest, newest) = signs
            .fold((0, u32::MAX), |(oldest, newest), sign| (oldest.max(sign.features.0), newest.min(sign.features.1)));
        (oldest <= newest).then_some(newest)
    }

    /// The other nodes that the store has a sign of, and for how long it has not changed.
    pub fn nodes(&self, now: Time) -> impl Iterator<Item = (NodeId, &Sign, Duration)> {
        self.seen.iter().filter_map(move |(node, seen)| Some((*node, seen.sign.as_ref()?, now.since(seen.since))))
    }

    /// Nodes that are claimed, and of which it is not told yet that they are dead, since their users have grace.
    pub fn buries(&self) -> impl Iterator<Item = NodeId> {
        self.dying.keys().copied()
    }

    /// The incarnation under which this node writes.
    pub const fn inc(&self) -> u64 {
        self.sign.inc
    }

    /// Since when the store answers; none while it does not.
    pub const fn well_since(&self) -> Option<Time> {
        self.well_since
    }

    /// A node that stood still for half a lease distrusts itself first: others may have told that its users left, and
    /// those may have left.
    fn notice_gap(&mut self, now: Time) {
        let gap = self.called_at.map(|at| now.since(at));
        self.called_at = Some(now);
        if gap.is_some_and(|gap| gap > self.timing.lease / 2) {
            self.is_doubtful = true;
            self.lose(now);
        }
    }

    fn renew(&mut self, now: Time) {
        self.renew_at = now + self.timing.renew;
        if self.ticked_at.is_none_or(|at| now.since(at) >= self.timing.ticked_max) {
            return;
        }
        self.sign.counter += 1;
        self.asked_at = Some(now);
        self.outputs.push_back(RegistrySays::Ask(RegistryAsk::Renew { sign: self.sign.clone() }));
    }

    fn renewed(&mut self, now: Time, signs: Vec<(NodeId, Sign)>) {
        // An answer that was given up, or that a fence has overtaken, is worth nothing.
        if self.asked_at.take().is_none() || self.revalidates {
            return;
        }
        if self.renewed_at.is_some_and(|at| now.since(at) > self.timing.lease / 2) {
            self.is_doubtful = true;
        }
        self.renewed_at = Some(now);
        self.look(now, signs);
        if self.is_doubtful {
            return self.revalidate();
        }
        if self.well_since.is_none() {
            self.well_since = Some(now);
            self.tell(Heard::Store(true));
        }
    }

    /// Compares the signs with what was seen before.
    fn look(&mut self, now: Time, signs: Vec<(NodeId, Sign)>) {
        let me = self.me;
        let mut signs: BTreeMap<NodeId, Sign> = signs.into_iter().filter(|(node, _)| *node != me).collect();
        let resyncing: Vec<NodeId> =
            signs.iter().filter(|(_, sign)| sign.is_resyncing).map(|(node, _)| *node).collect();
        if resyncing != self.resyncing {
            self.resyncing.clone_from(&resyncing);
            self.tell(Heard::Resyncing(resyncing));
        }
        for (node, seen) in &mut self.seen {
            let sign = signs.remove(node);
            if sign != seen.sign {
                (seen.sign, seen.since) = (sign, now);
            }
        }
        for (node, sign) in signs {
            self.seen.insert(node, Seen { sign: Some(sign), since: now, claimed_at: None });
        }
        let seen = &self.seen;
        self.dying.retain(|node, dying| {
            let sign = seen.get(node).and_then(|seen| seen.sign.as_ref());
            !sign.is_some_and(|sign| dying.is_belied(sign))
        });
        // Whoever left no sign and no section is nobody.
        let (noticed, dying) = (&self.noticed, &self.dying);
        self.seen.retain(|node, seen| seen.sign.is_some() || noticed.contains_key(node) || dying.contains_key(node));
    }

    fn lose(&mut self, now: Time) {
        self.asked_at = None;
        self.renew_at = self.renew_at.max(now + self.timing.renew / 4);
        for seen in self.seen.values_mut() {
            seen.claimed_at = None;
        }
        if self.well_since.take().is_some() {
            self.tell(Heard::Store(false));
        }
    }

    fn fenced(&mut self, inc: u64) {
        if inc < self.sign.inc {
            self.asked_at = None;
            return;
        }
        self.sign.inc = inc + 1;
        self.asked_at = None;
        self.is_doubtful = true;
        if self.well_since.take().is_some() {
            self.tell(Heard::Store(false));
        }
        self.revalidate();
    }

    fn revalidate(&mut self) {
        if !self.revalidates {
            self.revalidates = true;
            self.outputs.push_back(RegistrySays::Revalidate);
        }
    }

    fn revalidated(&mut self, now: Time) {
        if !std::mem::take(&mut self.revalidates) {
            return;
        }
        self.is_doubtful = false;
        self.renewed_at = None;
        self.tell(Heard::Incarnation(self.sign.inc));
        self.renew_at = now;
    }

    /// When a node is to be claimed, if nothing is heard of it.
    fn claim_due(&self, node: NodeId, seen: &Seen) -> Option<Time> {
        if seen.claimed_at.is_some() || self.dying.contains_key(&node) || self.revalidates {
            return None;
        }
        let lease = match &seen.sign {
            Some(sign) if sign.is_leaving => self.timing.lease + self.timing.leaving_grace,
            Some(_) => self.timing.lease,
            None => self.noticed.contains_key(&node).then_some(self.timing.lease)?,
        };
        let due = (seen.since + lease).max(self.well_since? + self.timing.lease);
        Some(due + RANK_STEP * self.rank(node))
    }

    /// How many nodes are to claim this one before this node does.
    fn rank(&self, node: NodeId) -> u32 {
        let mine = rendezvous(self.me, node);
        let alive = self.seen.iter().filter(|(other, seen)| **other != node && seen.sign.is_some());
        let before = alive.filter(|(other, _)| rendezvous(**other, node) < mine).count();
        u32::try_from(before).unwrap_or(u32::MAX).min(LAST_RANK)
    }

    fn claim_silent(&mut self, now: Time) {
        let due: Vec<NodeId> = self
            .seen
            .iter()
            .filter(|(node, seen)| self.claim_due(**node, seen).is_some_and(|due| due <= now))
            .map(|(node, _)| *node)
            .collect();
        for node in due {
            let Some(seen) = self.seen.get_mut(&node) else { continue };
            seen.claimed_at = Some(now);
            let known = self.noticed.get(&node).copied().unwrap_or_default();
            let seen = seen.sign.clone();
            let inc = seen.as_ref().map_or(known, |sign| sign.inc);
            self.outputs.push_back(RegistrySays::Ask(RegistryAsk::Claim { node, seen, inc }));
        }
    }

    fn claimed(&mut self, now: Time, node: NodeId, done: Option<bool>) {
        let Some(seen) = self.seen.get_mut(&node) else { return };
        if seen.claimed_at.take().is_none() {
            return;
        }
        match done {
            Some(true) => {
                let known = self.noticed.get(&node).copied().unwrap_or_default();
                let inc = seen.sign.as_ref().map_or(known, |sign| sign.inc);
                let grace = match &seen.sign {
                    Some(sign) if sign.is_leaving => Duration::ZERO,
                    Some(_) | None => self.timing.node_grace,
                };
                let counter = seen.sign.take().map(|sign| sign.counter);
                seen.since = now;
                self.dying.insert(node, Dying { until: now + grace, inc, counter });
            }
            // Its sign has changed: it lives, or another node was faster.
            Some(false) | None => seen.since = now,
        }
    }

    /// Tells of nodes whose users have had their grace.
    fn bury(&mut self, now: Time) {
        let due = self.dying.iter().filter(|(_, dying)| dying.until <= now);
        let due: Vec<(NodeId, u64)> = due.map(|(node, dying)| (*node, dying.inc)).collect();
        for (node, inc) in due {
            self.dying.remove(&node);
            if self.noticed.get(&node).is_some_and(|known| *known <= inc) {
                self.noticed.remove(&node);
            }
            self.tell(Heard::Dead { node, inc });
        }
    }

    fn tell(&mut self, heard: Heard) {
        self.outputs.push_back(RegistrySays::Tell(heard));
    }
}

/// How much later the next node in line claims a silent one.
const RANK_STEP: Duration = Duration::from_millis(500);
/// How many steps the last in line waits.
const LAST_RANK: u32 = 3;

/// Orders the nodes that could claim one, differently for each.
const fn rendezvous(who: NodeId, whom: NodeId) -> u64 {
    let mixed = (who.0 ^ whom.0.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

#[cfg(test)]
mod tests {
    use super::Registry;
    use crate::{
        cluster::{
            door::{Heard, NodeId},
            signs::{RegistryAsk, RegistryHeard, RegistrySays, Sign},
            timing::Timing,
        },
        time::Time,
    };

    const OTHER: NodeId = NodeId(2);

    fn sign(counter: u64) -> Sign {
        Sign { inc: 1, counter, is_leaving: false, is_resyncing: false, features: (1, 1) }
    }

    /// Plays `steps` of 250 ms from `from`; each renewal is answered with what `store` says of the other node.
    fn play(
        registry: &mut Registry,
        (from, steps): (u64, u64),
        mut store: impl FnMut(u64) -> Option<Vec<(NodeId, Sign)>>,
    ) -> Vec<(u64, RegistrySays)> {
        let mut said = Vec::new();
        for step in 0..steps {
            let ms = from + step * 250;
            let now = Time::from_millis(ms);
            registry.handle(now, RegistryHeard::Ticked);
            registry.handle_timeout(now);
            while let Some(says) = registry.poll_output() {
                if let RegistrySays::Ask(RegistryAsk::Renew { .. }) = says {
                    let answer = store(ms).map(|signs| RegistryHeard::Renewed { signs });
                    registry.handle(now, answer.unwrap_or(RegistryHeard::Failed));
                } else {
                    said.push((ms, says));
                }
            }
        }
        said
    }

    fn claims(said: &[(u64, RegistrySays)]) -> Vec<u64> {
        let claim = |(ms, says): &(u64, RegistrySays)| {
            matches!(says, RegistrySays::Ask(RegistryAsk::Claim { node, .. }) if *node == OTHER).then_some(*ms)
        };
        said.iter().filter_map(claim).collect()
    }

    fn registry() -> Registry {
        Registry::new(NodeId(1), Timing::default(), (1, 1))
    }

    #[test]
    fn a_node_whose_sign_does_not_change_is_claimed_and_told_dead_after_the_rest_of_grace() {
        let mut registry = registry();
        let said = play(&mut registry, (1_000, 40), |ms| Some(vec![(OTHER, sign(ms.min(3_000)))]));
        let first = claims(&said)[0];
        assert!((7_500..=8_500).contains(&first), "claimed at {first} ms, last sign at 3000 ms");
        registry.handle(Time::from_millis(11_000), RegistryHeard::Claimed { node: OTHER, done: Some(true) });
        let said = play(&mut registry, (11_000, 30), |_| Some(Vec::new()));
        let dead = said.iter().find(|(_, says)| matches!(says, RegistrySays::Tell(Heard::Dead { .. })));
        assert_eq!(dead.map(|(ms, _)| *ms), Some(16_000));
    }

    #[test]
    fn a_node_that_is_only_missing_is_not_claimed_unless_somebody_has_a_section_of_it() {
        let mut registry = registry();
        let said =
            play(&mut registry, (1_000, 60), |ms| Some(if ms < 3_000 { vec![(OTHER, sign(1))] } else { vec![] }));
        assert!(claims(&said).is_empty());
        registry.handle(Time::from_millis(16_000), RegistryHeard::Noticed { node: OTHER, inc: 1 });
        let said = play(&mut registry, (16_000, 40), |_| Some(vec![]));
        assert!(claims(&said)[0] >= 21_000);
    }

    #[test]
    fn silence_of_the_store_is_not_silence_of_the_others() {
        let mut registry = registry();
        let said = play(&mut registry, (1_000, 120), |ms| {
            (!(3_000..20_000).contains(&ms)).then(|| vec![(OTHER, sign(if ms < 20_000 { 1 } else { ms / 4_000 }))])
        });
        assert!(claims(&said).is_empty(), "{said:?}");
        let told: Vec<_> =
            said.iter().filter(|(_, says)| matches!(says, RegistrySays::Tell(Heard::Store(_)))).collect();
        assert_eq!(told.len(), 2, "up, and away: back only after the sockets were asked");
        assert!(said.iter().any(|(ms, says)| *ms >= 20_000 && *says == RegistrySays::Revalidate));
    }

    #[test]
    fn a_fenced_node_asks_its_sockets_and_comes_back_under_a_higher_number() {
        let mut registry = registry();
        play(&mut registry, (1_000, 8), |_| Some(Vec::new()));
        let now = Time::from_millis(3_000);
        registry.handle(now, RegistryHeard::Fenced { inc: 4 });
        let said: Vec<_> = std::iter::from_fn(|| registry.poll_output()).collect();
        assert_eq!(said, [RegistrySays::Tell(Heard::Store(false)), RegistrySays::Revalidate]);
        registry.handle(now, RegistryHeard::Revalidated);
        assert_eq!(registry.poll_output(), Some(RegistrySays::Tell(Heard::Incarnation(5))));
        let said = play(&mut registry, (3_000, 2), |_| Some(Vec::new()));
        assert!(said.iter().any(|(_, says)| *says == RegistrySays::Tell(Heard::Store(true))));
    }

    #[test]
    fn a_node_whose_hubs_stand_still_gives_no_sign() {
        let mut registry = registry();
        play(&mut registry, (1_000, 8), |_| Some(Vec::new()));
        let asks = |registry: &mut Registry, ms| {
            registry.handle_timeout(Time::from_millis(ms));
            std::iter::from_fn(|| registry.poll_output()).any(|says| matches!(says, RegistrySays::Ask(_)))
        };
        assert!(asks(&mut registry, 4_000));
        registry.handle(Time::from_millis(4_000), RegistryHeard::Renewed { signs: Vec::new() });
        assert!(!asks(&mut registry, 5_000));
    }

    #[test]
    fn the_feature_level_is_the_highest_that_all_understand() {
        let mut registry = Registry::new(NodeId(1), Timing::default(), (1, 3));
        assert_eq!(registry.feature_level(), Some(3));
        play(&mut registry, (1_000, 2), |_| Some(vec![(OTHER, Sign { features: (1, 2), ..sign(1) })]));
        assert_eq!(registry.feature_level(), Some(2));
        play(&mut registry, (2_000, 4), |_| Some(vec![(OTHER, Sign { features: (4, 5), ..sign(2) })]));
        assert_eq!(registry.feature_level(), None);
    }

    #[test]
    fn a_node_that_goes_on_as_it_was_claimed_since_the_fence_was_lost_is_not_told_dead() {
        for (last, dead) in [(0, true), (1, false)] {
            let mut registry = registry();
            let said = play(&mut registry, (1_000, 40), |_| Some(vec![(OTHER, sign(7))]));
            assert!(!claims(&said).is_empty());
            registry.handle(Time::from_millis(11_000), RegistryHeard::Claimed { node: OTHER, done: Some(true) });
            // The very sign that was taken away may be in an answer that was on its way.
            let said = play(&mut registry, (11_000, 30), |ms| match ms {
                ..12_500 => Some(vec![(OTHER, sign(7 + last))]),
                _ if last == 0 => Some(Vec::new()),
                _ => Some(vec![(OTHER, sign(7 + ms))]),
            });
            let is_told = said.iter().any(|(_, says)| matches!(says, RegistrySays::Tell(Heard::Dead { .. })));
            assert_eq!(is_told, dead, "{said:?}");
        }
    }
}
