//! Lets a handler end the HTTP connection that its answer goes out over, where the client does not take that answer.
use std::sync::Arc;
use tokio::sync::Notify;

/// Ends one HTTP connection; among the extensions of each request that came over it.
#[derive(Clone, Debug, Default)]
pub struct Cut(Arc<Notify>);

impl Cut {
    /// Has the connection end at once, whatever is still to be written.
    pub fn cut(&self) {
        self.0.notify_one();
    }

    /// Waits until the connection has to end.
    pub async fn is_wanted(&self) {
        self.0.notified().await;
    }
}
