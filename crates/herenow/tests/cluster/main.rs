//! What carries a cluster, against a real Redis that each test starts for itself.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic, as tests do")]
#![expect(clippy::print_stdout, reason = "some tests print what they measured")]

mod access;
mod chaos;
mod fake;
mod losses;
mod nodes;
mod process;
mod scripts;
mod server;
mod store;
