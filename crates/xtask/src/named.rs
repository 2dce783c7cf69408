//! The tests that documents name: each is there, and the limits of the code are all in their table.
use crate::{
    report::{Place, Report},
    workspace::TextFile,
};
use std::collections::BTreeSet;

/// Checks `docs/scenarios.md` and the table of limits in `docs/reliability.md`.
pub(crate) fn check(files: &[TextFile]) -> Report {
    let mut report = Report::new("named tests");
    let tests = tests(files);
    let (cases, held) = check_scenarios(files, &tests, &mut report);
    let limits = check_limits(files, &tests, &mut report);
    report.checked(format!("{} tests, {held} of {cases} scenarios hold by name, {limits} limits", tests.len()))
}

/// One row of a table: its line, and its cells.
struct Row<'a> {
    line: usize,
    cells: Vec<&'a str>,
}

impl<'a> Row<'a> {
    fn all(text: &'a str) -> Vec<Self> {
        let is_row = |line: &&str| line.starts_with('|') && !line.starts_with("|--");
        let rows = (1..).zip(text.lines()).filter(|(_, line)| is_row(line));
        rows.map(|(line, text)| Row { line, cells: text.trim_matches('|').split('|').map(str::trim).collect() })
            .collect()
    }

    /// The words in backticks of a cell.
    fn code(&self, cell: usize) -> impl Iterator<Item = &'a str> {
        self.between(cell, '`')
    }

    /// The sentences in quotes of a cell.
    fn said(&self, cell: usize) -> impl Iterator<Item = &'a str> {
        self.between(cell, '"')
    }

    fn between(&self, cell: usize, mark: char) -> impl Iterator<Item = &'a str> {
        self.cells.get(cell).copied().unwrap_or_default().split(mark).skip(1).step_by(2)
    }
}

/// The names of all tests: functions marked as such, plays of the core, and what tests of pages and of the SDK say.
fn tests(files: &[TextFile]) -> BTreeSet<&str> {
    let mut tests = BTreeSet::new();
    for file in files {
        if let Some(play) = file.path.strip_prefix(PLAYS) {
            tests.insert(play);
        }
        if file.path.ends_with(".test.js") {
            let calls = file.text.lines().filter_map(|line| line.trim_start().strip_prefix("test(\""));
            tests.extend(calls.filter_map(|call| call.split('"').next()));
        }
        if file.path.ends_with(".rs") {
            let mut is_marked = false;
            for line in file.text.lines().map(str::trim) {
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    is_marked = true;
                } else if let Some(name) = function(line).filter(|_| is_marked) {
                    tests.insert(name);
                    is_marked = false;
                }
            }
        }
    }
    tests
}

/// The name of the function that begins on a line.
fn function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("async ").unwrap_or(line);
    let name = line.strip_prefix("fn ")?;
    Some(&name[..name.find(['(', '<'])?])
}

/// How many cases there are, and how many hold.
fn check_scenarios(files: &[TextFile], tests: &BTreeSet<&str>, report: &mut Report) -> (usize, usize) {
    let Some(file) = files.iter().find(|file| file.path == SCENARIOS) else {
        report.error(Place::file(SCENARIOS), "there is none");
        return (0, 0);
    };
    let (mut cases, mut held) = (BTreeSet::new(), 0);
    for row in Row::all(&file.text).iter().filter(|row| row.cells[0].starts_with("T-")) {
        let ids: Vec<&str> = row.cells[0].split(", ").collect();
        for id in &ids {
            if !cases.insert(*id) {
                report.error(Place::line(SCENARIOS, row.line), format!("{id} has a row already"));
            }
        }
        let named = check_names(row, 2, tests, report);
        let waits = row.cells.get(2).is_some_and(|cell| cell.starts_with("wait"));
        if named == 0 && !waits {
            report.error(
                Place::line(SCENARIOS, row.line),
                format!("{} names no test and waits for nothing", row.cells[0]),
            );
        }
        if !waits {
            held += ids.len();
        }
    }
    let said = format!("**{held} of {} hold**", cases.len());
    if !file.text.contains(&said) {
        report.error(Place::file(SCENARIOS), format!("does not say {said}"));
    }
    (cases.len(), held)
}

