//! What all calls of the API share.
use crate::{
    api::{hosts::Hosts, invitation::Invitation, meters::Meters, readers::Readers},
    auth::{api_key::ApiKey, mint::Signer},
    log_ids::LogIds,
    presence::Presence,
    webhooks::handle::Webhooks,
};
use std::sync::{Arc, OnceLock};
use tokio::sync::watch;

/// The API of one process; cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

/// What an [`Api`] is made from.
pub struct ApiSetup {
    /// The presence that it is about.
    pub presence: Presence,
    /// Signs the tokens that it hands out.
    pub signer: Signer,
    /// The keys of backends.
    pub keys: Vec<ApiKey>,
    /// Whether metrics are for whoever asks.
    pub has_public_metrics: bool,
    /// Viewers without a connection that are held at once.
    pub hosted_max: usize,
    /// Streams and long polls from one address.
    pub streams_per_address: usize,
    /// How users and rooms stand in the log.
    pub log_ids: LogIds,
    /// Counts what happens.
    pub meters: Arc<Meters>,
    /// Who is told of joins and leaves.
    pub webhooks: Webhooks,
}

struct Inner {
    setup: ApiSetup,
    hosts: Hosts,
    readers: Readers,
    invitation: OnceLock<Invitation>,
    stopping: watch::Sender<bool>,
}

impl Api {
    /// An API without readers.
    pub fn new(setup: ApiSetup) -> Self {
        let (hosts, readers) = (Hosts::new(setup.hosted_max), Readers::new(setup.streams_per_address));
        Self(Arc::new(Inner {
            setup,
            hosts,
            readers,
            invitation: OnceLock::new(),
            stopping: watch::Sender::new(false),
        }))
    }

    /// Ends all streams and long polls, now and in future, so that a stop need not wait for them.
    pub fn close(&self) {
        self.0.stopping.send_replace(true);
    }

    /// Whether the server is about to stop.
    pub fn is_stopping(&self) -> bool {
        *self.0.stopping.borrow()
    }

    /// Waits until the server is about to stop.
    pub async fn stopped(&self) {
        let mut stopping = self.0.stopping.subscribe();
        // The sender lives as long as this.
        let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
    }

    /// The presence that it is about.
    pub fn presence(&self) -> &Presence {
        &self.0.setup.presence
    }

    /// Signs tokens.
    pub fn signer(&self) -> &Signer {
        &self.0.setup.signer
    }

    /// The keys of backends.
    pub fn keys(&self) -> &[ApiKey] {
        &self.0.setup.keys
    }

    /// The key that this is: one of the configured ones, or the one that the one-time link gave out.
    pub fn key(&self, key: &str) -> Option<ApiKey> {
        let configured = ApiKey::find(self.keys(), key).cloned();
        configured.or_else(|| self.invitation()?.key(key, self.presence().clock().now()))
    }

    /// The one-time link to the operators' page, where there is one.
    pub fn invitation(&self) -> Option<&Invitation> {
        self.0.invitation.get()
    }

    /// Has a link open the operators' page once; what it has to hold. Of several, the first counts.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn invite(&self) -> Result<String, getrandom::Error> {
        let (code, invitation) = Invitation::draw(self.presence().clock().now())?;
        self.0.invitation.get_or_init(|| invitation);
        Ok(code)
    }

    /// Whether calls need no key: in dev mode, as long as none is configured.
    pub fn is_open(&self) -> bool {
        self.presence().origins().is_dev && self.keys().is_empty()
    }

    /// Whether metrics are for whoever asks.
    pub fn has_public_metrics(&self) -> bool {
        self.0.setup.has_public_metrics
    }

    /// The viewers without a connection.
    pub fn hosts(&self) -> &Hosts {
        &self.0.hosts
    }

    /// An id of a user or a room as a line of the log may have it now.
    pub fn logged(&self, id: &str) -> String {
        self.0.setup.log_ids.shown(id, self.presence().clock().now())
    }

    /// Who follows a stream or a long poll.
    pub fn readers(&self) -> &Readers {
        &self.0.readers
    }

    /// Who is told of joins and leaves.
    pub fn webhooks(&self) -> &Webhooks {
        &self.0.setup.webhooks
    }

    /// Counts what happens.
    pub fn meters(&self) -> &Meters {
        &self.0.setup.meters
    }
}
