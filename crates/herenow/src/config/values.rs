//! Durations and sizes as people write them, and values as sources give them.
use std::{fmt, time::Duration};

/// A value as a source gives it, before it is known what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raw {
    /// A text: of a file, a variable, a flag. Variables and flags have nothing else, so each kind of value reads it,
    /// too.
    Text(String),
    /// A whole number of a file.
    Whole(i64),
    /// `true` or `false` of a file.
    Bool(bool),
    /// A list of texts of a file.
    List(Vec<String>),
    /// Something else of a file, as it is written there: no setting takes it.
    Other(String),
}

impl Raw {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Whole(_) | Self::Bool(_) | Self::List(_) | Self::Other(_) => None,
        }
    }

    /// The truth value; of a text, `true` or `false`.
    pub fn bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Text(text) => text.parse().ok(),
            Self::Whole(_) | Self::List(_) | Self::Other(_) => None,
        }
    }

    /// The number; of a text, its decimal digits.
    pub fn whole(&self) -> Option<usize> {
        match self {
            Self::Whole(number) => usize::try_from(*number).ok(),
            Self::Text(text) => whole(text),
            Self::Bool(_) | Self::List(_) | Self::Other(_) => None,
        }
    }

    /// The list; of a text, what is between its commas, trimmed.
    pub fn list(&self) -> Option<Vec<&str>> {
        match self {
            Self::List(texts) => Some(texts.iter().map(String::as_str).collect()),
            Self::Text(text) => Some(text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect()),
            Self::Whole(_) | Self::Bool(_) | Self::Other(_) => None,
        }
    }
}

/// As an error shows it: as a file would have it, and not more than 60 characters.
impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = match self {
            Self::Text(text) => format!("{text:?}"),
            Self::Whole(number) => number.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::List(texts) => format!("{texts:?}"),
            Self::Other(text) => text.clone(),
        };
        match whole.char_indices().nth(60) {
            None => f.write_str(&whole),
            Some((end, _)) => write!(f, "{}...", &whole[..end]),
        }
    }
}

/// Reads a whole number with one of `ms`, `s`, `m`, `h`, `d` behind it: `500ms`, `5s`, `1m`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let ms_each = DURATION_UNITS.iter().find(|(name, _)| *name == unit)?.1;
    number.checked_mul(ms_each).map(Duration::from_millis)
}

/// Writes a duration in the largest unit that leaves it whole; parts of a millisecond are left out.
pub fn format_duration(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let fits = |(_, ms_each): &&(&str, u64)| ms != 0 && ms.is_multiple_of(*ms_each);
    let (unit, ms_each) = DURATION_UNITS.iter().rev().find(fits).unwrap_or(&("s", 1000));
    format!("{}{unit}", ms / ms_each)
}

/// Reads a whole number of bytes, bare or with one of `B`, `KiB`, `MiB` behind it: `16KiB`, `4096`.
pub fn parse_size(text: &str) -> Option<usize> {
    if let Some(bytes) = whole(text) {
        return Some(bytes);
    }
    let (number, unit) = split_unit(text)?;
    let bytes_each = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?.1;
    number.checked_mul(bytes_each).and_then(|bytes| usize::try_from(bytes).ok())
}

/// Writes a number of bytes in the largest unit that leaves it whole.
pub fn format_size(bytes: usize) -> String {
    let bytes = bytes as u64;
    let fits = |(_, bytes_each): &&(&str, u64)| bytes != 0 && bytes.is_multiple_of(*bytes_each);
    let (unit, bytes_each) = SIZE_UNITS.iter().rev().find(fits).unwrap_or(&("B", 1));
    format!("{}{unit}", bytes / bytes_each)
}

/// The value of this name.
pub fn named<T: Copy>(names: &[(&str, T)], name: &str) -> Option<T> {
    names.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// The name of a value; nothing where it has none.
pub fn name_of<T: PartialEq>(names: &[(&str, T)], value: T) -> String {
    names.iter().find(|(_, known)| *known == value).map(|(name, _)| *name).unwrap_or_default().to_owned()
}

/// What may be written, where that is one of some names.
pub fn choices(names: impl Iterator<Item = &'static str>) -> String {
    format!("one of {}", names.collect::<Vec<_>>().join(", "))
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// Digits and nothing else: `usize::from_str` would take a `+`, too.
fn whole(text: &str) -> Option<usize> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// With milliseconds in each, from small to large.
const DURATION_UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// With bytes in each, from small to large.
const SIZE_UNITS: [(&str, u64); 3] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, ms) in
            [("500ms", 500), ("5s", 5000), ("1m", 60_000), ("2h", 7_200_000), ("1d", 86_400_000), ("0s", 0)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(ms)), "{text}");
            assert_eq!(format_duration(Duration::from_millis(ms)), text);
        }
        for text in [
            "",
            "5",
            "s",
            "5 s",
            "-5s",
            "+5s",
            "1.5s",
            "5sec",
            "5S",
            "1m30s",
            "99999999999999999999s",
            "99999999999999999d",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        assert_eq!(format_duration(Duration::from_millis(1500)), "1500ms");
    }

    #[test]
    fn sizes_may_be_bare_bytes() {
        for (text, bytes) in [("16KiB", 16384), ("1MiB", 1 << 20), ("100B", 100), ("0B", 0)] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
            assert_eq!(format_size(bytes), text);
        }
        assert_eq!(parse_size("4096"), Some(4096));
        for text in ["", "KiB", "16 KiB", "16kb", "16K", "-1", "+1", "1.5KiB", "99999999999999999999"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn texts_of_variables_read_as_any_kind() {
        let text = |text: &str| Raw::Text(text.to_owned());
        assert_eq!((text("true").bool(), text("yes").bool()), (Some(true), None));
        assert_eq!((text("12").whole(), text("+12").whole()), (Some(12), None));
        assert_eq!(text("a, b,,c ").list(), Some(vec!["a", "b", "c"]));
        assert_eq!(text("").list(), Some(vec![]));
        assert_eq!(Raw::Whole(-1).whole(), None);
    }

    #[test]
    fn a_long_value_is_shown_short() {
        assert_eq!(Raw::Text("x\n".into()).to_string(), r#""x\n""#);
        assert_eq!(Raw::Text("é".repeat(99)).to_string(), format!("\"{}...", "é".repeat(59)));
    }
}
