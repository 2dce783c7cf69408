//! What the command line takes, and what its commands answer.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, as tests may")]

use clap::{CommandFactory, Parser};
use herenow::auth::api_key::ApiKey;
use herenow::cli::{Cli, Command};
use herenow::config::{load::Loaded, mode::Mode};
use herenow::outcome::{FAILURE, Failure, Outcome, USAGE};
use std::{fs, path::Path};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: u64 = 1_900_000_000;

fn secret() -> Vec<(String, String)> {
    vec![("HERENOW_SECRET".into(), SECRET.into())]
}

fn parse(args: &[&str]) -> Result<Command, clap::Error> {
    Cli::try_parse_from([&["herenow"], args].concat()).map(Cli::into_command)
}

fn prepare(args: &[&str], variables: Vec<(String, String)>) -> Result<(Loaded, Mode), Failure> {
    match parse(args).expect("these arguments are good") {
        Command::Serve(serve) => serve.prepare(variables),
        Command::Token(_) | Command::Config(_) | Command::Key(_) => panic!("{args:?} is no serve"),
    }
}

fn token(args: &[&str], variables: Vec<(String, String)>) -> Result<Outcome, Failure> {
    token_at(args, variables, NOW)
}

fn token_at(args: &[&str], variables: Vec<(String, String)>, now: u64) -> Result<Outcome, Failure> {
    match parse(&[&["token"], args].concat()).expect("these arguments are good") {
        Command::Token(token) => token.run(variables, now),
        Command::Serve(_) | Command::Config(_) | Command::Key(_) => panic!("{args:?} is no token"),
    }
}

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn a_key_comes_with_the_line_that_configures_it() {
    let Ok(Command::Key(key)) = parse(&["key", "--name", "back-end", "--can", "read,admin"]) else { panic!("a key") };
    let (key, note) = key.run().unwrap();
    let line = note.lines().find_map(|line| line.trim().strip_prefix("HERENOW_AUTH__API_KEYS=")).unwrap();
    let configured = ApiKey::parse(line).unwrap();
    assert_eq!((configured.name.as_str(), configured.rights.to_string().as_str()), ("back-end", "read+admin"));
    assert!(ApiKey::find(&[configured], &key).is_some() && !note.contains(&key));
    let variables = vec![("HERENOW_AUTH__API_KEYS".to_owned(), line.to_owned())];
    assert_eq!(prepare(&[], variables).unwrap().0.config.auth.api_keys.len(), 1);
    let raw = prepare(&[], vec![("HERENOW_AUTH__API_KEYS".to_owned(), key.clone())]).unwrap_err();
    assert!(!raw.message.contains(&key), "a key in the place of its hash is not shown: {raw}");
    for bad in [&["key", "--name", "a b"][..], &["key", "--can", "fly"]] {
        assert!(parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn serve_is_what_happens_without_a_command() {
    for args in [&[][..], &["serve"][..]] {
        let (loaded, mode) = prepare(args, Vec::new()).unwrap();
        assert!(mode.is_dev() && loaded.config.is_loopback());
    }
    for args in [&["--listen", "127.0.0.1:7"][..], &["serve", "--listen", "127.0.0.1:7"][..]] {
        assert_eq!(prepare(args, Vec::new()).unwrap().0.config.server.listen, "127.0.0.1:7".parse().unwrap());
    }
}

#[test]
fn a_reachable_address_without_a_secret_is_a_usage_error_with_one_to_paste() {
    let failure = prepare(&["--listen", "0.0.0.0:4280"], Vec::new()).unwrap_err();
    assert_eq!(failure.code, USAGE);
    let command = failure.message.lines().last().unwrap().trim();
    let (assignment, rest) = command.split_once(' ').unwrap();
    assert_eq!(rest, "herenow serve --listen 0.0.0.0:4280");
    let proposal = assignment.strip_prefix("HERENOW_SECRET=").unwrap();
    let pasted = vec![("HERENOW_SECRET".to_owned(), proposal.to_owned())];
    let args: Vec<&str> = rest.split(' ').skip(1).collect();
    assert!(!prepare(&args, pasted).unwrap().1.is_dev(), "the proposal works as it is");
}

#[test]
fn modes_can_be_forced() {
    assert!(prepare(&["--dev"], secret()).unwrap().1.is_dev());
    assert!(!prepare(&[], secret()).unwrap().1.is_dev());
    assert!(!prepare(&["--prod"], secret()).unwrap().1.is_dev());
    assert_eq!(prepare(&["--prod"], Vec::new()).unwrap_err().code, USAGE);
    assert_eq!(prepare(&["--dev", "--listen", "0.0.0.0:1"], secret()).unwrap_err().code, USAGE);
    assert!(parse(&["--dev", "--prod"]).is_err());
}

#[test]
fn a_file_is_read_where_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.toml");
    fs::write(&path, format!("[auth]\nsecret = \"{SECRET}\"\n")).unwrap();
    let path_text = path.to_str().unwrap();
    for args in [&["-c", path_text][..], &["serve", "--config", path_text][..]] {
        let (loaded, mode) = prepare(args, Vec::new()).unwrap();
        assert_eq!((loaded.file.as_deref(), mode.is_dev()), (Some(Path::new(path_text)), false));
    }
    assert!(token(&["-c", path_text, "--user", "a", "--room", "*"], Vec::new()).is_ok());
    let failure = prepare(&["-c", "no/such.toml"], Vec::new()).unwrap_err();
    assert_eq!(failure.code, USAGE);
    assert!(failure.message.starts_with("the configuration file no/such.toml cannot be read: "), "{failure}");
}

#[test]
fn typing_errors_get_a_suggestion_and_exit_code_2() {
    for (args, suggestion) in [
        (&["tokne"][..], "'token'"),
        (&["serve", "--listne", "x"][..], "'--listen'"),
        (&["token", "--usr", "a"][..], "'--user'"),
    ] {
        let error = parse(args).unwrap_err();
        assert_eq!(error.exit_code(), i32::from(USAGE));
        assert!(error.to_string().contains(suggestion), "{error}");
    }
}

#[test]
fn each_command_has_help_with_an_example() {
    for args in [&["--help"][..], &["serve", "--help"][..], &["token", "--help"][..]] {
        let help = parse(args).unwrap_err();
        assert_eq!(help.exit_code(), 0);
        assert!(help.to_string().contains("Examples:\n  "), "{help}");
    }
    assert_eq!(parse(&["--version"]).unwrap_err().to_string().trim(), concat!("herenow ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_token_can_be_made_and_looked_at() {
    let args = [
        "--user",
        "alice",
        "--name",
        "Alice",
        "--avatar",
        "https://a.example/a.png",
        "--room",
        "board-*",
        "--room",
        "lobby",
        "--can",
        "join,type",
        "--ttl",
        "2h",
    ];
    let made = token(&args, secret()).unwrap();
    assert_eq!((made.code, made.stderr.as_str()), (0, ""));
    let seen = token(&["--inspect", &made.stdout], secret()).unwrap();
    assert_eq!((seen.code, seen.stderr.as_str()), (0, "valid for another 2h"));
    let claims: serde_json::Value = serde_json::from_str(&seen.stdout).unwrap();
    let rights = ["join", "type"];
    let expected = serde_json::json!({
        "sub": "alice", "name": "Alice", "avatar": "https://a.example/a.png",
        "rooms": { "board-*": rights, "lobby": rights }, "iat": NOW, "exp": NOW + 7200,
    });
    assert_eq!(claims, expected);
    let unseen = token(&["--user", "alice", "--invisible"], secret()).unwrap();
    let seen = token(&["--inspect", &unseen.stdout], secret()).unwrap();
    assert!(seen.stdout.contains("\"invisible\": true"), "{}", seen.stdout);
}

#[test]
fn looking_at_a_bad_token_says_why_and_fails() {
    let made = token(&["--user", "alice", "--room", "*"], secret()).unwrap().stdout;
    let late = token_at(&["--inspect", &made], secret(), NOW + 3700).unwrap();
    assert_eq!(late.code, FAILURE);
    assert!(late.stderr.starts_with("not valid: the token expired 100 s ago; "), "{late:?}");
    assert!(late.stdout.contains("\"alice\""), "the claims are shown all the same");
    let other = vec![("HERENOW_SECRET".to_owned(), "x".repeat(40))];
    let foreign = token(&["--inspect", &made], other).unwrap();
    assert_eq!(foreign.code, FAILURE);
    assert!(foreign.stderr.contains("not signed with the secret of this server"), "{foreign:?}");
    let unchecked = token(&["--inspect", &made], Vec::new()).unwrap();
    assert_eq!(unchecked.code, FAILURE);
    assert!(unchecked.stderr.starts_with("not checked: no secret is configured"), "{unchecked:?}");
    let junk = token(&["--inspect", "junk"], secret()).unwrap();
    assert_eq!((junk.code, junk.stdout.as_str()), (FAILURE, ""));
}

#[test]
fn a_hostile_claim_cannot_steer_the_terminal() {
    let made = token(&["--user", "a", "--room", "*", "--name", "\u{9b}31m\u{202e}\u{1b}[2J\u{7f}"], secret()).unwrap();
    let seen = token(&["--inspect", &made.stdout], secret()).unwrap();
    assert!(seen.stdout.contains(r#""\u009b31m\u202e\u001b[2J\u007f""#), "{}", seen.stdout);
}

#[test]
fn the_secret_may_come_from_a_flag() {
    let made = token(&["--user", "a", "--room", "*", "--secret", SECRET], Vec::new()).unwrap();
    assert_eq!(token(&["--inspect", &made.stdout], secret()).unwrap().code, 0);
    let short = token(&["--user", "a", "--secret", "short"], Vec::new()).unwrap_err();
    assert_eq!(
        (short.code, short.message.as_str()),
        (USAGE, "a secret of 5 bytes is too short, at least 32 are needed")
    );
}

#[test]
fn without_a_secret_it_says_how_dev_mode_hands_out_tokens() {
    let failure = token(&["--user", "alice"], Vec::new()).unwrap_err();
    assert_eq!(failure.code, USAGE);
    assert!(failure.message.contains("/dev/token") && failure.message.contains("HERENOW_SECRET"), "{failure}");
}

#[test]
fn a_token_that_opens_no_room_comes_with_a_note() {
    let made = token(&["--user", "alice"], secret()).unwrap();
    assert!(made.code == 0 && made.stderr.contains("add --room PATTERN"), "{made:?}");
    let with_default = [secret(), vec![("HERENOW_AUTH__DEFAULT_ROOMS".into(), "board-*".into())]].concat();
    assert_eq!(token(&["--user", "alice"], with_default).unwrap().stderr, "");
}

#[test]
fn bad_arguments_of_a_token_are_usage_errors() {
    let long = "x".repeat(129);
    for (args, says) in [
        (&["--name", "A"][..], "--user"),
        (&["--user", ""][..], "is empty"),
        (&["--user", &long][..], "at most 128"),
        (&["--user", "a", "--can", "join"][..], "--room"),
        (&["--user", "a", "--room", "*", "--can", "fly"][..], "rights are join, observe, type, message and update"),
        (&["--user", "a", "--room", ""][..], "empty"),
        (&["--user", "a", "--ttl", "0s"][..], "from 1s to 3650d"),
        (&["--user", "a", "--ttl", "soon"][..], "from 1s to 3650d"),
        (&["--user", "a", "--avatar", "javascript:x"][..], "http or https"),
        (&["--user", "a", "--inspect", "x"][..], "cannot be used with"),
    ] {
        let error = parse(&[&["token"], args].concat()).unwrap_err();
        assert_eq!(error.exit_code(), i32::from(USAGE));
        assert!(error.to_string().contains(says), "{args:?}: {error}");
    }
    let patterns: Vec<String> = (0..300).map(|n| format!("{n}{}", "x".repeat(40))).collect();
    let many: Vec<&str> = patterns.iter().flat_map(|pattern| ["--room", pattern]).collect();
    let failure = token(&[&["--user", "a"], &many[..]].concat(), secret()).unwrap_err();
    assert_eq!(failure.code, USAGE);
    assert!(failure.message.contains("at most 8192 are allowed"), "{failure}");
}
