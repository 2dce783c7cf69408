//! How a room tells its news, by how many viewers it has.
use crate::{command::Interest, event::Gear, limits::Gears};
use std::time::Duration;

/// The gear of a room, and whether those who asked for lists get them.
///
/// Invariant: `lists_open` is true unless the gear is [`Gear::Crowd`]; where nobody is named it is false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How it tells its news.
    pub gear: Gear,
    /// Whether [`Interest::Full`] gets lists.
    lists_open: bool,
    /// Whether viewers are named at all.
    pub names_viewers: bool,
}

/// What a session of some interest hears in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Rosters and diffs.
    Lists,
    /// Steps while the room is live, else the first viewers and the count.
    Steps,
    /// Counts and faces.
    Counts,
    /// Nothing of who is there.
    Nothing,
}

impl Pace {
    /// The pace of an empty room.
    pub const fn new() -> Self {
        Self { gear: Gear::Live, lists_open: true, names_viewers: true }
    }

    /// The pace once the room has `users` viewers: it changes up and down at different numbers, so that a room at a border
    /// does not change with each viewer. A room that names nobody is always told of as a crowd is.
    pub const fn shifted(self, users: usize, names_viewers: bool, gears: &Gears) -> Self {
        if !names_viewers {
            return Self { gear: Gear::Crowd, lists_open: false, names_viewers };
        }
        let gear = match self.gear {
            _ if users > gears.crowd_above => Gear::Crowd,
            Gear::Crowd if users > gears.batched_below => Gear::Crowd,
            Gear::Live | Gear::Batched | Gear::Crowd if users > gears.batched_above => Gear::Batched,
            Gear::Batched | Gear::Crowd if users > gears.live_below => Gear::Batched,
            Gear::Live | Gear::Batched | Gear::Crowd => Gear::Live,
        };
        let full_below = if self.lists_open { gears.full_above } else { gears.full_below };
        Self { gear, lists_open: !matches!(gear, Gear::Crowd) || users <= full_below, names_viewers }
    }

    /// What a session of some interest hears.
    pub const fn duty(self, interest: Interest) -> Duty {
        match (interest, self.gear) {
            (Interest::None, _) => Duty::Nothing,
            (Interest::Count, _) | (Interest::Auto, Gear::Crowd) => Duty::Counts,
            (Interest::Listed, _) => Duty::Steps,
            (Interest::Auto, Gear::Live | Gear::Batched) => Duty::Lists,
            (Interest::Full, _) => {
                if self.lists_open {
                    Duty::Lists
                } else {
                    Duty::Counts
                }
            }
        }
    }

    /// The longest time between two tellings.
    pub fn tick(self, users: usize, gears: &Gears) -> Duration {
        match self.gear {
            Gear::Live => Duration::ZERO,
            Gear::Crowd => gears.crowd_tick,
            Gear::Batched => {
                let span = gears.crowd_above.saturating_sub(gears.batched_above).max(1);
                let over = users.saturating_sub(gears.batched_above).min(span);
                let more = gears.tick_max.saturating_sub(gears.tick_min);
                gears.tick_min + more.mul_f64(over as f64 / span as f64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duty, Pace};
    use crate::{command::Interest, event::Gear, limits::Gears};
    use std::time::Duration;

    fn walk(steps: &[usize]) -> Vec<Gear> {
        let mut pace = Pace::new();
        steps
            .iter()
            .map(|users| {
                pace = pace.shifted(*users, true, &Gears::default());
                pace.gear
            })
            .collect()
    }

    #[test]
    fn a_room_shifts_up_and_down_at_different_numbers() {
        use Gear::{Batched, Crowd, Live};
        assert_eq!(walk(&[1, 100, 101, 100, 81, 80, 100]), [Live, Live, Batched, Batched, Batched, Live, Live]);
        assert_eq!(walk(&[1000, 1001, 1000, 801, 800, 1000]), [Batched, Crowd, Crowd, Crowd, Batched, Batched]);
        assert_eq!(walk(&[5000, 0, 5000, 90]), [Crowd, Live, Crowd, Batched]);
    }

    #[test]
    fn lists_end_in_a_crowd_but_for_those_who_asked() {
        let gears = Gears::default();
        let crowd = Pace::new().shifted(5_000, true, &gears);
        assert_eq!(crowd.duty(Interest::Auto), Duty::Counts);
        assert_eq!(crowd.duty(Interest::Full), Duty::Lists);
        let huge = crowd.shifted(10_001, true, &gears);
        assert_eq!(huge.duty(Interest::Full), Duty::Counts);
        assert_eq!(huge.shifted(8_001, true, &gears).duty(Interest::Full), Duty::Counts);
        assert_eq!(huge.shifted(8_000, true, &gears).duty(Interest::Full), Duty::Lists);
    }

    #[test]
    fn a_room_that_names_nobody_is_a_crowd_and_opens_no_list() {
        let gears = Gears::default();
        for users in [0, 1, 500, 5_000, 20_000] {
            let pace = Pace::new().shifted(users, false, &gears);
            assert_eq!(
                (pace.gear, pace.duty(Interest::Full), pace.duty(Interest::Auto)),
                (Gear::Crowd, Duty::Counts, Duty::Counts)
            );
            // Once they may be named, a small room is as live as any.
            assert_eq!(pace.shifted(1, true, &gears), Pace::new());
        }
    }

    #[test]
    fn ticks_grow_with_the_room() {
        let gears = Gears::default();
        let tick = |users| Pace::new().shifted(users, true, &gears).tick(users, &gears);
        assert_eq!(tick(100), Duration::ZERO);
        assert!(tick(101) >= Duration::from_millis(100) && tick(101) < Duration::from_millis(101));
        assert_eq!(tick(1000), Duration::from_millis(500));
        assert_eq!(tick(1001), Duration::from_secs(2));
    }
}
