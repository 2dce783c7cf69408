//! How a configuration is put together, what its errors say, and that its documentation is true.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, as tests may")]

use herenow::auth::rights::Rights;
use herenow::config::{
    error::{ConfigError, Source},
    key::Key,
    keys::KEYS,
    load::{File, Flag, Inputs, Loaded, load},
    reference::configuration_page,
    rooms::{ROOM_KEYS, ROOM_RULES_MAX, RoomKey},
    settings::{Config, KeyFile, LogFormat, LogLevel, PrivateAddresses},
};
use herenow::rate::RateLimits;
use herenow::webhooks::kinds::EventKind;
use herenow_core::rules::{RoomMode, RoomSettings};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn load_variables(pairs: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    load(&Inputs { variables: variables(pairs), ..Inputs::default() })
}

fn load_text(text: &str) -> Result<Loaded, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("herenow.toml");
    fs::write(&path, text).unwrap();
    load(&Inputs { file: Some(File::Named(path)), ..Inputs::default() })
}

/// The error of a file, with the folder left out.
fn error_of(text: &str) -> String {
    let message = load_text(text).unwrap_err().to_string();
    let end = message.find("herenow.toml").unwrap();
    let start = message[..end].rfind(' ').map_or(0, |at| at + 1);
    format!("{}{}", &message[..start], &message[end..])
}

fn error_of_variable(name: &str, value: &str) -> String {
    load_variables(&[(name, value)]).unwrap_err().to_string()
}

#[test]
fn nothing_said_means_the_defaults() {
    let loaded = load(&Inputs::default()).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.sources.is_empty() && loaded.file.is_none());
    assert_eq!(load_text("").unwrap().config, Config::default());
    let missing = Inputs { file: Some(File::IfThere("no/such/herenow.toml".into())), ..Inputs::default() };
    assert_eq!(load(&missing).unwrap().config, Config::default());
}

