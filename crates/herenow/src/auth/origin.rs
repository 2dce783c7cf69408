//! Which pages may connect. A browser says truly where a page came from, and sends cookies whichever page asks; this is
//! what keeps a foreign page from using them (cross-site WebSocket hijacking), or dev mode on the reader's own machine.
use super::{error::AuthError, source::TokenSource};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

/// Scheme, host and port of a page, in one spelling: lower case, the port always said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: &'static str,
    host: String,
    port: u16,
}

impl Origin {
    /// Takes `http://host` or `https://host`, with or without a port and with nothing after it.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => ("http", 80),
            "https" => ("https", 443),
            _ => return None,
        };
        let (host, port) = host_and_port(rest)?;
        Some(Self { scheme, host, port: port.unwrap_or(default_port) })
    }

    /// Whether a `Host` header names the same host and port. The scheme is not compared: behind a proxy that ends TLS,
    /// this server does not know its own.
    fn is_at(&self, host_header: &str) -> bool {
        let default_port = if self.scheme == "https" { 443 } else { 80 };
        host_and_port(host_header)
            .is_some_and(|(host, port)| host == self.host && port.unwrap_or(default_port) == self.port)
    }

    fn is_loopback(&self) -> bool {
        is_loopback_name(&self.host)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

/// Which pages may connect, and in dev mode also under which names.
#[derive(Clone, Debug, Default)]
pub struct OriginPolicy {
    /// Origins that may use cookies besides the server's own; in dev mode they may connect, too.
    pub allowed: Vec<Origin>,
    /// Whether this server runs in dev mode, where any page on the machine gets a token for the asking.
    pub is_dev: bool,
}

impl OriginPolicy {
    /// Judges a request whose token came from `source`; call it with [`TokenSource::Frame`] where none came yet.
    ///
    /// A cookie needs an `Origin` that is the server's own (same host and port as `Host`) or listed. Any other token
    /// proves itself, so the origin does not matter. In dev mode, where tokens are free, each request needs a loopback
    /// `Host` (which stops names that an attacker points at 127.0.0.1) and an `Origin` that is absent, loopback, `null`
    /// or listed.
    ///
    /// # Errors
    /// [`AuthError::Host`], [`AuthError::Origin`] or [`AuthError::NoOrigin`].
    pub fn check(&self, headers: &HeaderMap, source: TokenSource) -> Result<(), AuthError> {
        if self.is_dev {
            self.check_dev(headers)?;
        }
        match source {
            TokenSource::Cookie => self.check_cookie(headers),
            TokenSource::Header | TokenSource::Query | TokenSource::Frame => Ok(()),
        }
    }

    /// The rule for what dev mode gives away: see [`Self::check`]. Applies it whether or not this server is in dev
    /// mode.
    ///
    /// # Errors
    /// [`AuthError::Host`] or [`AuthError::Origin`].
    pub fn check_dev(&self, headers: &HeaderMap) -> Result<(), AuthError> {
        let host = single(headers, &header::HOST);
        if !host.and_then(host_and_port).is_some_and(|(name, _)| is_loopback_name(&name)) {
            return Err(AuthError::Host { host: shown(headers, &header::HOST) });
        }
        if !headers.contains_key(header::ORIGIN) {
            return Ok(());
        }
        let is_fine = |origin: &Origin| origin.is_loopback() || self.allowed.contains(origin);
        match single(headers, &header::ORIGIN) {
            Some("null") => Ok(()),
            Some(origin) if Origin::parse(origin).is_some_and(|origin| is_fine(&origin)) => Ok(()),
            Some(_) | None => Err(AuthError::Origin { origin: shown(headers, &header::ORIGIN) }),
        }
    }

    /// The rule for what is given to pages, and to programs, that prove nothing: an `Origin` that is absent, the server's own
    /// or listed; in dev mode that of [`Self::check_dev`].
    ///
    /// # Errors
    /// [`AuthError::Host`] or [`AuthError::Origin`].
    pub fn check_page(&self, headers: &HeaderMap) -> Result<(), AuthError> {
        if self.is_dev {
            return self.check_dev(headers);
        }
        if headers.contains_key(header::ORIGIN) { self.check_cookie(headers) } else { Ok(()) }
    }

    fn check_cookie(&self, headers: &HeaderMap) -> Result<(), AuthError> {
        if !headers.contains_key(header::ORIGIN) {
            return Err(AuthError::NoOrigin);
        }
        let host = single(headers, &header::HOST);
        let is_ours = |origin: &Origin| host.is_some_and(|host| origin.is_at(host)) || self.allowed.contains(origin);
        if single(headers, &header::ORIGIN).and_then(Origin::parse).is_some_and(|origin| is_ours(&origin)) {
            return Ok(());
        }
        Err(AuthError::Origin { origin: shown(headers, &header::ORIGIN) })
    }
}

/// The text of a header that is there exactly once: of two, nobody can say which one counts.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// A header as errors and logs may show it: the first [`SHOWN_MAX`] bytes, those that are not visible ASCII as `?`.
fn shown(headers: &HeaderMap, name: &HeaderName) -> String {
    let bytes = headers.get(name).map_or(&[][..], HeaderValue::as_bytes).iter().take(SHOWN_MAX);
    bytes.map(|&byte| if byte.is_ascii_graphic() { char::from(byte) } else { '?' }).collect()
}

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`, to lower case; addresses of version 6 are spelled in one way.
fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let text = text.to_ascii_lowercase();
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            (format!("[{address}]"), port)
        }
        None => {
            let end = text.find(':').unwrap_or(text.len());
            (text[..end].to_owned(), &text[end..])
        }
    };
    let is_name =
        |host: &str| !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if !host.starts_with('[') && !is_name(&host) {
        return None;
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Some((host, None)),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some((host, Some(digits.parse().ok()?))),
        Some(_) | None => None,
    }
}

/// Whether a name always means this machine: `localhost`, 127.0.0.0/8 or `[::1]`.
fn is_loopback_name(host: &str) -> bool {
    host == "localhost" || host == "[::1]" || host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
}

/// Bytes of a header that an error shows.
const SHOWN_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        headers
    }

    fn listed() -> Vec<Origin> {
        ["https://app.example.com", "http://intranet:8080"].map(|text| Origin::parse(text).unwrap()).to_vec()
    }

    /// Host, origin of a page that is not ours.
    const FOREIGN: [(&str, &str); 17] = [
        ("board.example.com", "https://evil.example"),
        ("board.example.com", "https://board.example.com.evil.example"),
        ("board.example.com", "https://evil-board.example.com"),
        ("board.example.com", "https://example.com"),
        ("board.example.com", "https://board.example.com:8443"),
        ("board.example.com:8443", "https://board.example.com"),
        ("board.example.com", "https://board.example.com@evil.example"),
        ("board.example.com", "https://evil.example/?https://board.example.com"),
        ("board.example.com", "https://app.example.com:444"),
        ("board.example.com", "http://app.example.com"),
        ("board.example.com", "https://app.example.com."),
        ("board.example.com", "null"),
        ("board.example.com", "file://"),
        ("board.example.com", "chrome-extension://board.example.com"),
        ("board.example.com", "board.example.com"),
        ("board.example.com", "http://localhost"),
        ("board.example.com", ""),
    ];

    /// Host, origin of a page that is ours.
    const OWN: [(&str, &str); 8] = [
        ("board.example.com", "https://board.example.com"),
        ("board.example.com", "https://board.example.com:443"),
        ("board.example.com:443", "https://board.example.com"),
        ("Board.Example.com:8443", "https://board.example.COM:8443"),
        ("127.0.0.1:4280", "http://127.0.0.1:4280"),
        ("[0:0::1]:4280", "http://[::1]:4280"),
        ("board.example.com", "https://app.example.com"),
        ("board.example.com", "http://intranet:8080"),
    ];

    #[test]
    fn a_cookie_counts_only_on_our_own_and_listed_pages() {
        let policy = OriginPolicy { allowed: listed(), is_dev: false };
        let accepted = |cases: &[(&str, &str)]| {
            let is_ok = |(host, origin): &&(&str, &str)| {
                policy.check(&headers(host, Some(origin)), TokenSource::Cookie).is_ok()
            };
            let accepted: Vec<_> = cases.iter().filter(is_ok).collect();
            println!("accepted: {accepted:?}");
            accepted.len()
        };
        let (foreign, own) = (accepted(&FOREIGN), accepted(&OWN));
        println!("origin: {foreign}/{} foreign accepted, {own}/{} own accepted", FOREIGN.len(), OWN.len());
        assert_eq!((foreign, own), (0, OWN.len()));
    }

    #[test]
    fn a_cookie_without_a_single_origin_is_refused() {
        let policy = OriginPolicy { allowed: listed(), is_dev: false };
        let no_origin = headers("board.example.com", None);
        assert_eq!(policy.check(&no_origin, TokenSource::Cookie), Err(AuthError::NoOrigin));
        let mut two = headers("board.example.com", Some("https://board.example.com"));
        two.append(header::ORIGIN, HeaderValue::from_static("https://evil.example"));
        assert!(policy.check(&two, TokenSource::Cookie).is_err());
        let mut two_hosts = headers("board.example.com", Some("https://evil.example"));
        two_hosts.append(header::HOST, HeaderValue::from_static("evil.example"));
        assert!(policy.check(&two_hosts, TokenSource::Cookie).is_err());
    }

    #[test]
    fn other_tokens_prove_themselves_wherever_the_page_is_from() {
        let policy = OriginPolicy { allowed: Vec::new(), is_dev: false };
        for source in [TokenSource::Header, TokenSource::Query, TokenSource::Frame] {
            assert_eq!(policy.check(&headers("board.example.com", Some("https://evil.example")), source), Ok(()));
            assert_eq!(policy.check(&headers("board.example.com", None), source), Ok(()));
        }
    }

    #[test]
    fn dev_mode_answers_loopback_names_and_local_pages_only() {
        let policy = OriginPolicy { allowed: listed(), is_dev: true };
        for source in [TokenSource::Header, TokenSource::Query, TokenSource::Frame] {
            for host in ["localhost", "LOCALHOST:4280", "127.0.0.1:4280", "127.9.9.9", "[::1]:4280", "[::1]"] {
                for origin in [
                    None,
                    Some("null"),
                    Some("http://localhost:3000"),
                    Some("https://127.0.0.1"),
                    Some("http://[::1]:1"),
                ] {
                    assert_eq!(policy.check(&headers(host, origin), source), Ok(()), "{host} {origin:?}");
                }
                assert_eq!(policy.check(&headers(host, Some("http://intranet:8080")), source), Ok(()), "listed");
                for origin in
                    ["https://evil.example", "http://localhost.evil.example", "http://127.0.0.1.nip.io", "file://", ""]
                {
                    let expected = Err(AuthError::Origin { origin: origin.to_owned() });
                    assert_eq!(policy.check(&headers(host, Some(origin)), source), expected, "{host} {origin}");
                }
            }
            for host in [
                "evil.example",
                "localhost.evil.example",
                "127.0.0.1.nip.io",
                "0.0.0.0:4280",
                "[::]:4280",
                "10.0.0.7",
                "127.1",
                "[::ffff:127.0.0.1]",
                "localhost:x",
                "localhost:99999",
                "localhost:",
                "user@localhost",
                "",
            ] {
                let expected = Err(AuthError::Host { host: host.to_owned() });
                assert_eq!(policy.check(&headers(host, None), source), expected, "{host}");
            }
            assert!(policy.check(&HeaderMap::new(), source).is_err(), "no host at all");
        }
    }

    #[test]
    fn dev_mode_is_no_less_strict_about_cookies() {
        let policy = OriginPolicy { allowed: Vec::new(), is_dev: true };
        let check = |origin| policy.check(&headers("localhost:4280", origin), TokenSource::Cookie);
        assert_eq!(check(Some("http://localhost:4280")), Ok(()));
        assert_eq!(check(None), Err(AuthError::NoOrigin));
        assert!(check(Some("null")).is_err() && check(Some("http://localhost:3000")).is_err());
    }

    #[test]
    fn what_an_error_shows_cannot_forge_a_log_line() {
        let mut headers = headers("localhost", None);
        headers.insert(header::ORIGIN, HeaderValue::from_bytes(&[b'x', 0xff, b'\t', b' ', b'y']).unwrap());
        let policy = OriginPolicy { allowed: Vec::new(), is_dev: true };
        assert_eq!(policy.check_dev(&headers), Err(AuthError::Origin { origin: "x???y".into() }));
        headers.insert(header::ORIGIN, "x".repeat(5000).parse().unwrap());
        assert_eq!(policy.check_dev(&headers), Err(AuthError::Origin { origin: "x".repeat(100) }));
    }

    #[test]
    fn origins_have_nothing_after_the_port() {
        for text in
            ["https://a/", "https://a/x", "https://a?x", "ws://a", "a", "https://", "https://*.a", "https://a b", "*"]
        {
            assert_eq!(Origin::parse(text), None, "{text}");
        }
        assert_eq!(Origin::parse("HTTPS://A.example").unwrap().to_string(), "https://a.example:443");
    }
}
