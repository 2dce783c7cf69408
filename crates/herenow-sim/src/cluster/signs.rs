//! The registry of the store as nodes see it: signs of life that arrive and are answered, and claims.
use crate::cluster::{net::Happening, world::World};
use herenow_core::cluster::{
    door::NodeId,
    signs::{RegistryAsk, RegistryHeard},
};

impl World {
    pub(super) fn sign(&mut self, at: usize, (life, number): (u64, u64), ask: RegistryAsk) -> Result<(), String> {
        if self.now < self.away_until || self.now < self.nodes[at].link.cut_until || self.nodes[at].id.0 != life {
            return Ok(());
        }
        let heard = match ask {
            RegistryAsk::Renew { sign } => match self.store.renew(NodeId(life), &sign) {
                Ok(signs) => {
                    self.nodes[at].signed_at = self.now;
                    RegistryHeard::Renewed { signs }
                }
                Err(inc) => RegistryHeard::Fenced { inc },
            },
            RegistryAsk::Claim { node, seen, inc } => {
                let done = self.store.claim(node, seen.as_ref(), inc);
                self.say(|| format!("node {at} claims {node:?} up to {inc}: {done}"));
                if done {
                    self.check_claim(at, node)?;
                }
                RegistryHeard::Claimed { node, done: Some(done) }
            }
        };
        let delay = self.delay();
        self.agenda.set(self.now + delay, Happening::Signed { node: at, life, number, heard });
        Ok(())
    }

    pub(super) fn signed(&mut self, at: usize, (life, number): (u64, u64), heard: RegistryHeard) {
        let node = &mut self.nodes[at];
        if node.id.0 != life || node.link.open_signs.remove(&number).is_none() {
            return;
        }
        if let RegistryHeard::Fenced { .. } = heard {
            node.undisturbed_since = self.now;
        }
        let heard = self.bend_signs(at, heard);
        self.registry(at, heard);
    }
}
