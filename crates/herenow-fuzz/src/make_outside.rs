//! What makes inputs for [`crate::targets::outside`].
use crate::maker::Maker;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// Sets of good and odd keys, bent and spoilt, and keys in PEM.
pub fn key_sets(maker: &mut Maker<'_>) -> Vec<u8> {
    if maker.rng.percent(15) {
        return maker.spoilt(ED25519_PEM.to_vec(), 70);
    }
    let count = if maker.rng.percent(3) { maker.rng.between(60, 70) } else { maker.rng.below(4) };
    let keys: Vec<Value> = (0..count).map(|_| key(maker)).collect();
    let set = if maker.rng.percent(80) { json!({ "keys": keys }) } else { key(maker) };
    let set = if maker.rng.percent(40) { maker.bent(set) } else { set };
    maker.spoilt(set.to_string().into_bytes(), 20)
}

fn key(maker: &mut Maker<'_>) -> Value {
    let mut bytes = |count: usize| {
        let bytes: Vec<u8> = (0..count).map(|_| maker.rng.below(256) as u8).collect();
        URL_SAFE_NO_PAD.encode(bytes)
    };
    let part = bytes(32);
    let (second, modulus) = (bytes(32), bytes(256));
    let short = bytes(31);
    let mut key = match maker.rng.below(6) {
        0 => json!({"kty":"EC","crv":"P-256","x":part,"y":second}),
        1 => json!({"kty":"OKP","crv":"Ed25519","x":part,"alg":"EdDSA"}),
        2 => json!({"kty":"RSA","n":modulus,"e":"AQAB","use":"sig"}),
        3 => json!({"kty":"RSA","n":short,"e":"AQAB"}),
        4 => json!({"kty":"oct","k":part,"alg":"HS256"}),
        _ => json!({"kty":"EC","crv":"P-384","x":part,"y":second}),
    };
    if maker.rng.percent(50) {
        key["kid"] = json!(maker.word());
    }
    key
}

/// Proxies of one kind or another, in front of each other and of who connects.
pub fn client_addresses(maker: &mut Maker<'_>) -> Vec<u8> {
    let networks =
        ["10.0.0.0/8", "fd00::/8", "127.0.0.1", "0.0.0.0/0", "::/0", "10.0.0.0/33", "::ffff:10.0.0.0/104", "x/8"];
    let peers = ["10.0.0.1:80", "203.0.113.9:1", "[fd00::1]:80", "[::ffff:10.0.0.1]:80", "127.0.0.1:65536"];
    let hops = ["1.2.3.4", "10.0.0.7", "fd00::2", "::ffff:9.9.9.9", "unknown", "1.2.3.4:80", "", "_hidden"];
    let mut some = |of: &[&str], most: u64, between: &str| {
        let chosen: Vec<&str> = (0..maker.rng.below(most)).map(|_| maker.one_of(of)).collect();
        chosen.join(between)
    };
    let mut lines = vec![some(&networks, 4, " ")];
    let forwarded = [some(&hops, 4, ", "), some(&hops, 3, ",")];
    lines.push(maker.one_of(&peers).to_owned());
    lines.extend(forwarded.into_iter().take(maker.rng.index(3)));
    maker.spoilt(lines.join("\n").into_bytes(), 20)
}

/// Addresses that are almost fine.
pub fn web_addresses(maker: &mut Maker<'_>) -> Vec<u8> {
    let scheme = maker.one_of(&["https://", "http://", "HTTPS://", "ftp://", "//", "https:"]);
    let host = maker.one_of(&["app.example.com", "127.0.0.1", "[::1]", "a@b", "", "[::1", "x:65536", "日本"]);
    let rest = maker.one_of(&["", "/", ":8080/hook?a=b", "/a#b", "/%zz", "/\0", "?"]);
    let long = "x".repeat(maker.one_of(&[0, 0, 0, 2000, 2048]));
    maker.spoilt(format!("{scheme}{host}{rest}{long}").into_bytes(), 20)
}

const ED25519_PEM: &[u8] = b"-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
    -----END PUBLIC KEY-----\n";
