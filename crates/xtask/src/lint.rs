//! Habits of ours that clippy does not know.
use crate::{
    report::{Place, Report},
    workspace::TextFile,
};

/// Checks every text file of the repository.
pub(crate) fn check(files: &[TextFile]) -> Report {
    let mut report = Report::new("lint");
    let mut lines = 0;
    for file in files {
        lines += file.text.lines().count();
        check_module_doc(file, &mut report);
        for (number, line) in (1..).zip(file.text.lines()) {
            for problem in problems(&file.path, line) {
                report.error(Place::line(&file.path, number), problem);
            }
        }
    }
    report.checked(format!("{} files, {lines} lines", files.len()))
}

/// What is wrong with one line.
fn problems(path: &str, line: &str) -> impl Iterator<Item = String> {
    let code = CODE.iter().any(|ending| path.ends_with(ending));
    let lock = path.ends_with("package-lock.json");
    let reminder = REMINDERS.iter().find(|word| code && has_bare_reminder(line, word));
    let reminder = reminder.map(|word| format!("{word} without an issue number; write {word}(#12)"));
    let banner = (code && is_banner(line)).then(|| "a banner line says nothing; drop it".to_owned());
    let resolved = lock && line.trim_start().starts_with("\"resolved\"") && line.contains("://");
    let resolved = resolved.then(|| "a lock file names no download address; see .npmrc".to_owned());
    let machine = machine_path(line).map(|folder| format!("a path under {folder} exists on one machine only"));
    [reminder, banner, resolved, machine].into_iter().flatten()
}

fn check_module_doc(file: &TextFile, report: &mut Report) {
    let is_module = file.path.ends_with(".rs") && file.path.split('/').any(|folder| folder == "src");
    let first = file.text.lines().find(|line| !line.trim().is_empty());
    if is_module && !first.is_some_and(|line| line.starts_with("//! ")) {
        report.error(Place::line(&file.path, 1), "a module opens with a `//!` sentence on what it is for");
    }
}

/// Whether a line has the word by itself, and no `#` with a number right after it.
fn has_bare_reminder(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        let alone = !before.ends_with(is_word) && !after.starts_with(is_word);
        let after = after.trim_start_matches([' ', '(', ':']);
        let numbered = after.strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        alone && !numbered
    })
}

/// Whether a comment line begins or ends in a rule of four strokes or more. A row of a table is none.
fn is_banner(line: &str) -> bool {
    let line = line.trim();
    let Some(marker) = ["///", "//!", "//", "/*", "#", "<!--"].into_iter().find(|marker| line.starts_with(marker))
    else {
        return false;
    };
    let text = line[marker.len()..].trim_end_matches("*/").trim_end_matches("-->").trim();
    let is_rule = |stroke: char| {
        let rule = stroke.to_string().repeat(4);
        text.starts_with(&rule) || text.ends_with(&rule)
    };
    !text.contains('|') && STROKES.into_iter().any(is_rule)
}

/// The folder of a machine in which an absolute path on the line lies.
fn machine_path(line: &str) -> Option<String> {
    MACHINE_FOLDERS.iter().map(|folder| format!("/{folder}/")).find(|folder| {
        // After a name, `folder` is a part of a longer path or of an address.
        let starts = |(at, _): (usize, &str)| !line[..at].ends_with(|c: char| is_word(c) || "./~-*}>".contains(c));
        line.match_indices(folder.as_str()).any(starts)
    })
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

const CODE: &[&str] =
    &[".rs", ".js", ".mjs", ".ts", ".css", ".html", ".py", ".sh", ".toml", "/run", "/install", "test"];
/// In halves, so that this file passes its own check.
const REMINDERS: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];
const STROKES: [char; 7] = ['—', '─', '━', '═', '-', '=', '*'];
const MACHINE_FOLDERS: [&str; 3] = ["work", "root", "home"];

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(path: &str, text: &str) -> Vec<String> {
        check(&[TextFile { path: path.to_owned(), text: text.to_owned() }]).error_lines()
    }

    #[test]
    fn a_reminder_needs_a_number() {
        let word = REMINDERS[0];
        assert_eq!(errors("a.js", &format!("// {word}: later")).len(), 1);
        assert_eq!(errors("a.js", &format!("// {word}(#12): later\n// {word} #3\nlet x{word}S = 1;")), [""; 0]);
        assert_eq!(errors("a.md", &format!("no {word} here")), [""; 0]);
    }

    #[test]
    fn banners_are_caught_and_tables_and_arrows_are_not() {
        for banner in ["// ————", "// ---- Types ----", "    /* ====== */", "# ────────", "// Types ======"]
        {
            assert_eq!(errors("a.js", banner).len(), 1, "{banner}");
        }
        for fine in ["//! |----|----|", "// a ---> b", "--wide: 4px;", "let x = '----';", "# a -- b"] {
            assert_eq!(errors("a.js", fine), [""; 0], "{fine}");
        }
    }

    #[test]
    fn a_module_opens_with_its_doc() {
        let expected = ["crates/a/src/b.rs:1: a module opens with a `//!` sentence on what it is for"];
        assert_eq!(errors("crates/a/src/b.rs", "use std::fmt;\n//! Late.\n"), expected);
        assert_eq!(errors("crates/a/src/b.rs", ""), expected);
        assert_eq!(errors("crates/a/src/b.rs", "//! Says who is here.\n"), [""; 0]);
        assert_eq!(errors("crates/a/tests/b.rs", "use std::fmt;\n"), [""; 0]);
    }

    #[test]
    fn a_lock_file_names_no_address() {
        assert_eq!(
            errors("web/tests/package-lock.json", "{\n  \"resolved\": \"https://example.org/a.tgz\"\n}").len(),
            1
        );
        assert_eq!(errors("web/tests/package-lock.json", "{\n  \"version\": \"1.0.0\"\n}"), [""; 0]);
        assert_eq!(errors("a/package-lock.json", "{\n  \"resolved\": \"file:../../sdk\",\n}"), [""; 0]);
    }

    #[test]
    fn paths_of_a_machine_are_caught_and_routes_are_not() {
        for folder in MACHINE_FOLDERS {
            assert_eq!(errors("a.md", &format!("see /{folder}/x/y")).len(), 1);
            assert_eq!(errors("a.toml", &format!("path = \"/{folder}/x\"")).len(), 1);
            assert_eq!(errors("a.md", &format!("https://example.org/{folder}/x and ./{folder}/x")), [""; 0]);
        }
    }
}
