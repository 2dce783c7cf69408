//! Looks into what the server answered, without believing that it is what was asked for.
use redis::Value;

/// The elements of a list.
pub(crate) fn list(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(all) => Some(all),
        _ => None,
    }
}

/// The bytes of a text.
pub(crate) fn text(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}

/// A number, as itself or as text.
pub(crate) fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => super::news::number(text(value)?),
    }
}

/// Pairs of texts, as a hash is given.
pub(crate) fn pairs(value: &Value) -> Option<Vec<(&[u8], &[u8])>> {
    let all = list(value)?;
    if !all.len().is_multiple_of(2) {
        return None;
    }
    all.chunks_exact(2).map(|pair| Some((text(&pair[0])?, text(&pair[1])?))).collect()
}
