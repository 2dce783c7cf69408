//! The modules of a crate, and which of them a path leads to.
use crate::{
    references::{self, NamedPath, Scan},
    report::{Place, Report},
    workspace::{Crate, TextFile},
};
use std::collections::BTreeMap;

/// The modules of one crate that have a file of their own, by path; the root is the empty path.
pub(crate) struct Modules {
    by_path: BTreeMap<Vec<String>, Module>,
}

/// One module: a file under `src`.
pub(crate) struct Module {
    /// The path of its file from the root of the repository.
    pub(crate) file: String,
    /// What the file holds.
    pub(crate) scan: Scan,
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// To a module of the same crate, or something in it.
    Module(Vec<String>),
    /// To the root of the same crate, or something defined or re-exported there.
    Root,
    /// Out of the crate.
    Elsewhere,
}

impl Modules {
    /// Reads the modules of a crate; a file that is no Rust is an error in the report.
    ///
    /// Beside a `lib.rs`, `main.rs` and the files of `src/bin` are crates of their own, and left out.
    pub(crate) fn read(krate: &Crate, files: &[TextFile], report: &mut Report) -> Self {
        let source = format!("{}/src/", krate.folder);
        let has_lib = files.iter().any(|file| file.path == format!("{source}lib.rs"));
        let mut by_path = BTreeMap::new();
        for TextFile { path: file, text } in files {
            let Some(name) = file.strip_prefix(&source).and_then(|rest| rest.strip_suffix(".rs")) else { continue };
            if name.starts_with("bin/") || (name == "main" && has_lib) {
                continue;
            }
            match references::scan(text) {
                Ok(scan) => drop(by_path.insert(module_path(name), Module { file: file.clone(), scan })),
                Err(error) => report.error(Place::file(file), error),
            }
        }
        Self { by_path }
    }

    /// The modules with their paths, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[String], &Module)> {
        self.by_path.iter().map(|(path, module)| (path.as_slice(), module))
    }

    /// The file of a module that [`Self::resolve`] named.
    pub(crate) fn file(&self, module: &[String]) -> &str {
        self.by_path.get(module).map_or("", |module| &module.file)
    }

    /// Says where a path leads that the module `from` names.
    pub(crate) fn resolve(&self, from: &[String], path: &NamedPath) -> Target {
        let mut absolute: Vec<String> = from.iter().chain(&path.scope).cloned().collect();
        let mut rest = path.segments.as_slice();
        match rest[0].as_str() {
            "crate" => {
                absolute.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {}
            // A name of an own child module may start a path; every other name is a crate, or came from a `use`.
            child => {
                absolute.push(child.to_owned());
                if !path.scope.is_empty() || !self.by_path.contains_key(&absolute) {
                    return Target::Elsewhere;
                }
                rest = &rest[1..];
            }
        }
        while let Some(("super", more)) = rest.split_first().map(|(first, more)| (first.as_str(), more)) {
            absolute.pop();
            rest = more;
        }
        absolute.extend(rest.iter().cloned());
        while !absolute.is_empty() && !self.by_path.contains_key(&absolute) {
            absolute.pop();
        }
        if absolute.is_empty() { Target::Root } else { Target::Module(absolute) }
    }
}

fn module_path(name: &str) -> Vec<String> {
    let mut path: Vec<String> = name.split('/').map(str::to_owned).collect();
    if path == ["lib"] || path == ["main"] || path.last().is_some_and(|last| last == "mod") {
        path.pop();
    }
    path
}
