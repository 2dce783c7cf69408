//! The server over real sockets, from the upgrade to the last close frame.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic, as tests do")]
#![expect(clippy::print_stdout, reason = "some tests print the table that they checked")]

mod bad_frames;
mod bad_openings;
mod behind;
mod board;
mod bounds;
mod churn;
mod common;
mod detail;
mod dots;
mod files;
mod gears;
mod leaving;
mod long;
mod luggage;
mod memory;
mod native;
mod noise;
mod open_streams;
mod operators;
mod plain;
mod process;
mod progress;
mod rates;
mod requests;
mod resume;
mod slow;
mod stopping;
mod tls;
mod trickle;
mod wall_clock;
mod without_ws;