#[test]
fn each_key_can_be_set_in_a_file() {
    let config = load_text(
        r#"
        [server]
        listen = "0.0.0.0:9000"
        allowed_origins = ["https://app.example.com", "http://localhost:3000"]
        trusted_proxies = ["10.0.0.0/8", "::1"]
        shutdown_grace = "1m"
        shards = 3
        [tls]
        cert = "cert.pem"
        key = "key.pem"
        [auth]
        secret = "0123456789abcdef0123456789abcdef"
        first_frame_timeout = "2s"
        default_rooms = ["board-*", "lobby"]
        cookie_name = "sid"
        more_secrets = ["abcdef0123456789abcdef0123456789"]
        key_files = ["main=keys/main.pem", "keys/other.pem"]
        jwks = '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'
        jwks_url = "https://id.example/jwks.json"
        jwks_refresh = "1m"
        jwks_outage = "1h"
        jwks_cooldown = "1s"
        audience = ["chat"]
        issuer = ["https://id.example"]
        cookie_hook = "http://app:3000/session"
        room_hook = "http://app:3000/room"
        hook_secret = "fedcba9876543210fedcba9876543210"
        hook_timeout = "1s"
        hook_cache = "10s"
        hook_recheck = "1m"
        hook_outage = "2m"
        private_addresses = "all"
        guests = true
        guest_rooms = ["lobby"]
        guest_rights = ["join"]
        guests_per_address = 3
        api_keys = ["a:read:0000000000000000000000000000000000000000000000000000000000000000"]
        [api]
        public_metrics = true
        hosted_viewers = 9
        streams_per_address = 10
        admin_page = false
        [presence]
        leave_grace = "1s"
        drop_grace = "2s"
        drain_grace = "3s"
        ping_interval = "4s"
        pong_timeout = "500ms"
        request_lease = "20s"
        typing_lease = "7s"
        resume_window = "8s"
        last_seen_ttl = "24h"
        last_seen_grain = "1s"
        [webhooks]
        url = "https://app.example.com/hook"
        secret = "0123456789abcdef0123456789abcdef"
        second_secret = "abcdef0123456789abcdef0123456789"
        events = ["user_left"]
        rooms = ["board-*"]
        private_addresses = true
        spool = "spool.db"
        spool_events = 1000
        timeout = "1s"
        retry_max = "2s"
        give_up = "1h"
        return_grace = "3s"
        [cluster]
        redis = "rediss://redis.example:6380"
        name = "other"
        redis_ca = "ca.pem"
        [limits]
        frame_bytes = "32KiB"
        state_bytes = 2048
        outbox_bytes = "1MiB"
        drain_timeout = "9s"
        rooms_per_connection = 7
        viewers_per_room = 8
        half_open_per_address = 9
        handshakes_per_address = 10
        memory = "200MiB"
        message_rate = 1
        typing_rate = 2
        cursor_rate = 3
        update_rate = 4
        other_rate = 0
        [demo]
        enabled = false
        database = "tasks.db"
        [log]
        format = "json"
        level = "debug"
        identities = "none"
        "#,
    )
    .unwrap()
    .config;
    let changed: Vec<_> = KEYS.iter().filter(|key| key.shown(&config) != key.shown(&Config::default())).collect();
    assert_eq!(changed.len(), KEYS.len(), "each key above has another value than its default");
    assert_eq!(config.server.listen, "0.0.0.0:9000".parse().unwrap());
    assert_eq!(config.server.allowed_origins.len(), 2);
    assert_eq!((config.server.shutdown_grace, config.server.shards), (Duration::from_secs(60), Some(3)));
    assert!(config.auth.secret.is_some());
    assert_eq!(config.auth.first_frame_timeout, Duration::from_secs(2));
    assert_eq!(config.auth.default_rooms.unwrap().iter().map(|p| p.as_str()).collect::<Vec<_>>(), ["board-*", "lobby"]);
    assert_eq!(config.auth.cookie_name, "sid");
    assert_eq!((config.auth.more_secrets.len(), config.auth.key_files.len()), (1, 2));
    assert_eq!(config.auth.key_files[0], KeyFile { id: Some("main".into()), path: "keys/main.pem".into() });
    assert_eq!(config.auth.key_files[1].id, None);
    assert_eq!(config.auth.private_addresses, PrivateAddresses::All);
    assert_eq!(config.auth.guest_rights, Rights::JOIN);
    assert_eq!(config.auth.cookie_hook.unwrap().to_string(), "http://app:3000/session");
    assert_eq!(config.presence.leave_grace, Duration::from_secs(1));
    assert_eq!(config.presence.drop_grace, Duration::from_secs(2));
    assert_eq!(config.presence.drain_grace, Duration::from_secs(3));
    assert_eq!(config.presence.ping_interval, Duration::from_secs(4));
    assert_eq!(config.presence.pong_timeout, Duration::from_millis(500));
    assert_eq!(config.presence.request_lease, Duration::from_secs(20));
    assert_eq!(config.presence.typing_lease, Duration::from_secs(7));
    assert_eq!(config.presence.resume_window, Duration::from_secs(8));
    let seen = (config.presence.last_seen_ttl, config.presence.last_seen_grain);
    assert_eq!(seen, (Duration::from_secs(86_400), Duration::from_secs(1)));
    let webhooks = &config.webhooks;
    assert_eq!(webhooks.url.as_ref().unwrap().to_string(), "https://app.example.com/hook");
    assert!(webhooks.secret.is_some() && webhooks.second_secret.is_some() && webhooks.secret != webhooks.second_secret);
    assert_eq!(webhooks.events.iter().map(EventKind::name).collect::<Vec<_>>(), ["user_left"]);
    assert_eq!(webhooks.rooms.as_ref().unwrap()[0].as_str(), "board-*");
    assert!(webhooks.private_addresses && webhooks.spool_path() == Path::new("spool.db"));
    assert_eq!((webhooks.spool_events, webhooks.timeout), (1000, Duration::from_secs(1)));
    assert_eq!((webhooks.retry_max, webhooks.give_up), (Duration::from_secs(2), Duration::from_secs(3600)));
    assert_eq!(webhooks.return_grace, Duration::from_secs(3));
    let rates = RateLimits { message: 1, typing: 2, cursor: 3, update: 4, other: 0 };
    assert_eq!(config.limits.rates, rates);
    assert_eq!((config.limits.frame_bytes, config.limits.state_bytes), (32 << 10, 2048));
    assert_eq!((config.limits.outbox_bytes, config.limits.rooms_per_connection), (1 << 20, 7));
    assert_eq!((config.limits.viewers_per_room, config.limits.drain_timeout), (8, Duration::from_secs(9)));
    assert_eq!((config.demo.enabled, config.demo.database), (Some(false), Some(PathBuf::from("tasks.db"))));
    assert_eq!((config.log.format, config.log.level), (LogFormat::Json, LogLevel::Debug));
}

