//! Who somebody is: tokens, where in a request they are, whose page asks, and secrets to go on with.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use herenow::{
    auth::{
        claims::is_avatar,
        name::is_unwanted,
        origin::{Origin, OriginPolicy},
        rights::{Grants, Rights},
        secret::Secret,
        source::{TokenSource, find_token, query_value},
        token::{Identity, Verifier},
    },
    connection::{Connection, ConnectionSetup, Socket},
    resume::{Claim, Resumes},
};
use herenow_core::{
    id::{RoomId, SessionId, UserId},
    pattern::Pattern,
    time::Time,
};
use herenow_wire::dialect::Dialect;
use http::{HeaderName, HeaderValue, Request, header, request::Parts};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};
use serde_json::{Map, Value};
use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

/// What the tokens of the targets are signed with.
pub const SECRET: &str = "a secret of the fuzz targets, long enough";
/// When the targets take place, in seconds since the Unix epoch.
pub const NOW_UNIX_S: u64 = 1_893_456_000;

/// The text of a token: nothing is taken that was not signed with the secret.
pub fn token_texts(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else { return false };
    match VERIFIER.verify(text, NOW_UNIX_S) {
        Ok(identity) => {
            let (signed, signature) = text.rsplit_once('.').expect("a token has three parts");
            let key = DecodingKey::from_secret(SECRET.as_bytes());
            let is_signed = crypto::verify(signature, signed.as_bytes(), &key, Algorithm::HS256);
            assert!(is_signed.is_ok_and(|is_signed| is_signed), "taken without a signature");
            let header = signed.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok());
            let header: Map<String, Value> =
                serde_json::from_slice(&header.expect("it was read")).expect("a header is an object");
            assert_eq!(header["alg"], "HS256");
            assert!(text.len() <= Verifier::TOKEN_BYTES_MAX && !header.contains_key("crit"));
            check_identity(&identity);
            true
        }
        Err(error) => {
            assert!(!error.to_string().contains(char::is_control), "would forge a line of a log");
            false
        }
    }
}

/// The claims of a token, any bytes, which is then signed as it should be.
pub fn token_claims(data: &[u8]) -> bool {
    let token = signed(data);
    match VERIFIER.verify(&token, NOW_UNIX_S) {
        Ok(identity) => {
            let claims: Map<String, Value> = serde_json::from_slice(data).expect("claims are an object");
            match &claims["sub"] {
                Value::String(id) => assert_eq!(identity.profile.user.as_str(), id),
                Value::Number(id) => assert_eq!(identity.profile.user.as_str(), id.to_string()),
                other => panic!("{other} was taken for a user id"),
            }
            assert!(claims.contains_key("exp"), "without an end");
            check_identity(&identity);
            true
        }
        Err(error) => {
            assert!(!error.to_string().contains(char::is_control), "would forge a line of a log");
            false
        }
    }
}

/// A token with these claims, whatever they are, under the header and the signature that a good one has.
pub fn signed(claims: &[u8]) -> String {
    let body = format!("{}.{}", *HEADER, URL_SAFE_NO_PAD.encode(claims));
    let signature = crypto::sign(body.as_bytes(), &SIGNING, Algorithm::HS256).expect("an HMAC key signs anything");
    format!("{body}.{signature}")
}

fn check_identity(identity: &Identity) {
    let profile = &identity.profile;
    assert_eq!(UserId::parse(profile.user.as_str()).as_ref(), Ok(&profile.user));
    assert!(!profile.name.is_empty() && !profile.name.contains(is_unwanted), "{:?} is shown", profile.name);
    assert!(profile.avatar.as_deref().is_none_or(is_avatar));
    assert!(identity.ends_at().as_millis() >= NOW_UNIX_S * 1000, "it is over");
    assert!(identity.grants.iter().count() <= Grants::PATTERNS_MAX);
    let room = RoomId::parse("board-1").expect("a good name");
    let named = identity.grants.iter().filter(|(pattern, _)| pattern.matches(&room));
    let union = named.fold(Rights::NONE, |rights, (_, more)| rights.union(more));
    assert_eq!(identity.grants.rights(&room), union);
}

/// A request: its address in the first line, then headers, one a line. Finding a token never gives an empty one, and
/// finds a cookie only where nothing that a page cannot send by accident is there.
pub fn token_sources(data: &[u8]) -> bool {
    let Some(parts) = request_of(data) else { return false };
    // What is asked for in another place of the same address.
    let _ = query_value(&parts.uri, "resume");
    let Some((token, source)) = find_token(&parts, "session") else { return false };
    assert!(!token.as_str().is_empty(), "an empty token counts as none");
    assert!(!format!("{token:?}").contains(token.as_str()) || token.as_str().len() < 20, "shown");
    let has = |name: HeaderName| parts.headers.contains_key(name);
    match source {
        TokenSource::Header => assert!(has(header::AUTHORIZATION)),
        TokenSource::Query => assert!(parts.uri.query().is_some_and(|query| query.contains('='))),
        TokenSource::Cookie => assert!(has(header::COOKIE)),
        TokenSource::Frame => panic!("no frame was sent"),
    }
    true
}

