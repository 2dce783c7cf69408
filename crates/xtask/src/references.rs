//! Finds the paths that a Rust file names, and its functions.
//!
//! It walks tokens rather than a syntax tree, so that a path inside a macro call counts like any other, and a file
//! needs no name resolution. Comments, strings and doc comments are no tokens or literals, and never match.
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// What one file holds.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Every path of two segments or more, and every single name in a `use`, in order.
    pub(crate) paths: Vec<NamedPath>,
    /// Every function with a body.
    pub(crate) functions: Vec<Function>,
}

/// A path as it is written, with the groups of a `use` taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedPath {
    /// Its segments. The first may be `crate`, `super` or `self`; the last is `*` for a glob.
    pub(crate) segments: Vec<String>,
    /// The inline modules around it, outermost first.
    pub(crate) scope: Vec<String>,
    /// The line of its last segment, from 1.
    pub(crate) line: usize,
    /// Whether only test builds have it.
    pub(crate) test: bool,
}

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// The line of its `fn`, from 1.
    pub(crate) line: usize,
    /// How many lines it takes, from `fn` to the closing brace.
    pub(crate) lines: usize,
    /// Whether only test builds have it.
    pub(crate) test: bool,
}

/// Scans the text of one Rust file.
///
/// # Errors
///
/// The text is no sequence of Rust tokens.
pub(crate) fn scan(text: &str) -> Result<Scan, String> {
    let tokens: TokenStream = text.parse().map_err(|error| format!("no Rust tokens: {error}"))?;
    let mut scan = Scan::default();
    scan.walk(&collect(tokens), &Surroundings::default());
    Ok(scan)
}

#[derive(Clone, Default)]
struct Surroundings {
    scope: Vec<String>,
    test: bool,
}

