//! Names: ids, patterns of rooms, and what is shown of a person.
use herenow::auth::name::{BYTES_MAX, is_unwanted, shown_name};
use herenow_core::{
    id::{IdError, LockName, RoomId, Target, UserId},
    pattern::Pattern,
    version::Epoch,
};
use herenow_wire::message::event_name;

/// One text as each kind of id: what is taken is within its limit and taken again as it is.
pub fn ids(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else { return false };
    macro_rules! check {
        ($($id:ident)+) => {
            $(
                match $id::parse(text) {
                    Ok(id) => {
                        assert!(is_id(text, $id::BYTES_MAX), "taken as {}", stringify!($id));
                        assert_eq!($id::parse(id.as_str()).as_ref(), Ok(&id));
                    }
                    Err(error) => {
                        assert!(!is_id(text, $id::BYTES_MAX), "refused as {}: {error}", stringify!($id));
                        let is_long = matches!(error, IdError::TooLong { .. });
                        assert_eq!(is_long, text.len() > $id::BYTES_MAX);
                    }
                }
            )+
        };
    }
    check!(RoomId UserId Target LockName);
    if let Some(epoch) = Epoch::parse(text) {
        assert!(!text.contains('.') && text.len() <= Epoch::BYTES_MAX && epoch.as_str() == text);
    }
    if let Ok(name) = event_name(text) {
        assert_eq!(&*name, text);
    }
    RoomId::parse(text).is_ok()
}

fn is_id(text: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&text.len()) && !text.contains(char::is_control)
}

/// A pattern, and behind a line feed a room's name: both ways of matching agree with one that tries everything.
pub fn patterns(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else { return false };
    let (pattern, name) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(pattern) = Pattern::parse(pattern) else { return false };
    assert_eq!(Pattern::parse(pattern.as_str()).as_ref(), Ok(&pattern));
    let matches = pattern.matches_text(name);
    assert_eq!(matches, matches_slowly(pattern.as_str(), name), "{pattern:?} on {name:?}");
    if let Ok(room) = RoomId::parse(name) {
        assert_eq!(pattern.matches(&room), matches);
    }
    matches
}

/// Which beginnings of the text each beginning of the pattern matches, one character of the pattern after the other.
fn matches_slowly(pattern: &str, text: &str) -> bool {
    let text = text.as_bytes();
    let mut fits = vec![false; text.len() + 1];
    fits[0] = true;
    for letter in pattern.bytes() {
        let before = fits.clone();
        for end in 0..=text.len() {
            fits[end] = if letter == b'*' {
                before[..=end].contains(&true)
            } else {
                end > 0 && before[end - 1] && text[end - 1] == letter
            };
        }
    }
    fits[text.len()]
}

/// A name, and behind a byte 0xff a user id: what is shown is never empty, bounded, clean, and shown alike again.
pub fn shown_names(data: &[u8]) -> bool {
    let (name, id) = match data.iter().position(|byte| *byte == 0xff) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &b"u1"[..]),
    };
    let (Ok(name), Ok(id)) = (str::from_utf8(name), str::from_utf8(id)) else { return false };
    let shown = shown_name(name, id);
    assert!(!shown.is_empty() && shown.len() <= BYTES_MAX, "{} bytes are shown", shown.len());
    assert!(!shown.contains(is_unwanted), "{shown:?} is not clean");
    assert_eq!(shown.trim(), shown);
    assert_eq!(shown_name(&shown, id), shown, "not shown alike again");
    shown == name
}
