//! The hubs of herenow in a bad world: users with several tabs, connections that break in every way, turns cut at
//! random. One seed is one run.
//!
//! [`world::World`] plays a run; after each turn [`partition::Partition`] compares what its hub said and holds with
//! [`model::Model`], which knows only what clients did. [`mutation::Mutation`] plants faults, to show that they are found.

pub mod action;
pub mod calm;
mod check;
pub mod client;
pub mod dots;
pub mod due;
mod hear;
pub mod hold;
pub mod model;
pub mod mutation;
pub mod net;
pub mod node;
pub mod pace;
mod paced;
pub mod partition;
pub mod place;
pub mod rng;
pub mod run;
pub mod show;
mod small;
pub mod tamper;
pub mod told;
pub mod view;
mod welcome;
pub mod world;