impl Scan {
    fn walk(&mut self, tokens: &[TokenTree], around: &Surroundings) {
        let mut around = around.clone();
        let outer_test = around.test;
        let mut at = 0;
        while at < tokens.len() {
            if let Some(attribute) = attribute(tokens, at) {
                around.test |= marks_test(attribute);
                // An inner attribute is about all that follows; an outer one about the next item only.
                at += if is_punct(tokens.get(at + 1), '!') { 3 } else { 2 };
                continue;
            }
            match &tokens[at] {
                // `use<'a>` in a return type names no path.
                TokenTree::Ident(ident) if ident == "use" && !is_punct(tokens.get(at + 1), '<') => {
                    let end = (at..tokens.len()).find(|at| is_punct(tokens.get(*at), ';')).unwrap_or(tokens.len());
                    self.use_tree(&tokens[at + 1..end], &[], &around);
                    at = end;
                    continue;
                }
                TokenTree::Ident(ident) if ident == "mod" => {
                    if let (Some(TokenTree::Ident(name)), Some(body)) = (tokens.get(at + 1), braces(tokens, at + 2)) {
                        let mut inside = around.clone();
                        inside.scope.push(name.to_string());
                        self.walk(&collect(body.stream()), &inside);
                        around.test = outer_test;
                        at += 3;
                        continue;
                    }
                }
                TokenTree::Ident(ident) if ident == "pub" && is_visibility(tokens.get(at + 1)) => {
                    at += 2;
                    continue;
                }
                TokenTree::Ident(ident) => {
                    if ident == "fn" {
                        self.function(tokens, at, around.test);
                    }
                    let (path, next) = path(tokens, at, &around);
                    self.paths.extend(path.filter(|path| path.segments.len() > 1));
                    at = next;
                    continue;
                }
                TokenTree::Group(group) => {
                    self.walk(&collect(group.stream()), &around);
                    if group.delimiter() == Delimiter::Brace {
                        around.test = outer_test;
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => around.test = outer_test,
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            at += 1;
        }
    }

    /// Takes apart what stands between `use` and `;`, or inside braces there.
    fn use_tree(&mut self, tokens: &[TokenTree], prefix: &[String], around: &Surroundings) {
        for branch in tokens.split(|token| is_punct(Some(token), ',')) {
            let mut segments = prefix.to_vec();
            let mut line = 0;
            for token in branch {
                match token {
                    TokenTree::Ident(ident) if ident == "as" => break,
                    TokenTree::Ident(ident) => {
                        line = ident.span().start().line;
                        segments.push(ident.to_string());
                    }
                    TokenTree::Punct(star) if star.as_char() == '*' => {
                        line = star.span().start().line;
                        segments.push("*".to_owned());
                    }
                    TokenTree::Group(group) => self.use_tree(&collect(group.stream()), &segments, around),
                    TokenTree::Punct(_) | TokenTree::Literal(_) => {}
                }
            }
            if line > 0 && !matches!(branch.last(), Some(TokenTree::Group(_))) {
                if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
                    segments.pop();
                }
                self.paths.push(NamedPath { segments, scope: around.scope.clone(), line, test: around.test });
            }
        }
    }

    fn function(&mut self, tokens: &[TokenTree], at: usize, test: bool) {
        let Some(TokenTree::Ident(name)) = tokens.get(at + 1) else { return };
        let end = |at: &usize| is_punct(tokens.get(*at), ';') || braces(tokens, *at).is_some();
        let Some(body) = (at..tokens.len()).find(end).and_then(|at| braces(tokens, at)) else { return };
        let line = tokens[at].span().start().line;
        let lines = body.span_close().end().line - line + 1;
        self.functions.push(Function { name: name.to_string(), line, lines, test });
    }
}

/// Reads the path that starts at an identifier, and says where to go on. A path that follows `::` began elsewhere.
fn path(tokens: &[TokenTree], start: usize, around: &Surroundings) -> (Option<NamedPath>, usize) {
    let mut segments = Vec::new();
    let mut line = 0;
    let mut at = start;
    while let Some(TokenTree::Ident(ident)) = tokens.get(at) {
        segments.push(ident.to_string());
        line = ident.span().start().line;
        at += 1;
        if !is_path_separator(tokens, at) || !matches!(tokens.get(at + 2), Some(TokenTree::Ident(_))) {
            break;
        }
        at += 2;
    }
    let continues = start >= 2 && is_path_separator(tokens, start - 2);
    let path = NamedPath { segments, scope: around.scope.clone(), line, test: around.test };
    ((!continues).then_some(path), at)
}

/// The brackets of the attribute that starts at a `#`.
fn attribute(tokens: &[TokenTree], at: usize) -> Option<&Group> {
    if !is_punct(tokens.get(at), '#') {
        return None;
    }
    let at = if is_punct(tokens.get(at + 1), '!') { at + 2 } else { at + 1 };
    match tokens.get(at) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => Some(group),
        _ => None,
    }
}

/// Whether an attribute is `test`, `tokio::test`, or a `cfg` that asks for tests.
fn marks_test(attribute: &Group) -> bool {
    let text: String = attribute.stream().to_string().split_whitespace().collect();
    text == "test" || text.ends_with("::test") || text.contains("::test(") || {
        text.starts_with("cfg(") && !text.contains("not(test") && text.split(['(', ')', ',']).any(|word| word == "test")
    }
}

fn is_visibility(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}

fn is_punct(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

fn braces(tokens: &[TokenTree], at: usize) -> Option<&Group> {
    match tokens.get(at) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => Some(group),
        _ => None,
    }
}

fn collect(tokens: TokenStream) -> Vec<TokenTree> {
    tokens.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        scan(text).unwrap().paths.iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn groups_of_a_use_are_taken_apart() {
        let text = "use crate::{a::B, c::{self, D as E}, f::*};\nuse std::fmt;\npub(crate) use super::g;";
        let expected = ["crate::a::B", "crate::c", "crate::c::D", "crate::f::*", "std::fmt", "super::g"];
        assert_eq!(paths(text), expected);
    }

    #[test]
    fn paths_in_code_and_in_macro_calls_count() {
        let text =
            "fn f(x: crate::a::B<crate::c::D>) { println!(\"{}\", crate::e::f::<u8>()); crate::g!(); x::<u8>(); }
                    fn g() -> impl Sized + use<'static> { crate::h::i() }";
        assert_eq!(paths(text), ["crate::a::B", "crate::c::D", "crate::e::f", "crate::g", "crate::h::i"]);
    }

    #[test]
    fn comments_strings_and_visibilities_do_not_count() {
        let text =
            "//! [`crate::a::B`]\n/// crate::a::B\npub(in crate::c) fn f() { /* crate::a::B */ \"crate::a::B\"; }";
        assert_eq!(paths(text), [""; 0]);
    }

    #[test]
    fn scope_line_and_test_are_known() {
        let text = "use crate::a;\n#[cfg(test)]\nmod tests {\n  use super::*;\n}\nmod b { use crate::c; }";
        let found = scan(text).unwrap().paths;
        let flat: Vec<_> = found.iter().map(|path| (path.scope.join("::"), path.line, path.test)).collect();
        let expected = [(String::new(), 1, false), ("tests".to_owned(), 4, true), ("b".to_owned(), 6, false)];
        assert_eq!(flat, expected);
    }

    #[test]
    fn a_test_attribute_ends_with_its_item() {
        let text = "#[cfg(test)]\nuse crate::a;\n#[test]\nfn f() { crate::b::c(); }\n#[cfg(not(test))]\nuse crate::d;";
        let tests: Vec<_> = scan(text).unwrap().paths.iter().map(|path| path.test).collect();
        assert_eq!(tests, [true, true, false]);
    }

    #[test]
    fn functions_are_measured_from_head_to_brace() {
        let text = "trait T { fn open(); }\nfn long(\n  x: u8,\n) -> u8 {\n  x\n}";
        let expected = Function { name: "long".to_owned(), line: 2, lines: 5, test: false };
        assert_eq!(scan(text).unwrap().functions, [expected]);
    }

    #[test]
    fn what_is_no_rust_is_an_error() {
        assert!(scan("fn f( {").is_err());
    }
}
