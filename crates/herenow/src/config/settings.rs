//! The settings themselves, each with its default. What may be written for each is in [`super::keys`].
use super::webhooks::WebhookConfig;
use crate::{
    auth::{
        address::Network,
        api_key::ApiKey,
        origin::Origin,
        rights::{Grants, Rights},
        secret::Secret,
    },
    cluster::redis::{address::RedisAddress, keyspace::Keyspace},
    log_ids::Identities,
    outgoing::{Reach, WebAddress},
    rate::RateLimits,
};
use herenow_core::{limits::Limits, pattern::Pattern, rules::RoomRule};
use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZero,
    path::PathBuf,
    thread::available_parallelism,
    time::Duration,
};

/// All settings. `Default` is what holds where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Where the server listens and who may connect.
    pub server: ServerConfig,
    /// The certificate, where no proxy in front has one.
    pub tls: TlsConfig,
    /// How clients prove who they are.
    pub auth: AuthConfig,
    /// The HTTP API.
    pub api: ApiConfig,
    /// When somebody counts as here, as typing, as gone.
    pub presence: PresenceConfig,
    /// Who is told of joins and leaves by HTTP.
    pub webhooks: WebhookConfig,
    /// How much one client may ask for.
    pub limits: LimitsConfig,
    /// What is different in rooms of some names; of several that name a room, the first holds. Default none.
    pub rooms: Vec<RoomRule>,
    /// What makes the node one of several.
    pub cluster: ClusterConfig,
    /// The task board that comes with the server.
    pub demo: DemoConfig,
    /// What is logged, and how.
    pub log: LogConfig,
}

/// Where the server listens and who may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Address and port; port 0 takes a free one. Default 127.0.0.1:4280.
    pub listen: SocketAddr,
    /// Origins of pages that may use the session cookie, besides the server's own. Default none.
    pub allowed_origins: Vec<Origin>,
    /// Proxies whose `X-Forwarded-For` is believed. Default none.
    pub trusted_proxies: Vec<Network>,
    /// How long clients have to go elsewhere when the server stops. Default 10 s.
    pub shutdown_grace: Duration,
    /// Tasks that share the rooms among them; `None`: as many as there are cores.
    pub shards: Option<usize>,
}

/// What TLS is spoken with: both, or neither. Default neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// File with the certificate, and those that lead from it to one that clients know, in PEM.
    pub cert: Option<PathBuf>,
    /// File with its private key, in PEM.
    pub key: Option<PathBuf>,
}

/// How clients prove who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthConfig {
    /// What the app signs its tokens with. Default none, which dev mode makes up for by itself.
    pub secret: Option<Secret>,
    /// How long a connection without a token may take to send one in its first frame. Default 5 s.
    pub first_frame_timeout: Duration,
    /// Rooms of tokens that list none; `None`: all in dev mode, otherwise none.
    pub default_rooms: Option<Vec<Pattern>>,
    /// Name of the cookie that may hold a token. Default `session`.
    pub cookie_name: String,
    /// Other secrets that tokens may be signed with, besides [`Self::secret`]. Default none.
    pub more_secrets: Vec<Secret>,
    /// Files with public keys in PEM. Default none.
    pub key_files: Vec<KeyFile>,
    /// Public keys as a JWK Set, in JSON. Default none.
    pub jwks: Option<String>,
    /// Address of a JWK Set. Default none.
    pub jwks_url: Option<WebAddress>,
    /// How often the keys at that address are fetched. Default 10 min.
    pub jwks_refresh: Duration,
    /// How long the last good ones count beyond that while they cannot be fetched. Default 12 h.
    pub jwks_outage: Duration,
    /// How often tokens with an unknown key may have them fetched. Default 10 s.
    pub jwks_cooldown: Duration,
    /// Audiences that tokens have to name. Default none: `aud` may be absent.
    pub audience: Vec<String>,
    /// Issuers that tokens have to name. Default none: any.
    pub issuer: Vec<String>,
    /// Address of the app that knows whose a session cookie is. Default none: the cookie holds a token.
    pub cookie_hook: Option<WebAddress>,
    /// Address of the app that knows who may enter which room. Default none: tokens say it.
    pub room_hook: Option<WebAddress>,
    /// What this server proves itself with to the hooks. Default none.
    pub hook_secret: Option<Secret>,
    /// How long a hook, or the address of the keys, may take to answer. Default 2 s.
    pub hook_timeout: Duration,
    /// How long a hook's answer counts for others who come. Default 30 s.
    pub hook_cache: Duration,
    /// How often a hook is asked again about those who are here. Default 5 min.
    pub hook_recheck: Duration,
    /// How long those stay beyond that while the hook does not answer. Default 10 min.
    pub hook_outage: Duration,
    /// Which of the addresses above may lead to private networks. Default [`PrivateAddresses::Hooks`].
    pub private_addresses: PrivateAddresses,
    /// Whether guests are let in. Default not.
    pub guests: bool,
    /// Rooms that guests may enter. Default none.
    pub guest_rooms: Vec<Pattern>,
    /// What they may do there. Default join and type.
    pub guest_rights: Rights,
    /// New guests of one address in 10 minutes. Default 20.
    pub guests_per_address: usize,
    /// Keys of backends. Default none.
    pub api_keys: Vec<ApiKey>,
}

