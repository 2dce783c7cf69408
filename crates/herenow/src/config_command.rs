//! `herenow config`: writes, checks, shows and explains the configuration. Needs no server.
use crate::{
    assemble::{self, Surroundings},
    config::{
        error::Source,
        key::{Key, SECRET_KEY, SECRET_VARIABLE},
        keys::KEYS,
        load::{Inputs, Loaded, load, nearest_key},
        mode::{Mode, ModeError},
        rooms::{ROOM_KEYS, RoomKey, SECTION, shadowed},
        settings::Config,
    },
    outcome::{FAILURE, Failure, Outcome, USAGE, file},
    tls::Certified,
};
use clap::{Args, Subcommand};
use std::{collections::BTreeMap, fmt::Write, fs, io, path::PathBuf};

/// What to do with the configuration.
#[derive(Clone, Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Write a file with every key, each with its default and as a comment.
    Init {
        /// Where; a file that is there is left alone.
        #[arg(default_value = "herenow.toml")]
        file: PathBuf,
    },
    /// Say whether a server would start with it.
    Check(FileArg),
    /// Show the keys that are set.
    Print {
        #[command(flatten)]
        file: FileArg,
        /// Show the others as well, with the defaults that hold.
        #[arg(long)]
        effective: bool,
    },
    /// Say what a key is for, what it may be, and what it is.
    Explain {
        /// Its name, such as presence.leave_grace.
        key: String,
        #[command(flatten)]
        file: FileArg,
    },
}

#[derive(Clone, Debug, Args)]
struct FileArg {
    /// Configuration file [default: herenow.toml, if there is one]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    /// Does it. `variables`: see [`Inputs::variables`].
    ///
    /// # Errors
    /// With [`USAGE`]: the configuration is wrong, or there is no such key. With [`FAILURE`]: a file cannot be written.
    pub fn run(&self, variables: Vec<(String, String)>) -> Result<Outcome, Failure> {
        match &self.action {
            Action::Init { file } => init(file),
            Action::Check(file) => check(&file.load(variables)?),
            Action::Print { file, effective } => Ok(print(&file.load(variables)?, *effective)),
            Action::Explain { key, file } => explain(key, &file.load(variables)?),
        }
    }
}

impl FileArg {
    fn load(&self, variables: Vec<(String, String)>) -> Result<Loaded, Failure> {
        Ok(load(&Inputs { file: Some(file(self.config.as_ref())), variables, flags: Vec::new() })?)
    }
}

fn init(path: &PathBuf) -> Result<Outcome, Failure> {
    let text = example_file();
    let written = fs::OpenOptions::new().write(true).create_new(true).open(path);
    let written = written.and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|error| {
        let message = match error.kind() {
            io::ErrorKind::AlreadyExists => format!("{} is there already; it is left as it is", path.display()),
            _ => format!("{} cannot be written: {error}", path.display()),
        };
        Failure { message, code: FAILURE }
    })?;
    let stdout = format!("wrote {}; each line in it is a comment until you take the # away", path.display());
    Ok(Outcome { stdout, ..Outcome::default() })
}

/// A file with every key as a comment, which is read as no settings at all.
fn example_file() -> String {
    let mut text = String::from("# The configuration of herenow. Where nothing is said, these defaults hold.\n");
    let defaults = Config::default();
    let mut section = "";
    for key in &KEYS {
        let (of, name) = key.name.split_once('.').unwrap_or_default();
        if of != section {
            section = of;
            put(&mut text, format_args!("\n[{section}]\n"));
        }
        put(&mut text, format_args!("\n# {}\n", key.doc));
        if key.name == SECRET_KEY {
            put(&mut text, format_args!("# Better kept in the variable {SECRET_VARIABLE}.\n"));
        }
        match key.default_value(&defaults) {
            Some(value) => put(&mut text, format_args!("# {name} = {value}\n")),
            None => put(&mut text, format_args!("# {name} =    (default: {})\n", key.shown(&defaults))),
        }
    }
    text.push_str("\n# What is different in rooms of some names: a section for each pattern.\n#\n# [[room]]\n");
    for key in &ROOM_KEYS {
        put(&mut text, format_args!("#\n# # {}\n# {}\n", key.doc, key.written()));
    }
    text
}

fn check(loaded: &Loaded) -> Result<Outcome, Failure> {
    let config = &loaded.config;
    let mode = match Mode::decide(config, None) {
        Ok(mode) => mode,
        // A secret is shown only where somebody is about to start a server with it.
        Err(ModeError::NoSecret { listen, .. }) => {
            let message = format!(
                "no secret is configured, and without one a server does not start on {listen}; set {SECRET_VARIABLE}"
            );
            return Err(Failure { message, code: USAGE });
        }
        Err(error) => return Err(Failure::usage(&error)),
    };
    let around = Surroundings::new();
    assemble::authority(config, &mode, &around, None).map_err(|error| Failure::usage(&error))?;
    assemble::webhooks(config).map_err(|error| Failure::usage(&error))?;
    Certified::read(&config.tls).map_err(|error| Failure::usage(&error))?;
    let from = loaded.file.as_ref().map_or_else(|| "no file".to_owned(), |file| file.display().to_string());
    let mode_name = if mode.is_dev() { "dev mode" } else { "production mode" };
    let count = loaded.sources.len();
    let rooms = match config.rooms.len() {
        0 => String::new(),
        rooms => format!(", {rooms} [[room]]"),
    };
    let (keys, listen) = (KEYS.len(), config.server.listen);
    let stdout = format!("ok: {from}, {count} of {keys} keys set{rooms}, {mode_name} on {listen}");
    Ok(Outcome { stdout, stderr: notes(config).join("\n"), code: 0 })
}

