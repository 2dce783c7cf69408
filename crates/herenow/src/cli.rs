//! The command line: what may be written, and the commands that need no server. What they print comes back as a value,
//! so that `main` alone writes to the terminal.
use crate::{
    auth::{
        claims::{AVATAR_BYTES_MAX, is_avatar},
        mint::{Signer, TokenRequest},
        name::is_unwanted,
        rights::{Grants, Rights},
        secret::Secret,
        token::Verifier,
    },
    config::{
        key::Key,
        load::{Flag, Inputs, Loaded, load},
        mode::{ForcedMode, Mode},
        values::{format_duration, parse_duration},
    },
    config_command::ConfigArgs,
    key_command::KeyArgs,
    outcome::{FAILURE, Failure, Outcome, USAGE, file},
};
use clap::{Args, Parser, Subcommand};
use herenow_core::{id::UserId, pattern::Pattern};
use serde_json::{Map, Value};
use std::{path::PathBuf, time::Duration};

/// A self-hosted real-time presence server: who is here, right now.
#[derive(Debug, Parser)]
#[command(name = "herenow", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server; the same as `herenow` alone.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeArgs),
    /// Make a token for a user, or say what is in one.
    #[command(after_help = TOKEN_EXAMPLES)]
    Token(TokenArgs),
    /// Write, check, show or explain the configuration.
    #[command(after_help = CONFIG_EXAMPLES)]
    Config(ConfigArgs),
    /// Make an API key for a backend.
    #[command(after_help = KEY_EXAMPLES)]
    Key(KeyArgs),
}

/// How to run the server.
#[derive(Clone, Debug, Default, Args)]
pub struct ServeArgs {
    /// Configuration file [default: herenow.toml, if there is one]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on [default: 127.0.0.1:4280]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Redis that several nodes share [default: none, the node is alone]
    #[arg(long, value_name = "ADDRESS")]
    redis: Option<String>,
    /// Dev mode: tokens for whoever asks, on a loopback address [default without a secret]
    #[arg(long, conflicts_with = "prod")]
    dev: bool,
    /// Production mode: only tokens that your app signed [default with a secret]
    #[arg(long)]
    prod: bool,
}

/// What token to make, or to look at.
#[derive(Clone, Debug, Args)]
pub struct TokenArgs {
    /// Id of the user
    #[arg(long, value_name = "ID", value_parser = UserId::parse, required_unless_present = "inspect")]
    user: Option<UserId>,
    /// Name to show [default: the id]
    #[arg(long)]
    name: Option<String>,
    /// Address of a picture
    #[arg(long, value_name = "URL", value_parser = avatar)]
    avatar: Option<String>,
    /// Rooms, with * for any characters; may be repeated [default: the server's auth.default_rooms]
    #[arg(long = "room", value_name = "PATTERN", value_parser = Pattern::parse)]
    rooms: Vec<Pattern>,
    /// Rights in those rooms: join, observe, type, message, update [default: all but observe]
    #[arg(long, value_name = "RIGHTS", value_delimiter = ',', requires = "rooms", value_parser = right)]
    can: Vec<Rights>,
    /// Sees who is there without being seen
    #[arg(long)]
    invisible: bool,
    /// How long it lasts, such as 30m, 12h or 7d
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = ttl)]
    ttl: Duration,
    /// Show the claims of this token and whether it is valid
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["user", "name", "avatar", "rooms", "can", "invisible", "ttl"])]
    inspect: Option<String>,
    /// Secret to use in place of the configured one; other users of this machine can see it, HERENOW_SECRET they cannot
    #[arg(long)]
    secret: Option<String>,
    /// Configuration file [default: herenow.toml, if there is one]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Cli {
    /// What to do: the command, or `serve` where none is named.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Serve(self.serve))
    }
}

impl ServeArgs {
    /// Puts the configuration together and decides on the mode. `variables`: see [`Inputs::variables`].
    ///
    /// # Errors
    /// With [`USAGE`]: the configuration is wrong, or it needs a secret.
    pub fn prepare(&self, variables: Vec<(String, String)>) -> Result<(Loaded, Mode), Failure> {
        let loaded = self.load(variables)?;
        let mode = Mode::decide(&loaded.config, self.forced()).map_err(|error| Failure::usage(&error))?;
        Ok((loaded, mode))
    }

