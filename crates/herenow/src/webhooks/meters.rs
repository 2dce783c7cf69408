//! What webhooks count, for Prometheus and for whoever asks the API.
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

/// Numbers of the webhooks of one process; a clone counts into the same ones.
#[derive(Clone, Debug, Default)]
pub struct WebhookMeters {
    /// Events that were put into the spool.
    pub stored: Counter,
    /// Events that the receiver took.
    pub delivered: Counter,
    /// What hubs said and was not stored, because the queue or the spool was full or the file could not be written. Who is
    /// present is compared and told later.
    pub dropped: Counter,
    /// Events that were given up.
    pub given_up: Counter,
    /// Events that were given up, and forgotten because there were too many of those.
    pub forgotten: Counter,
    /// Calls, in all.
    pub calls: Counter,
    /// Calls that the receiver did not answer with success.
    pub failures: Counter,
    /// Events that are to be sent.
    pub pending: Gauge,
    /// Events that were given up and can be sent again.
    pub dead: Gauge,
}

impl WebhookMeters {
    /// Puts all numbers into a registry.
    pub fn register(&self, registry: &mut Registry) {
        for (name, help, counter) in [
            ("webhook_events_stored", "Events for the webhook that were put into the spool", &self.stored),
            ("webhook_events_delivered", "Events that the webhook took", &self.delivered),
            ("webhook_notices_dropped", "News that the spool could not take; made good later", &self.dropped),
            ("webhook_events_given_up", "Events that the webhook did not take in time", &self.given_up),
            ("webhook_events_forgotten", "Events given up of which there were too many", &self.forgotten),
            ("webhook_calls", "Calls of the webhook", &self.calls),
            ("webhook_failures", "Calls of the webhook without success", &self.failures),
        ] {
            registry.register(name, help, counter.clone());
        }
        registry.register("webhook_events_pending", "Events that the webhook is to be told", self.pending.clone());
        registry.register("webhook_events_dead", "Events given up that can be sent again", self.dead.clone());
    }
}