/// What is allowed, but most likely not meant.
fn notes(config: &Config) -> Vec<String> {
    let auth = &config.auth;
    let mut notes = Vec::new();
    if auth.jwks_url.is_some() && auth.audience.is_empty() {
        notes.push(
            "note: auth.audience is not set, so that tokens which the same issuer made for other apps are taken, too"
                .to_owned(),
        );
    }
    if auth.guests && auth.guest_rooms.is_empty() {
        notes.push("note: auth.guests is on, but auth.guest_rooms lets guests into no room".to_owned());
    }
    let spool = config.webhooks.spool_path().parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = spool.filter(|folder| config.webhooks.url.is_some() && !folder.is_dir()) {
        notes.push(format!("note: the folder {} of webhooks.spool does not exist", folder.display()));
    }
    if let Some((later, earlier)) = shadowed(&config.rooms) {
        notes.push(format!(
            "note: the [[room]] with match = {later:?} never counts, because the one with {earlier:?} comes first"
        ));
    }
    if auth.hook_timeout >= config.presence.pong_timeout {
        notes.push(
            "note: auth.hook_timeout is not below presence.pong_timeout: people may be cut off while the app is asked"
                .to_owned(),
        );
    }
    notes
}

fn print(loaded: &Loaded, effective: bool) -> Outcome {
    let mut text = String::new();
    for key in &KEYS {
        if !effective && !loaded.sources.contains_key(key.name) {
            continue;
        }
        let source = source_of(&loaded.sources, key.name);
        put(&mut text, format_args!("{} = {}    ({source})\n", key.name, key.shown(&loaded.config)));
    }
    for (at, (rule, sources)) in loaded.config.rooms.iter().zip(&loaded.room_sources).enumerate() {
        for key in ROOM_KEYS.iter().filter(|key| effective || sources.contains_key(key.name)) {
            let (name, source) = (key.short(), source_of(sources, key.name));
            put(&mut text, format_args!("{SECTION}[{}].{name} = {}    ({source})\n", at + 1, key.shown(rule)));
        }
    }
    if text.is_empty() {
        text.push_str("nothing is set; --effective shows the defaults");
    }
    Outcome { stdout: text.trim_end().to_owned(), ..Outcome::default() }
}

fn explain(name: &str, loaded: &Loaded) -> Result<Outcome, Failure> {
    if let Some(key) = RoomKey::known(name) {
        return Ok(explain_room(key, loaded));
    }
    let Some(key) = Key::named(name) else {
        let hint = nearest_key(name).map_or_else(
            || "; docs/configuration.md lists those there are".to_owned(),
            |nearest| format!(": did you mean `{nearest}`?"),
        );
        let message = format!("there is no key `{}`{hint}", name.escape_debug());
        return Err(Failure { message, code: USAGE });
    };
    let source = source_of(&loaded.sources, key.name);
    let reload = if key.is_live() { "taken at SIGHUP" } else { "needs a restart" };
    let mut text = format!("{}\n\n{}\n\n", key.name, key.doc);
    put(&mut text, format_args!("  now       {}    ({source})\n", key.shown(&loaded.config)));
    put(&mut text, format_args!("  default   {}\n", key.shown(&Config::default())));
    put(&mut text, format_args!("  allowed   {}\n", key.allowed()));
    put(&mut text, format_args!("  variable  {}\n", key.variable()));
    put(&mut text, format_args!("  change    {reload}"));
    Ok(Outcome { stdout: text, ..Outcome::default() })
}

/// The same for a key that each `[[room]]` has.
fn explain_room(key: &RoomKey, loaded: &Loaded) -> Outcome {
    let mut text = format!("{}\n\n{}\n\n", key.name, key.doc);
    let mut title = "now";
    for (rule, sources) in loaded.config.rooms.iter().zip(&loaded.room_sources) {
        let (names, shown) = (rule.names.as_str(), key.shown(rule));
        put(&mut text, format_args!("  {title:<9} {names}: {shown}    ({})\n", source_of(sources, key.name)));
        title = "";
    }
    if loaded.config.rooms.is_empty() {
        text.push_str("  now       there is no [[room]]\n");
    }
    put(&mut text, format_args!("  default   {}\n", key.default()));
    put(&mut text, format_args!("  allowed   {}\n", key.allowed()));
    text.push_str("  variable  none, it stands in a file\n  change    taken at SIGHUP");
    Outcome { stdout: text, ..Outcome::default() }
}

fn source_of(sources: &BTreeMap<&'static str, Source>, key: &str) -> String {
    sources.get(key).map_or_else(|| "default".to_owned(), ToString::to_string)
}

fn put(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("a string takes all text");
}
