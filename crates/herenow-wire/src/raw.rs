//! JSON that clients hand to each other through us: kept as text, but only if every client can read it.
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// The text on one line, or nothing where it is JSON that some clients cannot read.
///
/// Skipping over a value checks less than reading it: half a surrogate pair or a number out of range passes.
/// Browsers take them, stricter clients would lose the whole frame.
pub(crate) fn readable(json: &str) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Readable>(json).ok()?;
    let json = json.trim_ascii();
    if json.contains(['\n', '\r', '\t']) {
        // Inside a string these three must be escaped, so the bare ones are all layout.
        return Some(Cow::Owned(json.replace(['\n', '\r', '\t'], "")));
    }
    Some(Cow::Borrowed(json))
}

/// The members of an object in their order, or nothing where it is another kind of value.
pub(crate) fn members(json: &str) -> Option<Vec<(Cow<'_, str>, &str)>> {
    json.trim_ascii_start().starts_with('{').then(|| serde_json::from_str::<Members<'_>>(json).ok())?.map(|all| all.0)
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    let value: &RawValue = map.next_value()?;
                    all.push((key, value.get()));
                }
                Ok(Members(all))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// A text that borrows where it can. (`Cow` itself never does, inside a map.)
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// Any value of which each string and number was really read.
struct Readable;

impl<'de> Deserialize<'de> for Readable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Anything;

        impl<'de> Visitor<'de> for Anything {
            type Value = Readable;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_unit<E: Error>(self) -> Result<Readable, E> {
                Ok(Readable)
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Readable, E> {
                Ok(Readable)
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Readable, E> {
                Ok(Readable)
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Readable, E> {
                Ok(Readable)
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Readable, E> {
                Ok(Readable)
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<Readable, E> {
                Ok(Readable)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Readable, A::Error> {
                while items.next_element::<Readable>()?.is_some() {}
                Ok(Readable)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Readable, A::Error> {
                while map.next_entry::<Readable, Readable>()?.is_some() {}
                Ok(Readable)
            }
        }

        deserializer.deserialize_any(Anything)
    }
}

/// Whether the text is JSON of any kind.
pub(crate) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{members, readable};

    #[test]
    fn layout_goes_and_texts_stay() {
        assert_eq!(readable(" {\n\t\"a b\": [1,\r\n 2]} ").unwrap(), r#"{"a b": [1, 2]}"#);
        assert_eq!(readable(r#""a\nb""#).unwrap(), r#""a\nb""#);
    }

    #[test]
    fn what_some_clients_cannot_read_is_not_passed_on() {
        for json in [r#""\ud800""#, r#"{"a":[1e999]}"#, r#"{"\udc00":1}"#, "nul", "", "1 2"] {
            assert_eq!(readable(json), None, "{json}");
        }
    }

    #[test]
    fn members_keep_their_order_and_their_text() {
        let all = members(r#" {"b":1.50, "\u0061":{"x": []}} "#).unwrap();
        assert_eq!(all, [("b".into(), "1.50"), ("a".into(), r#"{"x": []}"#)]);
        assert_eq!(members("[1]"), None);
        assert_eq!(members("\"{\""), None);
    }
}
