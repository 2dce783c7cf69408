//! Forged tokens against a key of each algorithm: none may be taken.
use crate::keys::{OTHER_RSA, Pair, RSA, public_pairs};
use aws_lc_rs::rsa::KeySize;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use herenow::auth::{
    error::AuthError,
    keys::{Algorithm, KeyError, KeySet, TokenKey},
    rights::Grants,
    secret::Secret,
    token::{Verifier, VerifierSetup},
};
use jsonwebtoken::{Algorithm as Jws, EncodingKey, Header, crypto::sign};
use serde_json::{Value, json};

const SECRET: &str = "the-secret-of-this-server-is-long-enough";
const NOW: u64 = 1_900_000_000;
const ID: &str = "main";

fn good() -> Value {
    json!({ "sub": "alice", "exp": NOW + 60, "aud": "chat", "iss": "https://id.example" })
}

/// Takes tokens of this key and of the secret, for one audience of one issuer.
fn verifier(pair: &Pair) -> Verifier {
    verifier_of(TokenKey::of_pem(pair.public_pem.as_bytes(), Some(ID)).unwrap())
}

fn verifier_of(key: TokenKey) -> Verifier {
    let secret = TokenKey::of_secret(&Secret::parse(SECRET).unwrap());
    Verifier::with(VerifierSetup {
        keys: KeySet::new(vec![secret, key]).unwrap(),
        default_rooms: Grants::default(),
        audience: vec!["chat".into()],
        issuer: vec!["https://id.example".into()],
        ..VerifierSetup::default()
    })
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn forged(header: &Value, claims: &Value, key: &EncodingKey, algorithm: Jws) -> String {
    let message = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
    format!("{message}.{}", sign(message.as_bytes(), key, algorithm).unwrap())
}

/// The public half, in each form that somebody could use as a secret.
fn public_texts(pair: &Pair) -> Vec<Vec<u8>> {
    let jwk = pair.jwk(ID);
    let part = |name: &str| jwk[name].as_str().map(|text| text.as_bytes().to_vec());
    let raw = |name: &str| jwk[name].as_str().map(|text| URL_SAFE_NO_PAD.decode(text).unwrap());
    let lines: String = pair.public_pem.lines().filter(|line| !line.contains("-----")).collect();
    let mut texts = vec![
        pair.public_pem.clone().into_bytes(),
        pair.public_pem.trim_end().to_owned().into_bytes(),
        pair.public_pem.replace('\n', "\r\n").into_bytes(),
        lines.into_bytes(),
        pair.public_der.clone(),
        jwk.to_string().into_bytes(),
        Vec::new(),
    ];
    texts.extend(["n", "x"].iter().filter_map(|name| part(name)));
    texts.extend(["n", "x"].iter().filter_map(|name| raw(name)));
    texts
}

/// Tokens whose algorithm, key or header are not what they should be. `attacker` is a pair of the same kind.
fn wrong_keys(pair: &Pair, attacker: &Pair) -> Vec<(String, String)> {
    let (name, claims) = (pair.sign(Some(ID), &good()), good());
    let alg = serde_json::to_value(pair.algorithm).unwrap();
    let mut tokens = Vec::new();
    let mut add = |what: String, token: String| tokens.push((what, token));
    for (at, text) in public_texts(pair).iter().enumerate() {
        for (hash, jws) in [("HS256", Jws::HS256), ("HS384", Jws::HS384), ("HS512", Jws::HS512)] {
            let key = EncodingKey::from_secret(text);
            for kid in [json!(ID), json!("other")] {
                let header = json!({ "alg": hash, "kid": kid });
                add(format!("{hash} with form {at} of the public key, kid {kid}"), forged(&header, &claims, &key, jws));
            }
            add(
                format!("{hash} with form {at} of the public key"),
                forged(&json!({ "alg": hash }), &claims, &key, jws),
            );
            // The header says what the key is for, and the signature is an HMAC all the same.
            let header = json!({ "alg": alg, "kid": ID });
            add(
                format!("{hash} signature, form {at}, under the key's own header"),
                forged(&header, &claims, &key, jws),
            );
        }
    }
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let message =
            format!("{}.{}", encoded(json!({ "alg": none, "kid": ID }).to_string()), encoded(claims.to_string()));
        add(format!("alg {none:?}, no signature"), format!("{message}."));
        let signature = name.rsplit_once('.').unwrap().1;
        add(format!("alg {none:?}, a good token's signature"), format!("{message}.{signature}"));
        let signed = sign(message.as_bytes(), &pair.private, pair.algorithm).unwrap();
        add(format!("alg {none:?}, signed by the right key"), format!("{message}.{signed}"));
    }
    for other in ["HS256", "RS256", "ES256", "EdDSA", "ES384", "PS256", "RS512", "ES256K", "Ed448", "HS256 "] {
        if alg != other {
            let header = json!({ "alg": other, "kid": ID });
            add(
                format!("header {other}, signed by the right key"),
                forged(&header, &claims, &pair.private, pair.algorithm),
            );
        }
    }
    let kids = [
        "other",
        "",
        "../../../../dev/null",
        "/dev/null",
        "x' UNION SELECT 'k",
        "main\0",
        "MAIN",
        " main",
        "https://evil.example/key",
        "herenow-guest",
        "%6dain",
        "main,other",
    ];
    for kid in kids {
        add(format!("kid {kid:?}, signed by the right key"), pair.sign(Some(kid), &claims));
        add(format!("kid {kid:?}, signed by another key"), attacker.sign(Some(kid), &claims));
    }
    add("another key of the same kind".into(), attacker.sign(Some(ID), &claims));
    add("another key of the same kind, no kid".into(), attacker.sign(None, &claims));
    let own = attacker.jwk(ID);
    let extras = [
        ("jwk", own.clone()),
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/cert.pem")),
        ("x5c", json!([encoded(&attacker.public_der)])),
        ("x5t", json!("AAAA")),
        ("jwks", json!({ "keys": [own] })),
        ("crit", json!(["exp"])),
    ];
    for (field, value) in extras {
        let mut header = json!({ "alg": alg, "kid": ID });
        header[field] = value;
        add(format!("{field}, signed by its key"), forged(&header, &claims, &attacker.private, pair.algorithm));
        header["kid"] = Value::Null;
        add(format!("{field} without kid"), forged(&header, &claims, &attacker.private, pair.algorithm));
    }
    let header = json!({ "alg": alg, "kid": ID, "crit": ["b64"], "b64": false });
    add("crit, signed by the right key".into(), forged(&header, &claims, &pair.private, pair.algorithm));
    tokens
}

