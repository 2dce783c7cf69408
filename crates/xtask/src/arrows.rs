//! Which module may import which: no cycles in a crate, nothing through its root, and the rules of [`RULES`].
use crate::{
    cycles::{self, Graph},
    modules::{Modules, Target},
    references::NamedPath,
    report::{Place, Report},
    workspace::{Crate, TextFile},
};
use std::collections::BTreeMap;

/// Checks the modules of every crate.
pub(crate) fn check(crates: &[Crate], files: &[TextFile]) -> Report {
    let mut report = Report::new("arrows");
    let (mut modules_count, mut arrows_count) = (0, 0);
    for krate in crates {
        let modules = Modules::read(krate, files, &mut report);
        let arrows = Arrows::of(&modules, &mut report);
        modules_count += modules.iter().count();
        arrows_count += arrows.first_place.len();
        arrows.report_cycles(&modules, &mut report);
        report_rules(krate, &modules, &mut report);
    }
    let crates = crates.len();
    let rules = RULES.len();
    report
        .checked(format!("{crates} crates, {modules_count} modules, {arrows_count} arrows between them, {rules} rules"))
}

/// The arrows between the modules of one crate, tests left out, each with the first place that makes it.
struct Arrows<'a> {
    graph: Graph<&'a [String]>,
    first_place: BTreeMap<(&'a [String], Vec<String>), Place>,
}

impl<'a> Arrows<'a> {
    /// Collects them, and reports what is imported through the root.
    fn of(modules: &'a Modules, report: &mut Report) -> Self {
        let paths: BTreeMap<&[String], &[String]> = modules.iter().map(|(path, _)| (path, path)).collect();
        let mut arrows = Self { graph: Graph::new(), first_place: BTreeMap::new() };
        for (from, module) in modules.iter() {
            for path in &module.scan.paths {
                let place = Place::line(&module.file, path.line);
                match modules.resolve(from, path) {
                    Target::Root if !from.is_empty() => {
                        let name = path.segments.join("::");
                        report.error(place, format!("{name} is imported through the crate root; name its module"));
                    }
                    Target::Module(to) if to != from && !path.test => {
                        arrows.graph.entry(from).or_default().insert(paths[to.as_slice()]);
                        arrows.first_place.entry((from, to)).or_insert(place);
                    }
                    Target::Root | Target::Module(_) | Target::Elsewhere => {}
                }
            }
        }
        arrows
    }

    fn report_cycles(&self, modules: &Modules, report: &mut Report) {
        for cycle in cycles::find(&self.graph) {
            let steps = cycle.iter().zip(cycle.iter().cycle().skip(1));
            let steps = steps.map(|(from, to)| {
                let place = &self.first_place[&(*from, to.to_vec())];
                format!("{} imports {} at {place}", display(from), display(to))
            });
            let steps: Vec<_> = steps.collect();
            report.error(Place::file(modules.file(cycle[0])), format!("import cycle: {}", steps.join(", ")));
        }
    }
}

fn report_rules(krate: &Crate, modules: &Modules, report: &mut Report) {
    for rule in RULES.iter().filter(|rule| rule.krate == krate.name) {
        for (from, module) in modules.iter().filter(|(from, _)| from.iter().any(|segment| segment == rule.from)) {
            for path in &module.scan.paths {
                if rule.forbids(modules, from, path) {
                    let place = Place::line(&module.file, path.line);
                    let name = path.segments.join("::");
                    report.error(place, format!("{} imports {name}: {}", display(from), rule.why));
                }
            }
        }
    }
}

/// One thing that some modules never import.
struct Rule {
    krate: &'static str,
    /// The rule holds for every module with this segment in its path.
    from: &'static str,
    /// Modules of the same crate with one of these segments in their path.
    never_own: &'static [&'static str],
    /// Paths into other crates that begin so.
    never_other: &'static [&'static str],
    why: &'static str,
}

impl Rule {
    fn forbids(&self, modules: &Modules, from: &[String], path: &NamedPath) -> bool {
        match modules.resolve(from, path) {
            Target::Module(to) => to.iter().any(|segment| self.never_own.contains(&segment.as_str())),
            Target::Root => false,
            Target::Elsewhere => {
                let name = path.segments.join("::");
                self.never_other.iter().any(|never| name == *never || name.starts_with(&format!("{never}::")))
            }
        }
    }
}

