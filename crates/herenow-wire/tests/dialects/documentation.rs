//! `docs/protocol.md` against the code.
use crate::files::frames;
use herenow_wire::{code::Code, message::RESERVED_EVENTS, palette::COLORS};
use std::fs;

fn page() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md")).unwrap()
}

/// The part of the page from a heading to the next of the same rank.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let start = page.find(&format!("## {heading}\n")).unwrap_or_else(|| panic!("there is no section {heading}"));
    let rest = &page[start + 3..];
    rest.split("\n## ").next().unwrap()
}

#[test]
fn the_table_of_codes_is_the_list_of_codes() {
    let page = page();
    let row = |code: &Code| format!("| `{}` | {} | {} |", code.as_str(), code.message(), code.hint());
    let expected: Vec<_> = Code::ALL.iter().map(row).collect();
    let rows: Vec<_> = section(&page, "Errors").lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows, expected, "the table has to be:\n{}\n", expected.join("\n"));
}

#[test]
fn each_frame_has_its_row_and_each_row_its_frame() {
    let page = page();
    for (heading, folder) in [
        ("Board: client to server", "board/client"),
        ("Board: server to client", "board/server"),
        ("Native: client to server", "native/client"),
        ("Native: server to client", "native/server"),
    ] {
        let mut shown: Vec<_> = frames(folder)
            .into_iter()
            .filter(|(name, _)| folder != "board/server" || !name.starts_with("message"))
            .map(|(_, frame)| {
                serde_json::from_str::<serde_json::Value>(&frame).unwrap()["type"].as_str().unwrap().to_owned()
            })
            .collect();
        shown.sort_unstable();
        shown.dedup();
        let rows = section(&page, heading).lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let mut rows: Vec<_> = rows.map(str::to_owned).collect();
        rows.sort_unstable();
        assert_eq!(rows, shown, "{heading}");
    }
}

#[test]
fn reserved_names_and_colours_are_listed() {
    let page = page();
    for name in RESERVED_EVENTS {
        assert!(section(&page, "Messages").contains(&format!("`{name}`")), "{name}");
    }
    for color in COLORS {
        assert!(page.contains(&format!("`{color}`")), "{color}");
    }
}
