//! Benchmarks over real sockets: what an idle viewer costs in memory, what a delivery costs in CPU time, how long it takes
//! until everybody knows; beside other servers and what the machine can do at all. Server and generator are separate
//! processes, on different cores where there are two.
pub mod cluster;
pub mod dialect;
pub mod fanout;
pub mod flight;
pub mod frame;
pub mod generator;
pub mod growth;
pub mod hall;
pub mod histogram;
pub mod idle;
pub mod limits;
pub mod naive;
pub mod peers;
pub mod plot;
pub mod plots;
pub mod proc;
pub mod recognizer;
pub mod server;
pub mod sheet;
pub mod soak;
pub mod suite;
pub mod token;
pub mod users;
pub mod view;
pub mod work;