    /// Puts the configuration together. `variables`: see [`Inputs::variables`].
    ///
    /// # Errors
    /// With [`USAGE`]: the configuration is wrong.
    pub fn load(&self, variables: Vec<(String, String)>) -> Result<Loaded, Failure> {
        let flag = |name, key, value: &Option<String>| {
            let key = Key::named(key).expect("the table of keys has it");
            value.clone().map(|value| Flag { name, key, value })
        };
        let listen = flag("--listen", "server.listen", &self.listen);
        let flags = listen.into_iter().chain(flag("--redis", "cluster.redis", &self.redis)).collect();
        Ok(load(&Inputs { file: Some(file(self.config.as_ref())), variables, flags })?)
    }

    /// What the flags say about the mode.
    pub fn forced(&self) -> Option<ForcedMode> {
        match (self.dev, self.prod) {
            (true, _) => Some(ForcedMode::Dev),
            (_, true) => Some(ForcedMode::Prod),
            (false, false) => None,
        }
    }
}

impl TokenArgs {
    /// Makes the token, or looks at one.
    ///
    /// # Errors
    /// With [`USAGE`]: the configuration is wrong, there is no secret, or the token would be too long to be taken.
    pub fn run(&self, variables: Vec<(String, String)>, now_unix_s: u64) -> Result<Outcome, Failure> {
        let loaded = load(&Inputs { file: Some(file(self.config.as_ref())), variables, flags: Vec::new() })?;
        let own = self.secret.as_deref().map(Secret::parse).transpose().map_err(|error| Failure::usage(&error))?;
        let secret = own.or_else(|| loaded.config.auth.secret.clone());
        let verifier = secret.as_ref().map(|secret| Verifier::new(secret, loaded.config.default_grants(false)));
        match (&self.inspect, &self.user, verifier) {
            (Some(token), _, verifier) => Ok(inspect(token, verifier.as_ref(), now_unix_s)),
            (None, Some(user), Some(verifier)) => {
                let secret = secret.expect("the verifier was made with it");
                self.mint(user, &Tools { signer: Signer::new(&secret), verifier, loaded: &loaded }, now_unix_s)
            }
            (None, _, _) => Err(Failure { message: NO_SECRET.to_owned(), code: USAGE }),
        }
    }

    fn mint(&self, user: &UserId, tools: &Tools<'_>, now_unix_s: u64) -> Result<Outcome, Failure> {
        let rights = if self.can.is_empty() {
            Rights::DEFAULT
        } else {
            self.can.iter().fold(Rights::NONE, |rights, more| rights.union(*more))
        };
        let rooms: Vec<_> = self.rooms.iter().map(|pattern| (pattern.clone(), rights)).collect();
        let lists_none = rooms.is_empty();
        let token = tools.signer.mint(&TokenRequest {
            user: user.clone(),
            name: self.name.clone(),
            avatar: self.avatar.clone(),
            rooms: (!lists_none).then_some(rooms),
            is_invisible: self.invisible,
            now_unix_s,
            ttl: self.ttl,
        });
        tools.verifier.verify(&token, now_unix_s).map_err(|error| Failure::usage(&error))?;
        let is_idle = lists_none && tools.loaded.config.default_grants(false) == Grants::default();
        let stderr = if is_idle { NO_ROOMS.to_owned() } else { String::new() };
        Ok(Outcome { stdout: token, stderr, code: 0 })
    }
}

struct Tools<'a> {
    signer: Signer,
    verifier: Verifier,
    loaded: &'a Loaded,
}

