//! Several nodes, one store: real hubs and registries on a virtual clock, with a store that loses data, rolls back,
//! drops subscriptions and messages, and nodes that die, pause and are cut off. One seed is one run.

mod bend;
mod check;
mod faults;
mod net;
mod node;
pub mod run;
mod signs;
pub mod store;
mod watch;
mod world;
pub mod wrong;