/// Good tokens with another signature, or another text under the signature.
fn wrong_signatures(pair: &Pair) -> Vec<(String, String)> {
    let token = pair.sign(Some(ID), &good());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let with = |bytes: &[u8]| format!("{message}.{}", encoded(bytes));
    let flipped = |at: usize| raw.iter().enumerate().map(|(n, byte)| if n == at { byte ^ 1 } else { *byte }).collect();
    let flipped = |at: usize| -> Vec<u8> { flipped(at) };
    let root = json!({ "sub": "root", "exp": NOW + 60, "aud": "chat", "iss": "https://id.example" });
    let (head, _) = message.split_once('.').unwrap();
    let mut tokens = vec![
        ("first bit".to_owned(), with(&flipped(0))),
        ("middle bit".to_owned(), with(&flipped(raw.len() / 2))),
        ("last bit".to_owned(), with(&flipped(raw.len() - 1))),
        ("no signature".to_owned(), format!("{message}.")),
        ("all zeros".to_owned(), with(&vec![0; raw.len()])),
        ("all ones".to_owned(), with(&vec![0xff; raw.len()])),
        ("shorter".to_owned(), with(&raw[..raw.len() - 1])),
        ("longer".to_owned(), with(&[&raw[..], &[0]].concat())),
        ("a zero in front".to_owned(), with(&[&[0], &raw[..]].concat())),
        ("twice".to_owned(), with(&[&raw[..], &raw[..]].concat())),
        ("another payload".to_owned(), format!("{head}.{}.{signature}", encoded(root.to_string()))),
        ("another header".to_owned(), {
            let alg = serde_json::to_value(pair.algorithm).unwrap();
            let header = json!({ "kid": ID, "alg": alg });
            format!("{}.{}.{signature}", encoded(format!("{header} ")), encoded(good().to_string()))
        }),
    ];
    if pair.algorithm == Jws::ES256 {
        // The form of other libraries and of certificates: a sequence of two numbers.
        let number = |part: &[u8]| [&[2, part.len() as u8 + 1, 0], part].concat();
        let numbers = [number(&raw[..32]), number(&raw[32..])].concat();
        tokens.push(("in DER".to_owned(), with(&[&[0x30, numbers.len() as u8], &numbers[..]].concat())));
        tokens.push(("r is zero".to_owned(), with(&[&[0; 32], &raw[32..]].concat())));
        tokens.push(("s is zero".to_owned(), with(&[&raw[..32], &[0; 32]].concat())));
    }
    if pair.algorithm == Jws::EdDSA {
        // The neutral point with s = 0, which a careless check takes for a good signature under weak keys.
        let neutral = [&[1][..], &[0; 63]].concat();
        tokens.push(("neutral point".to_owned(), with(&neutral)));
    }
    tokens
}

