//! A hub that is one of several: each node alone writes its **section** of a room, the roster is the union of all
//! sections, and a store that orders and keeps sections is never asked whether somebody is there.
//!
//! [`door`] is what is said between the pure half and whoever carries it to a store.

pub(crate) mod changes;
pub mod door;
mod edits;
mod hear;
pub(crate) mod holdings;
mod locking;
pub(crate) mod member;
mod own;
pub(crate) mod passing;
pub mod registry;
pub mod replicas;
pub mod signs;
mod telling;
pub mod timing;
mod visit;
mod work;
