//! What a key of the configuration is: where its value goes, what may be written for it, and how that is read and shown.
use super::{
    settings::{Config, KeyFile, LogFormat, LogLevel, PrivateAddresses},
    values::{Raw, choices, format_duration, format_size, name_of, named, parse_duration, parse_size},
};
use crate::{
    auth::{
        address::Network,
        api_key::ApiKey,
        keys::KeySet,
        origin::Origin,
        rights::Rights,
        secret::{Secret, SecretError},
    },
    cluster::redis::{address::RedisAddress, keyspace::Keyspace},
    log_ids::Identities,
    outgoing::WebAddress,
    webhooks::kinds::{EventKind, EventKinds},
};
use herenow_core::pattern::Pattern;
use std::{borrow::Cow, net::SocketAddr, path::PathBuf, time::Duration};

/// A key of the configuration.
#[derive(Debug)]
pub struct Key {
    /// Its name in a file, with its section: `presence.leave_grace`.
    pub name: &'static str,
    /// What it does, and what larger and smaller values cost.
    pub doc: &'static str,
    /// What holds where it is not set, for keys whose default is no value but a rule.
    pub(super) unset: &'static str,
    /// Where its value goes.
    pub(super) slot: Slot,
}

/// The place of a value in a [`Config`].
pub(super) type At<T> = fn(&mut Config) -> &mut T;

/// Where the value of a key goes, and what it may be.
#[derive(Debug)]
pub(super) enum Slot {
    Address(At<SocketAddr>),
    ApiKeys(At<Vec<ApiKey>>),
    Bool(At<Option<bool>>),
    Switch(At<bool>),
    Texts(At<Vec<String>>),
    Secrets(At<Vec<Secret>>),
    KeyFiles(At<Vec<KeyFile>>),
    Jwks(At<Option<String>>),
    Web(At<Option<WebAddress>>),
    Private(At<PrivateAddresses>),
    Networks(At<Vec<Network>>),
    Rooms(At<Vec<Pattern>>),
    Rights(At<Rights>),
    Cookie(At<String>),
    Duration { at: At<Duration>, min: Duration, max: Duration },
    Format(At<LogFormat>),
    Identities(At<Identities>),
    Level(At<LogLevel>),
    Origins(At<Vec<Origin>>),
    Events(At<EventKinds>),
    Path(At<Option<PathBuf>>),
    Patterns(At<Option<Vec<Pattern>>>),
    Secret(At<Option<Secret>>),
    Shards { at: At<Option<usize>>, max: usize },
    Size { at: At<usize>, min: usize, max: usize },
    Count { at: At<usize>, min: usize, max: usize },
    Rate(At<u32>),
    Redis(At<Option<RedisAddress>>),
    ClusterName(At<Keyspace>),
}