#[test]
fn the_later_source_wins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("herenow.toml");
    fs::write(&path, "[presence]\nleave_grace = \"1s\"\ndrop_grace = \"1s\"\n[server]\nlisten = \"127.0.0.1:1\"\n")
        .unwrap();
    let inputs = Inputs {
        file: Some(File::IfThere(path.clone())),
        variables: variables(&[("HERENOW_PRESENCE__DROP_GRACE", "2s"), ("HERENOW_SERVER__LISTEN", "127.0.0.1:2")]),
        flags: vec![Flag { name: "--listen", key: Key::named("server.listen").unwrap(), value: "localhost:3".into() }],
    };
    let Loaded { config, sources, file, room_sources: _ } = load(&inputs).unwrap();
    assert_eq!(config.presence.leave_grace, Duration::from_secs(1));
    assert_eq!(config.presence.drop_grace, Duration::from_secs(2));
    assert_eq!(config.server.listen, "127.0.0.1:3".parse().unwrap());
    assert_eq!(sources["presence.leave_grace"], Source::File { path: path.clone(), line: 2 });
    assert_eq!(sources["presence.drop_grace"], Source::Variable("HERENOW_PRESENCE__DROP_GRACE".into()));
    assert_eq!(sources["server.listen"], Source::Flag("--listen"));
    assert_eq!((sources.len(), file), (3, Some(path)));
}

#[test]
fn unknown_keys_are_errors_with_a_suggestion() {
    for (text, message) in [
        (
            "[presence]\nping_interval = \"20s\"\nleave_grase = \"5s\"",
            "unknown key `presence.leave_grase` in herenow.toml, line 3: did you mean `presence.leave_grace`?",
        ),
        (
            "[presense]\nleave_grace = \"5s\"",
            "unknown key `presense.leave_grace` in herenow.toml, line 2: did you mean `presence.leave_grace`?",
        ),
        ("listen = \"x\"", "unknown key `listen` in herenow.toml, line 1: did you mean `server.listen`?"),
        (
            "[server]\nleave_grace = \"5s\"",
            "unknown key `server.leave_grace` in herenow.toml, line 2: did you mean `presence.leave_grace`?",
        ),
        ("[x]\ny = 1", "unknown key `x.y` in herenow.toml, line 2; docs/configuration.md lists those there are"),
        ("[webhoox]", "unknown key `webhoox` in herenow.toml, line 1; docs/configuration.md lists those there are"),
        (
            "[[auth]]\nsecret = \"x\"",
            "unknown key `auth` in herenow.toml, line 1; docs/configuration.md lists those there are",
        ),
        (
            "\"a\\u001b\" = 1",
            "unknown key `a\\u{1b}` in herenow.toml, line 1; docs/configuration.md lists those there are",
        ),
    ] {
        assert_eq!(error_of(text), message);
    }
    assert!(load_text("[presence]").is_ok(), "an empty section says nothing wrong");
}

#[test]
fn unknown_variables_are_errors_with_a_suggestion() {
    for (name, message) in [
        ("HERENOW_SECRT", "unknown environment variable HERENOW_SECRT: did you mean `HERENOW_SECRET`?"),
        (
            "HERENOW_SERVER_LISTEN",
            "unknown environment variable HERENOW_SERVER_LISTEN: did you mean `HERENOW_SERVER__LISTEN`?",
        ),
        (
            "HERENOW_presence__leave_grace",
            "unknown environment variable HERENOW_presence__leave_grace: did you mean `HERENOW_PRESENCE__LEAVE_GRACE`?",
        ),
        ("HERENOW_X", "unknown environment variable HERENOW_X; docs/configuration.md lists those there are"),
    ] {
        assert_eq!(error_of_variable(name, "x"), message);
    }
}

#[test]
fn variables_of_a_container_platform_are_left_alone() {
    let loaded = load_variables(&[
        ("HERENOW_SERVICE_HOST", "10.0.0.1"),
        ("HERENOW_SERVICE_PORT", "4280"),
        ("HERENOW_SERVICE_PORT_HTTP", "4280"),
        ("HERENOW_PORT", "tcp://10.0.0.1:4280"),
        ("HERENOW_PORT_4280_TCP", "tcp://10.0.0.1:4280"),
        ("HERENOW_PORT_4280_TCP_ADDR", "10.0.0.1"),
        ("HERENOW_REDIS_SERVICE_HOST", "10.0.0.2"),
    ]);
    assert_eq!(loaded.unwrap().config, Config::default());
    assert!(load_variables(&[("HERENOW_PORT", "4280")]).is_err(), "a person wrote this one");
}