/// The HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiConfig {
    /// Whether metrics are for whoever asks; `None`: in dev mode only.
    pub public_metrics: Option<bool>,
    /// Viewers without a connection that are held at once. Default 10,000.
    pub hosted_viewers: usize,
    /// Streams and long polls from one address. Default 1,000.
    pub streams_per_address: usize,
    /// Whether the operators' page is served. Default yes.
    pub admin_page: bool,
}

/// A file with a public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// What tokens call the key (`kid`), if they are to name it.
    pub id: Option<String>,
    /// Where it is.
    pub path: PathBuf,
}

impl std::fmt::Display for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.id {
            Some(id) => write!(f, "{id}={}", self.path.display()),
            None => write!(f, "{}", self.path.display()),
        }
    }
}

/// Which addresses that the configuration names may lead to private networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrivateAddresses {
    /// None.
    None,
    /// Those of hooks: the app is often next door.
    #[default]
    Hooks,
    /// That of the keys as well.
    All,
}

/// When somebody counts as here, as typing, as gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceConfig {
    /// Grace after a close that says that the page goes away. Default 5 s.
    pub leave_grace: Duration,
    /// Grace after a connection that broke without a word. Default 10 s.
    pub drop_grace: Duration,
    /// Grace after this server ended the connection because it stops. Default 30 s.
    pub drain_grace: Duration,
    /// How often a quiet connection is pinged. Default 20 s.
    pub ping_interval: Duration,
    /// How long after a ping a connection that sends nothing counts as dead. Default 10 s.
    pub pong_timeout: Duration,
    /// How long a connection without WebSocket lives on without a sign of its client. Default 30 s.
    pub request_lease: Duration,
    /// How long one `typing` counts without a repeat. Default 6 s.
    pub typing_lease: Duration,
    /// How long a session can be gone on with after its connection ended. Default 60 s.
    pub resume_window: Duration,
    /// How long it is told of a user who is offline when they were last seen; zero: never. Default zero.
    pub last_seen_ttl: Duration,
    /// To what whole time that is rounded down. Default 1 day.
    pub last_seen_grain: Duration,
}

/// How much one client may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Bytes of one frame from a client. Default 16 KiB.
    pub frame_bytes: usize,
    /// Bytes of a session's state in one room. Default 4 KiB.
    pub state_bytes: usize,
    /// Bytes that may wait for a slow client. Default 256 KiB.
    pub outbox_bytes: usize,
    /// How long a client may take nothing of that. Default 30 s.
    pub drain_timeout: Duration,
    /// Rooms that one connection may be in. Default 50.
    pub rooms_per_connection: usize,
    /// Users that may be in one room; 0: no limit. Default 0.
    pub viewers_per_room: usize,
    /// Connections of one address that have not said yet what they want. Default 500.
    pub half_open_per_address: usize,
    /// Connections that one address may open in 10 s; 0 is no limit. Default 1,000.
    pub handshakes_per_address: usize,
    /// Memory of the process, in bytes, near which new connections are refused; 0: the limit of the container. Default 0.
    pub memory: usize,
    /// How often one connection may ask.
    pub rates: RateLimits,
}

/// What makes the node one of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Where the Redis of the cluster is; `None`: the node is alone.
    pub redis: Option<RedisAddress>,
    /// What the cluster is called in its Redis. Default [`Keyspace::DEFAULT`].
    pub name: Keyspace,
    /// File with the certificates that its Redis is trusted by; `None`: those of the system.
    pub redis_ca: Option<PathBuf>,
}

/// The task board that comes with the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DemoConfig {
    /// Whether it is served; `None`: in dev mode only.
    pub enabled: Option<bool>,
    /// File for its tasks; `None`: they are kept in memory and gone after a restart.
    pub database: Option<PathBuf>,
}

