//! What a hub says, once it is known to whom.
use herenow_core::{event::Event, id::ConnectionKey};

/// An event, and the connections that it goes to.
#[derive(Clone, Debug)]
pub struct Told {
    /// What is said.
    pub event: Event,
    /// To which connections.
    pub to: Vec<ConnectionKey>,
}
