//! Reading `fixtures/`: one message a file, with its meaning.
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use std::{collections::BTreeMap, fmt::Debug, fs, path::PathBuf};

/// A file of a kind of frames that are well.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    meaning: String,
    frame: Box<RawValue>,
}

/// The text of each file of a folder, by name without `.json`.
pub(crate) fn texts(folder: &str) -> BTreeMap<String, String> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures")).join(folder);
    let files = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let named = |file: PathBuf| {
        assert_eq!(file.extension().unwrap(), "json", "{}", file.display());
        (file.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&file).unwrap())
    };
    files.map(named).collect()
}

/// The frame of each file of a folder, as it stands there.
pub(crate) fn frames(folder: &str) -> BTreeMap<String, String> {
    let read = |(name, text): (String, String)| {
        let fixture: Fixture = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{folder}/{name}: {error}"));
        assert!(fixture.meaning.ends_with('.'), "{folder}/{name} has no sentence that says what it means");
        (name, fixture.frame.get().to_owned())
    };
    texts(folder).into_iter().map(read).collect()
}

/// Each file has one expectation, each expectation has one file.
pub(crate) fn assert_same_names<T>(folder: &str, frames: &BTreeMap<String, String>, expected: &[(&str, T)]) {
    let mut names: Vec<_> = expected.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    let files: Vec<_> = frames.keys().map(String::as_str).collect();
    assert_eq!(files, names, "the files of {folder} and the expectations of the test differ");
}

/// Each frame of a folder is read as expected.
pub(crate) fn assert_decodes<T: PartialEq + Debug>(folder: &str, decode: impl Fn(&str) -> T, expected: &[(&str, T)]) {
    let frames = frames(folder);
    assert_same_names(folder, &frames, expected);
    for (name, request) in expected {
        assert_eq!(decode(&frames[*name]), *request, "{folder}/{name}");
    }
}

/// Each frame of a folder is what the encoder writes: to the byte, unless the file spells characters out as escapes.
pub(crate) fn assert_encodes(folder: &str, expected: &[(&str, String)]) {
    let frames = frames(folder);
    assert_same_names(folder, &frames, expected);
    for (name, encoded) in expected {
        let frame = &frames[*name];
        let value = |json: &str| serde_json::from_str::<Value>(json).unwrap();
        assert_eq!(value(encoded), value(frame), "{folder}/{name}");
        if !frame.contains("\\u") {
            assert_eq!(encoded, frame, "{folder}/{name}");
        }
        assert!(!encoded.contains(['\n', '\r']), "{folder}/{name} is not on one line");
    }
}