#[test]
fn bad_values_name_key_value_source_and_what_is_allowed() {
    assert_eq!(
        error_of("[presence]\nleave_grace = 5"),
        "presence.leave_grace = 5 is not allowed, it must be a duration from 0s to 1h, such as 500ms, 5s or 1m \
         (from herenow.toml, line 2)"
    );
    assert_eq!(
        error_of_variable("HERENOW_LIMITS__FRAME_BYTES", "16kb"),
        "limits.frame_bytes = \"16kb\" is not allowed, it must be a size from 1KiB to 1MiB, such as 16KiB \
         (from the environment variable HERENOW_LIMITS__FRAME_BYTES)"
    );
    let flag = Flag { name: "--listen", key: Key::named("server.listen").unwrap(), value: "4280".into() };
    assert_eq!(
        load(&Inputs { flags: vec![flag], ..Inputs::default() }).unwrap_err().to_string(),
        "server.listen = \"4280\" is not allowed, it must be an address and port such as 127.0.0.1:4280 (from the flag --listen)"
    );
}

#[test]
fn each_kind_of_value_has_its_limits() {
    let texts = |bytes: usize| format!("[\"{}\"]", "x".repeat(bytes));
    load_text(&format!("[auth]\naudience = {}", texts(512))).unwrap();
    let too_long = texts(513);
    for (key, bad) in [
        ("server.listen", &["\"\"", "\"0.0.0.0\"", "\"example.com:80\"", "\"127.0.0.1:99999\"", "4280"][..]),
        ("server.allowed_origins", &["[\"*\"]", "[\"https://a/\"]", "[\"a.example\"]", "[1]", "{ a = 1 }"][..]),
        ("server.shutdown_grace", &["\"11m\"", "\"-1s\"", "\"\"", "1.5", "true"][..]),
        ("server.shards", &["0", "1025", "-1", "\"x\"", "1.0"][..]),
        ("auth.first_frame_timeout", &["\"0s\"", "\"61s\""][..]),
        ("auth.default_rooms", &["[\"\"]", "[1]", "7"][..]),
        ("auth.cookie_name", &["\"\"", "\"a b\"", "\"a=b\"", "\"a;b\"", "\"é\""][..]),
        ("server.trusted_proxies", &["[\"10.0.0.0/33\"]", "[\"proxy\"]", "true"][..]),
        ("auth.key_files", &["[\"=x\"]", "[\"kid=\"]", "[\"\"]", "1"][..]),
        (
            "auth.jwks",
            &["\"\"", "\"{}\"", "'{\"keys\":[]}'", "'{\"kty\":\"oct\",\"k\":\"AAAA\"}'", "{ keys = [] }"][..],
        ),
        ("auth.jwks_url", &["\"ftp://a/x\"", "\"a.example\"", "\"https://u:p@a.example/\"", "1"][..]),
        ("auth.jwks_refresh", &["\"999ms\"", "\"2d\""][..]),
        ("auth.audience", &["[\"\"]", "[1]", &too_long][..]),
        ("auth.hook_timeout", &["\"10s\"", "\"0s\""][..]),
        ("auth.private_addresses", &["\"some\"", "true"][..]),
        ("auth.guests", &["1", "\"yes\""][..]),
        ("auth.guest_rights", &["[\"admin\"]", "7"][..]),
        ("auth.guests_per_address", &["0", "-1"][..]),
        ("presence.ping_interval", &["\"99ms\"", "\"0s\"", "\"11m\""][..]),
        ("limits.frame_bytes", &["\"1023\"", "\"2MiB\"", "0", "-1"][..]),
        ("limits.rooms_per_connection", &["0", "10001"][..]),
        ("limits.drain_timeout", &["\"99ms\"", "\"11m\""][..]),
        ("limits.viewers_per_room", &["-1", "100000001"][..]),
        ("demo.enabled", &["1", "\"yes\"", "\"\""][..]),
        ("demo.database", &["1", "[]"][..]),
        ("log.format", &["\"JSON\"", "\"\"", "1"][..]),
        ("log.level", &["\"all\"", "3"][..]),
    ] {
        let (section, name) = key.split_once('.').unwrap();
        for value in bad {
            let message = error_of(&format!("[{section}]\n{name} = {value}"));
            assert!(message.starts_with(&format!("{key} = ")), "{message}");
            assert!(message.contains(&*Key::named(key).unwrap().allowed()), "{message}");
        }
    }
}

