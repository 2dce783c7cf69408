//! The time of day, which is what an app is told.
use herenow_core::time::Time;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, by the clock of the system; 1970 where that says something earlier.
pub(super) fn wall_clock() -> Time {
    Time::from_millis(0) + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