impl Key {
    /// The environment variable that sets it: `HERENOW_PRESENCE__LEAVE_GRACE`.
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.name.replace('.', "__").to_ascii_uppercase())
    }

    /// What may be written for it, as the end of a sentence.
    pub fn allowed(&self) -> Cow<'static, str> {
        match &self.slot {
            Slot::Address(_) => "an address and port such as 127.0.0.1:4280".into(),
            Slot::ApiKeys(_) => "a list of lines as `herenow key` prints them, name:rights:hash".into(),
            Slot::Bool(_) | Slot::Switch(_) => "true or false".into(),
            Slot::Texts(_) => format!("a list of texts of 1 to {TEXT_BYTES_MAX} bytes").into(),
            Slot::Secrets(_) => format!("a list of texts of at least {} bytes", Secret::BYTES_MIN).into(),
            Slot::KeyFiles(_) => "a list of files, each as its path or as kid=path".into(),
            Slot::Jwks(_) => format!("a JWK or a JWK Set of at most {} public keys, in JSON", KeySet::KEYS_MAX).into(),
            Slot::Web(_) => "an http or https address without credentials and fragment, or nothing".into(),
            Slot::Private(_) => choices(PrivateAddresses::NAMED.iter().map(|(name, _)| *name)).into(),
            Slot::Networks(_) => "a list of addresses and networks such as 10.0.0.0/8".into(),
            Slot::Rights(_) => "a list of rights out of join, observe, type, message and update".into(),
            Slot::Cookie(_) => "a cookie's name: 1 to 128 letters, digits and any of !#$%&'*+-.^_`|~".into(),
            Slot::Duration { min, max, .. } => {
                let (min, max) = (format_duration(*min), format_duration(*max));
                format!("a duration from {min} to {max}, such as 500ms, 5s or 1m").into()
            }
            Slot::Identities(_) => choices(Identities::NAMED.iter().map(|(name, _)| *name)).into(),
            Slot::Format(_) => choices(LogFormat::NAMED.iter().map(|(name, _)| *name)).into(),
            Slot::Level(_) => choices(LogLevel::NAMED.iter().map(|(name, _)| *name)).into(),
            Slot::Origins(_) => {
                "a list of origins, scheme://host or scheme://host:port, without a path; http or https, no stars".into()
            }
            Slot::Events(_) => {
                let names: Vec<&str> = EventKind::ALL.into_iter().map(EventKind::name).collect();
                format!("a list of events out of {}", names.join(", ")).into()
            }
            Slot::Path(_) => "the path of a file, or nothing".into(),
            Slot::Patterns(_) | Slot::Rooms(_) => {
                "a list of room patterns such as board-* (a star is any run of characters)".into()
            }
            Slot::Secret(_) => format!("a text of at least {} bytes", Secret::BYTES_MIN).into(),
            Slot::Shards { max, .. } => format!("a whole number from 1 to {max}").into(),
            Slot::Count { min, max, .. } => format!("a whole number from {min} to {max}").into(),
            Slot::Rate(_) => format!("a whole number from 0 to {RATE_MAX}").into(),
            Slot::Redis(_) => RedisAddress::ALLOWED.into(),
            Slot::ClusterName(_) => {
                let max = Keyspace::NAME_BYTES_MAX;
                format!("1 to {max} lower-case letters, digits and hyphens").into()
            }
            Slot::Size { min, max, .. } => {
                format!("a size from {} to {}, such as 16KiB", format_size(*min), format_size(*max)).into()
            }
        }
    }

    /// Its value in a configuration, as it would be written; a secret is not shown.
    pub fn shown(&self, config: &Config) -> String {
        // The one way to a value is mutable, so that each key names its place only once.
        let config = &mut config.clone();
        let unset = || self.unset.to_owned();
        match &self.slot {
            Slot::Address(at) => at(config).to_string(),
            Slot::ApiKeys(at) if at(config).is_empty() => unset(),
            Slot::ApiKeys(at) => {
                let named = |key: &ApiKey| format!("{} ({})", key.name, key.rights);
                at(config).iter().map(named).collect::<Vec<_>>().join(", ")
            }
            Slot::Bool(at) => at(config).map_or_else(unset, |value| value.to_string()),
            Slot::Switch(at) => at(config).to_string(),
            Slot::Texts(at) if at(config).is_empty() => unset(),
            Slot::Texts(at) => at(config).join(", "),
            Slot::Secrets(at) if at(config).is_empty() => unset(),
            Slot::Secrets(at) => format!("({} hidden)", at(config).len()),
            Slot::KeyFiles(at) if at(config).is_empty() => unset(),
            Slot::KeyFiles(at) => joined(at(config)),
            Slot::Jwks(at) => at(config).clone().unwrap_or_else(unset),
            Slot::Web(at) => at(config).as_ref().map_or_else(unset, ToString::to_string),
            Slot::Private(at) => name_of(&PrivateAddresses::NAMED, *at(config)),
            Slot::Networks(at) if at(config).is_empty() => unset(),
            Slot::Networks(at) => joined(at(config)),
            Slot::Rooms(at) if at(config).is_empty() => unset(),
            Slot::Rooms(at) => at(config).iter().map(Pattern::as_str).collect::<Vec<_>>().join(", "),
            Slot::Rights(at) if at(config).is_empty() => "none".to_owned(),
            Slot::Rights(at) => at(config).names().collect::<Vec<_>>().join(", "),
            Slot::Cookie(at) => at(config).clone(),
            Slot::Duration { at, .. } => format_duration(*at(config)),
            Slot::Identities(at) => name_of(&Identities::NAMED, *at(config)),
            Slot::Format(at) => name_of(&LogFormat::NAMED, *at(config)),
            Slot::Level(at) => name_of(&LogLevel::NAMED, *at(config)),
            Slot::Origins(at) if at(config).is_empty() => unset(),
            Slot::Origins(at) => joined(at(config)),
            Slot::Events(at) => at(config).iter().map(EventKind::name).collect::<Vec<_>>().join(", "),
            Slot::Path(at) => at(config).as_ref().map_or_else(unset, |path| path.display().to_string()),
            Slot::Patterns(at) => at(config)
                .as_ref()
                .map_or_else(unset, |patterns| patterns.iter().map(Pattern::as_str).collect::<Vec<_>>().join(", ")),
            Slot::Secret(at) => at(config).as_ref().map_or_else(unset, |_| "(hidden)".to_owned()),
            Slot::Shards { at, .. } => at(config).map_or_else(unset, |value| value.to_string()),
            Slot::Size { at, .. } => format_size(*at(config)),
            Slot::Count { at, .. } => at(config).to_string(),
            Slot::Rate(at) => at(config).to_string(),
            Slot::Redis(at) => at(config).as_ref().map_or_else(unset, ToString::to_string),
            Slot::ClusterName(at) => at(config).name().to_owned(),
        }
    }

    /// Puts a value in its place.
    ///
    /// # Errors
    /// Says what is allowed instead; `config` is as it was.
    pub fn set(&self, config: &mut Config, raw: &Raw) -> Result<(), Cow<'static, str>> {
        match &self.slot {
            Slot::Secret(at) => {
                *at(config) = Some(secret(raw)?);
                return Ok(());
            }
            Slot::Secrets(at) => {
                let texts = raw.list().ok_or_else(|| self.allowed())?;
                *at(config) = texts.into_iter().map(one_secret).collect::<Result<_, _>>()?;
                return Ok(());
            }
            _ => {}
        }
        self.put(config, raw).ok_or_else(|| self.allowed())
    }

    /// Its default as a file has it; `None` where that is no value but a rule, or hidden.
    pub fn default_value(&self, defaults: &Config) -> Option<String> {
        let shown = self.shown(defaults);
        let quoted = || Some(format!("{shown:?}"));
        match &self.slot {
            Slot::Switch(_) | Slot::Count { .. } | Slot::Rate(_) => Some(shown),
            Slot::Rights(_) | Slot::Events(_) => {
                let names: Vec<String> = shown.split(", ").map(|name| format!("{name:?}")).collect();
                Some(format!("[{}]", names.join(", ")))
            }
            _ if shown == self.unset => None,
            Slot::Address(_)
            | Slot::Cookie(_)
            | Slot::Duration { .. }
            | Slot::Format(_)
            | Slot::Identities(_)
            | Slot::Level(_)
            | Slot::Private(_)
            | Slot::ClusterName(_)
            | Slot::Size { .. } => quoted(),
            Slot::Bool(_)
            | Slot::ApiKeys(_)
            | Slot::Texts(_)
            | Slot::Secrets(_)
            | Slot::KeyFiles(_)
            | Slot::Jwks(_)
            | Slot::Web(_)
            | Slot::Networks(_)
            | Slot::Rooms(_)
            | Slot::Origins(_)
            | Slot::Path(_)
            | Slot::Patterns(_)
            | Slot::Secret(_)
            | Slot::Redis(_)
            | Slot::Shards { .. } => None,
        }
    }

    /// Whether errors must not show what was written.
    pub fn is_secret(&self) -> bool {
        matches!(self.slot, Slot::Secret(_) | Slot::Secrets(_) | Slot::ApiKeys(_) | Slot::Redis(_))
    }

    /// Whether it has the same value in both.
    pub fn is_same(&self, one: &Config, other: &Config) -> bool {
        match &self.slot {
            Slot::Secret(at) => at(&mut one.clone()) == at(&mut other.clone()),
            Slot::Secrets(at) => at(&mut one.clone()) == at(&mut other.clone()),
            Slot::ApiKeys(at) => at(&mut one.clone()) == at(&mut other.clone()),
            Slot::Redis(at) => at(&mut one.clone()) == at(&mut other.clone()),
            _ => self.shown(one) == self.shown(other),
        }
    }

    /// Gives it the value in `to` that it has in `from`.
    pub fn copy(&self, from: &Config, to: &mut Config) {
        // As in [`Self::shown`].
        let from = &mut from.clone();
        match &self.slot {
            Slot::Address(at) => at(to).clone_from(at(from)),
            Slot::ApiKeys(at) => at(to).clone_from(at(from)),
            Slot::Bool(at) => at(to).clone_from(at(from)),
            Slot::Switch(at) => at(to).clone_from(at(from)),
            Slot::Texts(at) => at(to).clone_from(at(from)),
            Slot::Secrets(at) => at(to).clone_from(at(from)),
            Slot::KeyFiles(at) => at(to).clone_from(at(from)),
            Slot::Jwks(at) => at(to).clone_from(at(from)),
            Slot::Web(at) => at(to).clone_from(at(from)),
            Slot::Private(at) => at(to).clone_from(at(from)),
            Slot::Networks(at) => at(to).clone_from(at(from)),
            Slot::Rooms(at) => at(to).clone_from(at(from)),
            Slot::Rights(at) => at(to).clone_from(at(from)),
            Slot::Cookie(at) => at(to).clone_from(at(from)),
            Slot::Format(at) => at(to).clone_from(at(from)),
            Slot::Identities(at) => at(to).clone_from(at(from)),
            Slot::Level(at) => at(to).clone_from(at(from)),
            Slot::Origins(at) => at(to).clone_from(at(from)),
            Slot::Events(at) => at(to).clone_from(at(from)),
            Slot::Path(at) => at(to).clone_from(at(from)),
            Slot::Patterns(at) => at(to).clone_from(at(from)),
            Slot::Secret(at) => at(to).clone_from(at(from)),
            Slot::Rate(at) => at(to).clone_from(at(from)),
            Slot::Redis(at) => at(to).clone_from(at(from)),
            Slot::ClusterName(at) => at(to).clone_from(at(from)),
            Slot::Duration { at, .. } => at(to).clone_from(at(from)),
            Slot::Shards { at, .. } => at(to).clone_from(at(from)),
            Slot::Size { at, .. } => at(to).clone_from(at(from)),
            Slot::Count { at, .. } => at(to).clone_from(at(from)),
        }
    }

    fn put(&self, config: &mut Config, raw: &Raw) -> Option<()> {
        match &self.slot {
            Slot::Address(at) => *at(config) = address(raw.text()?)?,
            Slot::ApiKeys(at) => *at(config) = raw.list()?.into_iter().map(ApiKey::parse).collect::<Option<_>>()?,
            Slot::Bool(at) => *at(config) = Some(raw.bool()?),
            Slot::Switch(at) => *at(config) = raw.bool()?,
            Slot::Texts(at) => {
                let is_fine = |text: &str| (1..=TEXT_BYTES_MAX).contains(&text.len());
                let texts = raw.list()?.into_iter().map(|text| is_fine(text).then(|| text.to_owned()));
                *at(config) = texts.collect::<Option<_>>()?;
            }
            Slot::KeyFiles(at) => *at(config) = raw.list()?.into_iter().map(key_file).collect::<Option<_>>()?,
            Slot::Jwks(at) => {
                let text = raw.text()?;
                KeySet::of_jwks(text.as_bytes()).ok()?;
                *at(config) = Some(text.to_owned());
            }
            Slot::Web(at) => {
                let text = raw.text()?;
                *at(config) = if text.is_empty() { None } else { Some(WebAddress::parse(text)?) };
            }
            Slot::Private(at) => *at(config) = named(&PrivateAddresses::NAMED, raw.text()?)?,
            Slot::Networks(at) => *at(config) = raw.list()?.into_iter().map(Network::parse).collect::<Option<_>>()?,
            Slot::Rooms(at) => {
                let patterns = raw.list()?.into_iter().map(|text| Pattern::parse(text).ok());
                *at(config) = patterns.collect::<Option<_>>()?;
            }
            Slot::Rights(at) => {
                let rights = raw.list()?.into_iter().map(Rights::named).collect::<Option<Vec<_>>>()?;
                *at(config) = rights.into_iter().fold(Rights::NONE, Rights::union);
            }
            Slot::Cookie(at) => *at(config) = raw.text().filter(|text| is_cookie_name(text))?.to_owned(),
            Slot::Duration { at, min, max } => {
                *at(config) = raw.text().and_then(parse_duration).filter(|value| (min..=max).contains(&value))?;
            }
            Slot::Identities(at) => *at(config) = named(&Identities::NAMED, raw.text()?)?,
            Slot::Format(at) => *at(config) = named(&LogFormat::NAMED, raw.text()?)?,
            Slot::Level(at) => *at(config) = named(&LogLevel::NAMED, raw.text()?)?,
            Slot::Origins(at) => *at(config) = raw.list()?.into_iter().map(Origin::parse).collect::<Option<_>>()?,
            Slot::Events(at) => {
                *at(config) = raw.list()?.into_iter().map(EventKind::named).collect::<Option<_>>()?;
            }
            Slot::Path(at) => *at(config) = Some(raw.text()?).filter(|path| !path.is_empty()).map(PathBuf::from),
            Slot::Patterns(at) => {
                let patterns = raw.list()?.into_iter().map(|text| Pattern::parse(text).ok());
                *at(config) = Some(patterns.collect::<Option<_>>()?);
            }
            Slot::Secret(at) => *at(config) = Some(secret(raw).ok()?),
            Slot::Secrets(at) => {
                let secrets = raw.list()?.into_iter().map(|text| one_secret(text).ok());
                *at(config) = secrets.collect::<Option<_>>()?;
            }
            Slot::Shards { at, max } => *at(config) = Some(raw.whole().filter(|value| (1..=*max).contains(value))?),
            Slot::Size { at, min, max } => {
                let size = raw.text().map_or_else(|| raw.whole(), parse_size);
                *at(config) = size.filter(|value| (min..=max).contains(&value))?;
            }
            Slot::Rate(at) => {
                let rate = raw.whole().and_then(|rate| u32::try_from(rate).ok());
                *at(config) = rate.filter(|rate| *rate <= RATE_MAX)?;
            }
            Slot::Redis(at) => {
                let text = raw.text()?;
                *at(config) = if text.is_empty() { None } else { Some(RedisAddress::parse(text)?) };
            }
            Slot::ClusterName(at) => *at(config) = Keyspace::parse(raw.text()?)?,
            Slot::Count { at, min, max } => {
                *at(config) = raw.whole().filter(|value| (*min..=*max).contains(value))?;
            }
        }
        Some(())
    }
}

