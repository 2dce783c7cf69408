//! Who a client is and what it may do: tokens, cookies, guests, rights, origins. Only [`jwks`] and [`hook`] ask somebody
//! else, by [`crate::outgoing`]; the rest decides on what is there.

pub mod address;
pub mod answers;
pub mod api_key;
pub mod authority;
pub mod claims;
pub mod dev;
pub mod error;
pub mod guests;
pub mod hook;
pub mod jwks;
pub mod keys;
pub mod mint;
pub mod name;
pub mod origin;
pub mod revoked;
pub mod rights;
pub mod secret;
pub mod source;
pub mod token;
