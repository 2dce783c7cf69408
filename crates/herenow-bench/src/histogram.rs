//! Counts values so that quantiles can be read off, in constant space.

/// Log-linear counts: 64 steps per power of two, so a quantile is at most 1.6 % low.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; SLOTS], total: 0 }
    }
}

impl Histogram {
    /// Counts one value.
    pub fn add(&mut self, value: u64) {
        self.counts[slot(value)] += 1;
        self.total += 1;
    }

    /// How many values were counted.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The value below which a share `quantile` (0 to 1) of all lies, rounded down to its step; 0 where nothing was
    /// counted.
    pub fn quantile(&self, quantile: f64) -> u64 {
        let wanted = (self.total as f64 * quantile).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (slot, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return floor(slot);
            }
        }
        0
    }
}

/// Small values have a slot each; above, the highest bit picks the row and the next six bits the step in it.
const fn slot(value: u64) -> usize {
    if value < STEPS {
        return value as usize;
    }
    let shift = value.ilog2() - STEPS.ilog2();
    (shift as usize + 1) * STEPS as usize + ((value >> shift) % STEPS) as usize
}

const fn floor(slot: usize) -> u64 {
    let (row, step) = (slot as u64 / STEPS, slot as u64 % STEPS);
    if row == 0 { step } else { (STEPS + step) << (row - 1) }
}

const STEPS: u64 = 64;
/// Rows for the highest bits 6 to 63, and one for the values below.
const SLOTS: usize = 59 * STEPS as usize;

#[cfg(test)]
mod tests {
    use super::{Histogram, SLOTS, floor, slot};

    #[test]
    fn slots_grow_with_values_and_hold_their_floor() {
        let mut last = 0;
        for value in (0..20_000).chain([u64::from(u32::MAX), u64::MAX / 2, u64::MAX]) {
            let at = slot(value);
            assert!(at >= last && at < SLOTS, "{value}");
            assert!(floor(at) <= value && value - floor(at) <= value / 64, "{value} is in the slot from {}", floor(at));
            last = at;
        }
    }

    #[test]
    fn quantiles_of_one_to_a_thousand() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), 0);
        (1..=1000).for_each(|value| histogram.add(value));
        assert_eq!(histogram.total(), 1000);
        assert_eq!(histogram.quantile(0.0), 1);
        assert!((492..=500).contains(&histogram.quantile(0.5)));
        assert!((975..=990).contains(&histogram.quantile(0.99)));
        assert!((984..=1000).contains(&histogram.quantile(1.0)));
    }
}
