//! How long files and functions are, and how large a binary is.
use crate::{
    references,
    report::{Place, Report},
    workspace::TextFile,
};
use anyhow::Context;
use std::path::Path;

/// Checks the length of every Rust and JavaScript file, and of every Rust function.
///
/// Tests may be long and dull: files under a `tests` folder, and the tests at the foot of a Rust file, do not count.
pub(crate) fn check(files: &[TextFile]) -> Report {
    check_but(files, EXEMPT)
}

fn check_but(files: &[TextFile], exempt: &[Exempt]) -> Report {
    let mut report = Report::new("sizes");
    let (mut measured, mut functions) = (0, 0);
    for file in files.iter().filter(|file| is_code(&file.path)) {
        measured += 1;
        check_length(file, exempt, &mut report);
        if !file.path.ends_with(".rs") {
            continue;
        }
        // What does not scan is reported by the arrows.
        for function in references::scan(&file.text).unwrap_or_default().functions {
            functions += 1;
            if function.lines > FUNCTION_LINES_WARN && !function.test {
                let text =
                    format!("fn {} has {} lines, more than {FUNCTION_LINES_WARN}", function.name, function.lines);
                report.warning(Place::line(&file.path, function.line), text);
            }
        }
    }
    for (path, _) in exempt {
        match files.iter().find(|file| file.path == *path) {
            Some(file) if code_lines(file) > FILE_LINES_MAX => {}
            Some(_) | None => report.error(Place::file(*path), "is exempt from the limit, and need not be"),
        }
    }
    report.checked(format!("{measured} files, {functions} functions, {} exemptions", exempt.len()))
}

/// Checks that a binary weighs at most `max_mb` MB of 1,000,000 bytes.
///
/// # Errors
///
/// The file cannot be read.
pub(crate) fn check_binary(path: &Path, max_mb: u64) -> anyhow::Result<Report> {
    let bytes = path.metadata().with_context(|| format!("cannot weigh {}", path.display()))?.len();
    let mut report = Report::new("binary size");
    if bytes > max_mb * 1_000_000 {
        report.error(Place::file(path.display().to_string()), format!("weighs {bytes} bytes, more than {max_mb} MB"));
    }
    Ok(report.checked(format!("{} weighs {bytes} bytes of at most {max_mb} MB", path.display())))
}

fn check_length(file: &TextFile, exempt: &[Exempt], report: &mut Report) {
    let lines = code_lines(file);
    if lines > FILE_LINES_MAX && !exempt.iter().any(|(path, _)| *path == file.path) {
        let text = format!("has {lines} lines, more than {FILE_LINES_MAX}; look for a second idea in it");
        report.error(Place::file(&file.path), text);
    } else if lines > FILE_LINES_WARN && lines <= FILE_LINES_MAX {
        report.warning(Place::file(&file.path), format!("has {lines} lines, more than {FILE_LINES_WARN}"));
    }
}

fn is_code(path: &str) -> bool {
    let code = [".rs", ".js", ".mjs"].iter().any(|ending| path.ends_with(ending));
    code && !path.split('/').any(|folder| folder == "tests")
}

fn code_lines(file: &TextFile) -> usize {
    let lines = file.text.lines();
    if !file.path.ends_with(".rs") {
        return lines.count();
    }
    let lines: Vec<_> = lines.collect();
    let tests = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "));
    tests.unwrap_or(lines.len())
}

const FILE_LINES_MAX: usize = 500;
const FILE_LINES_WARN: usize = 400;
const FUNCTION_LINES_WARN: usize = 100;

/// A file, and why it may be longer.
type Exempt = (&'static str, &'static str);

/// Files that may be longer, each with the reason: a generated table, or a list of uniform items.
const EXEMPT: &[Exempt] = &[("crates/herenow/src/config/keys.rs", "the table of all keys")];

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: String) -> TextFile {
        TextFile { path: path.to_owned(), text }
    }

    #[test]
    fn a_long_file_fails_and_a_longish_one_warns() {
        let files = [
            file("crates/a/src/lib.rs", "//\n".repeat(501)),
            file("crates/a/src/b.rs", "//\n".repeat(401)),
            file("web/demo/c.js", "//\n".repeat(501)),
            file("docs/d.md", "x\n".repeat(501)),
            file("crates/a/tests/e.rs", "//\n".repeat(501)),
        ];
        let report = check_but(&files, &[]);
        let long = "has 501 lines, more than 500; look for a second idea in it";
        let expected = [format!("crates/a/src/lib.rs: {long}"), format!("web/demo/c.js: {long}")];
        assert_eq!(report.error_lines(), expected);
        assert_eq!(report.warning_lines(), ["crates/a/src/b.rs: has 401 lines, more than 400"]);
    }

    #[test]
    fn tests_at_the_foot_do_not_count() {
        let text = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "//\n".repeat(400), "//\n".repeat(400));
        let report = check_but(&[file("crates/a/src/lib.rs", text)], &[]);
        assert!(report.passed());
        assert_eq!(report.warning_lines(), [""; 0]);
    }

    #[test]
    fn a_long_function_warns() {
        let body = "    x();\n".repeat(99);
        let text = format!("//! A.\nfn longish() {{\n{body}}}\nfn long() {{\n{body}{body}}}\nfn short() {{}}\n");
        let report = check_but(&[file("crates/a/src/lib.rs", text)], &[]);
        let expected = [
            "crates/a/src/lib.rs:2: fn longish has 101 lines, more than 100",
            "crates/a/src/lib.rs:103: fn long has 200 lines, more than 100",
        ];
        assert_eq!(report.warning_lines(), expected);
    }

    #[test]
    fn a_heavy_binary_fails() {
        let binary = std::env::current_exe().unwrap();
        assert!(!check_binary(&binary, 0).unwrap().passed());
        assert!(check_binary(&binary, 10_000).unwrap().passed());
        assert!(check_binary(Path::new("no such file"), 1).is_err());
    }
}
