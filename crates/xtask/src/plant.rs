//! Plants wrong rules in a copy of the repository, one by one, and sees whether the tests notice.
use crate::plants::{PLANTS, Plant};
use anyhow::{Context, bail, ensure};
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// Plants each rule whose text contains `only`, and prints what became of it; whether each was caught.
///
/// # Errors
///
/// A plant does not apply or does not build, its test does not pass without it, or files cannot be copied.
pub(crate) fn run(root: &Path, target: &Path, only: &str) -> anyhow::Result<bool> {
    let plants: Vec<&Plant> = PLANTS.iter().filter(|plant| plant.rule.contains(only)).collect();
    ensure!(!plants.is_empty(), "no rule contains {only:?}");
    let copy = Copy { tree: target.join("plant/tree"), target: target.join("plant/target") };
    copy.renew(root)?;
    for plant in &plants {
        planted(plant, &fs::read_to_string(root.join(plant.file))?)?;
    }
    // What fails without a plant shows nothing with it.
    for plant in &plants {
        let outcome = copy.test(plant)?;
        ensure!(outcome == Outcome::Passed, "{} does not pass as things are: {outcome:?}", plant.test);
    }
    println!("| planted in the driver | caught by | |\n|---|---|---|");
    let mut caught = 0;
    for plant in &plants {
        let path = copy.tree.join(plant.file);
        let right = fs::read_to_string(&path)?;
        fs::write(&path, planted(plant, &right)?)?;
        let outcome = copy.test(plant);
        fs::write(&path, right)?;
        let word = match outcome? {
            Outcome::Failed => "caught",
            Outcome::Passed => "**NOT caught**",
        };
        caught += usize::from(word == "caught");
        println!("| {} | `{}` | {word} |", plant.rule, plant.test);
    }
    println!("planted in the driver: {caught}/{} caught", plants.len());
    Ok(caught == plants.len())
}

/// The text with the wrong rule in it.
fn planted(plant: &Plant, text: &str) -> anyhow::Result<String> {
    let count = text.matches(plant.find).count();
    ensure!(count == 1, "{:?} is {count} times in {}; renew the plant {:?}", plant.find, plant.file, plant.rule);
    Ok(text.replacen(plant.find, plant.replace, 1))
}

/// What became of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
}

/// A copy of the repository, and where it is built.
struct Copy {
    tree: PathBuf,
    target: PathBuf,
}

impl Copy {
    /// Copies what has changed, so that little has to be built anew.
    fn renew(&self, root: &Path) -> anyhow::Result<()> {
        let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"];
        let output =
            Command::new("git").args(arguments).current_dir(root).output().context("cannot run git ls-files")?;
        ensure!(output.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&output.stderr));
        let listed = String::from_utf8(output.stdout).context("git lists a path that is not UTF-8")?;
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            let (from, to) = (root.join(path), self.tree.join(path));
            let bytes = match fs::read(&from) {
                Ok(bytes) => bytes,
                // Tracked, and removed from disk; or a link to a folder.
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) => continue,
                Err(error) => return Err(error).with_context(|| format!("cannot read {path}")),
            };
            if fs::read(&to).is_ok_and(|known| known == bytes) {
                continue;
            }
            let folder = to.parent().context("a path lies in a folder")?;
            fs::create_dir_all(folder)
                .and_then(|()| fs::write(&to, bytes))
                .with_context(|| format!("cannot copy {path}"))?;
        }
        Ok(())
    }

    /// Runs the test of a plant on the copy as it is now.
    fn test(&self, plant: &Plant) -> anyhow::Result<Outcome> {
        let output = Command::new(env!("CARGO"))
            .args(["nextest", "run", "--profile", "plant", "--locked", "--package", "herenow"])
            .args(plant.build)
            .args(["--run-ignored", "all", "--filterset", &format!("test({})", plant.test)])
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            .output()
            .context("cannot run cargo nextest")?;
        match output.status.code() {
            Some(0) => Ok(Outcome::Passed),
            Some(TESTS_FAILED) => Ok(Outcome::Failed),
            code => {
                let said = String::from_utf8_lossy(&output.stderr);
                let lines: Vec<&str> = said.lines().filter(|line| line.contains("error")).take(10).collect();
                bail!("{:?} cannot be tested (code {code:?}): {}", plant.rule, lines.join("\n"))
            }
        }
    }
}

/// How nextest ends where a test failed, as against a build that failed or no test of that name.
const TESTS_FAILED: i32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    const PLANT: Plant =
        Plant { rule: "No", file: "a.rs", find: "is(1)", replace: "is(2)", build: &["--lib"], test: "it_is" };

    #[test]
    fn a_rule_is_planted_where_it_stands_once() {
        assert_eq!(planted(&PLANT, "if is(1) {}").unwrap(), "if is(2) {}");
        for text in ["if is(3) {}", "is(1) && is(1)"] {
            let error = planted(&PLANT, text).unwrap_err().to_string();
            assert!(error.contains("a.rs") && error.contains("renew the plant"), "{error}");
        }
    }

    #[test]
    fn every_plant_applies_to_the_code_as_it_is() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for plant in PLANTS {
            let text = fs::read_to_string(root.join(plant.file)).unwrap();
            assert_ne!(planted(plant, &text).unwrap(), text);
        }
    }
}
