//! Inputs out of chance: edges of every kind of value, and ways to spoil what was good.
use crate::corpus::Corpus;
use herenow_sim::rng::Rng;
use serde_json::{Map, Value, json};

/// Makes inputs; all that it makes follows from its generator.
#[derive(Clone, Debug)]
pub struct Maker<'a> {
    /// Chance.
    pub rng: Rng,
    /// Where frames begin.
    pub corpus: &'a Corpus,
}

impl Maker<'_> {
    /// One of a list, which must not be empty.
    pub fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.rng.index(list.len())]
    }

    /// One of these texts, as it is or spoilt.
    pub fn text_of(&mut self, texts: &[String]) -> Vec<u8> {
        let text = self.rng.pick(texts).cloned().unwrap_or_default();
        self.spoilt(text.into_bytes(), 60)
    }

    /// A word out of edges: empty, at and over limits, of any script, with what escapes, forges and turns around.
    pub fn word(&mut self) -> String {
        match self.rng.below(12) {
            0 => "x".repeat(self.one_of(&[0, 1, 63, 64, 65, 127, 128, 129, 254, 255, 256, 300])),
            1 => "é".repeat(self.one_of(&[31, 32, 33, 64, 127, 128])),
            2 => self.one_of(&STRANGE).to_owned(),
            3 => format!("{}{}", self.one_of(&STRANGE), self.one_of(&PLAIN)),
            4 => (0..self.rng.below(12)).map(|_| char::from(self.rng.below(128) as u8)).collect(),
            5 => (0..self.rng.below(8)).filter_map(|_| char::from_u32(self.rng.below(0x11_0000) as u32)).collect(),
            _ => self.one_of(&PLAIN).to_owned(),
        }
    }

    /// A number as JSON text: small ones mostly, else edges of 32 and 64 bits, fractions, and what no double holds.
    pub fn number(&mut self) -> String {
        match self.rng.below(4) {
            0 => self.one_of(&NUMBERS).to_owned(),
            1 => format!("0.{}", self.rng.below(1_000_000)),
            _ => self.rng.below(100).to_string(),
        }
    }

    /// Any value as JSON text, at most `depth` deep.
    pub fn json(&mut self, depth: u32) -> String {
        match self.rng.below(if depth == 0 { 5 } else { 7 }) {
            0 => self.number(),
            1 => self
                .one_of(&["null", "true", "false", "\"\\ud800\"", "nul", "1e999", "[", "{}", "\"\\u0000\""])
                .to_owned(),
            2..=4 => json!(self.word()).to_string(),
            5 => {
                let items: Vec<String> = (0..self.rng.below(4)).map(|_| self.json(depth - 1)).collect();
                format!("[{}]", items.join(","))
            }
            _ => {
                let members =
                    (0..self.rng.below(4)).map(|_| format!("{}:{}", json!(self.word()), self.json(depth - 1)));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
        }
    }

    /// A value with one part of it replaced, removed or doubled.
    pub fn bent(&mut self, mut value: Value) -> Value {
        let mut at = &mut value;
        loop {
            let len = match at {
                Value::Array(items) => items.len(),
                Value::Object(members) => members.len(),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
            };
            if len == 0 || self.rng.percent(15) {
                let json = self.json(2);
                *at = serde_json::from_str(&json).unwrap_or(Value::Null);
                return value;
            }
            let index = self.rng.index(len);
            if self.rng.percent(10) {
                match at {
                    Value::Array(items) if self.rng.percent(50) => items.push(items[index].clone()),
                    Value::Array(items) => drop(items.remove(index)),
                    Value::Object(members) => drop(members.remove(&key_at(members, index))),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
                }
                return value;
            }
            at = match at {
                Value::Array(items) => &mut items[index],
                Value::Object(members) => {
                    let key = key_at(members, index);
                    members.entry(key).or_insert(Value::Null)
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return value,
            };
        }
    }

    /// The bytes, spoilt in one to three ways in `percent` of the cases.
    pub fn spoilt(&mut self, mut bytes: Vec<u8>, percent: u64) -> Vec<u8> {
        if !self.rng.percent(percent) {
            return bytes;
        }
        for _ in 0..self.rng.between(1, 3) {
            self.spoil(&mut bytes);
        }
        bytes
    }

    fn spoil(&mut self, bytes: &mut Vec<u8>) {
        let at = self.rng.index(bytes.len() + 1);
        let end = (at + self.rng.index(16)).min(bytes.len());
        match self.rng.below(10) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << self.rng.below(8),
            2 if at < bytes.len() => bytes[at] = self.rng.below(256) as u8,
            3 => drop(bytes.drain(at..end)),
            4 => {
                let piece = bytes[at..end].to_owned();
                insert(bytes, end, &piece);
            }
            5 => {
                let piece = self.one_of(&PIECES);
                insert(bytes, at, piece);
            }
            6 => {
                let json = self.json(1);
                insert(bytes, at, json.as_bytes());
            }
            7 => {
                // The end of another text behind the beginning of this one.
                let other = self.rng.pick(&self.corpus.native).map_or(&[][..], String::as_bytes);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[at.min(other.len())..]);
            }
            8 => {
                let depth = self.rng.index(200);
                insert(bytes, at, &b"[".repeat(depth));
                bytes.extend(b"]".repeat(depth));
            }
            _ => {
                let number = self.number();
                if let Some(digit) = bytes.iter().position(u8::is_ascii_digit) {
                    bytes.splice(digit..=digit, number.into_bytes());
                }
            }
        }
        bytes.truncate(INPUT_BYTES_MAX);
    }
}

fn key_at(members: &Map<String, Value>, index: usize) -> String {
    members.keys().nth(index).cloned().unwrap_or_default()
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}

/// Longer inputs say nothing new, and take their time.
const INPUT_BYTES_MAX: usize = 20_000;
const PLAIN: [&str; 10] = ["board-1", "a", "u1", "card-3", "7", "alice", "k3x9", "room/1", "日本", "x y"];
const STRANGE: [&str; 14] = [
    "",
    "\0",
    "\n",
    "\u{7f}",
    "\u{85}",
    "\u{202e}",
    "\u{2028}",
    "\u{feff}",
    "\u{200d}",
    "e\u{301}\u{301}",
    "👩‍👩‍👧‍👦",
    "\"\\",
    "*",
    "../",
];
const NUMBERS: [&str; 18] = [
    "0",
    "-0",
    "-1",
    "1e0",
    "1.5",
    "255",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "1e308",
    "1e309",
    "1e-400",
    "123456789012345678901234567890",
    "01",
];
const PIECES: [&[u8]; 16] = [
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf0\x9f",
    b"\0",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b",",
    b"{",
    b"}",
    b":null",
    b"\"type\":\"ping\",",
    b"\"room\":\"\",",
    b"\r\n",
    b"1e999",
];