/// What is logged, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogConfig {
    /// Default [`LogFormat::Auto`].
    pub format: LogFormat,
    /// Default [`LogLevel::Info`].
    pub level: LogLevel,
    /// How users and rooms stand in it. Default [`Identities::Hashed`].
    pub identities: Identities,
}

/// What a log line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// [`Self::Human`] on a terminal, [`Self::Json`] otherwise.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// From which severity on things are logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What should wake a person.
    Error,
    /// And what is worth counting.
    Warn,
    /// And what happens rarely: start, stop, drain.
    #[default]
    Info,
    /// And each connection.
    Debug,
    /// And each message, never with what it holds.
    Trace,
}

impl Config {
    /// The limits and times of a hub that these settings ask for.
    pub fn hub_limits(&self) -> Limits {
        Limits {
            grace_closed: self.presence.leave_grace,
            grace_lost: self.presence.drop_grace,
            grace_drained: self.presence.drain_grace,
            resume_window: self.presence.resume_window,
            last_seen_ttl: self.presence.last_seen_ttl,
            last_seen_grain: self.presence.last_seen_grain,
            typing_lease: self.presence.typing_lease,
            state_bytes_max: self.limits.state_bytes,
            rooms_per_session_max: self.limits.rooms_per_connection,
            viewers_max: if self.limits.viewers_per_room == 0 { usize::MAX } else { self.limits.viewers_per_room },
            rooms: self.rooms.iter().cloned().collect(),
            ..Limits::default()
        }
    }

    /// Whether the address can be reached from this machine only.
    pub fn is_loopback(&self) -> bool {
        self.server.listen.ip().to_canonical().is_loopback()
    }

    /// How many shards there are to be: what is set, or one a core (one where the cores cannot be counted).
    pub fn shard_count(&self) -> usize {
        self.server.shards.unwrap_or_else(|| available_parallelism().map_or(1, NonZero::get))
    }

    /// What tokens without `rooms` give: [`Rights::DEFAULT`] in the rooms that are set, otherwise in all rooms in dev
    /// mode and in none else.
    pub fn default_grants(&self, is_dev: bool) -> Grants {
        let all = || is_dev.then(|| Pattern::parse("*").expect("a star is a pattern")).into_iter().collect();
        let patterns: Vec<Pattern> = self.auth.default_rooms.clone().unwrap_or_else(all);
        Grants::new(patterns.into_iter().map(|pattern| (pattern, Rights::DEFAULT)))
    }

    /// Whether there is a way to be let in besides `auth.secret`.
    pub fn has_other_keys(&self) -> bool {
        let AuthConfig { more_secrets, key_files, jwks, jwks_url, cookie_hook, .. } = &self.auth;
        !more_secrets.is_empty()
            || !key_files.is_empty()
            || jwks.is_some()
            || jwks_url.is_some()
            || cookie_hook.is_some()
    }

    /// What guests may do: their rights in their rooms, and to watch nobody elsewhere.
    pub fn guest_grants(&self) -> Grants {
        let rights = self.auth.guest_rights;
        Grants::new(self.auth.guest_rooms.iter().map(|pattern| (pattern.clone(), rights))).watching([])
    }

    /// Whether the demo is to be served.
    pub fn demo_enabled(&self, is_dev: bool) -> bool {
        self.demo.enabled.unwrap_or(is_dev)
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4280)),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            shutdown_grace: Duration::from_secs(10),
            shards: None,
        }
    }
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            secret: None,
            first_frame_timeout: Duration::from_secs(5),
            default_rooms: None,
            cookie_name: "session".to_owned(),
            more_secrets: Vec::new(),
            key_files: Vec::new(),
            jwks: None,
            jwks_url: None,
            jwks_refresh: Duration::from_secs(600),
            jwks_outage: Duration::from_secs(12 * 3600),
            jwks_cooldown: Duration::from_secs(10),
            audience: Vec::new(),
            issuer: Vec::new(),
            cookie_hook: None,
            room_hook: None,
            hook_secret: None,
            hook_timeout: Duration::from_secs(2),
            hook_cache: Duration::from_secs(30),
            hook_recheck: Duration::from_secs(300),
            hook_outage: Duration::from_secs(600),
            private_addresses: PrivateAddresses::default(),
            guests: false,
            guest_rooms: Vec::new(),
            guest_rights: Rights::JOIN.union(Rights::TYPE),
            guests_per_address: 20,
            api_keys: Vec::new(),
        }
    }
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self { public_metrics: None, hosted_viewers: 10_000, streams_per_address: 1_000, admin_page: true }
    }
}

