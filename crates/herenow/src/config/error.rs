//! What is wrong with a configuration: which value, where it came from, what is allowed.
use std::{fmt, io, path::PathBuf, sync::Arc};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File {
        /// As it was named.
        path: PathBuf,
        /// Line of the key, from 1.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}, line {line}", path.display()),
            Self::Variable(name) => write!(f, "the environment variable {name}"),
            Self::Flag(flag) => write!(f, "the flag {flag}"),
        }
    }
}

/// Why there is no configuration. Nothing was started; trying again helps only once it is mended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: Arc<io::Error>,
    },
    /// The file is no TOML.
    Syntax {
        /// Where.
        at: Source,
        /// What the parser says.
        message: String,
    },
    /// There is no such key or section.
    UnknownKey {
        /// As it was written, with its section.
        key: String,
        /// Where.
        at: Source,
        /// A key that was probably meant.
        suggestion: Option<&'static str>,
    },
    /// There is no such variable.
    UnknownVariable {
        /// As it was written.
        name: String,
        /// A variable that was probably meant.
        suggestion: Option<String>,
    },
    /// A variable of ours holds something else than UTF-8.
    NotUnicode {
        /// Which.
        name: String,
    },
    /// Two variables set the same key.
    Twice {
        /// Which ones.
        names: [String; 2],
    },
    /// The value is none that the key may have.
    Value {
        /// Which key.
        key: &'static str,
        /// What was written, shortened; none for secrets.
        value: Option<String>,
        /// What may be written.
        allowed: String,
        /// Where it was written.
        at: Source,
    },
    /// A section does not have a key that it has to have.
    Missing {
        /// Which key.
        key: &'static str,
        /// What may be written.
        allowed: String,
        /// Where the section begins.
        at: Source,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, .. } => write!(f, "the configuration file {} cannot be read", path.display()),
            Self::Syntax { at, message } => write!(f, "{at} is no TOML: {message}"),
            Self::UnknownKey { key, at, suggestion } => {
                write!(f, "unknown key `{}` in {at}", key.escape_debug())?;
                did_you_mean(f, suggestion.as_ref())
            }
            Self::UnknownVariable { name, suggestion } => {
                write!(f, "unknown environment variable {}", name.escape_debug())?;
                did_you_mean(f, suggestion.as_ref())
            }
            Self::NotUnicode { name } => write!(f, "the environment variable {} is not UTF-8", name.escape_debug()),
            Self::Twice { names: [one, two] } => write!(f, "{one} and {two} set the same; keep one of them"),
            Self::Value { key, value: Some(value), allowed, at } => {
                write!(f, "{key} = {value} is not allowed, it must be {allowed} (from {at})")
            }
            Self::Missing { key, allowed, at } => {
                write!(f, "{key} is not set, and has to be: {allowed} (for the section at {at})")
            }
            Self::Value { key, value: None, allowed, at } => {
                write!(f, "the value of {key} is not allowed, it must be {allowed} (from {at})")
            }
        }
    }
}

fn did_you_mean(f: &mut fmt::Formatter<'_>, suggestion: Option<&impl fmt::Display>) -> fmt::Result {
    match suggestion {
        Some(name) => write!(f, ": did you mean `{name}`?"),
        None => write!(f, "; docs/configuration.md lists those there are"),
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { cause, .. } => Some(&**cause),
            Self::Syntax { .. }
            | Self::UnknownKey { .. }
            | Self::UnknownVariable { .. }
            | Self::NotUnicode { .. }
            | Self::Twice { .. }
            | Self::Value { .. }
            | Self::Missing { .. } => None,
        }
    }
}