/// Claims that are not good, well signed.
fn wrong_claims(pair: &Pair) -> Vec<(String, String)> {
    let with = |field: &str, value: Value| {
        let mut claims = good();
        claims[field] = value;
        (format!("{field} is {}", claims[field]), pair.sign(Some(ID), &claims))
    };
    let without = |field: &str| {
        let mut claims = good();
        claims.as_object_mut().unwrap().remove(field);
        (format!("no {field}"), pair.sign(Some(ID), &claims))
    };
    vec![
        with("exp", json!(NOW - 6)),
        with("exp", json!(0)),
        with("exp", json!("1900000060")),
        with("exp", json!((NOW + 60) * 1000)),
        without("exp"),
        with("nbf", json!(NOW + 6)),
        with("nbf", json!("now")),
        with("aud", json!("herenow")),
        with("aud", json!(["billing"])),
        with("aud", json!({ "chat": true })),
        without("aud"),
        with("iss", json!("https://evil.example")),
        with("iss", json!("https://id.example/")),
        with("iss", json!(["https://id.example"])),
        without("iss"),
        without("sub"),
        with("sub", json!("")),
        with("sub", json!("a\nb")),
        with("rooms", json!({ "*": ["admin"] })),
        with("admin", json!("true")),
    ]
}

#[test]
fn no_forgery_is_accepted_whatever_the_algorithm() {
    let (mut count, mut accepted, mut good_ones) = (0, Vec::new(), 0);
    for (algorithm, pair) in public_pairs() {
        let verifier = verifier(&pair);
        let other = match algorithm {
            Algorithm::Rs256 => Pair::rsa(),
            Algorithm::Es256 => Pair::p256(),
            Algorithm::EdDsa => Pair::ed25519(),
            Algorithm::Hs256 => panic!("it has no pair"),
        };
        good_ones += usize::from(verifier.verify(&pair.sign(Some(ID), &good()), NOW).is_ok());
        let forgeries = [wrong_keys(&pair, &other), wrong_signatures(&pair), wrong_claims(&pair)].concat();
        let mut taken = 0;
        for (what, token) in &forgeries {
            match verifier.verify(token, NOW) {
                Ok(_) => taken += 1,
                Err(error) => {
                    let shown = format!("{error} {error:?} {}", error.hint());
                    let is_told = token.split('.').filter(|part| part.len() > 8).any(|part| shown.contains(part));
                    assert!(!is_told, "{what}: {shown}");
                    continue;
                }
            }
            accepted.push(format!("{}: {what}", algorithm.name()));
        }
        println!("jwt {}: {taken}/{} forgeries accepted", algorithm.name(), forgeries.len());
        count += forgeries.len();
    }
    println!("jwt: {}/{count} forgeries accepted, {good_ones}/3 good ones accepted", accepted.len());
    assert!(accepted.is_empty() && count >= 300, "{accepted:?}");
    assert_eq!(good_ones, 3);
}

#[test]
fn other_algorithms_of_the_same_key_are_not_taken() {
    let rsa = &*RSA;
    let verifier = verifier(rsa);
    for algorithm in [Jws::RS384, Jws::RS512, Jws::PS256, Jws::PS384, Jws::PS512] {
        let header = Header { kid: Some(ID.into()), ..Header::new(algorithm) };
        let token = jsonwebtoken::encode(&header, &good(), &rsa.private).unwrap();
        assert_eq!(verifier.verify(&token, NOW), Err(AuthError::Algorithm), "{algorithm:?}");
    }
    let p384 = Pair::p384();
    let elsewhere = self::verifier(&Pair::p256()).verify(&p384.sign(Some(ID), &good()), NOW);
    assert_eq!(elsewhere, Err(AuthError::Algorithm));
}

