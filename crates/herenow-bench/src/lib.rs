//! Benchmarks over real sockets: how much an idle viewer costs in memory, how much a delivery costs in CPU time, beside
//! a baseline written the usual way. Server and generator are separate processes, on different cores where there are two.
pub mod compare;
pub mod fanout;
pub mod frame;
pub mod histogram;
pub mod idle;
pub mod load;
pub mod naive;
pub mod proc;
pub mod server;
pub mod token;
