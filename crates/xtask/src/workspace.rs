//! The files and crates of the repository, read once.
use anyhow::{Context, bail, ensure};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What the checks look at.
pub(crate) struct Workspace {
    /// The folder of the repository.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    /// The text files that git tracks or would track, by path.
    pub(crate) files: Vec<TextFile>,
    /// The crates, by name.
    pub(crate) crates: Vec<Crate>,
}

/// One file of text.
#[derive(Clone, Debug)]
pub(crate) struct TextFile {
    /// Its path from the root, with `/` between names.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

/// One crate of the workspace, as its manifest describes it.
#[derive(Clone, Debug)]
pub(crate) struct Crate {
    /// Its name, with hyphens.
    pub(crate) name: String,
    /// The path of its folder from the root.
    pub(crate) folder: String,
    /// The crates that its manifest names.
    pub(crate) dependencies: Vec<Dependency>,
    /// The names of its examples.
    pub(crate) examples: Vec<String>,
}

/// One line of a manifest.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    /// The name of the other crate.
    pub(crate) name: String,
    /// Whether only tests, benches and examples have it.
    pub(crate) dev: bool,
}

impl Workspace {
    /// Reads the repository that this tool was built in.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let metadata = metadata()?;
        let root = metadata["workspace_root"].as_str().context("cargo metadata names no workspace root")?;
        let root = PathBuf::from(root);
        let target = PathBuf::from(text(&metadata, "target_directory")?);
        Ok(Self { files: files(&root)?, crates: crates(&metadata, &root)?, root, target })
    }
}

fn metadata() -> anyhow::Result<Value> {
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(env!("CARGO")).args(arguments).output().context("cannot run cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")
}

/// Files that are not UTF-8 are left out: they are images, and the checks are about text.
fn files(root: &Path) -> anyhow::Result<Vec<TextFile>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"])
        .current_dir(root)
        .output()
        .context("cannot run git ls-files")?;
    ensure!(output.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).context("git lists a path that is not UTF-8")?;
    let mut files = Vec::new();
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        let full = root.join(path);
        // A tracked file that was removed from disk, or a link, has no text of its own.
        if !full.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
            continue;
        }
        let bytes = fs::read(&full).with_context(|| format!("cannot read {path}"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(TextFile { path: path.to_owned(), text });
        }
    }
    if files.is_empty() {
        bail!("git lists no file under {}", root.display());
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn crates(metadata: &Value, root: &Path) -> anyhow::Result<Vec<Crate>> {
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let mut crates = packages.iter().map(|package| one_crate(package, root)).collect::<anyhow::Result<Vec<_>>>()?;
    crates.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(crates)
}

fn one_crate(package: &Value, root: &Path) -> anyhow::Result<Crate> {
    let name = text(package, "name")?;
    let manifest = PathBuf::from(text(package, "manifest_path")?);
    let folder = manifest.parent().and_then(|folder| folder.strip_prefix(root).ok());
    let folder = folder.with_context(|| format!("{name} lies outside the workspace"))?;
    let folder = folder.to_str().with_context(|| format!("the path of {name} is not UTF-8"))?.to_owned();
    let dependencies = package["dependencies"].as_array().map_or(&[][..], Vec::as_slice);
    let dependencies = dependencies
        .iter()
        .map(|line| Ok(Dependency { name: text(line, "name")?, dev: line["kind"] == "dev" }))
        .collect::<anyhow::Result<_>>()?;
    let targets = package["targets"].as_array().map_or(&[][..], Vec::as_slice);
    let is_example =
        |target: &&Value| target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|k| k == "example"));
    let examples =
        targets.iter().filter(is_example).map(|target| text(target, "name")).collect::<anyhow::Result<_>>()?;
    Ok(Crate { name, folder, dependencies, examples })
}

fn text(value: &Value, key: &str) -> anyhow::Result<String> {
    let found = value[key].as_str().with_context(|| format!("cargo metadata has no text at {key:?}"))?;
    Ok(found.to_owned())
}
