//! Which crate may depend on which.
use crate::{
    report::{Place, Report},
    workspace::Crate,
};

/// Checks every manifest against [`ONLY`] and [`NEVER`].
pub(crate) fn check(crates: &[Crate]) -> Report {
    let mut report = Report::new("crate arrows");
    let mut arrows = 0;
    for Crate { name, folder, dependencies, .. } in crates {
        arrows += dependencies.len();
        let manifest = || Place::file(format!("{folder}/Cargo.toml"));
        for dependency in dependencies {
            let other = dependency.name.as_str();
            let only = ONLY.iter().find(|(from, _)| from == name);
            if let Some((_, allowed)) = only.filter(|_| !dependency.dev)
                && !allowed.contains(&other)
            {
                let allowed = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
                report.error(manifest(), format!("{name} depends on {other}, and may only on {allowed}"));
            }
            for (from, _, why) in NEVER.iter().filter(|(from, to, _)| from == name && to.contains(&other)) {
                report.error(manifest(), format!("{from} depends on {other}: {why}"));
            }
        }
    }
    let known = |name: &&str| crates.iter().any(|found| found.name == **name);
    for name in ONLY.iter().map(|(name, _)| name).chain(NEVER.iter().map(|(name, ..)| name)).filter(|n| !known(n)) {
        report.error(Place::file("Cargo.toml"), format!("there is no crate {name}, which has a rule"));
    }
    let rules = ONLY.len() + NEVER.len();
    report.checked(format!("{} crates, {arrows} dependencies, {rules} rules", crates.len()))
}

/// All that a crate may depend on outside its tests.
const ONLY: &[(&str, &[&str])] =
    &[("herenow-core", &[]), ("herenow-wire", &["herenow-core", "serde", "serde_json", "bytes", "sha1", "base64"])];

/// What a crate may not depend on, in its tests neither, and why.
const NEVER: &[(&str, &[&str], &str)] = &[
    ("herenow-core", &["herenow", "herenow-wire", "herenow-client", "tokio"], "the core decides, without IO or bytes"),
    ("herenow-wire", &["herenow", "tokio", "hyper", "axum"], "the wire is pure"),
    ("herenow-sim", &["herenow", "tokio"], "the simulator runs the hubs on its own clock"),
    ("herenow-client", &["herenow"], "the client is on the other side of the wire"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn planted(name: &str, dependencies: &[(&str, bool)]) -> Vec<Crate> {
        let mut names = vec!["herenow-core", "herenow-wire", "herenow-sim", "herenow-client"];
        names.retain(|other| *other != name);
        let dependencies =
            dependencies.iter().map(|(name, dev)| Dependency { name: (*name).to_owned(), dev: *dev }).collect();
        let with = |name: &str, dependencies| Crate {
            name: name.to_owned(),
            folder: format!("crates/{name}"),
            dependencies,
            examples: Vec::new(),
        };
        let mut crates: Vec<_> = names.into_iter().map(|name| with(name, Vec::new())).collect();
        crates.push(with(name, dependencies));
        crates
    }

    #[test]
    fn core_has_no_dependency_but_may_have_test_helpers() {
        let report = check(&planted("herenow-core", &[("serde", false), ("proptest", true)]));
        let expected = "crates/herenow-core/Cargo.toml: herenow-core depends on serde, and may only on nothing";
        assert_eq!(report.error_lines(), [expected]);
    }

    #[test]
    fn wire_has_no_tokio_in_tests_either() {
        let report = check(&planted("herenow-wire", &[("bytes", false), ("tungstenite", true), ("tokio", true)]));
        let expected = "crates/herenow-wire/Cargo.toml: herenow-wire depends on tokio: the wire is pure";
        assert_eq!(report.error_lines(), [expected]);
    }

    #[test]
    fn simulator_stays_off_the_server() {
        let report = check(&planted("herenow-sim", &[("herenow-core", false), ("herenow", false)]));
        assert_eq!(report.error_lines().len(), 1);
    }

    #[test]
    fn a_rule_about_a_crate_that_is_gone_is_an_error() {
        let report = check(&planted("herenow-core", &[])[1..]);
        assert_eq!(report.error_lines(), ["Cargo.toml: there is no crate herenow-wire, which has a rule"; 2]);
    }
}
