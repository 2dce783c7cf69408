//! Numbers for Prometheus. Sums only: nothing is labelled by user or room, so that a scrape tells nobody who is where.
use crate::{
    cluster::status::{ClusterStatus, LinkState},
    tallies::Tallies,
    webhooks::meters::WebhookMeters,
};
use herenow_core::{cluster::replicas::Counters, command::Reason, event::Notice};
use herenow_wire::words;
use http::StatusCode;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::Gauge,
    },
    registry::Registry,
};

/// What is counted while it happens.
#[derive(Debug, Default)]
pub struct Meters {
    calls: Family<CallLabels, Counter>,
    joins: Counter,
    leaves: Family<LeaveLabels, Counter>,
    typing: Counter,
    /// What webhooks count.
    pub webhooks: WebhookMeters,
}

/// What is measured when somebody asks.
#[derive(Clone, Copy, Debug)]
pub struct Levels {
    /// Connections that are open.
    pub connections: usize,
    /// Rooms.
    pub rooms: usize,
    /// Sessions in rooms, once a partition.
    pub sessions: usize,
    /// Users who are online or watched.
    pub people: usize,
    /// Timers.
    pub deadlines: usize,
    /// Streams and long polls.
    pub readers: usize,
    /// Viewers without a connection.
    pub hosted: usize,
    /// Files that the process has open; `None` where the system does not say.
    pub open_files: Option<u64>,
    /// Files that it may have open.
    pub open_files_max: u64,
    /// Bytes of memory that the process has; `None` where the system does not say.
    pub memory: Option<u64>,
    /// Bytes that it may have; `None`: there is no limit.
    pub memory_max: Option<u64>,
}

/// What others count, beside what is counted here.
#[derive(Clone, Copy, Debug)]
pub struct Others<'a> {
    /// Of connections.
    pub tallies: &'a Tallies,
    /// Of the cluster, where the node is one of several.
    pub cluster: Option<(&'a ClusterStatus, Counters)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    call: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LeaveLabels {
    reason: &'static str,
}

impl Meters {
    /// Counts a call that was answered.
    pub fn note_call(&self, call: &'static str, status: StatusCode) {
        self.calls.get_or_create(&CallLabels { call, status: status.as_u16() }).inc();
    }

    /// Counts what happened in a room.
    pub fn note(&self, notice: &Notice) {
        match notice {
            Notice::Joined { .. } => drop(self.joins.inc()),
            Notice::Left { reason, .. } => drop(self.leave(*reason).inc()),
            Notice::Typing { .. } => drop(self.typing.inc()),
            Notice::Updated { .. } | Notice::Online { .. } | Notice::Offline { .. } => {}
        }
    }

    fn leave(&self, reason: Reason) -> Counter {
        self.leaves.get_or_create(&LeaveLabels { reason: words::reason(reason) }).clone()
    }

    /// All numbers in the text form of OpenMetrics.
    pub fn text(&self, levels: Levels, others: Others<'_>) -> String {
        let mut registry = Registry::with_prefix("herenow");
        registry.register("http_calls", "Calls of the HTTP API that were answered", self.calls.clone());
        registry.register("joins", "Users who came into a room", self.joins.clone());
        registry.register("leaves", "Users who left a room", self.leaves.clone());
        registry.register("typing_starts", "Times that a user began to type", self.typing.clone());
        for (name, help, level) in [
            ("connections", "Connections that are open", Some(levels.connections as u64)),
            ("rooms", "Rooms that somebody is in or hears", Some(levels.rooms as u64)),
            ("sessions", "Sessions with a place in a room, once a partition", Some(levels.sessions as u64)),
            ("people", "Users who are online or watched", Some(levels.people as u64)),
            ("deadlines", "Timers that are set", Some(levels.deadlines as u64)),
            ("readers", "Streams and long polls that are open", Some(levels.readers as u64)),
            ("hosted_viewers", "Viewers without a connection", Some(levels.hosted as u64)),
            ("open_files", "Files that the process has open; each connection is one", levels.open_files),
            ("open_files_max", "Files that the process may have open", Some(levels.open_files_max)),
            ("memory_bytes", "Memory that the process has", levels.memory),
            (
                "memory_max_bytes",
                "Memory near which new connections are refused; not there without a limit",
                levels.memory_max,
            ),
        ] {
            let Some(level) = level else { continue };
            let gauge: Gauge = Gauge::default();
            gauge.set(i64::try_from(level).unwrap_or(i64::MAX));
            registry.register(name, help, gauge);
        }
        others.tallies.register(&mut registry);
        if let Some((status, counters)) = others.cluster {
            register_cluster(&mut registry, status, counters);
        }
        self.webhooks.register(&mut registry);
        let mut text = String::new();
        // Writing into a `String` cannot fail; the result is there for other sinks.
        let _ = encode(&mut text, &registry);
        text
    }
}

