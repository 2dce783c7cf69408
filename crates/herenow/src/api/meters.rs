//! Numbers for Prometheus. Sums only: nothing is labelled by user or room, so that a scrape tells nobody who is where.
use crate::webhooks::meters::WebhookMeters;
use herenow_core::{command::Reason, event::Notice};
use herenow_wire::words;
use http::StatusCode;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
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
    pub fn text(&self, levels: Levels) -> String {
        let mut registry = Registry::with_prefix("herenow");
        registry.register("http_calls", "Calls of the HTTP API that were answered", self.calls.clone());
        registry.register("joins", "Users who came into a room", self.joins.clone());
        registry.register("leaves", "Users who left a room", self.leaves.clone());
        registry.register("typing_starts", "Times that a user began to type", self.typing.clone());
        for (name, help, level) in [
            ("connections", "Connections that are open", levels.connections),
            ("rooms", "Rooms that somebody is in or hears", levels.rooms),
            ("sessions", "Sessions with a place in a room, once a partition", levels.sessions),
            ("people", "Users who are online or watched", levels.people),
            ("deadlines", "Timers that are set", levels.deadlines),
            ("readers", "Streams and long polls that are open", levels.readers),
            ("hosted_viewers", "Viewers without a connection", levels.hosted),
        ] {
            let gauge: Gauge = Gauge::default();
            gauge.set(i64::try_from(level).unwrap_or(i64::MAX));
            registry.register(name, help, gauge);
        }
        self.webhooks.register(&mut registry);
        let mut text = String::new();
        // Writing into a `String` cannot fail; the result is there for other sinks.
        let _ = encode(&mut text, &registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{Levels, Meters};
    use http::StatusCode;

    #[test]
    fn numbers_have_names_and_no_labels_of_people() {
        let meters = Meters::default();
        meters.note_call("room", StatusCode::OK);
        meters.note_call("room", StatusCode::OK);
        let (connections, rooms, sessions, people, deadlines, readers, hosted) = (1, 2, 3, 4, 5, 6, 7);
        let text = meters.text(Levels { connections, rooms, sessions, people, deadlines, readers, hosted });
        for line in [
            r#"herenow_http_calls_total{call="room",status="200"} 2"#,
            "herenow_connections 1",
            "herenow_rooms 2",
            "herenow_hosted_viewers 7",
            "herenow_joins_total 0",
            "herenow_webhook_notices_dropped_total 0",
            "herenow_webhook_events_pending 0",
            "# EOF",
        ] {
            assert!(text.lines().any(|said| said == line), "{line} is not in\n{text}");
        }
    }
}
