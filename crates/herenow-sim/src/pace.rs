//! When a room should change gear, as latches that are set above one number and cleared below another, and what each
//! listener should hear then.
use herenow_core::{command::Interest, event::Gear, limits::Gears};
use std::time::Duration;

/// The latches of a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latches {
    large: bool,
    crowded: bool,
    /// Not even those hear lists who asked for them.
    closed: bool,
}

/// What a listener should hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Rosters and diffs.
    Lists,
    /// Steps, or a list a tick.
    Steps,
    /// Counts.
    Counts,
    /// Nothing of who is there.
    Nothing,
}

impl Latches {
    /// The latches once there are so many users.
    pub fn turned(self, users: usize, gears: &Gears) -> Self {
        let latch = |was: bool, above: usize, below: usize| users > if was { below } else { above };
        let crowded = latch(self.crowded, gears.crowd_above, gears.batched_below);
        Self {
            large: latch(self.large, gears.batched_above, gears.live_below),
            crowded,
            closed: crowded && latch(self.closed, gears.full_above, gears.full_below),
        }
    }

    /// The gear that they mean.
    pub const fn gear(self) -> Gear {
        match (self.large, self.crowded) {
            (_, true) => Gear::Crowd,
            (true, false) => Gear::Batched,
            (false, false) => Gear::Live,
        }
    }

    /// What a listener hears.
    pub fn duty(self, interest: Interest) -> Duty {
        let ended = match interest {
            Interest::None => return Duty::Nothing,
            Interest::Count => return Duty::Counts,
            Interest::Listed => return Duty::Steps,
            Interest::Auto => self.crowded,
            Interest::Full => self.closed,
        };
        if ended { Duty::Counts } else { Duty::Lists }
    }

    /// The longest time between two tellings.
    pub fn tick(self, users: usize, gears: &Gears) -> Duration {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(match self.gear() {
            Gear::Live => 0,
            Gear::Crowd => ms(gears.crowd_tick),
            Gear::Batched => {
                let steps = (gears.crowd_above - gears.batched_above).max(1) as u64;
                let step = (users.saturating_sub(gears.batched_above) as u64).min(steps);
                ms(gears.tick_min) + ms(gears.tick_max - gears.tick_min) * step / steps
            }
        })
    }
}
