//! The HTTP API: rooms, users, messages and viewers without a connection, for backends with keys and for clients with tokens.
//!
//! Every call is described once, in [`table`]; routes, the check of who may call and the OpenAPI document are made from that.
//! Who reads a room does so as a session in it, so that they hear what any client of that interest hears. Nothing here decides
//! about presence.

pub mod access;
pub mod calls;
pub mod cors;
pub mod debug;
pub mod ear;
pub mod events;
pub mod hearing;
pub mod help;
pub mod hosts;
pub mod input;
pub mod invitation;
pub mod json;
pub mod meters;
pub mod openapi;
pub mod readers;
pub mod reading;
pub mod refusal;
pub mod rooms;
pub mod routes;
pub mod schemas;
pub mod service;
pub mod state;
pub mod table;
pub mod users;
pub mod viewers;
pub mod watching;
pub mod webhooks;
