//! The settings of webhooks.
use crate::{
    auth::secret::Secret,
    outgoing::{Reach, WebAddress},
    webhooks::kinds::EventKinds,
};
use herenow_core::pattern::Pattern;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Who is told of joins and leaves by HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookConfig {
    /// Where to send events. Default none: nothing is sent or written.
    pub url: Option<WebAddress>,
    /// What signs them.
    pub secret: Option<Secret>,
    /// What signs them as well, while a receiver changes from one secret to the other. Default none.
    pub second_secret: Option<Secret>,
    /// Which events. Default all but `user_updated`.
    pub events: EventKinds,
    /// Of which rooms; `None`: of all.
    pub rooms: Option<Vec<Pattern>>,
    /// Whether the address may lead to this machine or a private network. Default not.
    pub private_addresses: bool,
    /// The file of what is still to be sent; `None`: [`Self::SPOOL`].
    pub spool: Option<PathBuf>,
    /// Events that may wait in it. Default 100,000.
    pub spool_events: usize,
    /// How long the receiver may take to answer. Default 10 s.
    pub timeout: Duration,
    /// The longest wait between two tries. Default 5 min.
    pub retry_max: Duration,
    /// For how long an event is tried. Default 1 day.
    pub give_up: Duration,
    /// How long those who were present before a restart may take to come back. Default 30 s.
    pub return_grace: Duration,
}

impl WebhookConfig {
    /// The file where none is named, in the folder that the server was started in.
    pub const SPOOL: &str = "herenow-webhooks.db";

    /// The file of what is still to be sent.
    pub fn spool_path(&self) -> &Path {
        self.spool.as_deref().unwrap_or(Path::new(Self::SPOOL))
    }

    /// Where the address may lead to.
    pub const fn reach(&self) -> Reach {
        if self.private_addresses { Reach::Private } else { Reach::Public }
    }
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            url: None,
            secret: None,
            second_secret: None,
            events: EventKinds::default(),
            rooms: None,
            private_addresses: false,
            spool: None,
            spool_events: 100_000,
            timeout: Duration::from_secs(10),
            retry_max: Duration::from_secs(300),
            give_up: Duration::from_secs(24 * 3600),
            return_grace: Duration::from_secs(30),
        }
    }
}
