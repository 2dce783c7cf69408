//! Reading a frame of a client: one pass finds the fields, each is read when it is asked for.
use crate::{
    code::Code,
    message,
    problem::Problem,
    raw,
    request::{NESTING_MAX, REQUEST_ID_BYTES_MAX, STATE_KEY_BYTES_MAX, USERS_MAX},
    words,
};
use herenow_core::{
    command::{Interest, Message, Patch},
    cursors::Point,
    id::{IdError, LockName, RequestId, RoomId, Target, UserId},
    profile::Status,
    version::{Epoch, Version},
};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::BTreeSet, fmt, sync::Arc};

/// The fields of one frame as they stand, still unread. Unknown ones are skipped.
#[derive(Default)]
pub(crate) struct Fields<'a> {
    values: [Option<&'a str>; Field::NAMES.len()],
    /// One bit for each field that is there more than once; wrong only where the frame reads it.
    repeated: u32,
}

macro_rules! fields {
    ($($field:ident = $name:literal, $wants:literal;)+) => {
        /// A field of some frame, in some dialect.
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Field {
            $($field,)+
        }

        impl Field {
            const NAMES: &'static [&'static str] = &[$($name),+];

            fn parse(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$field),)+
                    _ => None,
                }
            }

            const fn name(self) -> &'static str {
                match self {
                    $(Self::$field => $name,)+
                }
            }

            /// What a client must put there.
            const fn wants(self) -> &'static str {
                match self {
                    $(Self::$field => $wants,)+
                }
            }
        }
    };
}

fields! {
    BoardId = "boardId", "a string of 1 to 255 bytes";
    Data = "data", "a JSON value";
    Echo = "echo", "true or false";
    Event = "event", "a string of 1 to 64 bytes";
    Id = "id", "a number or a string of at most 64 bytes";
    Interest = "interest", "one of auto, full, count and none";
    Name = "name", "a string of 1 to 128 bytes";
    Observe = "observe", "true or false";
    On = "on", "a string of 1 to 128 bytes";
    Resume = "resume", "a string";
    Room = "room", "a string of 1 to 255 bytes";
    Sessions = "sessions", "true or false";
    Since = "since", "an array of an epoch and a number, as in v";
    State = "state", "an object";
    Status = "status", "active or idle";
    Target = "target", "a string of 1 to 128 bytes";
    To = "to", "a string of 1 to 128 bytes";
    Token = "token", "a string";
    Type = "type", "a string";
    Users = "users", "an array of 1 to 1000 strings";
    Wait = "wait", "true or false";
    X = "x", "a number from 0 to 1, or null to hide the pointer";
    Y = "y", "a number from 0 to 1";
}