const RULES: &[Rule] = &[
    Rule {
        krate: "herenow-wire",
        from: "board",
        never_own: &["native"],
        never_other: &[],
        why: "a dialect never depends on another",
    },
    Rule {
        krate: "herenow-wire",
        from: "native",
        never_own: &["board"],
        never_other: &[],
        why: "a dialect never depends on another",
    },
    Rule {
        krate: "herenow",
        from: "transport",
        never_own: &["hub"],
        never_other: &["herenow_core::hub"],
        why: "a transport carries, and never touches a hub",
    },
    Rule {
        krate: "herenow",
        from: "cluster",
        never_own: &["transport"],
        never_other: &["herenow_wire::board", "herenow_wire::native"],
        why: "the cluster speaks no client dialect",
    },
];

fn display(module: &[String]) -> String {
    if module.is_empty() { "the crate root".to_owned() } else { module.join("::") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(name: &str, files: &[(&str, &str)]) -> Report {
        let folder = format!("crates/{name}");
        let file =
            |(path, text): &(&str, &str)| TextFile { path: format!("{folder}/src/{path}"), text: (*text).to_owned() };
        let files: Vec<_> = files.iter().map(file).collect();
        let krate = Crate { name: name.to_owned(), folder, dependencies: Vec::new(), examples: Vec::new() };
        check(&[krate], &files)
    }

    #[test]
    fn a_tree_passes() {
        let files = [
            ("lib.rs", "pub mod a; pub mod b; pub use a::A;"),
            ("a.rs", "use crate::b::B; pub mod inner;"),
            ("a/inner.rs", "use crate::b::C;"),
            ("b.rs", "pub struct B; #[cfg(test)] mod tests { use super::*; use crate::a::A; }"),
        ];
        let report = check_one("planted", &files);
        assert_eq!(report.error_lines(), [""; 0]);
        assert!(report.to_string().starts_with("arrows: 1 crates, 4 modules, 3 arrows between them"), "{report}");
    }

    #[test]
    fn a_planted_cycle_is_caught_with_its_lines() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "\nfn f() { crate::c::g() }"),
            ("c.rs", "\n\nuse super::a::A;"),
        ];
        let expected = "crates/planted/src/a.rs: import cycle: a imports b at crates/planted/src/a.rs:1, \
                        b imports c at crates/planted/src/b.rs:2, c imports a at crates/planted/src/c.rs:3";
        assert_eq!(check_one("planted", &files).error_lines(), [expected]);
    }

    #[test]
    fn a_parent_that_uses_a_child_that_uses_it_is_a_cycle() {
        let files = [
            ("lib.rs", "mod a;"),
            ("a.rs", "mod inner; pub fn f() { inner::g() } pub struct A;"),
            ("a/inner.rs", "use super::A; pub fn g() {}"),
        ];
        assert_eq!(check_one("planted", &files).error_lines().len(), 1);
    }

    #[test]
    fn imports_through_the_root_are_caught() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use b::B; #[cfg(test)] mod tests { use super::*; }"),
            ("a.rs", "use crate::B;\nuse super::{b::B as C, *};\nfn f() { crate::helper() }"),
            ("b.rs", "pub struct B;"),
        ];
        let expected = [
            "crates/planted/src/a.rs:1: crate::B is imported through the crate root; name its module",
            "crates/planted/src/a.rs:2: super::* is imported through the crate root; name its module",
            "crates/planted/src/a.rs:3: crate::helper is imported through the crate root; name its module",
        ];
        assert_eq!(check_one("planted", &files).error_lines(), expected);
    }

    #[test]
    fn one_dialect_never_imports_another() {
        let files = [
            ("lib.rs", "pub mod board; pub mod native;"),
            ("board/decode.rs", "use crate::native::encode::Frame;"),
            ("board.rs", "mod decode;"),
            ("native.rs", "pub mod encode;"),
            ("native/encode.rs", "#[cfg(test)] mod tests { use crate::board::decode::f; }"),
        ];
        let expected = [
            "crates/herenow-wire/src/board/decode.rs:1: board::decode imports crate::native::encode::Frame: \
             a dialect never depends on another",
            "crates/herenow-wire/src/native/encode.rs:1: native::encode imports crate::board::decode::f: \
             a dialect never depends on another",
        ];
        assert_eq!(check_one("herenow-wire", &files).error_lines(), expected);
    }

    #[test]
    fn a_transport_never_touches_a_hub() {
        let files = [
            ("lib.rs", "mod transport;"),
            ("transport.rs", "mod ws;"),
            ("transport/ws.rs", "use herenow_core::{hub::Hub, id::RoomId};"),
        ];
        let expected = "crates/herenow/src/transport/ws.rs:1: transport::ws imports herenow_core::hub::Hub: \
                        a transport carries, and never touches a hub";
        assert_eq!(check_one("herenow", &files).error_lines(), [expected]);
    }

    #[test]
    fn what_is_no_rust_is_an_error() {
        assert_eq!(check_one("planted", &[("lib.rs", "fn f( {")]).error_lines().len(), 1);
    }
}
