//! How often a client may ask: a token bucket for each kind of request of a connection. The clock is the caller's.
use herenow_core::time::Time;
use herenow_wire::request::Request;
use std::time::Duration;

/// Requests a second that one connection may make of each kind; 0 means as many as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// Messages. Default 20.
    pub message: u32,
    /// Starts of typing; stops are free. Default 5.
    pub typing: u32,
    /// Places of a pointer. Default 30.
    pub cursor: u32,
    /// Changes of state and status. Default 10.
    pub update: u32,
    /// Everything else: joins, syncs, locks, watches. Default 20; [`OTHER_BURST`] at once.
    pub other: u32,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self { message: 20, typing: 5, cursor: 30, update: 10, other: 20 }
    }
}

/// What one connection has left of each kind.
#[derive(Debug, Default)]
pub struct Rates {
    /// Of what every client does.
    other: Bucket,
    /// Of what only some do.
    more: Option<Box<More>>,
}

#[derive(Debug, Default)]
struct More {
    message: Bucket,
    typing: Bucket,
    cursor: Bucket,
    update: Bucket,
    /// When the client was last told that it asks too often.
    warned_at: Time,
}

impl Rates {
    /// Takes a request's token.
    ///
    /// # Errors
    /// Where there is none: how long until there is one.
    pub fn take(&mut self, request: &Request, limits: &RateLimits, now: Time) -> Result<(), Duration> {
        let (bucket, rate, burst) = match request {
            Request::Send { .. } => (&mut self.more().message, limits.message, limits.message * 2),
            Request::StartTyping { .. } => (&mut self.more().typing, limits.typing, limits.typing * 2),
            Request::Point { .. } => (&mut self.more().cursor, limits.cursor, limits.cursor * 2),
            Request::Update { .. } | Request::SetStatus { .. } => {
                (&mut self.more().update, limits.update, limits.update * 2)
            }
            // To end something must always be possible; it can only have been begun as often as the rates let it.
            Request::StopTyping { .. } | Request::Leave { .. } | Request::Unlock { .. } | Request::Unwatch { .. } => {
                return Ok(());
            }
            Request::Auth { .. }
            | Request::Join { .. }
            | Request::Sync { .. }
            | Request::Lock { .. }
            | Request::Watch { .. }
            | Request::Ping => (&mut self.other, limits.other, OTHER_BURST.max(limits.other * 2)),
        };
        if rate == 0 { Ok(()) } else { bucket.take(rate, burst, now) }
    }

    /// Takes the token of a change of state or status that was held until there is one.
    ///
    /// # Errors
    /// Where there is none: how long until there is one.
    pub fn take_update(&mut self, limits: &RateLimits, now: Time) -> Result<(), Duration> {
        if limits.update == 0 { Ok(()) } else { self.more().update.take(limits.update, limits.update * 2, now) }
    }

    /// As [`Self::take_update`], for the place of a pointer.
    ///
    /// # Errors
    /// Where there is none: how long until there is one.
    pub fn take_cursor(&mut self, limits: &RateLimits, now: Time) -> Result<(), Duration> {
        if limits.cursor == 0 { Ok(()) } else { self.more().cursor.take(limits.cursor, limits.cursor * 2, now) }
    }

    /// Whether a client is to be told now that it asks too often, though it does not wait for an answer: once a minute.
    pub fn may_warn(&mut self, now: Time) -> bool {
        let more = self.more();
        let due = now.since(more.warned_at) >= WARN_EVERY;
        if due {
            more.warned_at = now;
        }
        due
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }
}

/// Tokens that come back with time. Counts what was used, so that a new one is full without knowing its size. Small,
/// because each connection has at least one.
#[derive(Debug, Default)]
struct Bucket {
    /// Thousandths of tokens that were used and have not come back; saturates far above any burst.
    used_milli: u32,
    /// When it was last looked at, in milliseconds, modulo 2^32: wraps after 49 days, which a bucket takes for a moment.
    at_ms: u32,
}

impl Bucket {
    fn take(&mut self, rate: u32, burst: u32, now: Time) -> Result<(), Duration> {
        let now_ms = now.as_millis() as u32;
        let elapsed_ms = u64::from(now_ms.wrapping_sub(self.at_ms));
        // A rate of one a second is one thousandth a millisecond.
        let back = elapsed_ms.saturating_mul(rate.into());
        let used = u64::from(self.used_milli).saturating_sub(back);
        self.at_ms = now_ms;
        let (wanted, most) = (used + 1000, u64::from(burst) * 1000);
        let over = wanted.saturating_sub(most);
        let kept = if over > 0 { used } else { wanted };
        self.used_milli = u32::try_from(kept).unwrap_or(u32::MAX);
        if over > 0 { Err(Duration::from_millis(over.div_ceil(rate.into()))) } else { Ok(()) }
    }
}

/// Requests of the last kind that may come at once: a page that comes back joins all its rooms.
pub const OTHER_BURST: u32 = 120;
const WARN_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::{Bucket, RateLimits, Rates};
    use herenow_core::time::Time;
    use herenow_wire::request::Request;
    use std::time::Duration;

    fn at(ms: u64) -> Time {
        Time::from_millis(1_000_000 + ms)
    }

    #[test]
    fn a_bucket_lets_a_burst_through_and_then_its_rate() {
        let mut bucket = Bucket::default();
        assert_eq!((0..25).filter(|_| bucket.take(10, 20, at(0)).is_ok()).count(), 20);
        assert_eq!(bucket.take(10, 20, at(0)), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(10, 20, at(99)), Err(Duration::from_millis(1)));
        assert_eq!(bucket.take(10, 20, at(100)), Ok(()));
        let taken = (0..10_000).filter(|ms| bucket.take(10, 20, at(100 + ms)).is_ok()).count();
        assert!((99..=100).contains(&taken), "{taken} in 10 s");
        assert_eq!((0..25).filter(|_| bucket.take(10, 20, at(1_000_000)).is_ok()).count(), 20);
    }

    #[test]
    fn kinds_do_not_use_up_each_other_and_zero_is_no_limit() {
        let (mut rates, limits) = (Rates::default(), RateLimits { message: 0, ..RateLimits::default() });
        assert!((0..1000).any(|_| rates.take(&Request::Ping, &limits, at(0)).is_err()));
        let room = herenow_core::id::RoomId::parse("r").unwrap();
        let typing = Request::StartTyping { room: room.clone(), target: None };
        assert!(rates.take(&typing, &limits, at(0)).is_ok());
        let stop = Request::StopTyping { room, target: None };
        assert!((0..1000).all(|_| rates.take(&stop, &limits, at(0)).is_ok()));
        assert!(rates.may_warn(at(0)) && !rates.may_warn(at(59_999)) && rates.may_warn(at(60_000)));
    }
}
