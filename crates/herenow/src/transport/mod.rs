//! How clients reach the server. Transports carry bytes; what they mean is decided elsewhere.

mod asking;
pub mod conversation;
pub mod debug;
mod holding;
pub mod http;
mod opening;
mod relay;
pub mod stream;
pub mod ws;
