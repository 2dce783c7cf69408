//! The servers in Node that herenow is measured beside: their sources are in this program, what they need comes from npm.
use anyhow::{Context, Result, ensure};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Writes the peers into a folder and installs what they need, once. Says where the folder is.
///
/// # Errors
/// Where the folder cannot be written, or npm is not there or fails.
pub fn install(folder: Option<&Path>) -> Result<PathBuf> {
    let folder = match folder {
        Some(folder) => folder.to_owned(),
        None => cache()?,
    };
    install_into(&folder).with_context(|| format!("cannot install peers into {}", folder.display()))?;
    Ok(folder)
}

fn install_into(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (name, text) in FILES {
        fs::write(folder.join(name), text)?;
    }
    // What was installed from this lock file is right; anything else is not.
    let mark = folder.join("installed-lock.json");
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == LOCK) {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--no-progress"]).current_dir(folder).stdin(Stdio::null());
    let output = npm.output().context("cannot run npm; it comes with Node 20 or newer")?;
    ensure!(output.status.success(), "npm ci failed: {}", String::from_utf8_lossy(&output.stderr));
    fs::write(mark, LOCK)?;
    Ok(())
}

/// `herenow/bench-peers` in the cache folder of the user.
fn cache() -> Result<PathBuf> {
    let folder = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    Ok(cache.context("no HOME to keep the peers in; say --peers-folder")?.join("herenow/bench-peers"))
}

const LOCK: &str = include_str!("../peers/package-lock.json");
const FILES: &[(&str, &str)] = &[
    ("package.json", include_str!("../peers/package.json")),
    ("package-lock.json", LOCK),
    ("people.mjs", include_str!("../peers/people.mjs")),
    ("seed.mjs", include_str!("../peers/seed.mjs")),
    ("socketio.mjs", include_str!("../peers/socketio.mjs")),
];
