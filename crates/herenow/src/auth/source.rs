//! Where in a request a client put its token. Whether the token is any good is for [`super::token`] to say.
use axum::extract::Query;
use http::{HeaderMap, Uri, header, request::Parts};
use std::fmt;

/// A token as it was sent: nobody has verified it. Never shows in `Debug`, and has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes the text of a token, whatever it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, to verify it. Not for logs.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} bytes)", self.0.len())
    }
}

/// How a token came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// `Authorization: Bearer`: only a program or a page that has the token can send it.
    Header,
    /// `?token=`: as with [`Self::Header`], but it may end up in logs of proxies.
    Query,
    /// The session cookie: a browser adds it by itself, whichever page asks. So the `Origin` must be looked at.
    Cookie,
    /// A first frame `auth` after the upgrade: as with [`Self::Header`].
    Frame,
}

/// The token of a request and how it came: the first that is there out of `Authorization: Bearer`, `?token=` and the
/// cookie. Empty ones count as absent, and so does another scheme of `Authorization` (a proxy's Basic). Of several in
/// one place the first is taken.
pub fn find_token(parts: &Parts, cookie_name: &str) -> Option<(Token, TokenSource)> {
    let found = |text: String, source| (!text.is_empty()).then_some((Token(text), source));
    bearer(&parts.headers)
        .and_then(|text| found(text, TokenSource::Header))
        .or_else(|| query_value(&parts.uri, "token").and_then(|text| found(text, TokenSource::Query)))
        .or_else(|| cookie(&parts.headers, cookie_name).and_then(|text| found(text, TokenSource::Cookie)))
}

/// The first value of a name in the query of an address, percent-decoded.
pub fn query_value(uri: &Uri, name: &str) -> Option<String> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?;
    pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    headers.get_all(header::AUTHORIZATION).iter().find_map(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    })
}

/// The cookie of a name, `name=value`, as it was sent.
pub fn cookie_pair(headers: &HeaderMap, name: &str) -> Option<Token> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).map(str::trim);
    pairs.find(|pair| pair.split_once('=').is_some_and(|(key, _)| key == name)).map(Token::new)
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let pair = cookie_pair(headers, name)?;
    let (_, value) = pair.as_str().split_once('=')?;
    Some(value.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn found(uri: &str, headers: &[(&str, &str)]) -> Option<(String, TokenSource)> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        find_token(&parts, "session").map(|(token, source)| (token.as_str().to_owned(), source))
    }

    #[test]
    fn the_first_that_is_there_wins() {
        use TokenSource::{Cookie, Header, Query};
        let bearer = ("authorization", "Bearer h.h.h");
        let cookie = ("cookie", "theme=dark; session=c.c.c; other=1");
        for (uri, headers, expected) in [
            ("/ws?token=q.q.q", &[bearer, cookie][..], Some(("h.h.h", Header))),
            ("/ws?a=1&token=q.q.q&token=z", &[cookie], Some(("q.q.q", Query))),
            ("/ws", &[cookie], Some(("c.c.c", Cookie))),
            ("/ws", &[("authorization", "bEARER  h.h.h ")], Some(("h.h.h", Header))),
            ("/ws?token=q%2Eq%2eq", &[], Some(("q.q.q", Query))),
            ("/ws", &[("cookie", "a=1"), ("cookie", "session=\"c.c.c\"")], Some(("c.c.c", Cookie))),
            ("/ws?token=", &[("authorization", "Basic dXNlcjpwYXNz"), cookie], Some(("c.c.c", Cookie))),
            ("/ws?token=", &[("authorization", "Bearer "), ("cookie", "session=")], None),
            ("/ws?tokens=q", &[("cookie", "xsession=c; session2=d; session")], None),
            ("/ws", &[], None),
        ] {
            let expected = expected.map(|(token, source)| (token.to_owned(), source));
            assert_eq!(found(uri, headers), expected, "{uri} {headers:?}");
        }
    }

    #[test]
    fn debug_hides_the_token() {
        assert_eq!(format!("{:?}", Token::new("s.e.c")), "Token(5 bytes)");
    }
}
