//! How far apart a room tells its news: the further, the longer changes go on.
use crate::time::Time;
use std::time::Duration;

/// When news may be told next.
///
/// The first change after quiet is told at once. What follows waits 10 ms, then 20, 40 and so on, up to the tick of the
/// room's gear; a tick without news begins anew. So the last change of a storm is told by the time that the storm has
/// lasted twice as long, and a storm costs a handful of tellings more than one a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spacing {
    next: Time,
    /// What was waited after the last telling, had there been no tick to end it.
    span: Duration,
}

impl Spacing {
    /// When news may be told next.
    pub const fn next(self) -> Time {
        self.next
    }

    /// Whether news may be told.
    pub fn is_due(self, now: Time) -> bool {
        now >= self.next
    }

    /// Lets what was held back be told now, since the room is in another gear; one without ticks forgets how far apart
    /// news were, whether or not there is anybody to tell.
    pub const fn release(&mut self, now: Time, tick: Duration) {
        self.next = now;
        if tick.is_zero() {
            self.span = Duration::ZERO;
        }
    }

    /// Notes that news were told; `first` is the time after the first telling, `tick` the longest between two.
    pub fn note_told(&mut self, now: Time, (first, tick): (Duration, Duration)) {
        let was_quiet = now >= self.next + tick;
        self.span = if tick.is_zero() {
            Duration::ZERO
        } else if was_quiet {
            first
        } else {
            // Beyond the tick as well, which grows with the room.
            self.span.saturating_mul(2).max(first)
        };
        self.next = now + self.span.min(tick);
    }
}

#[cfg(test)]
mod tests {
    use super::Spacing;
    use crate::time::Time;
    use std::time::Duration;

    const FIRST: Duration = Duration::from_millis(10);
    const TICK: Duration = Duration::from_millis(100);

    /// When a room tells that has news from `from_ms` to `to_ms` without a pause.
    fn told(spacing: &mut Spacing, (from_ms, to_ms): (u64, u64), tick: Duration) -> Vec<u64> {
        let mut told = Vec::new();
        for ms in from_ms..to_ms {
            if spacing.is_due(Time::from_millis(ms)) {
                spacing.note_told(Time::from_millis(ms), (FIRST, tick));
                told.push(ms);
            }
        }
        told
    }

    #[test]
    fn spacing_doubles_up_to_the_tick_and_begins_anew_after_quiet() {
        let mut spacing = Spacing::default();
        assert_eq!(told(&mut spacing, (1000, 1500), TICK), [1000, 1010, 1030, 1070, 1150, 1250, 1350, 1450]);
        // 1550 would be next: until 1650 it has not been quiet for a tick.
        assert_eq!(told(&mut spacing, (1640, 1641), TICK), [1640]);
        assert_eq!(spacing.next(), Time::from_millis(1740));
        assert_eq!(told(&mut spacing, (1840, 1900), TICK), [1840, 1850, 1870]);
    }

    #[test]
    fn where_there_is_no_tick_nothing_waits_and_nothing_grows() {
        let mut spacing = Spacing::default();
        assert_eq!(told(&mut spacing, (0, 5), Duration::ZERO), [0, 1, 2, 3, 4]);
        assert_eq!(told(&mut spacing, (5, 40), TICK), [5, 15, 35]);
    }

    #[test]
    fn a_tick_that_grows_is_reached_by_doubling_on() {
        let mut spacing = Spacing::default();
        let tick = Duration::from_millis(20);
        assert_eq!(told(&mut spacing, (1000, 1110), tick), [1000, 1010, 1030, 1050, 1070, 1090]);
        assert_eq!(told(&mut spacing, (1110, 2000), Duration::from_millis(500)), [1110, 1610]);
    }

    #[test]
    fn what_was_held_back_is_released_and_the_spacing_goes_on() {
        let mut spacing = Spacing::default();
        told(&mut spacing, (1000, 1020), TICK);
        spacing.release(Time::from_millis(1015), TICK);
        assert_eq!(told(&mut spacing, (1015, 1080), TICK), [1015, 1055]);
    }

    #[test]
    fn a_gear_without_ticks_forgets_the_spacing_even_where_nobody_is_told() {
        let mut spacing = Spacing::default();
        told(&mut spacing, (1000, 1100), TICK);
        spacing.release(Time::from_millis(1100), Duration::ZERO);
        spacing.release(Time::from_millis(1110), TICK);
        assert_eq!(told(&mut spacing, (1110, 1200), TICK), [1110, 1120, 1140, 1180]);
    }
}
