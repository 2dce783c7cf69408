//! What operators write: durations, sizes, files and variables. Not foreign, but typed by hand.
use herenow::config::{
    error::ConfigError,
    load::{Inputs, Loaded, load, load_text},
    values::{format_duration, format_size, parse_duration, parse_size},
};
use std::path::Path;

/// A duration or a size: written anew it says the same.
pub fn durations_and_sizes(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else { return false };
    let (duration, size) = (parse_duration(text), parse_size(text));
    if let Some(duration) = duration {
        assert_eq!(parse_duration(&format_duration(duration)), Some(duration));
    }
    if let Some(bytes) = size {
        assert_eq!(parse_size(&format_size(bytes)), Some(bytes));
    }
    duration.is_some() || size.is_some()
}

/// The text of `herenow.toml`.
pub fn config_texts(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else { return false };
    check(load_text(Path::new("herenow.toml"), text))
}

/// Variables, `NAME=value`, one a line.
pub fn config_variables(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else { return false };
    let pairs = text.split('\n').filter_map(|line| line.split_once('='));
    let variables = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    check(load(&Inputs { variables, ..Inputs::default() })) && text.contains('=')
}

/// What was taken can be served with; what was not is said, and a secret that was refused is not shown.
fn check(loaded: Result<Loaded, ConfigError>) -> bool {
    match loaded {
        Ok(loaded) => {
            assert!(loaded.config.shard_count() >= 1, "no shard");
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            if let ConfigError::Value { key: "auth.secret", value, .. } = &error {
                assert_eq!(*value, None, "a secret is not shown");
            }
            false
        }
    }
}
