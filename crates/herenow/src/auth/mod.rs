//! Who a client is and what it may do: tokens, rights, origins. Nothing here opens a socket or reads a clock, except
//! [`dev`], whose tokens need the time of day.

pub mod api_key;
pub mod dev;
pub mod error;
pub mod mint;
pub mod name;
pub mod origin;
pub mod rights;
pub mod secret;
pub mod source;
pub mod token;
