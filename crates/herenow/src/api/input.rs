//! Reads what a call says: path, query and body, each with what is wrong about it in words.
use crate::{
    api::refusal::{refused, refused_as, refused_for},
    content_type::is_json,
    problem::Problem,
};
use axum::{
    body::{Body, to_bytes},
    extract::Query,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use herenow_core::{
    command::Patch,
    id::{RoomId, Target, UserId},
};
use herenow_wire::{
    code::Code,
    native,
    request::{NESTING_MAX, Request as Asked},
};
use http::{HeaderMap, Uri};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::value::RawValue;

/// The parameters of a query; each is known, and those that may be there once are.
#[derive(Clone, Debug, Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a query. `known` are the names that a call takes, and whether they may be repeated.
    ///
    /// # Errors
    /// [`Code::HttpBadQuery`].
    pub fn read(uri: &Uri, known: &[(&str, bool)]) -> Result<Self, Problem> {
        let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
            return Err(refused_for(Code::HttpBadQuery, "the query is not made of names and values in UTF-8"));
        };
        for (at, (name, _)) in pairs.iter().enumerate() {
            match known.iter().find(|(known, _)| known == name) {
                None => {
                    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                    let detail = match names.is_empty() {
                        true => format!("this call takes no parameters, not \"{}\"", shown(name)),
                        false => {
                            format!("the parameter \"{}\" is unknown, there are {}", shown(name), names.join(", "))
                        }
                    };
                    return Err(refused_for(Code::HttpBadQuery, detail));
                }
                Some((_, false)) if pairs[..at].iter().any(|(before, _)| before == name) => {
                    return Err(refused_for(Code::HttpBadQuery, format!("the parameter {name} is there twice")));
                }
                Some(_) => {}
            }
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter.
    pub fn texts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A whole number within a range.
    ///
    /// # Errors
    /// [`Code::HttpBadQuery`].
    pub fn number(&self, name: &str, range: std::ops::RangeInclusive<u64>) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let is_whole = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_whole.then(|| text.parse().ok()).flatten().filter(|number| range.contains(number));
        number.map(Some).ok_or_else(|| {
            let (min, max) = (range.start(), range.end());
            refused_for(Code::HttpBadQuery, format!("{name} must be a whole number from {min} to {max}"))
        })
    }

    /// Whether a parameter is 1 or true; absent, 0 and false are not.
    ///
    /// # Errors
    /// [`Code::HttpBadQuery`].
    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.text(name) {
            None | Some("0" | "false") => Ok(false),
            Some("1" | "true") => Ok(true),
            Some(_) => Err(refused_for(Code::HttpBadQuery, format!("{name} must be 0, 1, false or true"))),
        }
    }
}

/// A room of a path.
///
/// # Errors
/// [`Code::RoomBadName`].
pub fn room(text: &str) -> Result<RoomId, Problem> {
    RoomId::parse(text).map_err(|error| refused_for(Code::RoomBadName, format!("the room {error}")))
}

/// A user of a path.
///
/// # Errors
/// [`Code::HttpBadPath`].
pub fn user(text: &str) -> Result<UserId, Problem> {
    UserId::parse(text).map_err(|error| refused_for(Code::HttpBadPath, format!("the user {error}")))
}

/// A user of a body.
///
/// # Errors
/// [`Code::HttpBadBody`].
pub fn user_in(field: &str, text: &str) -> Result<UserId, Problem> {
    UserId::parse(text).map_err(|error| refused_for(Code::HttpBadBody, format!("{field} {error}")))
}

/// A target of a body.
///
/// # Errors
/// [`Code::HttpBadBody`].
pub fn target(text: &str) -> Result<Target, Problem> {
    Target::parse(text).map_err(|error| refused_for(Code::HttpBadBody, format!("target {error}")))
}