#[test]
fn a_bad_secret_is_not_shown() {
    let short = error_of_variable("HERENOW_SECRET", "hunter2");
    assert!(short.contains("a text of at least 32 bytes, this one has 7, such as this new one: "), "{short}");
    for message in [short, error_of("[auth]\nsecret = \" hunter2 hunter2 hunter2 hunter2 hunter2\"")] {
        assert!(
            message.starts_with("the value of auth.secret is not allowed") && !message.contains("hunter2"),
            "{message}"
        );
    }
    assert!(error_of("[auth]\nsecret = 7").contains("it must be a text"));
    assert!(error_of_variable("HERENOW_SECRET", "").contains("this one has 0"), "an empty secret is none");
}

#[test]
fn a_good_secret_is_not_shown_either() {
    let secret = "0123456789abcdef0123456789abcdef";
    let loaded = load_variables(&[("HERENOW_SECRET", secret)]).unwrap();
    assert_eq!(loaded.config.auth.secret.as_ref().unwrap().reveal(), secret);
    assert!(!format!("{loaded:?}").contains(secret));
    assert_eq!(Key::named("auth.secret").unwrap().shown(&loaded.config), "(hidden)");
    let more =
        load_variables(&[("HERENOW_AUTH__MORE_SECRETS", secret), ("HERENOW_AUTH__HOOK_SECRET", secret)]).unwrap();
    assert!(!format!("{more:?}").contains(secret));
    for key in ["auth.more_secrets", "auth.hook_secret"] {
        assert!(Key::named(key).unwrap().shown(&more.config).contains("hidden"), "{key}");
    }
    let short = error_of_variable("HERENOW_AUTH__MORE_SECRETS", "hunter2");
    assert!(short.contains("at least 32 bytes") && !short.contains("hunter2"), "{short}");
}

#[test]
fn each_key_can_be_copied_and_compared() {
    let text =
        |secret: &str| format!("[auth]\nsecret = \"{secret}\"\nmore_secrets = [\"{secret}\"]\n[log]\nlevel = \"warn\"");
    let one = load_text(&text("0123456789abcdef0123456789abcdef")).unwrap().config;
    let other = load_text(&text("fedcba9876543210fedcba9876543210")).unwrap().config;
    let changed = |a: &Config, b: &Config| -> Vec<&str> {
        KEYS.iter().filter(|key| !key.is_same(a, b)).map(|key| key.name).collect()
    };
    assert_eq!(changed(&one, &other), ["auth.secret", "auth.more_secrets"], "though both are shown alike");
    assert_eq!(changed(&one, &Config::default()), ["auth.secret", "auth.more_secrets", "log.level"]);
    let mut copied = Config::default();
    for key in &KEYS {
        key.copy(&one, &mut copied);
    }
    assert_eq!(copied, one);
}

#[test]
fn rooms_of_some_names_are_set_in_order() {
    let text = "[[room]]\nmatch = \"lobby:*\"\nmode = \"counts\"\n\n[[room]]\nmatch = \"class-*\"\ncursors = false\n\
                typing = false\nviewers_per_room = 0\n[log]\nlevel = \"warn\"\n";
    let loaded = load_text(text).unwrap();
    let plain = RoomSettings::default();
    let settings = [
        RoomSettings { mode: RoomMode::Counts, ..plain },
        RoomSettings { typing: false, cursors: false, viewers_max: Some(usize::MAX), ..plain },
    ];
    let rules = loaded.config.rooms.iter().map(|rule| (rule.names.as_str(), rule.settings));
    assert!(rules.eq(["lobby:*", "class-*"].into_iter().zip(settings)));
    assert_eq!(*loaded.config.hub_limits().rooms, *loaded.config.rooms);
    let lines = loaded.room_sources.iter().map(|sources| match &sources["room.match"] {
        Source::File { line, .. } => *line,
        other => panic!("{other}"),
    });
    assert!(lines.eq([2, 6]));
    assert_eq!(loaded.config.log.level, LogLevel::Warn);
}

