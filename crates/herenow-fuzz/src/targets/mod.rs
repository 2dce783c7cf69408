//! The targets, and the table of them.

pub mod frames;
pub mod names;
pub mod server_frames;
pub mod settings;
pub mod tokens;
pub mod websocket;

use crate::{make, maker::Maker};

/// A parser, and what makes inputs for it.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: that of the function, and of the target of cargo-fuzz.
    pub name: &'static str,
    /// Feeds it; whether the input was taken.
    pub run: fn(&[u8]) -> bool,
    /// Makes an input.
    pub make: fn(&mut Maker<'_>) -> Vec<u8>,
}

macro_rules! targets {
    ($($module:ident :: $name:ident;)+) => {
        /// All of them.
        pub const TARGETS: &[Target] = &[
            $(Target { name: stringify!($name), run: $module::$name, make: make::$name }),+
        ];
    };
}

targets! {
    websocket::websocket_frames;
    websocket::websocket_keys;
    frames::native_frames;
    frames::board_frames;
    frames::subprotocols;
    server_frames::server_frames;
    tokens::token_texts;
    tokens::token_claims;
    tokens::token_sources;
    tokens::origins;
    tokens::resume_tokens;
    names::ids;
    names::patterns;
    names::shown_names;
    settings::durations_and_sizes;
    settings::config_texts;
    settings::config_variables;
}
