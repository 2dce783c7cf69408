//! Time stamps that never repeat, so that "changed since" misses nothing however fast changes follow each other.

use std::time::{SystemTime, UNIX_EPOCH};

/// Hands out times as RFC 3339 text in UTC with milliseconds, whose order as text is their order in time.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// The latest that was handed out, in milliseconds since the Unix epoch.
    last_ms: i64,
}

impl Clock {
    /// Starts no earlier than `last_ms`, which is what an existing database has seen.
    pub(super) fn after(last_ms: i64) -> Self {
        Self { last_ms }
    }

    /// A time for a change: later than every time handed out before, by a millisecond at least.
    pub(super) fn stamp(&mut self) -> String {
        self.last_ms = now_ms().max(self.last_ms + 1);
        text(self.last_ms)
    }

    /// A time for a reader: every change from now on is later, every change so far is not.
    pub(super) fn read(&mut self) -> String {
        self.last_ms = now_ms().max(self.last_ms);
        text(self.last_ms)
    }
}

/// Milliseconds since the Unix epoch; 0 for a system clock set before it.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX / 2)
}

fn text(ms: i64) -> String {
    let (days, ms_of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (second_of_day, ms) = (ms_of_day / 1000, ms_of_day % 1000);
    let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Year, month and day of a number of days since 1970-01-01. Counts from 1 March of the year 0, which puts the leap
/// day at the end of a year and makes every month start computable.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{Clock, now_ms, text};

    #[test]
    fn times_are_written_as_rfc_3339() {
        assert_eq!(text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(951_782_399_999), "2000-02-28T23:59:59.999Z");
        assert_eq!(text(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(text(1_709_251_200_007), "2024-03-01T00:00:00.007Z");
        assert_eq!(text(1_798_761_599_000), "2026-12-31T23:59:59.000Z");
    }

    #[test]
    fn no_two_stamps_are_equal_and_readers_stand_between_them() {
        let mut clock = Clock::after(now_ms() + 60_000);
        let first = clock.stamp();
        let seen = clock.read();
        let second = clock.stamp();
        assert!(first <= seen && seen < second, "{first} {seen} {second}");
    }
}