#[test]
fn a_room_that_is_wrong_says_in_which_line_and_what_to_write() {
    let pattern = "a room pattern such as lobby:* (a star is any run of characters), in each [[room]] another";
    for (text, error) in [
        (
            "[[room]]\nmatch = \"a\"\ncursor = false",
            "unknown key `room.cursor` in herenow.toml, line 3: did you mean `room.cursors`?".to_owned(),
        ),
        (
            "[[room]]\nmatch = \"a\"\nmode = \"count\"",
            "room.mode = \"count\" is not allowed, it must be one of full, counts, private (from herenow.toml, line 3)".into(),
        ),
        (
            "[[room]]\nmatch = \"a\"\ncursors = \"no\"",
            "room.cursors = \"no\" is not allowed, it must be true or false (from herenow.toml, line 3)".into(),
        ),
        (
            "[[room]]\nmatch = \"a\"\nviewers_per_room = 100000001",
            "room.viewers_per_room = 100000001 is not allowed, it must be a whole number from 0 to 100000000 (from herenow.toml, line 3)".into(),
        ),
        (
            "[[room]]\nmatch = \"\"",
            format!("room.match = \"\" is not allowed, it must be {pattern} (from herenow.toml, line 2)"),
        ),
        (
            "\n[[room]]\nmode = \"counts\"",
            format!("room.match is not set, and has to be: {pattern} (for the section at herenow.toml, line 2)"),
        ),
        (
            "[[room]]\nmatch = \"a\"\n[[room]]\nmatch = \"a\"",
            format!("room.match = \"a\" is not allowed, it must be {pattern} (from herenow.toml, line 4)"),
        ),
        (
            "[room]\nmatch = \"a\"",
            "the value of room is not allowed, it must be one or more sections [[room]], in two pairs of brackets each (from herenow.toml, line 1)".into(),
        ),
    ] {
        assert_eq!(error_of(text), error, "{text}");
    }
    assert_eq!(
        error_of_variable("HERENOW_ROOM__MODE", "counts"),
        "unknown environment variable HERENOW_ROOM__MODE; docs/configuration.md lists those there are"
    );
}

#[test]
fn there_are_at_most_100_rules_for_rooms() {
    let text = |count: usize| (0..count).map(|n| format!("[[room]]\nmatch = \"room-{n}\"\n")).collect::<String>();
    assert_eq!(load_text(&text(ROOM_RULES_MAX)).unwrap().config.rooms.len(), 100);
    assert!(error_of(&text(ROOM_RULES_MAX + 1)).contains("at most 100 sections"));
}

#[test]
fn one_key_is_set_by_one_variable() {
    let secret = "0123456789abcdef0123456789abcdef";
    let both = load_variables(&[("HERENOW_SECRET", secret), ("HERENOW_AUTH__SECRET", secret)]);
    assert_eq!(both.unwrap_err().to_string(), "HERENOW_AUTH__SECRET and HERENOW_SECRET set the same; keep one of them");
}

#[test]
fn files_that_cannot_be_read_say_so() {
    let missing = Inputs { file: Some(File::Named("no/such.toml".into())), ..Inputs::default() };
    let error = load(&missing).unwrap_err();
    assert_eq!(error.to_string(), "the configuration file no/such.toml cannot be read");
    assert!(std::error::Error::source(&error).is_some());
    let syntax = error_of("[server]\nlisten = \n");
    assert!(syntax.starts_with("herenow.toml, line 2 is no TOML: "), "{syntax}");
    assert!(error_of("[log]\nlevel = \"info\"\nlevel = \"warn\"").contains("line 3 is no TOML"));
}

#[test]
fn keys_are_unique_and_documented() {
    for (at, key) in KEYS.iter().enumerate() {
        assert!(KEYS[..at].iter().all(|other| other.name != key.name), "{}", key.name);
        assert!(key.doc.ends_with('.') && !key.shown(&Config::default()).is_empty(), "{}", key.name);
        assert!(key.name.split('.').count() == 2 && Key::named(key.name).is_some());
    }
    for key in &ROOM_KEYS {
        assert!(key.doc.ends_with('.') && Key::named(key.name).is_none(), "{}", key.name);
        assert!(RoomKey::known(key.name).is_some_and(|known| known.doc == key.doc), "{}", key.name);
    }
}

#[test]
fn the_documentation_is_true() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = configuration_page();
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/configuration.md is out of date: UPDATE=1 cargo test -p herenow --test configuration"
    );
}
