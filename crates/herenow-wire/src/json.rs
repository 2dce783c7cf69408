//! Writing JSON straight into one text: no tree, one allocation a frame.
use herenow_core::{cursors::Point, version::Version};
use std::fmt::{Display, Write as _};

/// Writes one object, or the members that go on after another text's. Keys are fixed words of the protocol.
pub(crate) struct Writer(String);

impl Writer {
    /// Begins a frame of this type.
    pub(crate) fn frame(kind: &str, capacity: usize) -> Self {
        let mut writer = Self(String::with_capacity(capacity));
        writer.0.push('{');
        writer.string("type", kind);
        writer
    }

    /// Begins with the members after a text that [`Writer::finish_head`] made.
    pub(crate) fn body(capacity: usize) -> Self {
        Self(String::with_capacity(capacity))
    }

    /// Ends the object.
    pub(crate) fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }

    /// Leaves the object open for a body.
    pub(crate) fn finish_head(self) -> String {
        self.0
    }

    pub(crate) fn string(&mut self, key: &'static str, value: &str) {
        self.key(key);
        self.string_value(value);
    }

    pub(crate) fn number(&mut self, key: &'static str, value: impl Into<Number>) {
        self.key(key);
        self.number_value(value);
    }

    pub(crate) fn flag(&mut self, key: &'static str, value: bool) {
        self.raw(key, if value { "true" } else { "false" });
    }

    /// A value that is JSON already.
    pub(crate) fn raw(&mut self, key: &'static str, json: &str) {
        self.key(key);
        self.0.push_str(json);
    }

    /// A member with a key that is not ours.
    pub(crate) fn foreign(&mut self, key: &str, json: &str) {
        self.separate();
        self.string_value(key);
        self.0.push(':');
        self.0.push_str(json);
    }

    /// A member with a key that is not ours, and an object.
    pub(crate) fn foreign_object(&mut self, key: &str, members: impl FnOnce(&mut Self)) {
        self.separate();
        self.string_value(key);
        self.0.push(':');
        self.object_value(members);
    }

    pub(crate) fn object(&mut self, key: &'static str, members: impl FnOnce(&mut Self)) {
        self.key(key);
        self.object_value(members);
    }

    pub(crate) fn list<T>(
        &mut self,
        key: &'static str,
        items: impl IntoIterator<Item = T>,
        mut item: impl FnMut(&mut Self, T),
    ) {
        self.key(key);
        self.array_value(|writer| {
            for one in items {
                item(writer.item(), one);
            }
        });
    }

    /// An array; each of its items is announced by [`Writer::item`].
    pub(crate) fn array_value(&mut self, items: impl FnOnce(&mut Self)) {
        self.0.push('[');
        items(self);
        self.0.push(']');
    }

    /// Goes on to the next item of an array.
    pub(crate) fn item(&mut self) -> &mut Self {
        self.separate();
        self
    }

    pub(crate) fn object_value(&mut self, members: impl FnOnce(&mut Self)) {
        self.0.push('{');
        members(self);
        self.0.push('}');
    }

    pub(crate) fn null_value(&mut self) {
        self.0.push_str("null");
    }

    pub(crate) fn string_value(&mut self, value: &str) {
        if value.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
            self.display(serde_json::Value::from(value));
        } else {
            self.0.push('"');
            self.0.push_str(value);
            self.0.push('"');
        }
    }

    pub(crate) fn number_value(&mut self, value: impl Into<Number>) {
        self.display(value.into().0);
    }

    /// A number of parts of [`Point::WHOLE`] as a decimal fraction, as short as it goes.
    pub(crate) fn fraction_value(&mut self, parts: u32) {
        self.number_value(parts / Point::WHOLE);
        let rest = parts % Point::WHOLE;
        if rest > 0 {
            self.display(format_args!(".{rest:05}"));
            self.0.truncate(self.0.trim_end_matches('0').len());
        }
    }

    /// `["epoch", number]`; an epoch is letters and digits, so nothing in it needs an escape.
    pub(crate) fn version(&mut self, key: &'static str, version: &Version) {
        self.key(key);
        self.display(format_args!("[\"{}\",{}]", version.epoch.as_str(), version.number));
    }

    fn key(&mut self, key: &'static str) {
        self.separate();
        self.0.push('"');
        self.0.push_str(key);
        self.0.push_str("\":");
    }

    /// A value never ends in an opening bracket: a string ends in its quote.
    fn separate(&mut self) {
        if !self.0.ends_with(['{', '[']) {
            self.0.push(',');
        }
    }

    fn display(&mut self, value: impl Display) {
        // Writing into a `String` cannot fail; the result is there for other sinks.
        let _ = write!(self.0, "{value}");
    }
}

/// A count or a number of milliseconds.
pub(crate) struct Number(u64);

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self(value)
    }
}

impl From<u32> for Number {
    fn from(value: u32) -> Self {
        Self(value.into())
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Self {
        // No platform of Rust has more than 64 bits in a `usize`.
        Self(value as u64)
    }
}

impl From<std::time::Duration> for Number {
    /// In whole milliseconds.
    fn from(value: std::time::Duration) -> Self {
        Self(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::Writer;
    use proptest::prelude::{any, proptest};

    #[test]
    fn commas_stand_between_members_and_nowhere_else() {
        let mut writer = Writer::frame("{", 0);
        writer.list("empty", [0_u32; 0], |writer, item| writer.number_value(item));
        writer.list("two", ["[", "{"], |writer, item| writer.string_value(item));
        writer.object("in", |writer| {
            writer.flag("a", true);
            writer.object("b", |_| {});
        });
        assert_eq!(writer.finish(), r#"{"type":"{","empty":[],"two":["[","{"],"in":{"a":true,"b":{}}}"#);
    }

    #[test]
    fn arrays_stand_in_arrays() {
        let mut writer = Writer::frame("x", 0);
        writer.list("a", [Some(1_u32), None], |writer, item| {
            writer.array_value(|writer| {
                if let Some(number) = item {
                    writer.item().number_value(number);
                    writer.item().null_value();
                }
            });
        });
        writer.object("o", |writer| writer.foreign_object("\"", |writer| writer.flag("f", false)));
        assert_eq!(writer.finish(), r#"{"type":"x","a":[[1,null],[]],"o":{"\"":{"f":false}}}"#);
    }

    #[test]
    fn fractions_have_no_more_digits_than_they_need() {
        let cases = [
            (0, "0"),
            (1, "0.00001"),
            (10, "0.0001"),
            (33_333, "0.33333"),
            (50_000, "0.5"),
            (99_999, "0.99999"),
            (100_000, "1"),
        ];
        for (parts, text) in cases {
            let mut writer = Writer::body(0);
            writer.fraction_value(parts);
            assert_eq!(writer.finish_head(), text);
        }
    }

    #[test]
    fn a_head_and_a_body_are_one_object() {
        let mut head = Writer::frame("roster", 0);
        head.raw("re", "7");
        let mut body = Writer::body(0);
        body.number("v", 1_u32);
        assert_eq!(head.finish_head() + &body.finish(), r#"{"type":"roster","re":7,"v":1}"#);
    }

    proptest! {
        #[test]
        fn every_text_comes_back_as_it_was(text in any::<String>(), key in any::<String>()) {
            let mut writer = Writer::frame("x", 0);
            writer.object("o", |writer| writer.foreign(&key, "1"));
            writer.string("text", &text);
            let json = writer.finish();
            assert!(!json.contains(['\n', '\r']));
            let value: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert_eq!(value["text"], text);
            assert_eq!(value["o"].as_object().unwrap().keys().next(), Some(&key));
        }
    }
}
