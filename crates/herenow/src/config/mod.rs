//! What an operator may set, where it may come from, and what to say when it is wrong.

pub mod error;
pub mod key;
pub mod keys;
pub mod load;
pub mod mode;
pub mod reference;
pub mod rooms;
pub mod settings;
pub mod values;
pub mod webhooks;
