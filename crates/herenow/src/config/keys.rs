//! Every key there is: its name, where its value goes, what may be written, and what it is for.
use super::{
    key::{Key, Slot},
    settings::MEMORY_MAX,
};
use std::time::Duration;

impl Key {
    /// The key of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// Whether a server that runs takes a new value when it reads its configuration anew (SIGHUP). Any other needs a
    /// restart.
    pub fn is_live(&self) -> bool {
        LIVE.contains(&self.name)
    }
}

/// What a server that runs takes anew.
const LIVE: [&str; 39] = [
    "server.allowed_origins",
    "tls.cert",
    "tls.key",
    "auth.secret",
    "auth.more_secrets",
    "auth.key_files",
    "auth.jwks",
    "auth.jwks_url",
    "auth.jwks_refresh",
    "auth.jwks_outage",
    "auth.jwks_cooldown",
    "auth.audience",
    "auth.issuer",
    "auth.default_rooms",
    "auth.cookie_hook",
    "auth.room_hook",
    "auth.hook_secret",
    "auth.hook_timeout",
    "auth.hook_cache",
    "auth.hook_recheck",
    "auth.hook_outage",
    "auth.private_addresses",
    "auth.guest_rooms",
    "auth.guest_rights",
    "webhooks.url",
    "webhooks.secret",
    "webhooks.second_secret",
    "webhooks.events",
    "webhooks.rooms",
    "webhooks.private_addresses",
    "webhooks.timeout",
    "webhooks.retry_max",
    "webhooks.give_up",
    "limits.message_rate",
    "limits.typing_rate",
    "limits.cursor_rate",
    "limits.update_rate",
    "limits.other_rate",
    "log.level",
];

