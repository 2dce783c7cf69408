//! Reads all sections of a room: those that the asker knows already are left out, large ones are read in pages.
use super::{
    error::CallError,
    news::{node_text, number, parse_node, parse_session, parse_tag},
    reply,
    script::Script,
    store::{self, Place, Store},
};
use crate::cluster::entry;
use herenow_core::{
    cluster::door::{Held, NodeId, SectionEntry, Snapshot, Stamp},
    id::SessionId,
};
use redis::Value;
use std::collections::BTreeMap;

/// Entries that one answer holds at the most; larger sections come in pages.
pub const PAGE_ENTRIES_MAX: usize = 1000;
/// Entries of one section that are read at the most.
pub const SECTION_ENTRIES_MAX: usize = 1_000_000;

impl Store {
    /// All that is kept of a room. A section that comes in pages may hold changes that were written while they were read;
    /// all of these are in the news since the snapshot's tag, and say the whole of what they change.
    ///
    /// # Errors
    /// Where the server did not do it, or a large section went away meanwhile.
    pub async fn snapshot(&self, at: Place<'_>, known: &[(NodeId, Stamp)]) -> Result<Snapshot, CallError> {
        let nonsense = || CallError::nonsense("SNAP");
        let mut names: BTreeMap<NodeId, Option<Stamp>> = known.iter().map(|(node, s)| (*node, Some(*s))).collect();
        for _ in 0..store::TRIES {
            let answer = self.link.ask(&self.snap_call(at, &names)).await?;
            let all = reply::list(&answer).ok_or_else(nonsense)?;
            let meta = all.get(1).and_then(reply::pairs).ok_or_else(nonsense)?;
            match (store::word(&answer), all) {
                (Some(b"AGAIN"), _) => {
                    for node in meta.iter().filter_map(|(name, _)| node_of(name)) {
                        names.entry(node).or_insert(None);
                    }
                }
                (Some(b"OK"), [_, _, sections, fence]) => {
                    let sections = reply::list(sections).filter(|all| all.len() == names.len()).ok_or_else(nonsense)?;
                    let mut contents = BTreeMap::new();
                    for (node, section) in names.keys().zip(sections) {
                        if let Some(entries) = self.contents(at, *node, section).await? {
                            contents.insert(*node, entries);
                        }
                    }
                    return Ok(put_together(&meta, contents, reply::number(fence).ok_or_else(nonsense)?));
                }
                _ => return Err(nonsense()),
            }
        }
        Err(CallError::Refused("the nodes in a room change faster than they are read".to_owned()))
    }

    fn snap_call(&self, at: Place<'_>, names: &BTreeMap<NodeId, Option<Stamp>>) -> redis::Cmd {
        let mut keys = vec![self.keys.meta(at.partition, at.room), self.keys.locks(at.partition, at.room)];
        keys.extend(names.keys().map(|node| self.keys.section(at.partition, at.room, *node)));
        let mut call = Script::Snap.call(&keys);
        call.arg(PAGE_ENTRIES_MAX);
        for (node, stamp) in names {
            call.arg(node_text(*node));
            call.arg(stamp.map_or(String::new(), |stamp| format!("{}:{}", stamp.inc, stamp.seq)));
        }
        call
    }

    /// What a section holds; `None` where the asker knows it, or there is none.
    async fn contents(
        &self,
        at: Place<'_>,
        node: NodeId,
        section: &Value,
    ) -> Result<Option<Vec<SectionEntry>>, CallError> {
        match section {
            Value::Array(_) => {
                let pairs = reply::pairs(section).ok_or_else(|| CallError::nonsense("SNAP"))?;
                Ok(Some(pairs.into_iter().filter_map(read).collect()))
            }
            Value::Int(_) if node != self.me => self.pages(at, node).await.map(Some),
            _ => Ok(None),
        }
    }

    async fn pages(&self, at: Place<'_>, node: NodeId) -> Result<Vec<SectionEntry>, CallError> {
        let nonsense = || CallError::nonsense("PAGE");
        let key = [self.keys.section(at.partition, at.room, node)];
        let mut entries: BTreeMap<SessionId, SectionEntry> = BTreeMap::new();
        let mut cursor = b"0".to_vec();
        loop {
            let mut call = Script::Page.call(&key);
            call.arg(&cursor).arg(PAGE_ENTRIES_MAX);
            let answer = self.link.ask(&call).await?;
            let Some([stamp, next, page]) = reply::list(&answer) else { return Err(nonsense()) };
            if reply::text(stamp).is_none_or(<[u8]>::is_empty) || entries.len() > SECTION_ENTRIES_MAX {
                return Err(CallError::Refused("a section went away while it was read".to_owned()));
            }
            let page = reply::pairs(page).ok_or_else(nonsense)?;
            entries.extend(page.into_iter().filter_map(read).map(|entry| (entry.session, entry)));
            cursor = reply::text(next)
                .filter(|next| number(next).is_some() || next.len() <= 20)
                .ok_or_else(nonsense)?
                .to_vec();
            if cursor == b"0" {
                return Ok(entries.into_values().collect());
            }
        }
    }
}

/// The section's own field holds its stamp; what cannot be read is left out.
fn read((session, entry): (&[u8], &[u8])) -> Option<SectionEntry> {
    entry::decode(parse_session(session)?, entry)
}

fn node_of(name: &[u8]) -> Option<NodeId> {
    parse_node(name.strip_prefix(b"n:")?)
}

fn put_together(meta: &[(&[u8], &[u8])], mut contents: BTreeMap<NodeId, Vec<SectionEntry>>, fence: u64) -> Snapshot {
    let mut snapshot = Snapshot { tag: None, sections: Vec::new(), fence };
    for (name, value) in meta {
        if *name == b"t" {
            snapshot.tag = parse_tag(value);
        }
        let Some((node, held)) = node_of(name).zip(store::parse_held(value)) else { continue };
        let entries = match held {
            Held::Live(_) => contents.remove(&node),
            Held::Tomb(_) => None,
        };
        snapshot.sections.push((node, held, entries));
    }
    snapshot.sections.sort_by_key(|(node, ..)| *node);
    snapshot
}
