//! What is counted of connections, for Prometheus: how many came by which way, were refused for what, and ended how.
use crate::connection::Way;
use herenow_core::command::Ending;
use herenow_wire::words;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// Counts, none of them by user, room or address.
#[derive(Debug, Default)]
pub struct Tallies {
    opened: Family<WayLabels, Counter>,
    refused: Family<CodeLabels, Counter>,
    ended: Family<HowLabels, Counter>,
    caught_up: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WayLabels {
    way: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HowLabels {
    how: &'static str,
}

impl Tallies {
    /// Counts a connection that was opened; who it is may not be known yet.
    pub fn note_opened(&self, way: Way) {
        let way = match way {
            Way::WebSocket => "websocket",
            Way::Stream => "stream",
            Way::Poll => "poll",
        };
        self.opened.get_or_create(&WayLabels { way }).inc();
    }

    /// Counts a connection that was not opened, or was ended because of what its client said, by the code of the error.
    pub fn note_refused(&self, code: &'static str) {
        self.refused.get_or_create(&CodeLabels { code }).inc();
    }

    /// Counts one that ended.
    pub fn note_ended(&self, how: Ending) {
        self.ended.get_or_create(&HowLabels { how: words::reason(how.reason()) }).inc();
    }

    /// Counts a reader that was too slow, missed something, and reads again: it is told the whole anew.
    pub fn note_caught_up(&self) {
        self.caught_up.inc();
    }

    /// Puts all numbers into a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("connections_opened", "Connections that were opened, by their way", self.opened.clone());
        let refused = "Connections that were refused, or ended for what their client said, by the code of the error";
        registry.register("connections_refused", refused, self.refused.clone());
        registry.register("connections_ended", "Connections that ended, by how", self.ended.clone());
        let caught_up = "Times that a slow reader had missed something and was told the whole anew";
        registry.register("slow_readers_caught_up", caught_up, self.caught_up.clone());
    }
}
