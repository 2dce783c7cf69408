//! Which state of a room something applies to.
use std::{fmt, sync::Arc};

/// Names one life of a node: versions of different epochs do not compare. A random text without a dot, drawn by
/// the driver at each start.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// Longest text of an epoch, in bytes.
    pub const BYTES_MAX: usize = 32;

    /// Takes 1 to [`Self::BYTES_MAX`] characters out of ASCII letters and digits.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= Self::BYTES_MAX;
        (fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric())).then(|| Self(text.into()))
    }

    /// The epoch as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The number of a room's last roster change, within an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The life of the node that counts.
    pub epoch: Epoch,
    /// Grows by one with each transition of a viewer.
    pub number: u64,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch.0, self.number)
    }
}