/// Headers of a request as for [`token_sources`]: no cookie counts without an `Origin`, and in dev mode none but loopback
/// names are answered.
pub fn origins(data: &[u8]) -> bool {
    let Some(parts) = request_of(data) else { return false };
    let text = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(origin) = text(header::ORIGIN).and_then(Origin::parse) {
        assert_eq!(Origin::parse(&origin.to_string()).as_ref(), Some(&origin), "in one spelling");
    }
    let mut is_taken = false;
    for is_dev in [false, true] {
        let policy = OriginPolicy { allowed: ALLOWED.clone(), is_dev };
        let judge = |source| policy.check(&parts.headers, source);
        let (cookie, frame) = (judge(TokenSource::Cookie), judge(TokenSource::Frame));
        assert!(is_dev || frame.is_ok(), "a token that proves itself needs no origin");
        assert!(cookie.is_err() || text(header::ORIGIN).is_some(), "a cookie without an origin");
        assert!(cookie.is_err() || frame.is_ok(), "a cookie may do no more than a frame");
        for error in [&cookie, &frame].into_iter().filter_map(|judged| judged.as_ref().err()) {
            assert!(!error.to_string().contains(char::is_control), "would forge a line of a log");
        }
        if is_dev && frame.is_ok() {
            let host = text(header::HOST).unwrap_or_default().to_ascii_lowercase();
            assert!(["localhost", "127.", "["].iter().any(|name| host.starts_with(name)), "{host} is no loopback name");
        }
        is_taken |= cookie.is_ok();
    }
    is_taken
}

fn request_of(data: &[u8]) -> Option<Parts> {
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut request = Request::builder().uri(lines.next()?);
    for line in lines {
        let at = line.iter().position(|byte| *byte == b':')?;
        let value = line[at + 1..].strip_prefix(b" ").unwrap_or(&line[at + 1..]);
        request = request.header(HeaderName::from_bytes(&line[..at]).ok()?, HeaderValue::from_bytes(value).ok()?);
    }
    Some(request.body(()).ok()?.into_parts().0)
}

/// A secret to go on with a session. Where the first byte is 0, the others say which bytes of the right one to replace, as
/// pairs of a place and a byte; else all of it is the text. Only the right one claims the session, and only its user's.
pub fn resume_tokens(data: &[u8]) -> bool {
    let Held { resumes, right, .. } = &*HELD;
    let mut text = right.clone().into_bytes();
    match data.split_first() {
        Some((0, edits)) => {
            for edit in edits.chunks_exact(2) {
                let at = usize::from(edit[0]) % text.len();
                text[at] = edit[1];
            }
        }
        Some(_) | None => text = data.to_owned(),
    }
    let Ok(text) = str::from_utf8(&text) else { return false };
    let claim = |user: &str| resumes.claim(text, &UserId::parse(user).expect("a good id"), Time::from_millis(2000));
    let is_claimed = !matches!(claim("ann"), Claim::New);
    assert_eq!(is_claimed, text.eq_ignore_ascii_case(right), "{text} for {right}");
    assert!(matches!(claim("bob"), Claim::New), "somebody else's session");
    is_claimed
}

/// A session that can be gone on with; its secret is drawn at random, so inputs name it by what they change.
struct Held {
    resumes: Resumes,
    right: String,
    _connection: Arc<Connection>,
}

static HELD: LazyLock<Held> = LazyLock::new(|| {
    let resumes = Resumes::new(Duration::from_secs(60));
    let connection = Arc::new(Connection::new(ConnectionSetup {
        session: SessionId(7),
        dialect: Dialect::Native,
        socket: Socket::Owned,
        outbox_bytes_max: 1024,
        now: Time::from_millis(1000),
    }));
    let user = UserId::parse("ann").expect("a good id");
    let right = resumes.hold(&connection, &user, None).expect("the system gives random bytes");
    Held { resumes, right, _connection: connection }
});

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let all = Pattern::parse("*").expect("a good pattern");
    let secret = Secret::parse(SECRET).expect("a good secret");
    Verifier::new(&secret, Grants::new([(all, Rights::DEFAULT)]))
});

static SIGNING: LazyLock<EncodingKey> = LazyLock::new(|| EncodingKey::from_secret(SECRET.as_bytes()));

static HEADER: LazyLock<String> = LazyLock::new(|| URL_SAFE_NO_PAD.encode(br#"{"typ":"JWT","alg":"HS256"}"#));

static ALLOWED: LazyLock<Vec<Origin>> =
    LazyLock::new(|| vec![Origin::parse("https://app.example.com").expect("a good origin")]);