#[test]
fn each_algorithm_is_taken_from_a_file_and_from_a_set() {
    for (algorithm, pair) in public_pairs() {
        for key in [
            TokenKey::of_pem(pair.public_pem.as_bytes(), Some(ID)).unwrap(),
            TokenKey::of_pem(pair.public_pem.as_bytes(), None).unwrap(),
            TokenKey::of_jwk(&pair.jwk(ID)).unwrap(),
        ] {
            assert_eq!(key.algorithm(), algorithm);
            let is_named = key.id().is_some();
            let verifier = verifier_of(key);
            for (id, is_good) in [(Some(ID), true), (None, true), (Some("other"), !is_named)] {
                let verdict = verifier.verify(&pair.sign(id, &good()), NOW);
                assert_eq!(verdict.is_ok(), is_good, "{} {id:?}: {verdict:?}", algorithm.name());
            }
        }
    }
}

#[test]
fn several_keys_count_at_once() {
    let (old, new) = (Pair::ed25519(), Pair::ed25519());
    let secrets = ["a".repeat(32), "b".repeat(32)].map(|text| Secret::parse(&text).unwrap());
    let mut keys: Vec<TokenKey> = secrets.iter().map(TokenKey::of_secret).collect();
    keys.push(TokenKey::of_pem(old.public_pem.as_bytes(), Some("2025")).unwrap());
    keys.push(TokenKey::of_pem(new.public_pem.as_bytes(), Some("2026")).unwrap());
    let verifier = Verifier::with(VerifierSetup { keys: KeySet::new(keys).unwrap(), ..VerifierSetup::default() });
    let claims = json!({ "sub": "alice", "exp": NOW + 60 });
    for token in [old.sign(Some("2025"), &claims), new.sign(Some("2026"), &claims), new.sign(None, &claims)] {
        assert!(verifier.verify(&token, NOW).is_ok());
    }
    for secret in &secrets {
        let token =
            jsonwebtoken::encode(&Header::new(Jws::HS256), &claims, &EncodingKey::from_secret(secret.as_bytes()));
        assert!(verifier.verify(&token.unwrap(), NOW).is_ok());
    }
    assert_eq!(verifier.verify(&old.sign(Some("2026"), &claims), NOW), Err(AuthError::Signature), "the wrong year");
    assert!(KeySet::new(vec![TokenKey::of_secret(&secrets[0]); KeySet::KEYS_MAX + 1]).is_err());
}

#[test]
fn what_is_no_key_of_ours_is_refused_when_it_is_read() {
    let (rsa, p384) = (&*RSA, Pair::p384());
    let of_pem = |pem: &str| TokenKey::of_pem(pem.as_bytes(), None).unwrap_err();
    assert_eq!(of_pem(&rsa.private_pem), KeyError::Private);
    assert_eq!(of_pem(&Pair::ed25519().private_pem), KeyError::Private);
    assert_eq!(of_pem(&p384.public_pem), KeyError::Unsupported);
    assert_eq!(of_pem(""), KeyError::Unreadable);
    assert_eq!(of_pem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), KeyError::Unsupported);
    let of_jwk = |jwk: Value| TokenKey::of_jwk(&jwk).unwrap_err();
    let changed = |field: &str, value: Value| {
        let mut jwk = rsa.jwk("a");
        jwk[field] = value;
        jwk
    };
    assert_eq!(of_jwk(p384.jwk("a")), KeyError::Unsupported);
    assert_eq!(
        of_jwk(json!({ "kty": "oct", "k": "AAAA" })),
        KeyError::Private,
        "whoever reads the set could sign with it"
    );
    assert_eq!(of_jwk(changed("d", json!("AAAA"))), KeyError::Private);
    assert_eq!(of_jwk(changed("use", json!("enc"))), KeyError::Unsupported);
    assert_eq!(of_jwk(changed("alg", json!("RS512"))), KeyError::Unsupported);
    assert_eq!(of_jwk(changed("alg", json!("none"))), KeyError::Unsupported);
    assert_eq!(of_jwk(changed("n", json!("AQAB"))), KeyError::RsaSize { bits: 17 });
    assert_eq!(of_jwk(changed("n", json!(encoded([0xff; 1025])))), KeyError::RsaSize { bits: 8200 });
    assert_eq!(of_jwk(changed("kid", json!("x".repeat(257)))), KeyError::Unreadable);
    assert_eq!(of_jwk(json!({ "kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA" })), KeyError::Unsupported);
    assert_eq!(of_jwk(json!([])), KeyError::Unreadable);
    assert!(TokenKey::of_pem(Pair::rsa_of(KeySize::Rsa3072).public_pem.as_bytes(), None).is_ok());
    assert_ne!(RSA.public_pem, OTHER_RSA.public_pem);
}