impl Default for PresenceConfig {
    fn default() -> Self {
        let core = Limits::default();
        Self {
            leave_grace: core.grace_closed,
            drop_grace: core.grace_lost,
            drain_grace: core.grace_drained,
            ping_interval: Duration::from_secs(20),
            pong_timeout: Duration::from_secs(10),
            request_lease: Duration::from_secs(30),
            typing_lease: core.typing_lease,
            resume_window: core.resume_window,
            last_seen_ttl: core.last_seen_ttl,
            last_seen_grain: core.last_seen_grain,
        }
    }
}

/// The most that `limits.memory` may be, which no machine has: no limit.
pub const MEMORY_MAX: usize = 1 << 46;

impl Default for LimitsConfig {
    fn default() -> Self {
        let core = Limits::default();
        Self {
            frame_bytes: 16 << 10,
            state_bytes: core.state_bytes_max,
            outbox_bytes: 256 << 10,
            drain_timeout: Duration::from_secs(30),
            rooms_per_connection: core.rooms_per_session_max,
            viewers_per_room: 0,
            half_open_per_address: 500,
            handshakes_per_address: 1_000,
            memory: 0,
            rates: RateLimits::default(),
        }
    }
}

impl PrivateAddresses {
    /// All, with the names they have in a configuration.
    pub const NAMED: [(&'static str, Self); 3] = [("none", Self::None), ("hooks", Self::Hooks), ("all", Self::All)];

    /// Where hooks may lead to.
    pub const fn of_hooks(self) -> Reach {
        match self {
            Self::None => Reach::Public,
            Self::Hooks | Self::All => Reach::Private,
        }
    }

    /// Where the address of the keys may lead to.
    pub const fn of_keys(self) -> Reach {
        match self {
            Self::None | Self::Hooks => Reach::Public,
            Self::All => Reach::Private,
        }
    }
}

impl LogFormat {
    /// All, with the names they have in a configuration.
    pub const NAMED: [(&'static str, Self); 3] = [("auto", Self::Auto), ("human", Self::Human), ("json", Self::Json)];
}

impl LogLevel {
    /// All, with the names they have in a configuration.
    pub const NAMED: [(&'static str, Self); 5] = [
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use herenow_core::id::RoomId;

    #[test]
    fn defaults_are_those_of_the_core() {
        assert_eq!(Config::default().hub_limits(), Limits::default());
    }

    #[test]
    fn settings_reach_the_hub() {
        let mut config = Config::default();
        config.presence.leave_grace = Duration::from_secs(1);
        config.presence.drop_grace = Duration::from_secs(2);
        config.presence.drain_grace = Duration::from_secs(3);
        config.presence.typing_lease = Duration::from_secs(4);
        config.limits.state_bytes = 5;
        config.limits.rooms_per_connection = 6;
        config.limits.viewers_per_room = 7;
        let limits = config.hub_limits();
        assert_eq!(limits.grace_closed, Duration::from_secs(1));
        assert_eq!(limits.grace_lost, Duration::from_secs(2));
        assert_eq!(limits.grace_drained, Duration::from_secs(3));
        assert_eq!(limits.typing_lease, Duration::from_secs(4));
        assert_eq!((limits.state_bytes_max, limits.rooms_per_session_max, limits.viewers_max), (5, 6, 7));
    }

    #[test]
    fn what_is_not_set_depends_on_the_mode() {
        let room = RoomId::parse("board-1").unwrap();
        let mut config = Config::default();
        assert_eq!(config.default_grants(true).rights(&room), Rights::DEFAULT);
        assert_eq!(config.default_grants(false).rights(&room), Rights::NONE);
        assert!(config.demo_enabled(true) && !config.demo_enabled(false));
        config.auth.default_rooms = Some(vec![Pattern::parse("lobby").unwrap()]);
        config.demo.enabled = Some(true);
        assert_eq!(config.default_grants(true).rights(&room), Rights::NONE);
        assert!(config.demo_enabled(false));
        assert!(config.shard_count() >= 1);
    }

    #[test]
    fn loopback_is_told_from_the_rest() {
        let mut config = Config::default();
        for (listen, is_loopback) in [
            ("127.0.0.1:1", true),
            ("127.8.8.8:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("10.0.0.7:1", false),
        ] {
            config.server.listen = listen.parse().unwrap();
            assert_eq!(config.is_loopback(), is_loopback, "{listen}");
        }
    }
}
