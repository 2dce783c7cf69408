//! The server's side of a WebSocket after its handshake (RFC 6455): bytes to messages and messages to frames.
//!
//! [`decoder::Decoder`] is fed what was read and hands out whole messages, [`encoder`] makes the frames to write, and
//! [`handshake`] answers the key of an upgrade request. [`client`] is the other end, for tests and load tools.
//!
//! Absent on purpose: sockets and clocks, which belong to the driver; answers to pings and closes, and limits on how
//! often a client may send, which are the driver's as well; extensions, so a reserved bit is always an error.

pub mod client;
pub mod decoder;
pub mod encoder;
pub mod error;
pub mod frame;
pub mod handshake;
pub mod incoming;
mod mask;
mod partial;
