//! A hub that is one of several: each node alone writes its **section** of a room, the roster is the union of all
//! sections, and a store that orders and keeps sections is never asked whether somebody is there.
//!
//! [`door`] is what is said between the pure half and whoever carries it to a store.

pub mod door;
pub mod registry;
pub mod signs;
pub mod timing;
