//! What the verifier takes, and a list of forged or broken tokens, none of which it may take.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, as tests may")]

use base64::{Engine, engine::general_purpose};
use herenow::auth::{
    error::AuthError,
    mint::{Signer, TokenRequest},
    rights::{Grants, Rights},
    secret::Secret,
    token::{Identity, Verifier},
};
use herenow_core::{
    id::{RoomId, UserId},
    pattern::Pattern,
};
use jsonwebtoken::{Algorithm, EncodingKey, crypto::sign};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const SECRET: &str = "the-secret-of-this-server-is-long-enough";
const OTHER_SECRET: &str = "the-secret-of-somebody-else-is-long-too!";
const NOW: u64 = 1_900_000_000;
const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn verifier() -> Verifier {
    let lobby = (Pattern::parse("lobby").unwrap(), Rights::JOIN);
    Verifier::new(&Secret::parse(SECRET).unwrap(), Grants::new([lobby]))
}

fn encoded(text: impl AsRef<[u8]>) -> String {
    general_purpose::URL_SAFE_NO_PAD.encode(text)
}

/// A token of this header and payload, whatever they say, with an HMAC by `algorithm` and `secret`.
struct Forge<'a> {
    header: &'a str,
    payload: &'a str,
    algorithm: Algorithm,
    secret: &'a str,
}

