//! What a command comes to: what it prints, or why it cannot be done.
use crate::config::{error::ConfigError, load::File};
use std::{error::Error, fmt, path::PathBuf};

/// What a command prints, and the code with which the process ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// For the standard output, without a last line end.
    pub stdout: String,
    /// For the standard error, without a last line end; empty if there is nothing to say.
    pub stderr: String,
    /// 0, [`FAILURE`] or [`USAGE`].
    pub code: u8,
}

/// Why a command cannot be done, with the code with which the process ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What is wrong and what to do, for the standard error.
    pub message: String,
    /// [`FAILURE`] or [`USAGE`].
    pub code: u8,
}

/// The process could not do what it was asked to.
pub const FAILURE: u8 = 1;
/// It was asked for something that cannot be: bad flags, bad configuration, no secret where one is needed.
pub const USAGE: u8 = 2;

impl Failure {
    /// A bad configuration, or a use that cannot be: the error with its causes.
    pub(crate) fn usage(error: &dyn Error) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Self { message, code: USAGE }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(&error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {}

/// The configuration file: the one that was named, or the usual one if it is there.
pub(crate) fn file(named: Option<&PathBuf>) -> File {
    named.map_or_else(|| File::IfThere("herenow.toml".into()), |path| File::Named(path.clone()))
}