fn register_cluster(registry: &mut Registry, status: &ClusterStatus, counters: Counters) {
    let link = status.link();
    for (name, help, level) in [
        ("cluster_up", "Whether the other nodes are heard", u64::from(link.state == LinkState::Well)),
        ("cluster_nodes", "Nodes that live, as of the last renewal", link.nodes.len() as u64),
        ("cluster_stale_seconds", "For how long the other nodes were not heard", status.stale_seconds()),
    ] {
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::try_from(level).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    }
    let Counters { chain_breaks, own_stamp_mismatches, missed_news, holds, holds_dropped, fenced, unknown_outcomes } =
        counters;
    let made_good = [
        ("cluster_chain_breaks", "News of other nodes that did not follow on what was known", chain_breaks),
        ("cluster_own_stamp_mismatches", "Rooms where the store had lost what this node wrote", own_stamp_mismatches),
        ("cluster_missed_news", "Rooms where an audit found news that did not come", missed_news),
        ("cluster_holds", "Sections of other nodes that were held since the store had lost them", holds),
        ("cluster_holds_dropped", "Held sections that nobody confirmed", holds_dropped),
        ("cluster_writes_fenced", "Writes refused because others gave this node up", fenced),
        ("cluster_unknown_outcomes", "Writes of which nobody knew what became of them", unknown_outcomes),
    ];
    for (name, help, count) in status.counted().into_iter().chain(made_good) {
        registry.register(name, help, ConstCounter::new(count));
    }
}

#[cfg(test)]
mod tests {
    use super::{Levels, Meters, Others};
    use crate::{clock::Clock, cluster::status::ClusterStatus, connection::Way, tallies::Tallies};
    use herenow_core::{
        cluster::{door::NodeId, replicas::Counters},
        command::{Ending, Reason},
    };
    use http::StatusCode;
    use std::{fmt::Write as _, fs};

    /// All numbers, each of which has been counted once.
    fn text() -> String {
        let meters = Meters::default();
        meters.note_call("room", StatusCode::OK);
        meters.note_call("room", StatusCode::OK);
        meters.leave(Reason::Closed).inc();
        let (connections, rooms, sessions, people, deadlines, readers, hosted) = (1, 2, 3, 4, 5, 6, 7);
        let (open_files, open_files_max) = (Some(8), 9);
        let (memory, memory_max) = (Some(10), Some(11));
        let levels = Levels {
            connections,
            rooms,
            sessions,
            people,
            deadlines,
            readers,
            hosted,
            open_files,
            open_files_max,
            memory,
            memory_max,
        };
        let tallies = Tallies::default();
        tallies.note_opened(Way::Stream);
        tallies.note_refused("rate.handshakes");
        tallies.note_ended(Ending::TimedOut);
        tallies.note_caught_up();
        let cluster = ClusterStatus::new(NodeId(1), "redis://127.0.0.1".to_owned(), Clock::start());
        meters.text(levels, Others { tallies: &tallies, cluster: Some((&cluster, Counters::default())) })
    }

    /// A row for each number: its name as it is scraped, its labels, what it counts.
    fn table(text: &str) -> String {
        let mut table = String::from("| number | labels | what it is |\n|---|---|---|\n");
        let helps: Vec<(&str, &str)> =
            text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' ')).collect();
        for (name, help) in helps {
            let is_sample = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['_', '{', ' ']));
            let sample = text.lines().find(is_sample).expect("each number has a value");
            let end = sample.find(['{', ' ']).unwrap();
            let labels: Vec<String> = sample[end..]
                .trim_start_matches('{')
                .split_once('}')
                .map(|(labels, _)| {
                    labels.split(',').map(|label| format!("`{}`", label.split('=').next().unwrap())).collect()
                })
                .unwrap_or_default();
            let help = help.trim_end_matches('.');
            writeln!(table, "| `{}` | {} | {help} |", &sample[..end], labels.join(", ")).unwrap();
        }
        table
    }

    #[test]
    fn the_guide_names_each_number() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
        let guide = fs::read_to_string(path).unwrap();
        let (before, after) = guide.split_once("| number |").unwrap();
        let (_, after) = after.split_once("\n\n").unwrap();
        let wanted = format!("{before}{}\n{after}", table(&text()));
        if std::env::var_os("UPDATE").is_some() {
            fs::write(path, &wanted).unwrap();
        }
        assert!(guide == wanted, "docs/metrics.md is not up to date: UPDATE=1 cargo test -p herenow the_guide_names");
    }

    #[test]
    fn numbers_have_names_and_no_labels_of_people() {
        let text = text();
        for line in [
            r#"herenow_http_calls_total{call="room",status="200"} 2"#,
            "herenow_connections 1",
            "herenow_rooms 2",
            "herenow_hosted_viewers 7",
            "herenow_memory_bytes 10",
            "herenow_memory_max_bytes 11",
            "herenow_joins_total 0",
            "herenow_open_files 8",
            "herenow_open_files_max 9",
            r#"herenow_connections_opened_total{way="stream"} 1"#,
            r#"herenow_connections_refused_total{code="rate.handshakes"} 1"#,
            r#"herenow_connections_ended_total{how="timeout"} 1"#,
            "herenow_slow_readers_caught_up_total 1",
            "herenow_webhook_notices_dropped_total 0",
            "herenow_webhook_events_pending 0",
            "# EOF",
        ] {
            assert!(text.lines().any(|said| said == line), "{line} is not in\n{text}");
        }
    }
}
