//! From a configuration to who decides who somebody is, and to a node among others: reads key files, and makes ready to ask.
use crate::{
    auth::{
        authority::Authority,
        guests::Guests,
        hook::{CookieHook, Hook, HookSetup, HookTimes, RoomHook},
        jwks::{Jwks, JwksRhythm},
        keys::{KeyError, KeySet, TokenKey},
        origin::OriginPolicy,
        revoked::Revocations,
        token::{GuestRules, Verifier, VerifierSetup},
    },
    clock::Clock,
    cluster::{node::ClusterSetup, redis::link::Route},
    config::{
        mode::Mode,
        settings::{ClusterConfig, Config},
    },
    outgoing::{Outgoing, OutgoingSetup, WebAddress},
    tls::{Tls, TlsError},
    webhooks::{
        inlet::Inlet,
        kinds::EventKind,
        settings::{Settings as WebhookSettings, receiver},
    },
};
use herenow_core::cluster::timing::Timing;
use std::{fmt, fs, io, path::PathBuf, sync::Arc, time::Duration};

/// Why a configuration, whose values are good each by itself, cannot be gone by.
#[derive(Debug)]
#[non_exhaustive]
pub enum AssembleError {
    /// A key file cannot be read.
    KeyFile {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A key file holds no key.
    Key {
        /// Where.
        path: PathBuf,
        /// Why.
        error: KeyError,
    },
    /// There are too many keys, or `auth.jwks` holds none.
    Keys(KeyError),
    /// An address cannot be asked by https, because this system has no certificates to trust.
    Certificates {
        /// Which key names the address.
        key: &'static str,
        /// What the system says.
        error: io::Error,
    },
    /// The file of `cluster.redis_ca` cannot be read.
    RedisCa {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is an address for webhooks, but nothing to sign with.
    NoWebhookSecret,
    /// The system gives no random bytes.
    Random(getrandom::Error),
    /// There is no TLS as the configuration says.
    Tls(TlsError),
}

/// What stays the same while configurations change.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The clock of the process.
    pub clock: Clock,
    /// Which tokens were withdrawn.
    pub revoked: Arc<Revocations>,
    /// What new connections speak.
    pub tls: Tls,
}

impl Surroundings {
    /// Those of a process that starts.
    pub fn new() -> Self {
        Self { clock: Clock::start(), revoked: Arc::default(), tls: Tls::default() }
    }
}

impl Default for Surroundings {
    fn default() -> Self {
        Self::new()
    }
}

/// Who decides, as a configuration says. What an authority before it has learned from the same addresses is kept.
///
/// # Errors
/// See [`AssembleError`].
pub fn authority(
    config: &Config,
    mode: &Mode,
    around: &Surroundings,
    before: Option<&Authority>,
) -> Result<Authority, AssembleError> {
    let jwks = jwks(config, around, before)?;
    let verifier = Verifier::with(VerifierSetup {
        keys: keys(config, mode)?,
        jwks: jwks.clone(),
        default_rooms: config.default_grants(mode.is_dev()),
        audience: config.auth.audience.clone(),
        issuer: config.auth.issuer.clone(),
        guests: guest_rules(config, mode),
        revoked: Arc::clone(&around.revoked),
    });
    let (cookies, rooms) = (cookies(config, around, before)?, rooms(config, around, before)?);
    Ok(Authority { verifier: Arc::new(verifier), jwks, cookies, rooms })
}

/// What makes this node one of several, where a store is configured.
///
/// # Errors
/// [`AssembleError::RedisCa`].
pub fn cluster(config: &Config, webhooks: &Inlet) -> Result<Option<ClusterSetup>, AssembleError> {
    let ClusterConfig { redis, name, redis_ca } = &config.cluster;
    let Some(address) = redis.clone() else { return Ok(None) };
    let read = |path: &PathBuf| fs::read(path).map_err(|error| AssembleError::RedisCa { path: path.clone(), error });
    let roots = redis_ca.as_ref().map(read).transpose()?;
    let route = Route { address, roots, answer_timeout: REDIS_TIMEOUT };
    let wants_online =
        [EventKind::UserOnline, EventKind::UserOffline].map(|kind| config.webhooks.events.contains(kind));
    let follows_own_users = config.webhooks.url.is_some() && wants_online.contains(&true);
    let (keys, timing, webhooks) = (name.clone(), Timing::default(), webhooks.clone());
    Ok(Some(ClusterSetup { route, keys, timing, webhooks, follows_own_users }))
}

/// Who is told of joins and leaves by HTTP, if anybody is.
///
/// # Errors
/// See [`AssembleError`].
pub fn webhooks(config: &Config) -> Result<Option<Arc<WebhookSettings>>, AssembleError> {
    let webhooks = &config.webhooks;
    let Some(address) = webhooks.url.clone() else { return Ok(None) };
    let first = webhooks.secret.clone().ok_or(AssembleError::NoWebhookSecret)?;
    let receiver = receiver(address, webhooks.reach(), webhooks.timeout);
    let outgoing = receiver.map_err(|error| AssembleError::Certificates { key: "webhooks.url", error })?;
    Ok(Some(Arc::new(WebhookSettings {
        outgoing,
        secrets: [first].into_iter().chain(webhooks.second_secret.clone()).collect(),
        kinds: webhooks.events,
        rooms: webhooks.rooms.clone(),
        retry_max: webhooks.retry_max,
        give_up: webhooks.give_up,
        return_grace: webhooks.return_grace,
    })))
}

/// Which pages may connect, as a configuration says.
pub fn origins(config: &Config, mode: &Mode) -> OriginPolicy {
    OriginPolicy { allowed: config.server.allowed_origins.clone(), is_dev: mode.is_dev() }
}

/// Who makes guests, where there are to be any.
pub fn guests(config: &Config, mode: &Mode) -> Option<Guests> {
    let rules = guest_rules(config, mode)?;
    Some(Guests::new(&rules, config.auth.guests_per_address, config.server.trusted_proxies.clone()))
}

fn guest_rules(config: &Config, mode: &Mode) -> Option<GuestRules> {
    let grants = Arc::new(config.guest_grants());
    config.auth.guests.then(|| GuestRules { secret: Guests::secret_of(mode.secret()), grants })
}

fn keys(config: &Config, mode: &Mode) -> Result<KeySet, AssembleError> {
    let mut keys = vec![TokenKey::of_secret(mode.secret())];
    keys.extend(config.auth.more_secrets.iter().map(TokenKey::of_secret));
    for file in &config.auth.key_files {
        let path = || file.path.clone();
        let pem = fs::read(&file.path).map_err(|error| AssembleError::KeyFile { path: path(), error })?;
        let key = TokenKey::of_pem(&pem, file.id.as_deref());
        keys.push(key.map_err(|error| AssembleError::Key { path: path(), error })?);
    }
    if let Some(jwks) = &config.auth.jwks {
        let inline = KeySet::of_jwks(jwks.as_bytes()).map_err(AssembleError::Keys)?;
        keys.extend(inline.iter().cloned());
    }
    KeySet::new(keys).map_err(AssembleError::Keys)
}

fn jwks(
    config: &Config,
    around: &Surroundings,
    before: Option<&Authority>,
) -> Result<Option<Arc<Jwks>>, AssembleError> {
    let auth = &config.auth;
    let Some(address) = auth.jwks_url.clone() else { return Ok(None) };
    let setup = OutgoingSetup {
        address,
        reach: auth.private_addresses.of_keys(),
        timeout: auth.hook_timeout,
        body_bytes_max: Jwks::BODY_BYTES_MAX,
    };
    let rhythm = JwksRhythm { refresh: auth.jwks_refresh, outage: auth.jwks_outage, cooldown: auth.jwks_cooldown };
    let known = before.and_then(|before| before.jwks.as_ref()).filter(|known| known.is_of(&setup, rhythm));
    if let Some(known) = known {
        return Ok(Some(Arc::clone(known)));
    }
    let source = outgoing("auth.jwks_url", setup)?;
    Ok(Some(Arc::new(Jwks::new(source, rhythm, around.clock))))
}

fn cookies(
    config: &Config,
    around: &Surroundings,
    before: Option<&Authority>,
) -> Result<Option<Arc<CookieHook>>, AssembleError> {
    let Some(address) = config.auth.cookie_hook.clone() else { return Ok(None) };
    let setup = hook_address(config, address);
    let known = before.and_then(|before| before.cookies.as_ref());
    if let Some(known) = known.filter(|known| is_same(known.hook(), config, &setup)) {
        return Ok(Some(Arc::clone(known)));
    }
    let hook = hook(config, around, outgoing("auth.cookie_hook", setup)?);
    Ok(Some(Arc::new(CookieHook::new(hook).map_err(AssembleError::Random)?)))
}

fn rooms(
    config: &Config,
    around: &Surroundings,
    before: Option<&Authority>,
) -> Result<Option<Arc<RoomHook>>, AssembleError> {
    let Some(address) = config.auth.room_hook.clone() else { return Ok(None) };
    let setup = hook_address(config, address);
    let known = before.and_then(|before| before.rooms.as_ref());
    if let Some(known) = known.filter(|known| is_same(known.hook(), config, &setup)) {
        return Ok(Some(Arc::clone(known)));
    }
    Ok(Some(Arc::new(RoomHook::new(hook(config, around, outgoing("auth.room_hook", setup)?)))))
}

fn hook_address(config: &Config, address: WebAddress) -> OutgoingSetup {
    let (reach, timeout): (_, Duration) = (config.auth.private_addresses.of_hooks(), config.auth.hook_timeout);
    OutgoingSetup { address, reach, timeout, body_bytes_max: Hook::BODY_BYTES_MAX }
}

fn hook(config: &Config, around: &Surroundings, outgoing: Outgoing) -> Hook {
    let secret = config.auth.hook_secret.clone();
    Hook::new(HookSetup { outgoing, times: times(config), secret, clock: around.clock })
}

fn is_same(hook: &Hook, config: &Config, setup: &OutgoingSetup) -> bool {
    hook.is_of(setup, times(config), config.auth.hook_secret.as_ref())
}

fn times(config: &Config) -> HookTimes {
    let auth = &config.auth;
    HookTimes { cache: auth.hook_cache, recheck: auth.hook_recheck, outage: auth.hook_outage }
}

fn outgoing(key: &'static str, setup: OutgoingSetup) -> Result<Outgoing, AssembleError> {
    Outgoing::new(setup).map_err(|error| AssembleError::Certificates { key, error })
}

impl fmt::Display for AssembleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyFile { path, .. } => write!(f, "the key file {} of auth.key_files cannot be read", path.display()),
            Self::RedisCa { path, .. } => write!(f, "the file {} of cluster.redis_ca cannot be read", path.display()),
            Self::Key { path, error } => write!(f, "the key file {} of auth.key_files holds {error}", path.display()),
            Self::Keys(error) => write!(f, "the keys of auth.jwks and auth.key_files are {error}"),
            Self::Certificates { key, .. } => write!(
                f,
                "{key} cannot be asked by https, since this system has no certificates to trust; install \
                 ca-certificates, or name a file of them in SSL_CERT_FILE"
            ),
            Self::NoWebhookSecret => write!(
                f,
                "webhooks.url is set, but webhooks.secret is not, so that your app could not know who calls it; set \
                 HERENOW_WEBHOOKS__SECRET"
            ),
            Self::Random(_) => write!(f, "the system gives no random bytes"),
            Self::Tls(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for AssembleError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::KeyFile { error, .. } | Self::Certificates { error, .. } | Self::RedisCa { error, .. } => Some(error),
            Self::Random(error) => Some(error),
            Self::Tls(error) => std::error::Error::source(error),
            Self::Key { .. } | Self::Keys(_) | Self::NoWebhookSecret => None,
        }
    }
}

/// How long an answer of Redis may take. Longer: a Redis that hangs is noticed later; shorter: a busy one is taken for lost.
const REDIS_TIMEOUT: Duration = Duration::from_secs(1);
