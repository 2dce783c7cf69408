//! Redis, or Valkey, as the store: keys, scripts, connections. The scripts are the whole of what is written there; the rest of
//! this folder names keys for them, reads their answers with suspicion, and knows when a connection cannot be trusted.

pub mod address;
pub mod announce;
pub mod error;
pub mod fit;
pub mod keyspace;
pub mod link;
pub mod names;
pub mod news;
pub mod reply;
pub mod revoke;
pub mod script;
pub mod snapshot;
pub mod store;