/// Shows the claims, whoever signed them, and says whether a server with this configuration would take them.
fn inspect(token: &str, verifier: Option<&Verifier>, now_unix_s: u64) -> Outcome {
    let token = token.trim();
    let claims: Option<Map<String, Value>> = jsonwebtoken::dangerous::insecure_decode_claims(token).ok();
    let stdout =
        claims.as_ref().map(|claims| printable(&format!("{:#}", Value::Object(claims.clone())))).unwrap_or_default();
    let (verdict, is_valid) = match verifier.map(|verifier| verifier.verify(token, now_unix_s)) {
        None => ("not checked: no secret is configured; set HERENOW_SECRET".to_owned(), false),
        Some(Err(error)) => (format!("not valid: {error}; {}", error.hint()), false),
        Some(Ok(identity)) => {
            let left_s = (identity.expires_at.as_millis() / 1000).saturating_sub(now_unix_s);
            let left = format_duration(Duration::from_secs(left_s));
            let avatar = claims.as_ref().and_then(|claims| claims.get("avatar")).filter(|value| !value.is_null());
            let is_dropped = avatar.is_some_and(|value| !value.as_str().is_some_and(is_avatar));
            (format!("valid for another {left}{}", if is_dropped { DROPPED_AVATAR } else { "" }), true)
        }
    };
    Outcome { stdout, stderr: verdict, code: if is_valid { 0 } else { FAILURE } }
}

/// Text without what could steer a terminal or turn a line around; JSON escapes only some of it.
fn printable(text: &str) -> String {
    let shown = |c| if c != '\n' && is_unwanted(c) { format!("\\u{:04x}", u32::from(c)) } else { String::from(c) };
    text.chars().map(shown).collect()
}

fn avatar(text: &str) -> Result<String, String> {
    let wrong = || format!("must be an http or https address of at most {} bytes", AVATAR_BYTES_MAX);
    is_avatar(text).then(|| text.to_owned()).ok_or_else(wrong)
}

fn right(name: &str) -> Result<Rights, String> {
    Rights::named(name.trim()).ok_or_else(|| "rights are join, observe, type, message and update".to_owned())
}

fn ttl(text: &str) -> Result<Duration, String> {
    let range = Duration::from_secs(1)..=Duration::from_secs(3650 * 86_400);
    let wrong = || "must be a duration from 1s to 3650d, such as 30m, 12h or 7d".to_owned();
    parse_duration(text).filter(|ttl| range.contains(ttl)).ok_or_else(wrong)
}

const EXAMPLES: &str = "\
Examples:
  herenow                                        dev mode on http://127.0.0.1:4280
  HERENOW_SECRET=... herenow --listen 0.0.0.0:4280
  herenow token --user alice --room 'board-*'

Exit codes: 0 ok, 1 failure, 2 usage or configuration";

const SERVE_EXAMPLES: &str = "\
Examples:
  herenow serve --listen 127.0.0.1:5000
  HERENOW_SECRET=... herenow serve -c /etc/herenow.toml

Each setting is also a variable, HERENOW_SECTION__KEY; docs/configuration.md lists them.";

const TOKEN_EXAMPLES: &str = "\
Examples:
  HERENOW_SECRET=... herenow token --user alice --name Alice --room 'board-*' --ttl 12h
  HERENOW_SECRET=... herenow token --user eye --room 'board-*' --can observe
  herenow token --inspect eyJhbGciOi...";

const CONFIG_EXAMPLES: &str = "\
Examples:
  herenow config init                            writes herenow.toml, all of it as comments
  herenow config check -c /etc/herenow.toml
  herenow config print --effective               what holds, and where each value comes from
  herenow config explain presence.leave_grace";
const KEY_EXAMPLES: &str = "\
Examples:
  herenow key --name backend --can read,write
  herenow key --name operator --can read,write,admin";

const NO_SECRET: &str = "no secret is configured, and dev mode's own is gone when the server stops

  To sign with the secret of your server, set HERENOW_SECRET (or auth.secret in herenow.toml).
  In dev mode, ask the running server for a token:

    curl -H 'Content-Type: application/json' -d '{\"userId\":\"alice\"}' http://127.0.0.1:4280/dev/token";

const NO_ROOMS: &str = "note: this token lists no rooms, and auth.default_rooms has none; add --room PATTERN";

const DROPPED_AVATAR: &str = "; its avatar is no http or https address that is short enough, and is left out";