impl Forge<'_> {
    fn token(&self) -> String {
        let message = format!("{}.{}", encoded(self.header), encoded(self.payload));
        let signature =
            sign(message.as_bytes(), &EncodingKey::from_secret(self.secret.as_bytes()), self.algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

/// A token that is signed as it should be.
fn signed(header: &str, payload: &str) -> String {
    Forge { header, payload, algorithm: Algorithm::HS256, secret: SECRET }.token()
}

fn with_claims(claims: Value) -> String {
    signed(HS256, &claims.to_string())
}

fn good_payload() -> String {
    json!({ "sub": "alice", "exp": NOW + 60 }).to_string()
}

fn with_header(header: Value) -> String {
    signed(&header.to_string(), &good_payload())
}

fn verify(claims: Value) -> Result<Identity, AuthError> {
    verifier().verify(&with_claims(claims), NOW)
}

/// Tokens with something wrong about algorithm, key or signature.
fn wrong_signatures() -> Vec<(&'static str, String)> {
    let good = with_claims(json!({ "sub": "alice", "exp": NOW + 60 }));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let payload = good_payload();
    let unsigned = |header: &str| format!("{}.{}.", encoded(header), encoded(&payload));
    let forge = |header, algorithm, secret| Forge { header, payload: &payload, algorithm, secret }.token();
    let mut flipped = general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap();
    flipped[0] ^= 1;
    let own_key = json!({ "kty": "oct", "k": encoded(OTHER_SECRET), "alg": "HS256" });
    vec![
        ("alg none, no signature", unsigned(r#"{"alg":"none"}"#)),
        ("alg None", unsigned(r#"{"alg":"None","typ":"JWT"}"#)),
        ("alg NONE", unsigned(r#"{"alg":"NONE"}"#)),
        ("alg nOnE", unsigned(r#"{"alg":"nOnE"}"#)),
        ("alg none, signed with the right secret", signed(r#"{"alg":"none"}"#, &payload)),
        ("alg empty", signed(r#"{"alg":""}"#, &payload)),
        ("alg null", signed(r#"{"alg":null}"#, &payload)),
        ("no alg", signed(r#"{"typ":"JWT"}"#, &payload)),
        ("alg in lower case", signed(r#"{"alg":"hs256"}"#, &payload)),
        ("alg with a blank", signed(r#"{"alg":"HS256 "}"#, &payload)),
        ("two algs", signed(r#"{"alg":"none","alg":"HS256"}"#, &payload)),
        ("RS256 header on an HMAC", signed(r#"{"alg":"RS256"}"#, &payload)),
        ("ES256 header on an HMAC", signed(r#"{"alg":"ES256"}"#, &payload)),
        ("PS256 header on an HMAC", signed(r#"{"alg":"PS256"}"#, &payload)),
        ("EdDSA header on an HMAC", signed(r#"{"alg":"EdDSA"}"#, &payload)),
        ("HS384 with the right secret", forge(r#"{"alg":"HS384"}"#, Algorithm::HS384, SECRET)),
        ("HS512 with the right secret", forge(r#"{"alg":"HS512"}"#, Algorithm::HS512, SECRET)),
        ("HS512 signature under an HS256 header", forge(HS256, Algorithm::HS512, SECRET)),
        ("another secret", forge(HS256, Algorithm::HS256, OTHER_SECRET)),
        ("the empty secret", forge(HS256, Algorithm::HS256, "")),
        ("kid walks to an empty file", forge(r#"{"alg":"HS256","kid":"../../../../dev/null"}"#, Algorithm::HS256, "")),
        ("kid injects SQL", forge(r#"{"alg":"HS256","kid":"x' UNION SELECT 'k"}"#, Algorithm::HS256, "k")),
        ("jku points at another key", {
            let header = r#"{"alg":"HS256","jku":"https://evil.example/jwks.json"}"#;
            forge(header, Algorithm::HS256, OTHER_SECRET)
        }),
        ("jwk carries another key", {
            let header = json!({ "alg": "HS256", "jwk": own_key }).to_string();
            Forge { header: &header, payload: &payload, algorithm: Algorithm::HS256, secret: OTHER_SECRET }.token()
        }),
        ("x5u points at another key", {
            forge(r#"{"alg":"HS256","x5u":"https://evil.example/cert"}"#, Algorithm::HS256, OTHER_SECRET)
        }),
        ("crit, signed as it should be", with_header(json!({ "alg": "HS256", "crit": ["b64"], "b64": false }))),
        ("no signature", format!("{message}.")),
        ("truncated signature", good[..good.len() - 4].to_owned()),
        ("one bit of the signature", format!("{message}.{}", encoded(flipped))),
        ("signature of another payload", {
            let other = encoded(json!({ "sub": "root", "exp": NOW + 60 }).to_string());
            format!("{}.{other}.{signature}", encoded(HS256))
        }),
        ("signature of another header", format!("{}.{}.{signature}", encoded(r#"{"alg":"HS256"}"#), encoded(&payload))),
    ]
}

/// Texts that are no JWT.
fn wrong_shapes() -> Vec<(&'static str, String)> {
    let good = with_claims(json!({ "sub": "alice", "exp": NOW + 60 }));
    let parts: Vec<&str> = good.split('.').collect();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let raw_signature = general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap();
    let nested = format!("{}1{}", "[".repeat(4000), "]".repeat(4000));
    vec![
        ("nothing", String::new()),
        ("dots only", "..".into()),
        ("one part", parts[0].into()),
        ("two parts", message.into()),
        ("four parts", format!("{good}.{signature}")),
        ("a dot in front", format!(".{good}")),
        ("a dot at the end", format!("{good}.")),
        ("two dots in the middle", format!("{}..{}.{}", parts[0], parts[1], parts[2])),
        ("five parts, as encrypted ones have", format!("{good}.AAAA.AAAA")),
        ("not base64", format!("{message}.!!!!")),
        ("padded signature", format!("{message}.{}", general_purpose::URL_SAFE.encode(&raw_signature))),
        ("signature with one = only", format!("{good}=")),
        ("spare bits at the end of the signature", {
            // 32 bytes leave 2 spare bits in the last character, which must be zero.
            let last = signature.chars().last().unwrap();
            let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let at = alphabet.find(last).unwrap();
            format!("{}{}", &good[..good.len() - 1], &alphabet[at + 1..at + 2])
        }),
        ("a blank in front", format!(" {good}")),
        ("a line end behind", format!("{good}\n")),
        ("with its scheme", format!("Bearer {good}")),
        ("in quotes", format!("\"{good}\"")),
        ("a NUL inside", format!("{}\0{}", &good[..10], &good[10..])),
        ("header is no JSON", signed("alg=HS256", &good_payload())),
        ("header is an array", signed(r#"["HS256"]"#, &good_payload())),
        ("payload is no JSON", signed(HS256, "sub=alice")),
        ("payload is an array of claims", signed(HS256, r#"["alice",1900000060]"#)),
        ("payload is a string", signed(HS256, r#""alice""#)),
        ("payload is null", signed(HS256, "null")),
        ("payload is empty", signed(HS256, "")),
        ("payload goes on after the object", signed(HS256, &format!("{}x", good_payload()))),
        ("payload is deeply nested", signed(HS256, &nested)),
        ("longer than 8 KiB", with_claims(json!({ "sub": "alice", "exp": NOW + 60, "pad": "x".repeat(8192) }))),
    ]
}

/// Well signed tokens whose claims are not good.
fn wrong_claims() -> Vec<(&'static str, String)> {
    let exp = NOW + 60;
    let many: Vec<String> = (0..257).map(|n| format!("r{n}")).collect();
    [
        ("no exp", json!({ "sub": "alice" })),
        ("exp null", json!({ "sub": "alice", "exp": null })),
        ("exp as a string", json!({ "sub": "alice", "exp": exp.to_string() })),
        ("exp as a bool", json!({ "sub": "alice", "exp": true })),
        ("exp in a list", json!({ "sub": "alice", "exp": [exp] })),
        ("exp negative", json!({ "sub": "alice", "exp": -1 })),
        ("exp zero", json!({ "sub": "alice", "exp": 0 })),
        ("exp in milliseconds", json!({ "sub": "alice", "exp": exp * 1000 })),
        ("exp at the end of numbers", json!({ "sub": "alice", "exp": u64::MAX })),
        ("exp far beyond", json!({ "sub": "alice", "exp": 1e300 })),
        ("expired beyond the leeway", json!({ "sub": "alice", "exp": NOW - 6 })),
        ("nbf beyond the leeway", json!({ "sub": "alice", "exp": exp, "nbf": NOW + 6 })),
        ("nbf as a string", json!({ "sub": "alice", "exp": exp, "nbf": "0" })),
        ("aud of somebody else", json!({ "sub": "alice", "exp": exp, "aud": "billing" })),
        ("aud a list without us", json!({ "sub": "alice", "exp": exp, "aud": ["billing", "Herenow"] })),
        ("aud an object", json!({ "sub": "alice", "exp": exp, "aud": { "herenow": true } })),
        ("no sub", json!({ "exp": exp })),
        ("sub empty", json!({ "sub": "", "exp": exp })),
        ("sub null", json!({ "sub": null, "exp": exp })),
        ("sub a list", json!({ "sub": ["alice"], "exp": exp })),
        ("sub an object", json!({ "sub": { "id": "alice" }, "exp": exp })),
        ("sub a bool", json!({ "sub": true, "exp": exp })),
        ("sub of 129 bytes", json!({ "sub": "x".repeat(129), "exp": exp })),
        ("sub with a line end", json!({ "sub": "alice\nERROR", "exp": exp })),
        ("sub with a NUL", json!({ "sub": "alice\0", "exp": exp })),
        ("sub a fraction", json!({ "sub": 1.5, "exp": exp })),
        ("sub beyond 2^53", json!({ "sub": (1u64 << 53) + 1, "exp": exp })),
        ("sub beyond i64", json!({ "sub": u64::MAX, "exp": exp })),
        ("name a number", json!({ "sub": "alice", "exp": exp, "name": 7 })),
        ("rooms a string", json!({ "sub": "alice", "exp": exp, "rooms": "*" })),
        ("rooms with a number", json!({ "sub": "alice", "exp": exp, "rooms": [1] })),
        ("rooms with an empty pattern", json!({ "sub": "alice", "exp": exp, "rooms": [""] })),
        ("rooms with a long pattern", json!({ "sub": "alice", "exp": exp, "rooms": ["x".repeat(256)] })),
        ("rooms with an unknown right", json!({ "sub": "alice", "exp": exp, "rooms": { "*": ["admin"] } })),
        ("rooms with rights as a string", json!({ "sub": "alice", "exp": exp, "rooms": { "*": "join" } })),
        ("rooms with 257 patterns", json!({ "sub": "alice", "exp": exp, "rooms": many })),
    ]
    .map(|(what, claims)| (what, with_claims(claims)))
    .to_vec()
}

#[test]
fn no_forgery_is_accepted() {
    let verifier = verifier();
    let forgeries = [wrong_signatures(), wrong_shapes(), wrong_claims()].concat();
    let accepted: Vec<_> = forgeries.iter().filter(|(_, token)| verifier.verify(token, NOW).is_ok()).collect();
    println!("jwt: {}/{} forgeries accepted", accepted.len(), forgeries.len());
    assert!(accepted.is_empty(), "{accepted:?}");
    for (what, token) in &forgeries {
        let error = verifier.verify(token, NOW).unwrap_err();
        let shown = format!("{error} {error:?} {}", error.hint());
        for part in token.split('.').filter(|part| part.len() > 8) {
            assert!(!shown.contains(part), "{what}: {shown}");
        }
    }
}

#[test]
fn each_kind_of_error_has_its_code() {
    let verifier = verifier();
    let codes = |tokens: Vec<(&'static str, String)>| -> Vec<(&'static str, &'static str)> {
        tokens.iter().map(|(what, token)| (*what, verifier.verify(token, NOW).unwrap_err().code())).collect()
    };
    let all = [codes(wrong_signatures()), codes(wrong_shapes()), codes(wrong_claims())].concat();
    for (what, code) in all {
        let expected = match what {
            "nothing" => "auth.missing",
            "expired beyond the leeway" | "exp zero" => "auth.expired",
            _ => "auth.invalid",
        };
        assert_eq!(code, expected, "{what}");
    }
}

#[test]
fn errors_tell_the_kinds_apart() {
    let verifier = verifier();
    let error = |token: &str| verifier.verify(token, NOW).unwrap_err();
    let forge = |header, algorithm, secret| Forge { header, payload: &good_payload(), algorithm, secret }.token();
    assert_eq!(error(&forge(HS256, Algorithm::HS256, OTHER_SECRET)), AuthError::Signature);
    assert_eq!(error(&forge(r#"{"alg":"HS512"}"#, Algorithm::HS512, SECRET)), AuthError::Algorithm);
    assert_eq!(error("a.b"), AuthError::Malformed);
    assert_eq!(error(&with_header(json!({ "alg": "HS256", "crit": ["x"] }))), AuthError::Critical);
    assert_eq!(error(&"x".repeat(8193)), AuthError::TooLong { bytes: 8193, bytes_max: 8192 });
    assert_eq!(error(&with_claims(json!({ "sub": "a", "exp": NOW - 100 }))), AuthError::Expired { ago_s: 100 });
    assert_eq!(error(&with_claims(json!({ "sub": "a", "exp": NOW, "nbf": NOW + 9 }))), AuthError::NotYet { in_s: 9 });
    let of_sub = verify(json!({ "sub": "x".repeat(200), "exp": NOW })).unwrap_err();
    assert_eq!(of_sub.to_string(), "the token's `sub` has 200 bytes, at most 128 are allowed");
    let of_exp = verify(json!({ "sub": "a", "exp": NOW * 1000 })).unwrap_err();
    assert!(of_exp.to_string().contains("not in milliseconds"), "{of_exp}");
}

#[test]
fn a_good_token_says_who_it_is() {
    let identity = verify(json!({
        "sub": "alice", "name": "A\u{202e}lice\n", "avatar": "https://cdn.example/a.png?x=1&y=2", "exp": NOW + 60,
        "nbf": NOW, "aud": ["herenow", "x"], "iat": NOW, "whatever": [1],
    }))
    .unwrap();
    assert_eq!((identity.profile.user.as_str(), &*identity.profile.name), ("alice", "Alice"));
    assert_eq!(identity.profile.avatar.as_deref(), Some("https://cdn.example/a.png?x=1&y=2"));
    assert_eq!(identity.expires_at.as_millis(), (NOW + 60) * 1000);
    assert_eq!(identity.ends_at().as_millis(), (NOW + 65) * 1000);
}

#[test]
fn the_clocks_may_differ_by_five_seconds() {
    assert!(verify(json!({ "sub": "a", "exp": NOW - 5 })).is_ok());
    assert!(verify(json!({ "sub": "a", "exp": NOW + 60, "nbf": NOW + 5 })).is_ok());
    assert!(verify(json!({ "sub": "a", "exp": NOW as f64 + 0.5 })).is_ok(), "fractions are allowed by RFC 7519");
}

#[test]
fn a_number_becomes_its_decimal_text() {
    for (sub, text) in [(json!(0), "0"), (json!(42), "42"), (json!(-7), "-7"), (json!(1u64 << 53), "9007199254740992")]
    {
        let profile = verify(json!({ "sub": sub, "exp": NOW + 60 })).unwrap().profile;
        assert_eq!((profile.user.as_str(), &*profile.name), (text, text));
    }
}

#[test]
fn an_avatar_that_is_no_web_address_is_dropped() {
    let long = format!("https://cdn.example/{}", "x".repeat(2048));
    for avatar in [
        json!("javascript:alert(1)"),
        json!("data:image/png;base64,AAAA"),
        json!("//cdn.example/a.png"),
        json!("/a.png"),
        json!("https://"),
        json!("https://user:pass@cdn.example/a.png"),
        json!("https://cdn.example/a.png\" onerror=\"x"),
        json!("https://cdn.example/a b.png"),
        json!("https://cdn.example/\u{202e}gnp"),
        json!(long),
        json!(7),
        json!(null),
    ] {
        let profile = verify(json!({ "sub": "a", "exp": NOW + 60, "avatar": avatar })).unwrap().profile;
        assert_eq!(profile.avatar, None, "{avatar}");
    }
}

#[test]
fn rooms_come_as_a_list_or_with_rights() {
    let rights = |rooms: Value, room: &str| {
        let identity = verify(json!({ "sub": "a", "exp": NOW + 60, "rooms": rooms })).unwrap();
        identity.grants.rights(&RoomId::parse(room).unwrap())
    };
    assert_eq!(rights(json!(["board-*", "lobby"]), "board-1"), Rights::DEFAULT);
    assert_eq!(rights(json!(["board-*", "lobby"]), "other"), Rights::NONE);
    let map = json!({ "board-*": ["join", "type"], "*": ["observe"], "none": [] });
    assert_eq!(rights(map.clone(), "board-1"), Rights::JOIN.union(Rights::TYPE).union(Rights::OBSERVE));
    assert_eq!(rights(map, "none"), Rights::OBSERVE);
    assert_eq!(rights(json!([]), "lobby"), Rights::NONE, "an empty list is not a missing one");
    assert_eq!(rights(json!({}), "lobby"), Rights::NONE);
    assert_eq!(rights(json!(null), "lobby"), Rights::JOIN, "the default rooms");
}

#[test]
fn who_may_do_the_same_shares_the_grants() {
    let verifier = verifier();
    let of = |claims: Value| verifier.verify(&with_claims(claims), NOW).unwrap().grants;
    let alice = of(json!({ "sub": "alice", "exp": NOW + 60, "rooms": ["a-*", "b"] }));
    let bob = of(json!({ "sub": "bob", "exp": NOW + 90, "rooms": ["b", "a-*"] }));
    assert!(Arc::ptr_eq(&alice, &bob));
    let default = |sub: &str| of(json!({ "sub": sub, "exp": NOW + 60 }));
    assert!(Arc::ptr_eq(&default("alice"), &default("bob")));
}

#[test]
fn what_the_signer_mints_the_verifier_takes() {
    let rooms = vec![
        (Pattern::parse("board-*").unwrap(), Rights::JOIN.union(Rights::TYPE)),
        (Pattern::parse("lobby").unwrap(), Rights::DEFAULT),
    ];
    let request = TokenRequest {
        user: UserId::parse("alice").unwrap(),
        name: Some("Alice".into()),
        avatar: Some("https://cdn.example/a.png".into()),
        rooms: Some(rooms.clone()),
        is_invisible: false,
        now_unix_s: NOW,
        ttl: Duration::from_secs(3600),
    };
    let signer = Signer::new(&Secret::parse(SECRET).unwrap());
    let identity = verifier().verify(&signer.mint(&request), NOW).unwrap();
    assert_eq!((identity.profile.user.as_str(), &*identity.profile.name), ("alice", "Alice"));
    assert_eq!(identity.profile.avatar.as_deref(), Some("https://cdn.example/a.png"));
    assert_eq!(*identity.grants, Grants::new(rooms));
    assert_eq!(identity.expires_at.as_millis(), (NOW + 3600) * 1000);
    assert!(!identity.grants.is_invisible());
    let unseen = TokenRequest { is_invisible: true, ..request.clone() };
    assert!(verifier().verify(&signer.mint(&unseen), NOW).unwrap().grants.is_invisible());
    let plain = TokenRequest { name: None, avatar: None, rooms: None, ..request };
    let identity = verifier().verify(&signer.mint(&plain), NOW).unwrap();
    assert_eq!(&*identity.profile.name, "alice");
    assert_eq!(identity.grants.rights(&RoomId::parse("lobby").unwrap()), Rights::JOIN);
}

#[test]
fn debug_shows_no_secret() {
    let secret = Secret::parse(SECRET).unwrap();
    let shown = format!("{:?} {:?} {secret:?}", verifier(), Signer::new(&secret));
    assert!(!shown.contains("secret-of-this") && !shown.contains("116, 104, 101"), "{shown}");
}
