//! Links from one document of the repository to another file of it.
use crate::{
    report::{Place, Report},
    workspace::TextFile,
};
use std::collections::BTreeSet;

/// Checks every relative link of every Markdown file; addresses elsewhere are not looked up.
pub(crate) fn check(files: &[TextFile]) -> Report {
    let mut report = Report::new("links");
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for file in files {
        // A link may lead to a folder as well.
        known.extend(file.path.match_indices('/').map(|(at, _)| &file.path[..at]));
        known.insert(&file.path);
    }
    let (mut documents, mut count) = (0, 0);
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        documents += 1;
        for (number, line) in (1..).zip(file.text.lines()) {
            for target in targets(line) {
                count += 1;
                if !known.contains(resolve(&file.path, target).as_str()) {
                    report.error(Place::line(&file.path, number), format!("the link to {target} leads nowhere"));
                }
            }
        }
    }
    report.checked(format!("{documents} documents, {count} links within the repository"))
}

/// The files that a line links to, without the heading after `#`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let after = line.match_indices("](").map(|(at, mark)| &line[at + mark.len()..]);
    let inside = after.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let files = inside.map(|target| target.split('#').next().unwrap_or_default());
    files.filter(|file| !file.is_empty() && !file.contains(':') && !file.contains(' '))
}

fn resolve(from: &str, target: &str) -> String {
    let mut path: Vec<&str> = from.split('/').collect();
    path.pop();
    for name in target.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(path.pop()),
            name => path.push(name),
        }
    }
    path.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_links_are_named_and_good_ones_pass() {
        let file = |path: &str, text: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
        let files = [
            file("README.md", "[a](docs/a.md) and [b](docs/b.md#part)\n[c](https://example.org/c.md) [d](#here)"),
            file("docs/a.md", "[up](../README.md), [folder](../docs/), [gone](README.md)"),
        ];
        let report = check(&files);
        let expected =
            ["README.md:1: the link to docs/b.md leads nowhere", "docs/a.md:1: the link to README.md leads nowhere"];
        assert_eq!(report.error_lines(), expected);
        assert!(report.to_string().starts_with("links: 2 documents, 5 links"), "{report}");
    }
}
