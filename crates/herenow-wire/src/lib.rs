//! To come.

pub mod websocket;