/// Reports tests that a cell names and that are not there; how many it names.
fn check_names(row: &Row<'_>, cell: usize, tests: &BTreeSet<&str>, report: &mut Report) -> usize {
    let is_name =
        |name: &&str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let path = if cell == LIMIT_TESTS { RELIABILITY } else { SCENARIOS };
    let mut named: Vec<&str> = row.code(cell).filter(is_name).collect();
    named.extend(row.said(cell));
    for name in named.iter().filter(|name| !tests.contains(*name)) {
        report.error(Place::line(path, row.line), format!("there is no test {name}"));
    }
    named.len()
}

/// How many limits the table has.
fn check_limits(files: &[TextFile], tests: &BTreeSet<&str>, report: &mut Report) -> usize {
    let file = files.iter().find(|file| file.path == RELIABILITY);
    let Some(table) = file.and_then(|file| file.text.split_once(LIMITS_HEADING)) else {
        report.error(Place::file(RELIABILITY), format!("has no section {}", LIMITS_HEADING.trim()));
        return 0;
    };
    let before = table.0.lines().count();
    let section = table.1.split("\n## ").next().unwrap_or_default();
    let mut known = BTreeSet::new();
    let mut limits = 0;
    for mut row in Row::all(section).into_iter().skip(1) {
        row.line += before + 1;
        limits += 1;
        known.extend(row.code(0));
        let named = check_names(&row, LIMIT_TESTS, tests, report);
        if named == 0 && !row.cells.get(LIMIT_TESTS).is_some_and(|cell| cell.starts_with("none: ")) {
            report.error(Place::line(RELIABILITY, row.line), "names no test, and does not say why there is none");
        }
    }
    for (path, line, name) in limits_of_code(files).into_iter().filter(|(.., name)| !known.contains(name.as_str())) {
        report.error(Place::line(path, line), format!("{name} is not in the table of limits of {RELIABILITY}"));
    }
    limits
}

/// Every limit that the code names: fields of the core's limits, keys of the configuration, and constants.
fn limits_of_code(files: &[TextFile]) -> Vec<(&str, usize, String)> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| SOURCES.iter().any(|source| file.path.starts_with(source))) {
        let code = file.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        for (number, line) in (1..).zip(code.lines().map(str::trim)) {
            let name = match file.path.as_str() {
                CORE_LIMITS => line.strip_prefix("pub ").and_then(|field| field.split_once(": ")).map(|(name, _)| name),
                KEYS => line.strip_prefix("name: \"").and_then(|rest| rest.split('"').next()).filter(|name| {
                    // The others choose; they bound nothing.
                    name.starts_with("limits.") || name.starts_with("presence.") || name.contains("timeout")
                }),
                _ => constant(line),
            };
            // The two structs of limits within each other, and a function.
            if let Some(name) = name.filter(|name| *name != "gears" && !name.contains([' ', '('])) {
                found.push((file.path.as_str(), number, name.to_owned()));
            }
        }
    }
    found
}

/// The name of a constant that bounds something.
fn constant(line: &str) -> Option<&str> {
    let line = ["pub(super) ", "pub(crate) ", "pub "].iter().find_map(|how| line.strip_prefix(how)).unwrap_or(line);
    let name = line.strip_prefix("const ")?.split(':').next()?;
    ["_MAX", "_TIMEOUT"].iter().any(|ending| name.ends_with(ending)).then_some(name)
}

