//! How each wrong world differs from the right one: what is heard is bent on its way in.
use crate::cluster::{world::World, wrong::Wrong};
use herenow_core::cluster::{
    door::{Heard, Held, NodeId, Outcome, Snapshot, Stamp},
    signs::{RegistryHeard, Sign},
};

impl World {
    /// Notes what a node will believe of a room once it has heard this.
    pub(super) fn believe(&mut self, node: usize, heard: &Heard) {
        if self.wrong.is_none() {
            return;
        }
        let room = match heard {
            Heard::News { room, .. } | Heard::Snapshot { room, .. } | Heard::Written { room, .. } => room.clone(),
            _ => return,
        };
        let belief = self.beliefs.entry((node, room)).or_default();
        match heard {
            Heard::Snapshot { snapshot: Some(snapshot), .. } => belief.0 = snapshot.tag,
            Heard::Written { stamp, outcome: Outcome::Done, .. } => belief.1 = Some(*stamp),
            _ => {}
        }
    }

    /// What a node hears in a wrong world.
    pub(super) fn bend(&mut self, node: usize, heard: Heard) -> Option<Heard> {
        let Some(wrong) = self.wrong else { return Some(heard) };
        let believed = |world: &Self, room| world.beliefs.get(&(node, room)).copied().unwrap_or_default();
        let bent = match (wrong, heard) {
            (Wrong::NoAudit, Heard::Audited { room, .. }) => Heard::AuditFailed { room },
            (Wrong::NoOwnStampAudit | Wrong::UnknownIsDone, Heard::Audited { room, tag, .. }) => {
                let own = believed(self, room.clone()).1.map(Held::Live);
                Heard::Audited { room, tag, own }
            }
            (Wrong::NoCursorAudit, Heard::Audited { room, own, .. }) => {
                let tag = believed(self, room.clone()).0;
                Heard::Audited { room, tag, own }
            }
            (Wrong::UnknownIsDone, Heard::Written { room, stamp, outcome: Outcome::Unknown }) => {
                Heard::Written { room, stamp, outcome: Outcome::Done }
            }
            (Wrong::PlainVersion, Heard::News { room, mut news }) => {
                let known = believed(self, room.clone()).0;
                if known.is_some_and(|known| news.tag.number <= known.number) {
                    return None;
                }
                news.before =
                    if known.is_some_and(|known| known.number + 1 == news.tag.number) { known } else { news.before };
                Heard::News { room, news }
            }
            (Wrong::GapsIgnored, Heard::News { room, mut news }) => {
                news.before = believed(self, room.clone()).0;
                Heard::News { room, news }
            }
            (_, heard) => heard,
        };
        self.believe(node, &bent);
        if let Heard::News { room, news } = &bent {
            let belief = self.beliefs.entry((node, room.clone())).or_default();
            belief.0 = Some(news.tag);
        }
        Some(bent)
    }

    pub(super) fn bend_snapshot(&self, mut snapshot: Snapshot, known: &[(NodeId, Stamp)]) -> Snapshot {
        if self.wrong == Some(Wrong::NoHold) {
            let named = |node: NodeId| snapshot.sections.iter().any(|(named, ..)| *named == node);
            let missing: Vec<NodeId> = known.iter().map(|(node, _)| *node).filter(|node| !named(*node)).collect();
            snapshot.sections.extend(missing.into_iter().map(|node| (node, Held::Tomb(u64::MAX), None)));
        }
        if self.wrong == Some(Wrong::OlderTaken) {
            for (node, held, _) in &mut snapshot.sections {
                let known = known.iter().find(|(known, _)| known == node);
                if let (Held::Live(stamp), Some((_, known))) = (held, known)
                    && *stamp < *known
                {
                    *stamp = *known;
                }
            }
        }
        snapshot
    }

    pub(super) fn bend_signs(&mut self, at: usize, heard: RegistryHeard) -> RegistryHeard {
        if let RegistryHeard::Renewed { signs } = &heard {
            let before = self.signs.insert(at, signs.clone()).unwrap_or_default();
            if self.wrong == Some(Wrong::MissingIsDead) {
                let is_missing = |(node, _): &&(NodeId, Sign)| signs.iter().all(|(there, _)| there != node);
                let missing: Vec<(NodeId, Sign)> = before.iter().filter(is_missing).cloned().collect();
                for (node, sign) in missing {
                    self.tell(at, Heard::Dead { node, inc: sign.inc });
                }
            }
        }
        heard
    }

    pub(super) fn failed_renewal(&self, at: usize) -> RegistryHeard {
        match self.signs.get(&at) {
            Some(signs) if self.wrong == Some(Wrong::StoreSilenceCounts) => {
                RegistryHeard::Renewed { signs: signs.clone() }
            }
            Some(_) | None => RegistryHeard::Failed,
        }
    }
}
