//! Cycles in a graph of names.
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A graph: for each node those that it leads to.
pub(crate) type Graph<N> = BTreeMap<N, BTreeSet<N>>;

/// Finds cycles: for each node that lies on one and is on no cycle found before it, a shortest cycle from it.
///
/// So the list is empty only where the graph has no cycle, and short where one knot makes many. Costs nodes times
/// arrows, which is little for the modules of a crate.
pub(crate) fn find<N: Clone + Ord>(graph: &Graph<N>) -> Vec<Vec<N>> {
    let mut cycles: Vec<Vec<N>> = Vec::new();
    for start in graph.keys() {
        if !cycles.iter().flatten().any(|seen| seen == start) {
            cycles.extend(shortest_from(graph, start));
        }
    }
    cycles
}

/// The nodes of a shortest cycle through `start`, which is named once, at the front.
fn shortest_from<N: Clone + Ord>(graph: &Graph<N>, start: &N) -> Option<Vec<N>> {
    let mut came_from: BTreeMap<&N, &N> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for next in graph.get(node).into_iter().flatten() {
            if next == start {
                let mut cycle = vec![node.clone()];
                let mut back = node;
                while let Some(before) = came_from.get(back) {
                    cycle.push((*before).clone());
                    back = before;
                }
                cycle.reverse();
                return Some(cycle);
            }
            if !came_from.contains_key(next) {
                came_from.insert(next, node);
                queue.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(arrows: &[(char, char)]) -> Graph<char> {
        let mut graph = Graph::new();
        for (from, to) in arrows {
            graph.entry(*from).or_insert_with(BTreeSet::new).insert(*to);
        }
        graph
    }

    #[test]
    fn a_tree_and_a_diamond_have_none() {
        assert!(find(&graph(&[('a', 'b'), ('a', 'c'), ('b', 'd'), ('c', 'd')])).is_empty());
    }

    #[test]
    fn each_knot_is_found_once_by_its_shortest_cycle() {
        let arrows = [('a', 'b'), ('b', 'c'), ('c', 'a'), ('c', 'b'), ('d', 'e'), ('e', 'd'), ('a', 'd')];
        assert_eq!(find(&graph(&arrows)), [vec!['a', 'b', 'c'], vec!['d', 'e']]);
    }
}
