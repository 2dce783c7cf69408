//! How clients reach the server. Transports carry bytes; what they mean is decided elsewhere.

pub mod conversation;
pub mod debug;
pub mod stream;
pub mod ws;
