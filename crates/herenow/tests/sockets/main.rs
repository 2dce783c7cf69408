//! The server over real sockets, from the upgrade to the last close frame.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic, as tests do")]
#![expect(clippy::print_stdout, reason = "some tests print the table that they checked")]

mod bad_frames;
mod bad_openings;
mod board;
mod churn;
mod common;
mod leaving;
mod native;
mod noise;
mod process;
mod resume;
mod slow;
mod stopping;
