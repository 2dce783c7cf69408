//! What carries a cluster, against a real Redis that each test starts for itself.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic, as tests do")]
#![expect(clippy::print_stdout, reason = "some tests print what they measured")]

mod access;
mod across;
mod chaos;
mod costs;
mod fake;
mod lan;
mod losses;
mod measures;
mod nodes;
mod process;
mod reads;
mod rolling;
mod scripts;
mod server;
mod signing_out;
mod slots;
mod store;
mod sweeping;
mod telling;
