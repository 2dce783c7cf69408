//! Many inputs for all targets, each of which follows from a seed, a target and a number, and can be made again alone.
use crate::{
    corpus::Corpus,
    maker::Maker,
    targets::{TARGETS, Target},
};
use herenow_sim::rng::Rng;
use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// What to feed.
#[derive(Clone, Debug)]
pub struct Campaign<'a> {
    /// Where all inputs follow from.
    pub seed: u64,
    /// How many in all, spread evenly.
    pub frames: u64,
    /// Only this target.
    pub target: Option<&'a str>,
    /// Only the input of this number.
    pub only: Option<u64>,
    /// Where frames begin.
    pub corpus: &'a Corpus,
}

/// What became of the inputs of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The target.
    pub target: &'static str,
    /// How many it was fed.
    pub frames: u64,
    /// How many of these it took.
    pub taken: u64,
    /// The inputs that it broke on; no more than [`BROKEN_MAX`] are looked for.
    pub broken: Vec<Broken>,
}

/// An input that a target panicked on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its target.
    pub target: &'static str,
    /// The seed of the campaign.
    pub seed: u64,
    /// Its number.
    pub number: u64,
    /// The bytes.
    pub input: Vec<u8>,
    /// What the panic says.
    pub message: String,
}

impl Campaign<'_> {
    /// Feeds all of it; what came of it, by target. Empty where no target has the name.
    pub fn run(&self) -> Vec<Tally> {
        let targets: Vec<&Target> =
            TARGETS.iter().filter(|target| self.target.is_none_or(|name| name == target.name)).collect();
        let share = |index: usize| {
            let count = targets.len() as u64;
            self.frames / count + u64::from((index as u64) < self.frames % count)
        };
        targets.iter().enumerate().map(|(index, target)| self.feed(target, share(index))).collect()
    }

    fn feed(&self, target: &Target, frames: u64) -> Tally {
        let mut tally = Tally { target: target.name, frames: 0, taken: 0, broken: Vec::new() };
        let numbers = self.only.map_or(0..frames, |number| number..number + 1);
        for number in numbers {
            let input = self.input(target, number);
            tally.frames += 1;
            match catch_unwind(AssertUnwindSafe(|| (target.run)(&input))) {
                Ok(taken) => tally.taken += u64::from(taken),
                Err(payload) => {
                    let message = said(payload.as_ref());
                    tally.broken.push(Broken { target: target.name, seed: self.seed, number, input, message });
                    if tally.broken.len() == BROKEN_MAX {
                        break;
                    }
                }
            }
        }
        tally
    }

    /// The input of a number.
    pub fn input(&self, target: &Target, number: u64) -> Vec<u8> {
        let mut seed = self.seed;
        for byte in target.name.bytes() {
            seed = Rng::new(seed ^ u64::from(byte)).word();
        }
        (target.make)(&mut Maker { rng: Rng::new(seed ^ number), corpus: self.corpus })
    }
}

fn said(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("(no text)").to_owned()
}

impl Tally {
    /// How many of a hundred inputs were taken.
    pub fn percent_taken(&self) -> f64 {
        self.taken as f64 * 100.0 / self.frames.max(1) as f64
    }

    /// Whether so few inputs were taken that the target sees little but its first check.
    pub fn is_blunt(&self) -> bool {
        self.percent_taken() <= PERCENT_TAKEN_MIN
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, frames, taken, broken } = self;
        let percent = self.percent_taken();
        write!(f, "{target:<20} {frames:>9} frames, {taken:>9} taken ({percent:.1} %), {} panics", broken.len())
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, seed, number, input, message } = self;
        writeln!(f, "{target} panicked: {message}")?;
        writeln!(f, "  input: b\"{}\"", input.escape_ascii())?;
        write!(f, "  again: cargo run --release -p herenow-fuzz -- --seed {seed} --target {target} --only {number}")
    }
}

/// Inputs of one target that are looked for; more are most often the same fault.
pub const BROKEN_MAX: usize = 5;
const PERCENT_TAKEN_MIN: f64 = 1.0;
