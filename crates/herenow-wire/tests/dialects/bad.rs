//! Frames that are refused: with which code, and in words that say what to change.
use crate::files::texts;
use herenow_core::id::{RequestId, RoomId};
use herenow_wire::{board, code::Code, native, problem::Problem, request::Asked};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BadFrame {
    meaning: String,
    /// In which dialects it is bad; the same code in each.
    dialects: Vec<String>,
    text: String,
    code: String,
    message: String,
    /// The number of the request as JSON, where it comes back.
    re: Option<String>,
    /// The room, where it comes back.
    room: Option<String>,
}

fn bad_frames() -> Vec<(String, BadFrame)> {
    let read = |(name, text): (String, String)| {
        let bad = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, bad)
    };
    texts("bad").into_iter().map(read).collect()
}

fn decode(dialect: &str, text: &str) -> Result<Asked, Problem> {
    match dialect {
        "native" => native::decode(text),
        "board" => board::decode(text),
        other => panic!("there is no dialect {other}"),
    }
}

#[test]
fn bad_frames_are_refused_for_what_is_wrong() {
    for (name, bad) in bad_frames() {
        assert!(bad.meaning.ends_with('.') && !bad.dialects.is_empty(), "{name}");
        for dialect in &bad.dialects {
            let problem = decode(dialect, &bad.text).unwrap_err();
            assert_eq!(problem.code.as_str(), bad.code, "{name} in {dialect}");
            assert_eq!(problem.message(), bad.message, "{name} in {dialect}");
            let re = bad.re.as_deref().map(|json| RequestId(json.into()));
            assert_eq!(problem.re, re, "{name} in {dialect}");
            let room = bad.room.as_deref().map(|text| RoomId::parse(text).unwrap());
            assert_eq!(problem.room, room, "{name} in {dialect}");
        }
    }
}

#[test]
fn each_problem_is_a_frame_that_says_what_to_do() {
    for (name, bad) in bad_frames() {
        for dialect in &bad.dialects {
            let problem = decode(dialect, &bad.text).unwrap_err();
            let (frame, words) = match dialect.as_str() {
                "native" => (native::error(&problem), "message"),
                _ => (board::error(&problem), "error"),
            };
            let frame: Value = serde_json::from_str(&frame).unwrap();
            assert_eq!(frame["type"], "error", "{name}");
            assert_eq!(frame["code"], bad.code, "{name}");
            assert_eq!(frame["hint"], problem.code.hint(), "{name}");
            let seed = dialect == "board" && problem.code == Code::FrameNotJson;
            assert_eq!(frame[words], if seed { "Invalid JSON" } else { problem.message() }, "{name}");
        }
    }
}

#[test]
fn each_code_of_reading_has_an_example() {
    let shown: BTreeSet<_> = bad_frames().into_iter().map(|(_, bad)| bad.code).collect();
    let mut reading = BTreeSet::new();
    for code in Code::ALL.iter().map(|code| code.as_str()) {
        // Size is judged where bytes arrive, before there is a text.
        if code.starts_with("frame.") && code != Code::FrameTooLarge.as_str() {
            reading.insert(code.to_owned());
        }
    }
    reading.extend([Code::RoomBadName, Code::MessageReservedEvent].map(|code| code.as_str().to_owned()));
    assert_eq!(shown, reading);
}
