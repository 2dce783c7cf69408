//! What comes from other servers and proxies: key sets, addresses of clients, addresses to ask.
use axum::extract::ConnectInfo;
use herenow::{
    auth::{
        address::{Network, client_address},
        keys::{Algorithm, KeySet, TokenKey},
    },
    outgoing::WebAddress,
};
use http::{HeaderValue, Request};
use std::net::SocketAddr;

/// A JWK Set, or a key in PEM: no secret and no private half is ever taken.
pub fn key_sets(data: &[u8]) -> bool {
    if let Ok(key) = TokenKey::of_pem(data, Some("k")) {
        assert!(key.algorithm() != Algorithm::Hs256 && key.id() == Some("k"));
        return true;
    }
    match KeySet::of_jwks(data) {
        Ok(set) => {
            assert!((1..=KeySet::KEYS_MAX).contains(&set.iter().count()));
            assert!(set.iter().all(|key| key.algorithm() != Algorithm::Hs256), "a secret that all can read");
            assert!(set.iter().filter_map(TokenKey::id).all(|id| set.names(id)));
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

/// Networks of trusted proxies in the first line, parted by spaces; who connects in the second; then values of
/// `X-Forwarded-For`. Whom no proxy vouches for is who connects.
pub fn client_addresses(data: &[u8]) -> bool {
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut text = || lines.next().and_then(|line| str::from_utf8(line).ok());
    let (Some(networks), Some(peer)) = (text(), text()) else { return false };
    let proxies: Vec<Network> = networks.split(' ').filter_map(Network::parse).collect();
    for proxy in &proxies {
        assert_eq!(Network::parse(&proxy.to_string()).as_ref(), Some(proxy), "in one spelling");
    }
    let Ok(peer) = peer.parse::<SocketAddr>() else { return false };
    let mut request = Request::builder();
    for line in lines {
        let Ok(value) = HeaderValue::from_bytes(line) else { return false };
        request = request.header("x-forwarded-for", value);
    }
    let Ok(request) = request.body(()) else { return false };
    let (mut parts, ()) = request.into_parts();
    assert_eq!(client_address(&parts, &proxies), None, "nobody noted who connects");
    parts.extensions.insert(ConnectInfo(peer));
    let address = client_address(&parts, &proxies).expect("it is noted who connects");
    let own = peer.ip().to_canonical();
    if proxies.is_empty() {
        assert_eq!(address, own, "nobody vouches for another");
    }
    address != own
}

/// An address that this server may ask: absolute, of the web, and without credentials.
pub fn web_addresses(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else { return false };
    let Some(address) = WebAddress::parse(text) else { return false };
    let written = address.to_string();
    assert!(written.starts_with("http://") || written.starts_with("https://"), "{written}");
    assert!(text.len() <= WebAddress::BYTES_MAX && !written.contains(['@', '#']), "{written}");
    // Written out it may have a slash more, which is one too many at the limit.
    if written.len() <= WebAddress::BYTES_MAX {
        assert_eq!(WebAddress::parse(&written).as_ref(), Some(&address), "in one spelling");
    }
    true
}