/// All keys, section by section.
pub static KEYS: [Key; 81] = [
    Key {
        name: "server.listen",
        doc: "Where the server listens; port 0 takes a free one. An address that others can reach needs `auth.secret`.",
        unset: "",
        slot: Slot::Address(|c| &mut c.server.listen),
    },
    Key {
        name: "server.allowed_origins",
        doc: "Pages that may connect with the session cookie, besides those of this server's own host and port. In dev \
              mode, pages that may connect at all, besides those of this machine.",
        unset: "none",
        slot: Slot::Origins(|c| &mut c.server.allowed_origins),
    },
    Key {
        name: "server.trusted_proxies",
        doc: "Proxies whose `X-Forwarded-For` is believed, to tell clients apart by their address. Never name more than your own: who is believed can pass for anybody.",
        unset: "none",
        slot: Slot::Networks(|c| &mut c.server.trusted_proxies),
    },
    Key {
        name: "server.shutdown_grace",
        doc: "How long clients have to connect elsewhere when the server is told to stop. Longer: they come back less \
              all at once; shorter: a deploy takes less time.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.server.shutdown_grace, min: ms(0), max: minutes(10) },
    },
    Key {
        name: "server.shards",
        doc: "Tasks that share the rooms among them. More than there are cores only costs memory.",
        unset: "one a core",
        slot: Slot::Shards { at: |c| &mut c.server.shards, max: 1024 },
    },
    Key {
        name: "tls.cert",
        doc: "File with the certificate in PEM, and after it those that lead to one that clients know. With it and `tls.key` the server speaks TLS, and only that. It is read anew at SIGHUP, also under the same name.",
        unset: "none: plain HTTP, for a proxy in front or this machine",
        slot: Slot::Path(|c| &mut c.tls.cert),
    },
    Key {
        name: "tls.key",
        doc: "File with the private key of that certificate in PEM, without a password. Nobody but the server should be able to read it.",
        unset: "none",
        slot: Slot::Path(|c| &mut c.tls.key),
    },
    Key {
        name: "auth.secret",
        doc: "What your app signs its tokens with (HS256). Best set as `HERENOW_SECRET`, so that it is in no file. \
              With it, the server is in production mode unless `--dev` says otherwise.",
        unset: "none: a throw-away one in dev mode",
        slot: Slot::Secret(|c| &mut c.auth.secret),
    },
    Key {
        name: "auth.first_frame_timeout",
        doc: "How long a connection that brought no token may take to send one in its first frame. Longer: strangers \
              hold connections longer; shorter: people on slow networks are turned away.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.auth.first_frame_timeout, min: ms(100), max: minutes(1) },
    },
    Key {
        name: "auth.default_rooms",
        doc: "Rooms that a token without `rooms` gives, with all rights but `observe`.",
        unset: "all in dev mode, otherwise none",
        slot: Slot::Patterns(|c| &mut c.auth.default_rooms),
    },
    Key {
        name: "auth.cookie_name",
        doc: "The cookie that may hold a token. Your app sets it, best as HttpOnly, Secure and SameSite.",
        unset: "",
        slot: Slot::Cookie(|c| &mut c.auth.cookie_name),
    },
    Key {
        name: "auth.more_secrets",
        doc: "Other secrets that tokens may be signed with (HS256). To change `auth.secret` without turning anybody away: put the new one here, have the app sign with it, then make it `auth.secret`.",
        unset: "none",
        slot: Slot::Secrets(|c| &mut c.auth.more_secrets),
    },
    Key {
        name: "auth.key_files",
        doc: "Files with public keys in PEM, for tokens signed with RS256, ES256 or EdDSA by the kind of the key. With `kid=` in front, the key is for tokens that name it; without, it is tried for all.",
        unset: "none",
        slot: Slot::KeyFiles(|c| &mut c.auth.key_files),
    },
    Key {
        name: "auth.jwks",
        doc: "Public keys as a JWK Set, written out here, for RS256, ES256 and EdDSA.",
        unset: "none",
        slot: Slot::Jwks(|c| &mut c.auth.jwks),
    },
    Key {
        name: "auth.jwks_url",
        doc: "Address of a JWK Set of whoever signs the tokens. Set `auth.audience` as well where that signs for others too. Needs https, unless it is on a private network that `auth.private_addresses` allows. Redirects are not followed.",
        unset: "none",
        slot: Slot::Web(|c| &mut c.auth.jwks_url),
    },
    Key {
        name: "auth.jwks_refresh",
        doc: "How often the keys at `auth.jwks_url` are fetched. Longer: a key that was withdrawn counts for longer; a new one is noticed by the first token that names it.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.auth.jwks_refresh, min: ms(1000), max: minutes(24 * 60) },
    },
    Key {
        name: "auth.jwks_outage",
        doc: "How long the last good keys count beyond that while the address cannot be reached or answers nonsense. After that nobody is let in by them (`auth.unavailable`), and `/readyz` says so.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.auth.jwks_outage, min: ms(0), max: minutes(7 * 24 * 60) },
    },
    Key {
        name: "auth.jwks_cooldown",
        doc: "How often tokens that name an unknown key may have the keys fetched. Shorter: a new key is noticed sooner, and strangers can cause more requests.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.auth.jwks_cooldown, min: ms(100), max: minutes(10) },
    },
    Key {
        name: "auth.audience",
        doc: "Audiences (`aud`), one of which each token has to name.",
        unset: "none: a token with an `aud` has to name `herenow`, others need none",
        slot: Slot::Texts(|c| &mut c.auth.audience),
    },
    Key {
        name: "auth.issuer",
        doc: "Issuers (`iss`), one of which each token has to name.",
        unset: "none: any",
        slot: Slot::Texts(|c| &mut c.auth.issuer),
    },
    Key {
        name: "auth.cookie_hook",
        doc: "Address of your app that knows whose a session cookie is: it is asked with `GET` and that cookie, and answers with JSON like the claims of a token. Without it, the cookie has to hold a token.",
        unset: "none",
        slot: Slot::Web(|c| &mut c.auth.cookie_hook),
    },
    Key {
        name: "auth.room_hook",
        doc: "Address of your app that knows who may enter a room: it is asked with `POST` about each room that the token (or the cookie's answer) gives no right to enter. Without it, the token alone decides.",
        unset: "none",
        slot: Slot::Web(|c| &mut c.auth.room_hook),
    },
    Key {
        name: "auth.hook_secret",
        doc: "What this server proves itself with to the hooks, as `Authorization: Bearer`.",
        unset: "none",
        slot: Slot::Secret(|c| &mut c.auth.hook_secret),
    },
    Key {
        name: "auth.hook_timeout",
        doc: "How long a hook, or the address of the keys, may take to answer. Longer: people wait longer where the app is slow; shorter: they are turned away sooner. Keep it below `presence.pong_timeout`.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.auth.hook_timeout, min: ms(50), max: ms(9000) },
    },
    Key {
        name: "auth.hook_cache",
        doc: "How long a hook's answer counts for those who come, 500ms at the least. A refusal counts for 5s at the most. Longer: the app is asked less; shorter: it is obeyed sooner.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.auth.hook_cache, min: ms(0), max: minutes(60) },
    },
    Key {
        name: "auth.hook_recheck",
        doc: "How often a hook is asked again about those who are connected, or in the room. Longer: who lost their right stays longer.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.auth.hook_recheck, min: ms(1000), max: minutes(24 * 60) },
    },
    Key {
        name: "auth.hook_outage",
        doc: "How long those stay beyond that while the hook does not answer. Nobody new is let in meanwhile.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.auth.hook_outage, min: ms(0), max: minutes(7 * 24 * 60) },
    },
    Key {
        name: "auth.private_addresses",
        doc: "Which of the addresses above may lead to this machine or a private network. Link-local addresses are never asked.",
        unset: "",
        slot: Slot::Private(|c| &mut c.auth.private_addresses),
    },
    Key {
        name: "auth.guests",
        doc: "Whether `POST /guest/token` gives a token to whoever asks: a random id and name, for as long as the page's session keeps it.",
        unset: "",
        slot: Slot::Switch(|c| &mut c.auth.guests),
    },
    Key {
        name: "auth.guest_rooms",
        doc: "Rooms that guests may enter.",
        unset: "none",
        slot: Slot::Rooms(|c| &mut c.auth.guest_rooms),
    },
    Key {
        name: "auth.guest_rights",
        doc: "What guests may do there.",
        unset: "",
        slot: Slot::Rights(|c| &mut c.auth.guest_rights),
    },
    Key {
        name: "auth.guests_per_address",
        doc: "New guests that may come from one address in 10m. Behind a proxy, set `server.trusted_proxies`, or all count as one.",
        unset: "",
        slot: Slot::Count { at: |c| &mut c.auth.guests_per_address, min: 1, max: 1_000_000 },
    },
    Key {
        name: "auth.api_keys",
        doc: "Keys of backends for the HTTP API, hashed. `herenow key --name backend --can read,write` makes one and prints \
              what to write here.",
        unset: "none: in dev mode the API needs no key, otherwise only clients may read, with their tokens",
        slot: Slot::ApiKeys(|c| &mut c.auth.api_keys),
    },
    Key {
        name: "api.public_metrics",
        doc: "Whether `/metrics` is for whoever asks, and not only for API keys with the right to read.",
        unset: "true in dev mode, otherwise false",
        slot: Slot::Bool(|c| &mut c.api.public_metrics),
    },
    Key {
        name: "api.hosted_viewers",
        doc: "Viewers without a connection (bots, clients of HTTP only) that are held at once. More: each costs some \
              kilobytes of memory.",
        unset: "",
        slot: Slot::Count { at: |c| &mut c.api.hosted_viewers, min: 0, max: 1_000_000 },
    },
    Key {
        name: "api.streams_per_address",
        doc: "Streams and long polls that may be open from one address. Behind a proxy all clients have its address: set \
              it to as many as all of them need.",
        unset: "",
        slot: Slot::Count { at: |c| &mut c.api.streams_per_address, min: 1, max: 1_000_000 },
    },
    Key {
        name: "api.admin_page",
        doc: "Whether the operators' page at `/admin` is served. What it shows and does needs an API key. Where none with the rights `read` and `admin` is configured, a link that is good once is printed at start.",
        unset: "",
        slot: Slot::Switch(|c| &mut c.api.admin_page),
    },
    Key {
        name: "presence.leave_grace",
        doc: "How long somebody stays in a room after their page went away (reload, closed tab). Longer: a slow reload \
              is no news; shorter: a closed tab is told sooner.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.presence.leave_grace, min: ms(0), max: minutes(60) },
    },
    Key {
        name: "presence.drop_grace",
        doc: "How long somebody stays in a room after their connection broke without a word. Longer: a tunnel or a \
              change of network is no news; shorter: who is really gone is told sooner.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.presence.drop_grace, min: ms(0), max: minutes(60) },
    },
    Key {
        name: "presence.drain_grace",
        doc: "How long somebody stays in a room after this server ended their connection because it stops.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.presence.drain_grace, min: ms(0), max: minutes(60) },
    },
    Key {
        name: "presence.ping_interval",
        doc: "How often a quiet connection is pinged. Longer: who is gone without a word is noticed later, and proxies \
              may cut quiet connections (keep it below their idle time-out, often 60s); shorter: more traffic.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.presence.ping_interval, min: ms(100), max: minutes(10) },
    },
    Key {
        name: "presence.pong_timeout",
        doc: "How long after a ping a connection that sends nothing counts as dead. Longer: who is gone stays longer; \
              shorter: people on slow networks are cut off.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.presence.pong_timeout, min: ms(100), max: minutes(10) },
    },
    Key {
        name: "presence.request_lease",
        doc: "How long a connection without WebSocket (`/stream`, `/session-poll`) lives on without a sign of its client. \
              A quiet stream gets a comment after half of it; a poll waits for five sixths of it, which must be below \
              what proxies let a request take. Longer: who is gone without a word is noticed later; shorter: more \
              requests.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.presence.request_lease, min: ms(100), max: minutes(10) },
    },
    Key {
        name: "presence.typing_lease",
        doc: "How long one `typing` counts without a repeat. Keep it above the 3s in which clients repeat it; longer: \
              who fell silent seems to type for longer.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.presence.typing_lease, min: ms(100), max: minutes(10) },
    },
    Key {
        name: "presence.resume_window",
        doc: "How long a session can be gone on with after its connection ended. Longer: more is kept of who is gone; \
              shorter: who comes back later gets a new session.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.presence.resume_window, min: ms(0), max: minutes(60) },
    },
    Key {
        name: "presence.last_seen_ttl",
        doc: "How long `statuses` tells of a user who is offline when they were last seen; 0s is never. It is kept in \
              memory only.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.presence.last_seen_ttl, min: ms(0), max: minutes(60 * 24 * 90) },
    },
    Key {
        name: "presence.last_seen_grain",
        doc: "To what whole time it is rounded down when a user was last seen (of UTC). Smaller: more is known of what people \
              do.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.presence.last_seen_grain, min: ms(1), max: minutes(60 * 24 * 7) },
    },
    Key {
        name: "webhooks.url",
        doc: "Address of your app that is told who comes and goes, with `POST`; docs/webhooks.md says how. Needs https, unless it is on a private network that `webhooks.private_addresses` allows. Redirects are not followed.",
        unset: "none: nothing is sent or written",
        slot: Slot::Web(|c| &mut c.webhooks.url),
    },
    Key {
        name: "webhooks.secret",
        doc: "What signs each call, so that your app knows who sent it. Best set as `HERENOW_WEBHOOKS__SECRET`.",
        unset: "none: has to be set where there is a url",
        slot: Slot::Secret(|c| &mut c.webhooks.secret),
    },
    Key {
        name: "webhooks.second_secret",
        doc: "Signs each call as well. To change the secret without losing a call: put the new one here, have the app check with it, then make it `webhooks.secret`.",
        unset: "none",
        slot: Slot::Secret(|c| &mut c.webhooks.second_secret),
    },
    Key {
        name: "webhooks.events",
        doc: "Which events are sent.",
        unset: "",
        slot: Slot::Events(|c| &mut c.webhooks.events),
    },
    Key {
        name: "webhooks.rooms",
        doc: "Rooms of which they are sent.",
        unset: "all",
        slot: Slot::Patterns(|c| &mut c.webhooks.rooms),
    },
    Key {
        name: "webhooks.private_addresses",
        doc: "Whether `webhooks.url` may lead to this machine or a private network. Link-local addresses are never asked.",
        unset: "",
        slot: Slot::Switch(|c| &mut c.webhooks.private_addresses),
    },
    Key {
        name: "webhooks.spool",
        doc: "File of the events that are still to be sent and of who was announced as present. Only this server may use it; keep it across restarts.",
        unset: "herenow-webhooks.db in the folder that the server was started in",
        slot: Slot::Path(|c| &mut c.webhooks.spool),
    },
    Key {
        name: "webhooks.spool_events",
        doc: "Events that may wait in that file, at some 400 bytes each. Beyond it, single events are left out and counted; once there is room, who was announced is compared with who is here, and the difference is told.",
        unset: "",
        slot: Slot::Count { at: |c| &mut c.webhooks.spool_events, min: 100, max: 100_000_000 },
    },
    Key {
        name: "webhooks.timeout",
        doc: "How long your app may take to answer a call. Longer: a call that hangs holds up those behind it for longer.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.webhooks.timeout, min: ms(50), max: minutes(2) },
    },
    Key {
        name: "webhooks.retry_max",
        doc: "The longest wait between two tries while your app does not take events; the first wait is 1s at the most, each next one twice as long. Shorter: an app that comes back is told sooner.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.webhooks.retry_max, min: ms(50), max: minutes(24 * 60) },
    },
    Key {
        name: "webhooks.give_up",
        doc: "For how long an event is tried. What was given up is kept, listed and can be sent again by the HTTP API.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.webhooks.give_up, min: ms(1000), max: minutes(30 * 24 * 60) },
    },
    Key {
        name: "webhooks.return_grace",
        doc: "How long those who were present before a restart of the server may take to come back before they are said to have left, with the reason `node_lost`.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.webhooks.return_grace, min: ms(0), max: minutes(60) },
    },
    Key {
        name: "limits.frame_bytes",
        doc: "Size of one frame from a client; a larger one ends the connection (1009). Larger: one client can make \
              the server read more at once.",
        unset: "",
        slot: Slot::Size { at: |c| &mut c.limits.frame_bytes, min: 1 << 10, max: 1 << 20 },
    },
    Key {
        name: "limits.state_bytes",
        doc: "Size of the state that a session may share in one room. Larger: each roster grows by as much a viewer.",
        unset: "",
        slot: Slot::Size { at: |c| &mut c.limits.state_bytes, min: 64, max: 64 << 10 },
    },
    Key {
        name: "limits.outbox_bytes",
        doc: "What may wait for one slow client before it is told less. Larger: a slow client misses less and costs \
              more memory.",
        unset: "",
        slot: Slot::Size { at: |c| &mut c.limits.outbox_bytes, min: 16 << 10, max: 64 << 20 },
    },
    Key {
        name: "limits.drain_timeout",
        doc: "How long a client may take nothing of what waits for it. Looked at with each ping. As long as it takes \
              something, it may leave ten rounds of pings unanswered, because it has to read what came before them \
              first. Longer: memory is held for longer for who does not read; shorter: people on slow networks are cut off.",
        unset: "",
        slot: Slot::Duration { at: |c| &mut c.limits.drain_timeout, min: ms(100), max: minutes(10) },
    },
    Key {
        name: "limits.rooms_per_connection",
        doc: "Rooms that one connection may be in at once. More: one client can cause more news when it comes and \
              goes.",
        unset: "",
        slot: Slot::Count { at: |c| &mut c.limits.rooms_per_connection, min: 1, max: 10_000 },
    },
    Key {
        name: "limits.viewers_per_room",
        doc: "Users that may be in one room at once; 0 is no limit. More are refused with `room.full`; another tab of \
              somebody who is there never is.",
        unset: "",
        slot: Slot::Count { at: |c| &mut c.limits.viewers_per_room, min: 0, max: 100_000_000 },
    },
    Key {
        name: "limits.half_open_per_address",
        doc: "Connections of one address that have sent no whole head of a request yet; with one more, the oldest of them is ended. Any of them has 5s. Not for `server.trusted_proxies`, each of which stands for many.",
        unset: "",
        slot: Slot::Count { at: |c| &mut c.limits.half_open_per_address, min: 1, max: 1_000_000 },
    },
    Key {
        name: "limits.handshakes_per_address",
        doc: "Connections (WebSocket, `/stream`, `/session-poll`) that one address may open in 10s; 0 is no limit. More are refused with `rate.handshakes`. Addresses of this machine are not counted. Behind a proxy, set `server.trusted_proxies`, or all count as one.",
        unset: "",
        slot: Slot::Count { at: |c| &mut c.limits.handshakes_per_address, min: 0, max: 1_000_000 },
    },
    Key {
        name: "limits.memory",
        doc: "Memory that the process may have. From nine tenths of it on, new connections are refused with `server.busy` (503) until it is less than 85 %; who is connected is served on. 0 takes the limit of the control group (version 2) or the container, if there is one; all that runs there counts then. The largest value is no limit.",
        unset: "",
        slot: Slot::Size { at: |c| &mut c.limits.memory, min: 0, max: MEMORY_MAX },
    },
    Key {
        name: "limits.message_rate",
        doc: "Messages a second from one connection, twice as many at once; 0 is no limit. More are refused with `rate.limited`.",
        unset: "",
        slot: Slot::Rate(|c| &mut c.limits.rates.message),
    },
    Key {
        name: "limits.typing_rate",
        doc: "Starts of typing a second from one connection; 0 is no limit. More are dropped; stops are free.",
        unset: "",
        slot: Slot::Rate(|c| &mut c.limits.rates.typing),
    },
    Key {
        name: "limits.cursor_rate",
        doc: "Places of a pointer a second from one connection; 0 is no limit. More are dropped: the next one counts.",
        unset: "",
        slot: Slot::Rate(|c| &mut c.limits.rates.cursor),
    },
    Key {
        name: "limits.update_rate",
        doc: "Changes of state and status a second from one connection; 0 is no limit. More are refused with `rate.limited`.",
        unset: "",
        slot: Slot::Rate(|c| &mut c.limits.rates.update),
    },
    Key {
        name: "limits.other_rate",
        doc: "Joins, syncs, locks and the like a second from one connection, 120 at once; 0 is no limit.",
        unset: "",
        slot: Slot::Rate(|c| &mut c.limits.rates.other),
    },
    Key {
        name: "cluster.redis",
        doc: "Where the Redis (7.0 or later) or Valkey (7.2 or later) is that several nodes share; who shares one is one \
              cluster. May hold a password. How to set it up: docs/cluster.md.",
        unset: "none: the node is alone",
        slot: Slot::Redis(|c| &mut c.cluster.redis),
    },
    Key {
        name: "cluster.name",
        doc: "What keys and channels in that Redis begin with, so that several clusters can share one.",
        unset: "",
        slot: Slot::ClusterName(|c| &mut c.cluster.name),
    },
    Key {
        name: "cluster.redis_ca",
        doc: "File with certificates in PEM by which that Redis is trusted, in place of those of the system.",
        unset: "none: those of the system",
        slot: Slot::Path(|c| &mut c.cluster.redis_ca),
    },
    Key {
        name: "demo.enabled",
        doc: "Whether the task board at `/demo` is served.",
        unset: "true in dev mode, otherwise false",
        slot: Slot::Bool(|c| &mut c.demo.enabled),
    },
    Key {
        name: "demo.database",
        doc: "File for the tasks of the demo. Without one they are kept in memory and gone after a restart.",
        unset: "none: in memory",
        slot: Slot::Path(|c| &mut c.demo.database),
    },
    Key {
        name: "log.format",
        doc: "What a log line looks like; auto is human on a terminal, and json otherwise.",
        unset: "",
        slot: Slot::Format(|c| &mut c.log.format),
    },
    Key {
        name: "log.level",
        doc: "From which severity on things are logged. debug has a line for each connection, trace for each message.",
        unset: "",
        slot: Slot::Level(|c| &mut c.log.level),
    },
    Key {
        name: "log.identities",
        doc: "How users and rooms stand in the log, where somebody was put out or forgotten: hashed (the same for a day and one run, and nobody knows whose), plain, or none.",
        unset: "",
        slot: Slot::Identities(|c| &mut c.log.identities),
    },
];

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}
