//! What goes over the wire, without IO: client dialects turn a text into a request and an event into a text.
//!
//! Nothing here knows a socket, a clock or who is connected. What a client may do is decided by the driver, what it
//! means by the core.

pub mod board;
pub mod code;
pub mod dialect;
mod fields;
mod json;
pub mod message;
pub mod native;
pub mod palette;
pub mod problem;
mod raw;
pub mod request;
mod shapes;
pub mod websocket;
pub mod words;
