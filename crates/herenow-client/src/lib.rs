//! A client for herenow: bots, services and tests.
//!
//! [`client`] speaks the native dialect `herenow.v1` with typed frames; [`roster`] turns what it hears into the state
//! of a room; [`raw`] sends and receives bare texts, for other dialects and for bad input. [`frame`],
//! [`detail`] and [`request`] name what goes over the wire. No TLS, no reconnecting: a caller that needs them wraps this crate.
pub mod client;
pub mod detail;
mod driver;
pub mod error;
pub mod frame;
pub mod raw;
pub mod request;
pub mod roster;
mod socket;