impl<'a> Fields<'a> {
    /// Finds the fields of a frame.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Problem> {
        if nests_too_deep(text) {
            let detail = format!("the frame nests deeper than {NESTING_MAX} levels");
            return Err(Problem::with_detail(Code::FrameTooDeep, detail));
        }
        if !text.trim_ascii_start().starts_with('{') {
            let code = if raw::is_json(text) { Code::FrameNotObject } else { Code::FrameNotJson };
            return Err(Problem::new(code));
        }
        serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Problem::with_detail(
                Code::FrameNotJson,
                format!("the frame is not valid JSON at line {line}, column {column}"),
            )
        })
    }

    /// The type of the frame.
    pub(crate) fn kind(&self) -> Result<Cow<'a, str>, Problem> {
        self.text(Field::Type)
    }

    /// The client's number for the request.
    pub(crate) fn request_id(&self) -> Result<Option<RequestId>, Problem> {
        let Some(json) = self.raw(Field::Id)? else { return Ok(None) };
        let fits = json.len() <= REQUEST_ID_BYTES_MAX
            && json.starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit());
        match fits.then(|| raw::readable(json)).flatten() {
            Some(json) => Ok(Some(RequestId(json.as_ref().into()))),
            None => Err(bad(Field::Id)),
        }
    }

    /// The room in a field.
    pub(crate) fn room(&self, field: Field) -> Result<RoomId, Problem> {
        RoomId::parse(&self.text(field)?).map_err(|error| bad_id(Code::RoomBadName, field, error))
    }

    /// A thing in the room; the room as a whole where absent.
    pub(crate) fn target(&self, field: Field) -> Result<Option<Target>, Problem> {
        let Some(text) = self.text_if_any(field)? else { return Ok(None) };
        Target::parse(&text).map(Some).map_err(|error| bad_id(Code::FrameBadField, field, error))
    }

    /// Where the pointer is; nowhere where `x` is null. Nothing else of the frame counts then.
    pub(crate) fn point(&self) -> Result<Option<Point>, Problem> {
        // A client that forgot the field did not mean to hide the pointer, so here null is not the same as absent.
        if self.raw(Field::X)? == Some("null") {
            return Ok(None);
        }
        Ok(Some(Point { x: self.parts(Field::X)?, y: self.parts(Field::Y)?, on: self.target(Field::On)? }))
    }

    /// The name of a lock.
    pub(crate) fn lock_name(&self) -> Result<LockName, Problem> {
        LockName::parse(&self.text(Field::Name)?).map_err(|error| bad_id(Code::FrameBadField, Field::Name, error))
    }

    /// Users, sorted and each once.
    pub(crate) fn users(&self) -> Result<Vec<UserId>, Problem> {
        let json = self.raw(Field::Users)?.ok_or_else(|| missing(Field::Users))?;
        let texts: Vec<String> = serde_json::from_str(json).map_err(|_| bad(Field::Users))?;
        if texts.is_empty() || texts.len() > USERS_MAX {
            let detail = format!("users has {} ids, 1 to {USERS_MAX} are allowed", texts.len());
            return Err(Problem::with_detail(Code::FrameBadField, detail));
        }
        let users: Result<BTreeSet<UserId>, IdError> = texts.iter().map(|text| UserId::parse(text)).collect();
        let no_id = |error| Problem::with_detail(Code::FrameBadField, format!("users has an id that {error}"));
        users.map(|users| users.into_iter().collect()).map_err(no_id)
    }

    /// How much to hear.
    pub(crate) fn interest(&self) -> Result<Interest, Problem> {
        let Some(word) = self.text_if_any(Field::Interest)? else { return Ok(Interest::default()) };
        words::parse_interest(&word).ok_or_else(|| bad(Field::Interest))
    }

    /// Active or idle.
    pub(crate) fn status(&self) -> Result<Status, Problem> {
        words::parse_status(&self.text(Field::Status)?).ok_or_else(|| bad(Field::Status))
    }

    /// The version that the client has.
    pub(crate) fn since(&self) -> Result<Option<Version>, Problem> {
        let Some(json) = self.raw_if_any(Field::Since)? else { return Ok(None) };
        let read = serde_json::from_str::<(String, u64)>(json).ok();
        let version = read.and_then(|(epoch, number)| Some(Version { epoch: Epoch::parse(&epoch)?, number }));
        version.map(Some).ok_or_else(|| bad(Field::Since))
    }

    /// A passing event.
    pub(crate) fn message(&self) -> Result<Message, Problem> {
        let to = match self.text_if_any(Field::To)? {
            Some(text) => Some(UserId::parse(&text).map_err(|error| bad_id(Code::FrameBadField, Field::To, error))?),
            None => None,
        };
        Ok(Message {
            event: message::event_name(&self.text(Field::Event)?)?,
            data: message::data(self.raw(Field::Data)?.ok_or_else(|| missing(Field::Data))?)?,
            to,
            echo: self.flag(Field::Echo)?,
        })
    }

    /// A change of state, sorted by key.
    pub(crate) fn patch(&self) -> Result<Patch, Problem> {
        patch(self.raw(Field::State)?.ok_or_else(|| missing(Field::State))?)
    }

    /// A first state, where there is one.
    pub(crate) fn patch_if_any(&self) -> Result<Option<Patch>, Problem> {
        self.raw_if_any(Field::State)?.map(patch).transpose()
    }

    /// A field that is false where absent.
    pub(crate) fn flag(&self, field: Field) -> Result<bool, Problem> {
        match self.raw_if_any(field)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(bad(field)),
        }
    }

    /// A text that must be there.
    pub(crate) fn text(&self, field: Field) -> Result<Cow<'a, str>, Problem> {
        text(field, self.raw(field)?.ok_or_else(|| missing(field))?)
    }

    /// A text that may be absent, or null.
    pub(crate) fn text_if_any(&self, field: Field) -> Result<Option<Cow<'a, str>>, Problem> {
        self.raw_if_any(field)?.map(|json| text(field, json)).transpose()
    }

    /// Whether the field is there, readable or not.
    pub(crate) fn has(&self, field: Field) -> bool {
        self.values[field as usize].is_some()
    }

    /// A fraction as a number of parts of [`Point::WHOLE`].
    fn parts(&self, field: Field) -> Result<u32, Problem> {
        let json = self.raw(field)?.ok_or_else(|| missing(field))?;
        let fraction = serde_json::from_str::<f64>(json).ok().filter(|fraction| (0.0..=1.0).contains(fraction));
        fraction.map(|fraction| (fraction * f64::from(Point::WHOLE)).round() as u32).ok_or_else(|| bad(field))
    }

    fn raw_if_any(&self, field: Field) -> Result<Option<&'a str>, Problem> {
        Ok(self.raw(field)?.filter(|&json| json != "null"))
    }

    fn raw(&self, field: Field) -> Result<Option<&'a str>, Problem> {
        if self.repeated & (1 << field as u32) != 0 {
            let detail = format!("{} is there twice", field.name());
            return Err(Problem::with_detail(Code::FrameDuplicateKey, detail));
        }
        Ok(self.values[field as usize])
    }
}

