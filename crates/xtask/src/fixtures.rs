//! The fixtures: one message a file, with its meaning, read by the suites of the server and of the clients.
use crate::{
    report::{Place, Report},
    workspace::TextFile,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Checks every JSON file under `fixtures/`.
pub(crate) fn check(files: &[TextFile]) -> Report {
    let mut report = Report::new("fixtures");
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let fixtures = files.iter().filter(|file| file.path.starts_with("fixtures/") && file.path.ends_with(".json"));
    let mut count = 0;
    for TextFile { path, text } in fixtures {
        count += 1;
        if let Err(problem) = check_one(text) {
            report.error(Place::file(path), problem);
        }
        let name = path["fixtures/".len()..].trim_end_matches(".json");
        // Some file systems do not tell `Join.json` from `join.json`; nor would a reader.
        if let Some(other) = names.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)) {
            report.error(Place::file(path), format!("has the same name as {}", other.1));
        }
        names.insert(name, path);
    }
    report.checked(format!("{count} files"))
}

fn check_one(text: &str) -> Result<(), String> {
    let fixture: Value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
    let fixture = fixture.as_object().ok_or("is no JSON object")?;
    let meaning = fixture.get("meaning").and_then(Value::as_str).unwrap_or_default();
    if meaning.trim().is_empty() {
        return Err("has no text at \"meaning\"".to_owned());
    }
    match (fixture.get("frame"), fixture.get("text")) {
        (Some(Value::Object(_) | Value::Array(_)), None) | (None, Some(Value::String(_))) => Ok(()),
        (Some(_), None) => Err("\"frame\" is neither an object nor an array".to_owned()),
        (None, Some(_)) => Err("\"text\" is no string".to_owned()),
        (Some(_), Some(_)) => Err("has both \"frame\" and \"text\"".to_owned()),
        (None, None) => Err("has neither \"frame\" nor \"text\"".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(files: &[(&str, &str)]) -> Vec<String> {
        let file = |(path, text): &(&str, &str)| TextFile { path: (*path).to_owned(), text: (*text).to_owned() };
        check(&files.iter().map(file).collect::<Vec<_>>()).error_lines()
    }

    #[test]
    fn good_fixtures_pass() {
        let frame = ("fixtures/native/join.json", r#"{"meaning": "to be in a room", "frame": {"t": "join"}}"#);
        let text = ("fixtures/native/broken.json", r#"{"meaning": "no JSON", "text": "{"}"#);
        assert_eq!(errors(&[frame, text, ("web/x.json", "{")]), [""; 0]);
    }

    #[test]
    fn each_fault_is_named() {
        let faults = [
            ("{", "is no JSON: EOF while parsing an object at line 1 column 1"),
            ("[]", "is no JSON object"),
            (r#"{"frame": {}}"#, "has no text at \"meaning\""),
            (r#"{"meaning": " ", "frame": {}}"#, "has no text at \"meaning\""),
            (r#"{"meaning": "x"}"#, "has neither \"frame\" nor \"text\""),
            (r#"{"meaning": "x", "frame": {}, "text": ""}"#, "has both \"frame\" and \"text\""),
            (r#"{"meaning": "x", "frame": "{}"}"#, "\"frame\" is neither an object nor an array"),
            (r#"{"meaning": "x", "text": {}}"#, "\"text\" is no string"),
        ];
        for (text, fault) in faults {
            assert_eq!(errors(&[("fixtures/a.json", text)]), [format!("fixtures/a.json: {fault}")]);
        }
    }

    #[test]
    fn names_are_unique() {
        let text = r#"{"meaning": "x", "frame": {}}"#;
        let files = [("fixtures/Join.json", text), ("fixtures/join.json", text), ("fixtures/native/join.json", text)];
        assert_eq!(errors(&files), ["fixtures/join.json: has the same name as fixtures/Join.json"]);
    }
}