const PLAYS: &str = "crates/herenow-core/tests/scripts/";
const SCENARIOS: &str = "docs/scenarios.md";
const RELIABILITY: &str = "docs/reliability.md";
const LIMITS_HEADING: &str = "\n## Limits\n";
/// The column of the table of limits that names tests; in the other table it is the one before.
const LIMIT_TESTS: usize = 3;
const CORE_LIMITS: &str = "crates/herenow-core/src/limits.rs";
const KEYS: &str = "crates/herenow/src/config/keys.rs";
const SOURCES: &[&str] = &["crates/herenow-core/src/", "crates/herenow-wire/src/", "crates/herenow/src/"];

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    fn errors(scenarios: &str, limits: &str) -> Vec<String> {
        let test = "#[tokio::test]\n#[ignore]\nasync fn t_01_gone() {}\nfn helper() {}\n";
        check(&[
            file("crates/a/tests/b.rs", test),
            file("crates/herenow-core/tests/scripts/two_tabs", ""),
            file("sdk/test/a.test.js", "  test(\"it goes on\", async () => {"),
            file(
                "crates/herenow/src/c.rs",
                "const INBOX_MAX: usize = 1;\n#[cfg(test)]\nmod tests {\nconst X_MAX: u8 = 1;\n}",
            ),
            file(SCENARIOS, scenarios),
            file(
                RELIABILITY,
                &format!("# R\n{LIMITS_HEADING}\n| a | b | c | d |\n|---|---|---|---|\n{limits}\n## Next\n"),
            ),
        ])
        .error_lines()
    }

    const GOOD_SCENARIOS: &str =
        "**2 of 3 hold**\n| T-01, T-02 | x | `t_01_gone`, `two_tabs` |\n| T-03 | y | waits |\n";
    const GOOD_LIMITS: &str = "| `INBOX_MAX` | x | 1 | `two_tabs` |\n";

    #[test]
    fn what_is_named_and_there_is_fine() {
        assert_eq!(errors(GOOD_SCENARIOS, GOOD_LIMITS), [""; 0]);
    }

    #[test]
    fn a_test_that_is_not_there_is_found_in_both_tables() {
        let scenarios = GOOD_SCENARIOS.replace("t_01_gone", "helper");
        assert_eq!(errors(&scenarios, GOOD_LIMITS), ["docs/scenarios.md:2: there is no test helper"]);
        let scenarios = GOOD_SCENARIOS.replace("`t_01_gone`", "\"it goes on\", \"it ends\"");
        assert_eq!(errors(&scenarios, GOOD_LIMITS), ["docs/scenarios.md:2: there is no test it ends"]);
        let limits = GOOD_LIMITS.replace("two_tabs", "three_tabs");
        assert_eq!(errors(GOOD_SCENARIOS, &limits), ["docs/reliability.md:6: there is no test three_tabs"]);
    }

    #[test]
    fn the_count_is_that_of_the_rows_and_each_case_has_one() {
        let scenarios = GOOD_SCENARIOS.replace("2 of 3", "3 of 3");
        assert_eq!(errors(&scenarios, GOOD_LIMITS), ["docs/scenarios.md: does not say **2 of 3 hold**"]);
        let scenarios = GOOD_SCENARIOS.replace("T-03", "T-01");
        assert_eq!(errors(&scenarios, GOOD_LIMITS)[0], "docs/scenarios.md:3: T-01 has a row already");
        let scenarios = GOOD_SCENARIOS.replace("waits", "somewhere");
        assert_eq!(errors(&scenarios, GOOD_LIMITS)[0], "docs/scenarios.md:3: T-03 names no test and waits for nothing");
    }

    #[test]
    fn a_limit_is_in_the_table_with_a_test_or_a_reason() {
        assert_eq!(
            errors(GOOD_SCENARIOS, ""),
            ["crates/herenow/src/c.rs:1: INBOX_MAX is not in the table of limits of docs/reliability.md"]
        );
        assert_eq!(errors(GOOD_SCENARIOS, "| `INBOX_MAX` | x | 1 | none: it is a batch |\n"), [""; 0]);
        assert_eq!(
            errors(GOOD_SCENARIOS, "| `INBOX_MAX` | x | 1 | |\n"),
            ["docs/reliability.md:6: names no test, and does not say why there is none"]
        );
    }
}
