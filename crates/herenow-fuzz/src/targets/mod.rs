//! The targets, and the table of them.

pub mod frames;
pub mod names;
pub mod outside;
pub mod server_frames;
pub mod settings;
pub mod tokens;
pub mod websocket;

use crate::{make, make_outside, maker::Maker};

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
    ($($module:ident :: $name:ident, $make:ident;)+) => {
        /// All of them.
        pub const TARGETS: &[Target] = &[
            $(Target { name: stringify!($name), run: $module::$name, make: $make::$name }),+
        ];
    };
}

targets! {
    websocket::websocket_frames, make;
    websocket::websocket_keys, make;
    frames::native_frames, make;
    frames::board_frames, make;
    frames::subprotocols, make;
    server_frames::server_frames, make;
    tokens::token_texts, make;
    tokens::token_claims, make;
    tokens::token_sources, make;
    tokens::origins, make;
    tokens::resume_tokens, make;
    names::ids, make;
    names::patterns, make;
    names::shown_names, make;
    settings::durations_and_sizes, make;
    settings::config_texts, make;
    settings::config_variables, make;
    outside::key_sets, make_outside;
    outside::client_addresses, make_outside;
    outside::web_addresses, make_outside;
}
