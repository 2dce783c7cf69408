//! The page of the documentation that lists all keys, made from the keys themselves.
use super::{
    key::{SECRET_KEY, SECRET_VARIABLE},
    keys::KEYS,
    rooms::ROOM_KEYS,
    settings::Config,
};
use std::fmt::Write;

/// The text of `docs/configuration.md`.
pub fn configuration_page() -> String {
    let mut page = String::from(INTRODUCTION);
    let mut section = "";
    for key in &KEYS {
        let (of, _) = key.name.split_once('.').unwrap_or_default();
        if of != section {
            section = of;
            put(&mut page, format_args!("\n## {section}\n"));
        }
        put(&mut page, format_args!("\n### `{}`\n\n{}\n\n", key.name, key.doc));
        put(&mut page, format_args!("- Default: {}\n", code(&key.shown(&Config::default()))));
        put(&mut page, format_args!("- Allowed: {}\n", key.allowed()));
        let short = if key.name == SECRET_KEY { format!("`{SECRET_VARIABLE}` or ") } else { String::new() };
        let reload = if key.is_live() { "taken at SIGHUP" } else { "needs a restart" };
        put(&mut page, format_args!("- Change: {reload}\n"));
        put(&mut page, format_args!("- Variable: {short}`{}`\n", key.variable()));
    }
    page.push_str(ROOMS);
    for key in &ROOM_KEYS {
        put(&mut page, format_args!("\n### `{}`\n\n{}\n\n", key.name, key.doc));
        put(&mut page, format_args!("- Default: {}\n- Allowed: {}\n", code(&key.default()), key.allowed()));
        page.push_str("- Change: taken at SIGHUP, also in rooms where people are\n");
    }
    page
}

/// Values are code; rules, which have blanks, are prose.
fn code(default: &str) -> String {
    if default.contains(' ') || default == "none" { default.to_owned() } else { format!("`{default}`") }
}

fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a string takes all text");
}

const INTRODUCTION: &str = "\
# Configuration

<!-- Made from crates/herenow/src/config/keys.rs. To renew: UPDATE=1 cargo test -p herenow --test configuration -->

Nothing has to be configured to try herenow on one machine. Where something is, the later of these wins:

1. the defaults below;
2. a file, `herenow.toml` in the working directory or the one named by `-c`;
3. environment variables, `HERENOW_SECTION__KEY`, lists with commas;
4. flags of the command line.

A key or a `HERENOW_` variable that does not exist is an error, so a misspelt one cannot be missed. (Variables that
Kubernetes sets for a service named herenow, such as `HERENOW_SERVICE_HOST`, are left alone.)

```toml
[server]
listen = \"0.0.0.0:4280\"
allowed_origins = [\"https://app.example.com\"]

[presence]
leave_grace = \"8s\"
```

SIGHUP has a running server read its configuration anew. It logs what changed; what cannot be taken while it runs is said
to need a restart. Where the new configuration is wrong, the old one goes on. `herenow config check` says so beforehand,
`config print --effective` shows what holds and where it comes from, `config explain KEY` what a key is for.

Without a secret the server runs in **dev mode**: on loopback addresses only, with tokens for whoever asks. On any other
address it refuses to start without `HERENOW_SECRET`, and prints a new one that is ready to use. Other keys (`auth.key_files`,
`auth.jwks`, `auth.jwks_url`) or `auth.cookie_hook` will do in its place; see [auth.md](auth.md).
";

const ROOMS: &str = "
## room

What is different in rooms of some names. Each `[[room]]` of the file, in two pairs of brackets, is about the rooms that
`match` names; of several that match, the first counts. There are no variables and no flags for this.

```toml
[[room]]
match = \"lobby:*\"
mode = \"counts\"

[[room]]
match = \"class-*\"
cursors = false
viewers_per_room = 40
```

In a cluster, give all nodes the same.
";
