//! Tries the properties of the repository on many more cases than its tests do.
use crate::workspace::TextFile;
use anyhow::{Context, ensure};
use std::{path::Path, process::Command};

/// Tries each on so many cases, and prints what came of it; whether all held.
///
/// # Errors
///
/// There is none, one is not run, or the runner of tests cannot be run.
pub(crate) fn run(root: &Path, files: &[TextFile], cases: u32) -> anyhow::Result<bool> {
    let names: Vec<String> = rust(files).flat_map(|file| properties(&file.text)).collect();
    ensure!(!names.is_empty(), "there are no properties");
    let filter: Vec<String> = names.iter().map(|name| format!("test(/(^|::){name}$/)")).collect();
    let output = Command::new("cargo")
        .args(["nextest", "run", "--workspace", "--locked", "--profile", "props", "-E", &filter.join(" + ")])
        .env("PROPTEST_CASES", cases.to_string())
        .current_dir(root)
        .output()
        .context("cannot run cargo nextest")?;
    let told = String::from_utf8_lossy(&output.stderr);
    let (run, passed) = counts(&told).with_context(|| format!("the tests were not run:\n{told}"))?;
    // Two may have one name.
    ensure!(run >= names.len(), "{run} tests were run for {} properties", names.len());
    let failures = run - passed;
    if failures > 0 {
        println!("{told}");
    }
    println!("props: {run} properties × {cases} cases, {failures} failures");
    Ok(failures == 0)
}

fn rust(files: &[TextFile]) -> impl Iterator<Item = &TextFile> {
    files.iter().filter(|file| Path::new(&file.path).extension().is_some_and(|extension| extension == "rs"))
}

/// The properties in a file: the functions within `proptest!`.
fn properties(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    // How far the macro that is being read is indented: what closes it stands below where it began.
    let mut indent = None;
    for line in text.lines() {
        let (depth, line) = (line.len() - line.trim_start().len(), line.trim_start());
        match indent {
            None if line == "proptest! {" => indent = Some(depth),
            Some(from) if depth == from && line == "}" => indent = None,
            Some(_) => {
                let name = line.strip_prefix("fn ").and_then(|rest| rest.split_once('(')).map(|(name, _)| name);
                names.extend(name.map(str::to_owned));
            }
            None => {}
        }
    }
    names
}

/// How many tests were run, and how many passed, by the last line of the runner.
fn counts(told: &str) -> Option<(usize, usize)> {
    let line = told.lines().rev().find(|line| line.trim_start().starts_with("Summary"))?;
    let number = |what| line.split_once(what)?.0.rsplit(' ').next()?.parse().ok();
    Some((number(" tests run").or_else(|| number(" test run"))?, number(" passed")?))
}

#[cfg(test)]
mod tests {
    use super::{counts, properties};

    #[test]
    fn properties_are_the_functions_within_the_macro() {
        let text = "fn before() {}\n    proptest! {\n        #[test]\n        fn holds(a in 0..3) {\n            f();\n        }\n\n        \
                    fn too(\n            b in 0..3,\n        ) {}\n    }\n    fn after() {}\n";
        assert_eq!(properties(text), ["holds", "too"]);
    }

    #[test]
    fn the_last_line_says_how_many_were_run_and_passed() {
        let told =
            "     Summary [   0.147s] 15 tests run: 14 passed (2 slow), 1 failed, 3 skipped\nerror: test run failed\n";
        assert_eq!(counts(told), Some((15, 14)));
        assert_eq!(counts("     Summary [   0.147s] 2 tests run: 0 passed, 2 failed"), Some((2, 0)));
        assert_eq!(counts("error: no tests to run"), None);
    }
}