/// A state as the frame `update` takes it.
///
/// # Errors
/// As for that frame.
pub fn state(json: &RawValue) -> Result<Patch, Problem> {
    let frame = format!(r#"{{"type":"update","room":"-","state":{}}}"#, json.get());
    match native::decode(&frame) {
        Ok(asked) => match asked.request {
            Asked::Update { patch, .. } => Ok(patch),
            _ => Err(refused(Code::HttpBadBody)),
        },
        Err(problem) => Err(refused_as(&problem)),
    }
}

/// Reads a body that has to be JSON and to say so: a page of another site can send that only after it has asked.
///
/// # Errors
/// [`Code::HttpContentType`], [`Code::HttpTooLarge`], [`Code::FrameTooDeep`] or [`Code::HttpBadBody`].
pub async fn body<T: DeserializeOwned>(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<T, Problem> {
    if !is_json(headers) {
        return Err(refused(Code::HttpContentType));
    }
    let bytes = to_bytes(body, bytes_max).await.map_err(|_| {
        refused_for(Code::HttpTooLarge, format!("the body has more than {bytes_max} bytes, or broke off"))
    })?;
    let text = std::str::from_utf8(&bytes).map_err(|_| refused_for(Code::HttpBadBody, "the body is not UTF-8"))?;
    if nesting(text) > NESTING_MAX {
        let detail = format!("the body nests deeper than {NESTING_MAX} levels");
        return Err(refused_for(Code::FrameTooDeep, detail));
    }
    serde_json::from_str(text).map_err(|error| refused_for(Code::HttpBadBody, error.to_string()))
}

/// A whole number of a body: also one that is written with a fraction of zero, which JSON does not tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole(pub u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        // Up to 2^53 a float holds every whole number.
        let is_whole = |number: &f64| number.fract() == 0.0 && (0.0..=WHOLE_MAX).contains(number);
        let whole = number.as_u64().or_else(|| number.as_f64().filter(is_whole).map(|number| number as u64));
        whole.map(Self).ok_or_else(|| D::Error::custom(format!("{number} is no whole number of at least 0")))
    }
}

/// A place in a list, as a text that says nothing to who asks.
pub fn cursor(place: &str) -> String {
    URL_SAFE_NO_PAD.encode(place)
}

/// The place of a [`cursor`].
///
/// # Errors
/// [`Code::HttpBadQuery`] where it is none of ours.
pub fn place<T>(cursor: Option<&str>, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Problem> {
    let Some(cursor) = cursor else { return Ok(None) };
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let place = text.and_then(|text| read(&text));
    place
        .map(Some)
        .ok_or_else(|| refused_for(Code::HttpBadQuery, "cursor must be one that an answer of this call gave as next"))
}

/// How deep objects and arrays are nested; counted outside strings, without reading anything.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string) = (0_usize, 0, false);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if in_string => drop(bytes.next()),
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A text from a client as an error shows it: its beginning, if it is long.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

/// 2^53.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
const SHOWN_CHARS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::{Parameters, Whole, cursor, nesting, place};

    fn read(query: &str) -> Result<Parameters, String> {
        let uri = format!("/x?{query}").parse().unwrap();
        Parameters::read(&uri, &[("limit", false), ("room", true)]).map_err(|problem| problem.detail.unwrap())
    }

    #[test]
    fn parameters_are_known_and_there_once() {
        assert_eq!(read("limit=5&room=a&room=b%20c").unwrap().texts("room").collect::<Vec<_>>(), ["a", "b c"]);
        assert_eq!(read("x=1").unwrap_err(), "the parameter \"x\" is unknown, there are limit, room");
        assert_eq!(read("limit=1&limit=2").unwrap_err(), "the parameter limit is there twice");
        assert_eq!(read("limit=5").unwrap().number("limit", 1..=10), Ok(Some(5)));
        assert_eq!(read("").unwrap().number("limit", 1..=10), Ok(None));
        for value in ["0", "11", "", "+5", "5.0", "x", "99999999999999999999"] {
            assert!(read(&format!("limit={value}")).unwrap().number("limit", 1..=10).is_err(), "{value}");
        }
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_others_are_refused() {
        let read = |text: &str| text.strip_prefix("at ").map(str::to_owned);
        assert_eq!(place(Some(&cursor("at home")), read), Ok(Some("home".to_owned())));
        assert_eq!(place::<String>(None, read), Ok(None));
        for wrong in ["", "?", "aGVsbG8", &cursor("on")] {
            assert!(place(Some(wrong), read).is_err(), "{wrong}");
        }
    }

    #[test]
    fn whole_numbers_may_have_a_fraction_of_zero() {
        for (text, number) in [("7", 7), ("7.0", 7), ("1e3", 1000), ("0", 0)] {
            assert_eq!(serde_json::from_str::<Whole>(text).unwrap(), Whole(number), "{text}");
        }
        for text in ["7.5", "-1", "-1.0", "1e300", "\"7\"", "null", "true"] {
            assert!(serde_json::from_str::<Whole>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn brackets_in_strings_do_not_nest() {
        assert_eq!(nesting(r#"{"a":["]]\"[[["],"b":{}}"#), 2);
        assert_eq!(nesting(&"[".repeat(99)), 99);
    }
}
