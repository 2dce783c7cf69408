//! A slot of a Redis Cluster that moves to another primary while nodes use it.
use crate::{
    access::redis_cluster,
    process::Node,
    server::{Redis, room},
};
use herenow::partition::Partition;
use redis::{RedisError, Value, from_redis_value};

const ROOM: &str = "board-1";
const MOVES: usize = 4;

/// A slot on its way from one primary to another.
pub struct Move<'a> {
    all: &'a [Redis],
    slot: String,
    from: usize,
    to: usize,
}

impl<'a> Move<'a> {
    /// Begins to move the slot of a room from the primary that has it to the next one.
    ///
    /// # Errors
    /// Where a primary does not do its part.
    pub fn begin(all: &'a [Redis], name: &str) -> Result<Self, RedisError> {
        let tag = format!("{{ps:{}}}", Partition::of(&room(name)).index());
        let slot: u64 = from_redis_value(ask(&all[0], &["CLUSTER", "KEYSLOT", &tag])?)?;
        let from = owner(all, slot)?;
        let moving = Self { all, slot: slot.to_string(), from, to: (from + 1) % all.len() };
        let (source, target) = (&all[moving.from], &all[moving.to]);
        let [source_id, target_id] = [source, target].map(|redis| ask(redis, &["CLUSTER", "MYID"]));
        let (source_id, target_id): (String, String) = (from_redis_value(source_id?)?, from_redis_value(target_id?)?);
        ask(target, &["CLUSTER", "SETSLOT", &moving.slot, "IMPORTING", &source_id])?;
        ask(source, &["CLUSTER", "SETSLOT", &moving.slot, "MIGRATING", &target_id])?;
        Ok(moving)
    }

    /// Moves some of its keys; how many.
    ///
    /// # Errors
    /// Where a primary does not do its part.
    pub fn carry(&self, keys_max: usize) -> Result<usize, RedisError> {
        let (source, target) = (&self.all[self.from], self.all[self.to].port().to_string());
        let keys: Vec<String> =
            from_redis_value(ask(source, &["CLUSTER", "GETKEYSINSLOT", &self.slot, &keys_max.to_string()])?)?;
        if !keys.is_empty() {
            let mut words = vec!["MIGRATE", "127.0.0.1", &target, "", "0", "5000", "KEYS"];
            words.extend(keys.iter().map(String::as_str));
            ask(source, &words)?;
        }
        Ok(keys.len())
    }

    /// Moves the rest, and tells all primaries where it is now.
    ///
    /// # Errors
    /// Where a primary does not do its part.
    pub fn end(&self) -> Result<(), RedisError> {
        while self.carry(1_000)? > 0 {}
        let id: String = from_redis_value(ask(&self.all[self.to], &["CLUSTER", "MYID"])?)?;
        // Who gets it first, so that at no time nobody has it.
        for step in 0..self.all.len() {
            let redis = &self.all[(self.to + step) % self.all.len()];
            ask(redis, &["CLUSTER", "SETSLOT", &self.slot, "NODE", &id])?;
        }
        Ok(())
    }

    /// Leaves it where it was; what was moved already is lost.
    pub fn give_up(&self) {
        for redis in [&self.all[self.from], &self.all[self.to]] {
            let _ = ask(redis, &["CLUSTER", "SETSLOT", &self.slot, "STABLE"]);
        }
    }
}

fn ask(redis: &Redis, words: &[&str]) -> Result<Value, RedisError> {
    let mut order = redis::cmd(words[0]);
    order.arg(&words[1..]);
    order.query(&mut redis.admin())
}

/// Which primary has a slot, as each says of itself.
fn owner(all: &[Redis], slot: u64) -> Result<usize, RedisError> {
    for (at, redis) in all.iter().enumerate() {
        let nodes: String = from_redis_value(ask(redis, &["CLUSTER", "NODES"])?)?;
        let own = nodes.lines().find(|line| line.contains("myself")).unwrap_or_default();
        // Ranges begin at the ninth word; one in brackets is on its way.
        let ranges = own.split(' ').skip(8).filter(|range| !range.starts_with('['));
        let has = |range: &str| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let bounds = first.parse::<u64>().ok().zip(last.parse().ok());
            bounds.is_some_and(|(first, last)| (first..=last).contains(&slot))
        };
        if ranges.into_iter().any(has) {
            return Ok(at);
        }
    }
    panic!("nobody has slot {slot}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slot_that_moves_takes_nobody_with_it() {
    let redis = redis_cluster().await;
    let ports: Vec<String> = redis.iter().map(|redis| format!("127.0.0.1:{}", redis.port())).collect();
    let address = format!("redis+cluster://{}", ports.join(","));
    let nodes: Vec<Node> = (0..3).map(|_| Node::start_with(&address)).collect();
    Node::until_all_hear(&nodes).await;
    let (mut users, mut watchers) = (Vec::new(), Vec::new());
    for (at, node) in nodes.iter().enumerate() {
        users.push(format!("user-{at}"));
        watchers.push(node.watcher(&users[at], ROOM).await);
    }
    for watcher in &watchers {
        watcher.until_sees(&users).await;
    }
    let (mut carried, mut owners) = (0, Vec::new());
    for n in 0..MOVES {
        let moving = Move::begin(&redis, ROOM).unwrap();
        owners.push(moving.from);
        carried += moving.carry(1).unwrap();
        // Half of it is here and half of it there.
        users.push(format!("late-{n}"));
        users.sort();
        watchers.push(nodes[n % nodes.len()].watcher(&format!("late-{n}"), ROOM).await);
        moving.end().unwrap();
        for watcher in &watchers {
            watcher.until_sees(&users).await;
        }
    }
    let left = watchers.iter().flat_map(|watcher| watcher.told()).filter(|told| !told.joined).count();
    watchers.iter().for_each(|watcher| watcher.check());
    println!("a slot moved {MOVES} times, from {owners:?} on, somebody coming meanwhile: {left} left");
    assert!(carried > 0, "there was something to move");
    assert_eq!(left, 0);
}
