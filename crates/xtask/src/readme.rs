//! The commands of README.md: whoever follows it must not meet one that does not exist.
use crate::{
    report::{Place, Report},
    workspace::Workspace,
};

/// Checks each line of the blocks that are fenced as ```` ```sh ````.
pub(crate) fn check(workspace: &Workspace) -> Report {
    let mut report = Report::new("readme");
    let mut count = 0;
    let readme = workspace.files.iter().find(|file| file.path == PATH);
    for (number, line) in readme.map_or_else(Vec::new, |file| shell_lines(&file.text)) {
        count += 1;
        if let Err(problem) = check_line(line, workspace) {
            report.error(Place::line(PATH, number), problem);
        }
    }
    if readme.is_none() {
        report.error(Place::file(PATH), "there is none");
    }
    report.checked(format!("{count} commands"))
}

/// The command lines with their numbers: no comment, no empty line, and no line that goes on from the one before.
fn shell_lines(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let (mut inside, mut goes_on) = (false, false);
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            inside = !inside && line.trim() == "```sh";
            goes_on = false;
            continue;
        }
        let command = line.trim();
        if inside && !goes_on && !command.is_empty() && !command.starts_with('#') {
            found.push((number, command));
        }
        goes_on = inside && command.ends_with('\\');
    }
    found
}

fn check_line(line: &str, workspace: &Workspace) -> Result<(), String> {
    let is_variable =
        |word: &&str| word.split_once('=').is_some_and(|(name, _)| !name.is_empty() && !name.starts_with('-'));
    let words: Vec<_> = line.split_whitespace().skip_while(is_variable).take_while(|word| *word != "#").collect();
    let (command, rest) = words.split_first().ok_or("sets variables and runs nothing")?;
    match *command {
        "cargo" => check_cargo(rest, workspace),
        "herenow" => check_herenow(rest),
        command if PROGRAMS.contains(&command) => Ok(()),
        command if is_known_path(command, workspace) => Ok(()),
        command => Err(format!("{command} is no program that the readme may ask for, and no file of the repository")),
    }
}

fn check_cargo(words: &[&str], workspace: &Workspace) -> Result<(), String> {
    let own = words.split(|word| *word == "--").next().unwrap_or_default();
    let command = own.iter().find(|word| !word.starts_with('-')).ok_or("cargo without a command")?;
    if *command == "xtask" {
        let check = own.iter().skip_while(|word| *word != command).nth(1).copied().unwrap_or_default();
        return if XTASKS.contains(&check) { Ok(()) } else { Err(format!("there is no cargo xtask {check}")) };
    }
    if !CARGO.contains(command) {
        return Err(format!("cargo {command} is not among the known commands: {}", CARGO.join(", ")));
    }
    for pair in own.windows(2) {
        let known = match pair[0] {
            "-p" | "--package" => workspace.crates.iter().any(|krate| krate.name == pair[1]),
            "--example" => workspace.crates.iter().any(|krate| krate.examples.iter().any(|name| name == pair[1])),
            _ => true,
        };
        if !known {
            return Err(format!("there is no {}", pair[1]));
        }
    }
    Ok(())
}

/// The binary itself: by its subcommands, and alone or with flags.
fn check_herenow(words: &[&str]) -> Result<(), String> {
    match words.first() {
        Some(word) if !word.starts_with('-') && !HERENOW.contains(word) => Err(format!("there is no herenow {word}")),
        Some(_) | None => Ok(()),
    }
}

/// A script of the repository, or what a build leaves in `target`.
fn is_known_path(command: &str, workspace: &Workspace) -> bool {
    let path = command.strip_prefix("./").unwrap_or(command);
    command.contains('/') && (path.starts_with("target/") || workspace.files.iter().any(|file| file.path == path))
}

const PATH: &str = "README.md";
const PROGRAMS: &[&str] = &["cd", "curl", "docker", "export", "git", "node", "npm", "npx", "openssl", "python3"];
const CARGO: &[&str] = &["add", "bench", "build", "clippy", "doc", "fmt", "install", "nextest", "run", "test"];
const HERENOW: &[&str] = &["serve", "token"];
const XTASKS: &[&str] = &["arrows", "check", "fixtures", "links", "lint", "named", "plant", "readme", "sizes"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Crate, TextFile};
    use std::path::PathBuf;

    fn errors(readme: &str) -> Vec<String> {
        let file = |path: &str, text: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
        let herenow = Crate {
            name: "herenow".to_owned(),
            folder: "crates/herenow".to_owned(),
            dependencies: Vec::new(),
            examples: vec!["echo".to_owned()],
        };
        let files = vec![file("README.md", readme), file("test", "")];
        check(&Workspace { root: PathBuf::new(), target: PathBuf::new(), files, crates: vec![herenow] }).error_lines()
    }

    #[test]
    fn known_commands_pass() {
        let readme = "```sh\ncargo run --release\nHERENOW_PORT=1 cargo run -p herenow --example echo -- --no such\n\
                      ./test rust  # one part\nherenow\nherenow --dev\nherenow token --user a\n\
                      cargo xtask check\ncurl -X POST \\\n  -d x\n```\n\n```json\nnonsense\n```\n";
        assert_eq!(errors(readme), [""; 0]);
    }

    #[test]
    fn unknown_commands_are_named_with_their_lines() {
        let readme = "# A\n```sh\n./tests\nherenow sing\ncargo xtask sing\ncargo run --example none\ncargo run -p none\ncargo leave\n```\n";
        let expected = [
            "README.md:3: ./tests is no program that the readme may ask for, and no file of the repository",
            "README.md:4: there is no herenow sing",
            "README.md:5: there is no cargo xtask sing",
            "README.md:6: there is no none",
            "README.md:7: there is no none",
            "README.md:8: cargo leave is not among the known commands: \
             add, bench, build, clippy, doc, fmt, install, nextest, run, test",
        ];
        assert_eq!(errors(readme), expected);
    }
}
