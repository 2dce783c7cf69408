//! Which rooms other nodes have viewers in, for lists: the index that each node keeps is read, and nothing is written.
use super::{error::CallError, reply, store::Store};
use crate::partition::Partition;
use futures_util::{StreamExt, TryStreamExt};
use herenow_core::{cluster::door::NodeId, id::RoomId};
use std::collections::BTreeSet;

impl Store {
    /// The first rooms, by name, whose names begin with `prefix` and come after a name, out of those where another node that
    /// lives has viewers, or had until a moment ago. At most `rooms_max`. O(rooms that other nodes have).
    ///
    /// # Errors
    /// Where the server did not do it.
    pub async fn rooms_elsewhere(
        &self,
        prefix: &str,
        after: Option<&RoomId>,
        rooms_max: usize,
    ) -> Result<BTreeSet<RoomId>, CallError> {
        let live = self.live_nodes().await?;
        let others: Vec<NodeId> = live.into_iter().filter(|node| *node != self.me).collect();
        let partitions = (0..Partition::COUNT).filter_map(Partition::at);
        let indexes: Vec<_> = partitions.flat_map(|at| others.iter().map(move |node| (at, *node))).collect();
        let pattern = format!("{}*", escaped(prefix));
        let parts = futures_util::stream::iter(indexes).map(|index| self.first_of(index, &pattern, (after, rooms_max)));
        let merge = async |mut all: BTreeSet<RoomId>, part: BTreeSet<RoomId>| {
            all.extend(part);
            shorten(&mut all, rooms_max);
            Ok(all)
        };
        parts.buffer_unordered(INDEXES_AT_ONCE).try_fold(BTreeSet::new(), merge).await
    }

    async fn first_of(
        &self,
        (partition, node): (Partition, NodeId),
        pattern: &str,
        (after, rooms_max): (Option<&RoomId>, usize),
    ) -> Result<BTreeSet<RoomId>, CallError> {
        let nonsense = || CallError::nonsense("SSCAN");
        let (mut first, mut cursor) = (BTreeSet::new(), b"0".to_vec());
        for _ in 0..PAGES_MAX {
            let mut call = redis::cmd("SSCAN");
            call.arg(self.keys.index(partition, node)).arg(&cursor).arg("MATCH").arg(pattern);
            call.arg("COUNT").arg(NAMES_EACH);
            let answer = self.link.ask(&call).await?;
            let [next, names] = reply::list(&answer).ok_or_else(nonsense)? else { return Err(nonsense()) };
            let names = reply::list(names).ok_or_else(nonsense)?.iter();
            // Users have rooms of their own here, which nobody can name.
            let names = names.filter_map(|name| RoomId::parse(std::str::from_utf8(reply::text(name)?).ok()?).ok());
            first.extend(names.filter(|room| after.is_none_or(|after| room > after)));
            shorten(&mut first, rooms_max);
            cursor = reply::text(next).ok_or_else(nonsense)?.to_vec();
            if cursor == b"0" {
                break;
            }
        }
        Ok(first)
    }
}

fn shorten(rooms: &mut BTreeSet<RoomId>, rooms_max: usize) {
    while rooms.len() > rooms_max {
        rooms.pop_last();
    }
}

/// A text that stands for itself alone in a pattern.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// Names that the server looks at in one call.
const NAMES_EACH: usize = 1000;
/// Calls for one index at the most: one that another writes to meanwhile must come to an end as well.
const PAGES_MAX: usize = 10_000;
/// Indexes that are read at once.
const INDEXES_AT_ONCE: usize = 16;

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_a_pattern_means_is_taken_for_itself() {
        assert_eq!(escaped("a*[b]?\\-x"), "a\\*\\[b\\]\\?\\\\-x");
    }
}
