//! How clients reach the server. Transports carry bytes; what they mean is decided elsewhere.

mod asking;
pub mod conversation;
mod holding;
pub mod http;
mod opening;
mod relay;
pub mod stream;
mod waiting;
pub mod ws;
