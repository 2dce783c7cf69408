//! The one clock of the process: the wall clock at start, and from then on a monotonic one.
use herenow_core::time::Time;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Tells the time; stepping the wall clock while the process runs changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    started_at: Time,
}

impl Clock {
    /// Reads the wall clock, for the only time.
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started_at = Time::from_millis(0) + since_epoch;
        Self { started: Instant::now(), started_at }
    }

    /// The time now, in milliseconds since the Unix epoch; never goes backwards.
    pub fn now(&self) -> Time {
        self.started_at + self.started.elapsed()
    }
}
