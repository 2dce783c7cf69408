//! Why a client is not let in. Each has a stable code, what is wrong, and what to do; none ever holds a token.
use crate::problem::Problem;
use http::StatusCode;
use std::{borrow::Cow, fmt};

/// Why a client is not let in. Trying again with the same token does not help, except with [`Self::NotYet`]
/// and [`Self::Unavailable`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthError {
    /// There is no token where one is looked for.
    Missing,
    /// The token has more bytes than a token may have; it was not looked at.
    TooLong {
        /// Bytes it has.
        bytes: usize,
        /// Bytes it may have.
        bytes_max: usize,
    },
    /// The text is no JWT: not three parts of base64url without padding, or no JSON object within them.
    Malformed,
    /// The token's header names another algorithm than the one of the configured key.
    Algorithm,
    /// The token's header demands an extension (`crit`) that this server does not know.
    Critical,
    /// The signature was not made with a key of this server, or for another text.
    Signature,
    /// The token names a key (`kid`) that is not known here.
    UnknownKey,
    /// The token, or all of its user, was withdrawn.
    Revoked,
    /// The app says that the session cookie is nobody's.
    Cookie,
    /// Who the client is cannot be found out right now: the keys or the app cannot be reached. Trying again later helps.
    Unavailable,
    /// A claim of a well signed token is missing or not what it must be.
    Claim {
        /// Which claim.
        claim: &'static str,
        /// What is wrong with it, as the rest of a sentence that begins with the claim.
        problem: Cow<'static, str>,
    },
    /// The token was valid once.
    Expired {
        /// Seconds since its `exp`.
        ago_s: u64,
    },
    /// The token becomes valid later (`nbf`).
    NotYet {
        /// Seconds until its `nbf`.
        in_s: u64,
    },
    /// A browser page of a foreign origin asks.
    Origin {
        /// Its `Origin`, at most 100 visible ASCII characters of it.
        origin: String,
    },
    /// A cookie decides, and there is no (or no single) `Origin` that says whose page sent it.
    NoOrigin,
    /// Dev mode was asked under a name that is not loopback.
    Host {
        /// The `Host` asked for, at most 100 visible ASCII characters of it.
        host: String,
    },
}

impl AuthError {
    /// The stable name of the error, the same as in error frames: what programs look at.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "auth.missing",
            Self::TooLong { .. }
            | Self::Malformed
            | Self::Algorithm
            | Self::Critical
            | Self::Signature
            | Self::UnknownKey
            | Self::Cookie
            | Self::Claim { .. }
            | Self::NotYet { .. } => "auth.invalid",
            Self::Revoked => "auth.revoked",
            Self::Unavailable => "auth.unavailable",
            Self::Expired { .. } => "auth.expired",
            Self::Origin { .. } | Self::NoOrigin | Self::Host { .. } => "origin.forbidden",
        }
    }

    /// 401 where another token helps, 403 where none does: the page or the address is the wrong one, or the user was signed
    /// out; 503 where waiting helps.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Missing
            | Self::TooLong { .. }
            | Self::Malformed
            | Self::Algorithm
            | Self::Critical
            | Self::Signature
            | Self::UnknownKey
            | Self::Cookie
            | Self::Claim { .. }
            | Self::Expired { .. }
            | Self::NotYet { .. } => StatusCode::UNAUTHORIZED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Revoked | Self::Origin { .. } | Self::NoOrigin | Self::Host { .. } => StatusCode::FORBIDDEN,
        }
    }

    /// What whoever runs the app can do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Missing => {
                "send a token as `Authorization: Bearer`, `?token=`, the session cookie or a first `auth` frame; \
                 `herenow token --user ID` makes one, in dev mode POST /dev/token does"
            }
            Self::TooLong { .. } => {
                "list fewer or shorter room patterns and leave out claims that herenow does not read"
            }
            Self::Malformed => {
                "pass the JWT as it was made, three parts with dots in between, without quotes or padding"
            }
            Self::Algorithm => {
                "sign tokens with the algorithm of the key: HS256 with the secret in HERENOW_SECRET, and RS256, ES256 or \
                 EdDSA with a key of auth.key_files, auth.jwks or auth.jwks_url"
            }
            Self::Critical => "leave `crit` out of the token's header",
            Self::Signature => {
                "sign with the very text in HERENOW_SECRET, not with its decoded bytes; \
                 dev mode has a new secret at each start"
            }
            Self::UnknownKey => {
                "the token's `kid` names a key that this server was not given; compare it with auth.key_files, auth.jwks \
                 and the set at auth.jwks_url"
            }
            Self::Revoked => "sign in to the app again; a token that is made after that is taken",
            Self::Cookie => "sign in to the app again, so that it sets a new session cookie",
            Self::Unavailable => "connect again in some seconds; whoever runs the server finds the cause in /readyz",
            Self::Claim { .. } => "`herenow token --inspect TOKEN` shows the claims and what is wrong with them",
            Self::Expired { .. } => "get a new token from the app and connect again",
            Self::NotYet { .. } => "compare the clocks of the app's machine and this one",
            Self::Origin { .. } => "add the page's origin (scheme://host:port) to server.allowed_origins",
            Self::NoOrigin => {
                "clients that are no browser send their token as `Authorization: Bearer`, not as a cookie"
            }
            Self::Host { .. } => {
                "in dev mode use http://localhost or 127.0.0.1; for another name configure HERENOW_SECRET (prod mode)"
            }
        }
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "no token was sent"),
            Self::TooLong { bytes, bytes_max } => {
                write!(f, "the token has {bytes} bytes, at most {bytes_max} are allowed")
            }
            Self::Malformed => write!(f, "the token is not a JWT with a known algorithm and an object of claims"),
            Self::Algorithm => write!(f, "the token is not signed with the algorithm of a key of this server"),
            Self::Critical => write!(f, "the token's header demands an extension that is not known here"),
            Self::Signature => {
                write!(f, "the token is not signed with the secret of this server, nor another key of it")
            }
            Self::UnknownKey => write!(f, "the token names a key that is not known here"),
            Self::Revoked => write!(f, "the user was signed out after the token was made"),
            Self::Cookie => write!(f, "the session cookie is nobody's, or not any more"),
            Self::Unavailable => write!(f, "who the client is cannot be found out right now"),
            Self::Claim { claim, problem } => write!(f, "the token's `{claim}` {problem}"),
            Self::Expired { ago_s } => write!(f, "the token expired {ago_s} s ago"),
            Self::NotYet { in_s } => write!(f, "the token is not valid before {in_s} s from now"),
            Self::Origin { origin } => write!(f, "pages of origin {origin} may not connect here"),
            Self::NoOrigin => write!(f, "a session cookie came without an origin"),
            Self::Host { host } => write!(f, "dev mode answers under loopback names only, not under {host}"),
        }
    }
}

impl std::error::Error for AuthError {}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        let title = match error.status() {
            StatusCode::FORBIDDEN => "not allowed",
            StatusCode::SERVICE_UNAVAILABLE => "cannot tell who it is right now",
            _ => "not authenticated",
        };
        Self::new(error.status(), error.code(), title).detail(error.to_string()).hint(error.hint())
    }
}
