//! `herenow config`.
use clap::Parser;
use herenow::{
    cli::{Cli, Command},
    config::{
        keys::KEYS,
        load::{File, Inputs, load},
        settings::Config,
    },
    outcome::{FAILURE, Failure, Outcome, USAGE},
};
use std::{fs, path::Path};

fn config(args: &[&str], variables: &[(&str, &str)]) -> Result<Outcome, Failure> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    match Cli::try_parse_from([&["herenow", "config"], args].concat()).unwrap().into_command() {
        Command::Config(arguments) => arguments.run(variables),
        other => panic!("{other:?}"),
    }
}

fn written(folder: &Path, text: &str) -> String {
    let path = folder.join("my.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

const SECRET: (&str, &str) = ("HERENOW_SECRET", "0123456789abcdef0123456789abcdef");

#[test]
fn init_writes_a_file_that_changes_nothing_and_never_overwrites_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.toml");
    let text = path.to_str().unwrap();
    assert_eq!(config(&["init", text], &[]).unwrap().code, 0);
    let loaded = load(&Inputs { file: Some(File::Named(path.clone())), ..Inputs::default() }).unwrap();
    assert_eq!(loaded.config, Config::default());
    let before = fs::read_to_string(&path).unwrap();
    for key in &KEYS {
        assert!(before.contains(&format!("# {} =", key.name.split_once('.').unwrap().1)), "{}", key.name);
    }
    // Each default that is a value is one that the file may have; what a [[room]] may have stands apart, at the end.
    let (keys, room_keys) = before.split_once("# [[room]]").unwrap();
    let is_value = |line: &str| line.starts_with("# ") && line.contains(" = ") && !line.contains("(default:");
    let uncommented: Vec<&str> = keys
        .lines()
        .filter(|line| line.starts_with('[') || is_value(line))
        .map(|line| line.trim_start_matches("# "))
        .collect();
    fs::write(&path, uncommented.join("\n")).unwrap();
    let loaded = load(&Inputs { file: Some(File::Named(path.clone())), ..Inputs::default() }).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.sources.len() > 30, "{}", loaded.sources.len());
    let room: Vec<&str> = room_keys.lines().filter_map(|line| line.strip_prefix("# ")).collect();
    fs::write(&path, format!("[[room]]\n{}", room.join("\n"))).unwrap();
    let loaded = load(&Inputs { file: Some(File::Named(path.clone())), ..Inputs::default() }).unwrap();
    assert_eq!(loaded.config.rooms.len(), 1);
    let failure = config(&["init", text], &[]).unwrap_err();
    assert_eq!(failure.code, FAILURE);
    assert!(failure.message.ends_with("is there already; it is left as it is"), "{failure}");
}

#[test]
fn check_says_whether_a_server_would_start() {
    let folder = tempfile::tempdir().unwrap();
    let good = written(folder.path(), "[presence]\nleave_grace = \"8s\"\n");
    let outcome = config(&["check", "-c", &good], &[SECRET]).unwrap();
    assert_eq!(outcome.stdout, format!("ok: {good}, 2 of {} keys set, production mode on 127.0.0.1:4280", KEYS.len()));
    let key_file = folder.path().join("key.pem");
    fs::write(&key_file, crate::keys::Pair::p384().public_pem).unwrap();
    let path = key_file.to_str().unwrap();
    for (text, says) in [
        ("[presence]\nleave_grase = \"8s\"", "did you mean `presence.leave_grace`?".to_owned()),
        ("[server]\nlisten = \"0.0.0.0:80\"", "no secret is configured".to_owned()),
        (
            "[auth]\nkey_files = [\"no/such.pem\"]",
            "the key file no/such.pem of auth.key_files cannot be read".to_owned(),
        ),
        (&format!("[auth]\nkey_files = [\"{path}\"]"), format!("{path} of auth.key_files holds not a key for RS256")),
    ] {
        let file = written(folder.path(), text);
        let failure = config(&["check", "-c", &file], &[]).unwrap_err();
        assert!(failure.code == USAGE && failure.message.contains(&says), "{text}: {failure}");
        assert!(!failure.message.contains("HERENOW_SECRET="), "no secret is made up for a check");
    }
    fs::write(&key_file, crate::keys::Pair::ed25519().public_pem).unwrap();
    let file = written(folder.path(), &format!("[server]\nlisten = \"0.0.0.0:80\"\n[auth]\nkey_files = [\"{path}\"]"));
    assert!(config(&["check", "-c", &file], &[]).unwrap().stdout.contains("production mode on 0.0.0.0:80"));
    let guests = written(folder.path(), "[auth]\nguests = true\n");
    assert!(config(&["check", "-c", &guests], &[]).unwrap().stderr.contains("lets guests into no room"));
}