/// A text from a client as an error message shows it: its beginning, if it is long.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Counts brackets outside strings, without reading anything. Most frames have so few that counting all is enough.
fn nests_too_deep(text: &str) -> bool {
    let opening = text.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count();
    opening > NESTING_MAX && nesting(text) > NESTING_MAX
}

fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    deepest
}

fn skip_string(bytes: &mut impl Iterator<Item = u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'"' => return,
            _ => {}
        }
    }
}

/// Reads a JSON string. Nearly all are without escapes, and then borrowed.
fn text(field: Field, json: &str) -> Result<Cow<'_, str>, Problem> {
    match json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        Some(_) => serde_json::from_str::<String>(json).map(Cow::Owned).map_err(|_| bad(field)),
        None => Err(bad(field)),
    }
}

fn patch(json: &str) -> Result<Patch, Problem> {
    let members = raw::members(json).ok_or_else(|| bad(Field::State))?;
    let mut changes = Vec::with_capacity(members.len());
    for (key, value) in members {
        changes.push(change(&key, value)?);
    }
    changes.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    match changes.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => {
            let detail = format!("state has the key \"{}\" twice", pair[0].0);
            Err(Problem::with_detail(Code::FrameDuplicateKey, detail))
        }
        None => Ok(Patch(changes)),
    }
}

fn change(key: &str, value: &str) -> Result<(Arc<str>, Option<Arc<str>>), Problem> {
    let bytes = key.len();
    if bytes == 0 || bytes > STATE_KEY_BYTES_MAX {
        let detail = format!("state has a key of {bytes} bytes, 1 to {STATE_KEY_BYTES_MAX} are allowed");
        return Err(Problem::with_detail(Code::FrameBadField, detail));
    }
    let value = raw::readable(value).ok_or_else(|| {
        let detail = format!("state has under \"{key}\" half a surrogate pair or a number out of range");
        Problem::with_detail(Code::FrameBadField, detail)
    })?;
    Ok((key.into(), (value != "null").then(|| value.as_ref().into())))
}

fn missing(field: Field) -> Problem {
    let detail = format!("{} is missing, it must be {}", field.name(), field.wants());
    Problem::with_detail(Code::FrameMissingField, detail)
}

fn bad(field: Field) -> Problem {
    let detail = format!("{} must be {}", field.name(), field.wants());
    Problem::with_detail(Code::FrameBadField, detail)
}

fn bad_id(code: Code, field: Field, error: IdError) -> Problem {
    Problem::with_detail(code, format!("{} {error}", field.name()))
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Fields::default();
                while let Some(known) = map.next_key_seed(Name)? {
                    let Some(field) = known else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    let value: &RawValue = map.next_value()?;
                    if fields.values[field as usize].replace(value.get()).is_some() {
                        fields.repeated |= 1 << field as u32;
                    }
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// Reads the name of a field without keeping it.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<Field>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Field::parse(name))
    }
}

const SHOWN_CHARS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::{Fields, nesting, shown};
    use crate::{code::Code, request::NESTING_MAX};

    #[test]
    fn brackets_in_strings_do_not_nest() {
        let text = format!(r#"{{"type":"ping","x":"{}\"{}"}}"#, "[".repeat(50), "{".repeat(50));
        assert_eq!(nesting(&text), 1);
        assert!(Fields::parse(&text).is_ok());
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |levels: usize| format!(r#"{{"x":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        assert!(Fields::parse(&nested(NESTING_MAX - 1)).is_ok());
        assert_eq!(Fields::parse(&nested(NESTING_MAX)).err().map(|problem| problem.code), Some(Code::FrameTooDeep));
    }

    #[test]
    fn long_texts_are_shown_by_their_beginning() {
        assert_eq!(shown("short"), "short");
        assert_eq!(shown(&"é".repeat(41)), format!("{}…", "é".repeat(40)));
    }
}
