//! The limits of a world: mostly so small that they are met often.
use crate::rng::Rng;
use herenow_core::limits::{Gears, Limits};

/// The limits of the world that is about to begin.
pub fn limits(rng: &mut Rng) -> Limits {
    // Most worlds have limits so small that they are met often.
    let mut limits = if rng.percent(75) {
        Limits {
            typing_targets_max: 2,
            state_bytes_max: 60,
            state_keys_max: 3,
            rooms_per_session_max: 1,
            viewers_max: if rng.percent(30) { rng.between(1, 3) as usize } else { usize::MAX },
            log_changes_max: rng.between(1, 12) as usize,
            locks_per_room_max: 2,
            locks_per_session_max: rng.between(1, 2) as usize,
            lock_waiters_max: rng.between(1, 3) as usize,
            watched_per_session_max: rng.between(1, 3) as usize,
            keepsake_bytes_max: if rng.percent(30) { 0 } else { 1 << 20 },
            blocks_max: rng.between(1, 3) as usize,
            ..Limits::default()
        }
    } else {
        Limits::default()
    };
    if rng.percent(70) {
        limits.gears = gears(rng);
    }
    limits
}

/// Gears that a handful of users reach.
fn gears(rng: &mut Rng) -> Gears {
    let live_below = rng.below(3) as usize;
    let batched_above = live_below + rng.between(1, 2) as usize;
    let batched_below = batched_above + rng.below(2) as usize;
    let crowd_above = batched_below + rng.between(1, 2) as usize;
    let full_below = batched_below + rng.below(2) as usize;
    let full_above = full_below.max(crowd_above) + rng.between(1, 2) as usize;
    Gears { live_below, batched_above, batched_below, crowd_above, full_below, full_above, ..Gears::default() }
}
