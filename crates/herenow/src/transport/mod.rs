//! How clients reach the server. Transports carry bytes; what they mean is decided elsewhere.

mod asking;
pub mod conversation;
pub mod debug;
mod holding;
mod opening;
pub mod stream;
pub mod ws;