#[test]
fn print_shows_what_is_set_and_where_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "[presence]\nleave_grace = \"8s\"\n");
    let shown = config(&["print", "-c", &file], &[SECRET]).unwrap().stdout;
    assert_eq!(
        shown,
        format!(
            "auth.secret = (hidden)    (the environment variable HERENOW_SECRET)\n\
             presence.leave_grace = 8s    ({file}, line 2)"
        )
    );
    let all = config(&["print", "--effective", "-c", &file], &[SECRET]).unwrap().stdout;
    assert_eq!(all.lines().count(), KEYS.len());
    assert!(all.contains("presence.drop_grace = 10s    (default)") && !all.contains(SECRET.1), "{all}");
    let nothing = written(folder.path(), "");
    assert!(config(&["print", "-c", &nothing], &[]).unwrap().stdout.starts_with("nothing is set"));
}

#[test]
fn explain_says_what_a_key_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "[presence]\nleave_grace = \"8s\"\n");
    let text = config(&["explain", "presence.leave_grace", "-c", &file], &[]).unwrap().stdout;
    for part in [
        "How long somebody stays",
        "8s    (",
        "line 2)",
        "default   5s",
        "from 0s to 1h",
        "HERENOW_PRESENCE__LEAVE_GRACE",
        "needs a restart",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(config(&["explain", "auth.jwks_url", "-c", &file], &[]).unwrap().stdout.contains("taken at SIGHUP"));
    let failure = config(&["explain", "presence.leave_grase", "-c", &file], &[]).unwrap_err();
    assert_eq!(
        (failure.code, failure.message.as_str()),
        (USAGE, "there is no key `presence.leave_grase`: did you mean `presence.leave_grace`?")
    );
}

#[test]
fn rooms_of_some_names_are_checked_printed_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[[room]]\nmatch = \"lobby:*\"\nmode = \"counts\"\n[[room]]\nmatch = \"lobby:vip\"\n";
    let file = written(folder.path(), text);
    let checked = config(&["check", "-c", &file], &[SECRET]).unwrap();
    assert!(checked.stdout.contains(&format!("1 of {} keys set, 2 [[room]], production mode", KEYS.len())));
    assert_eq!(
        checked.stderr,
        "note: the [[room]] with match = \"lobby:vip\" never counts, because the one with \"lobby:*\" comes first"
    );
    let shown = config(&["print", "-c", &file], &[]).unwrap().stdout;
    assert_eq!(
        shown,
        format!(
            "room[1].match = lobby:*    ({file}, line 2)\nroom[1].mode = counts    ({file}, line 3)\n\
             room[2].match = lobby:vip    ({file}, line 5)"
        )
    );
    let all = config(&["print", "--effective", "-c", &file], &[]).unwrap().stdout;
    assert!(all.contains("room[2].viewers_per_room = what limits.viewers_per_room says    (default)"), "{all}");
    let explained = config(&["explain", "room.mode", "-c", &file], &[]).unwrap().stdout;
    for part in [
        "Who learns who is there.",
        &format!("  now       lobby:*: counts    ({file}, line 3)\n            lobby:vip: full    (default)\n"),
        "  default   full\n  allowed   one of full, counts, private\n  variable  none, it stands in a file\n",
        "taken at SIGHUP",
    ] {
        assert!(explained.contains(part), "{part}: {explained}");
    }
    let nothing = config(&["explain", "room.typing", "-c", &written(folder.path(), "")], &[]).unwrap().stdout;
    assert!(nothing.contains("now       there is no [[room]]\n  default   true"), "{nothing}");
    assert!(config(&["explain", "room.cursor"], &[]).unwrap_err().message.contains("did you mean `room.cursors`?"));
}