fn secret(raw: &Raw) -> Result<Secret, Cow<'static, str>> {
    one_secret(raw.text().ok_or("a text")?)
}

/// A key's file: `path`, or `kid=path`.
fn key_file(text: &str) -> Option<KeyFile> {
    let (id, path) = match text.split_once('=') {
        Some((id, path)) => (Some(id), path),
        None => (None, text),
    };
    let is_named = id.is_none_or(|id| (1..=TEXT_BYTES_MAX).contains(&id.len()));
    (is_named && !path.is_empty()).then(|| KeyFile { id: id.map(str::to_owned), path: path.into() })
}

fn one_secret(text: &str) -> Result<Secret, Cow<'static, str>> {
    Secret::parse(text).map_err(|error| match error {
        SecretError::TooShort { bytes } => {
            let proposal = Secret::generate().map(|new| format!(", such as this new one: {}", new.reveal()));
            let proposal = proposal.unwrap_or_default();
            format!("a text of at least {} bytes, this one has {bytes}{proposal}", Secret::BYTES_MIN).into()
        }
        SecretError::Blank => "a text without blanks around it and without control characters".into(),
    })
}

/// An address with its port; `localhost` stands for 127.0.0.1, so that no name has to be looked up.
fn address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}").parse().ok(),
        None => text.parse().ok(),
    }
}

/// A token as RFC 6265 asks for.
fn is_cookie_name(text: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.len() <= 128 && text.bytes().all(is_fine)
}

fn joined(values: &[impl ToString]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What each variable of ours begins with.
pub const VARIABLE_PREFIX: &str = "HERENOW_";
/// The short name of the variable for `auth.secret`.
pub const SECRET_VARIABLE: &str = "HERENOW_SECRET";

/// The key that [`SECRET_VARIABLE`] sets.
pub const SECRET_KEY: &str = "auth.secret";

/// Bytes of one text of a list.
const TEXT_BYTES_MAX: usize = 512;

/// More a second than this is no limit worth having.
const RATE_MAX: u32 = 1_000_000;
