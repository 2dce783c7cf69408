//! From which address a request came, also where a proxy is in between.
use axum::extract::ConnectInfo;
use http::{HeaderMap, request::Parts};
use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

/// A network: an address, and how many of its first bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Takes `address` or `address/bits`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(whole), |bits| bits.parse().ok().filter(|bits| *bits <= whole))?;
        Some(Self { address, bits })
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// The address of a client: that of the connection or, where that is of a trusted proxy, the last one in `X-Forwarded-For`
/// that is of none. What stands before that, anybody can have written. `None` where the server did not note it.
pub fn client_address(parts: &Parts, proxies: &[Network]) -> Option<IpAddr> {
    let ConnectInfo(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
    let is_proxy = |address: IpAddr| proxies.iter().any(|proxy| proxy.contains(address));
    let mut address = peer.ip().to_canonical();
    if !is_proxy(address) {
        return Some(address);
    }
    for hop in hops(&parts.headers).into_iter().rev() {
        let Some(hop) = hop else { break };
        address = hop;
        if !is_proxy(address) {
            break;
        }
    }
    Some(address)
}

/// What stands for all who share a connection to the internet: an address of version 4, or the first half of one of version
/// 6, of which each has as many as they like.
pub fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(|hop| hop.trim().parse().ok().map(|hop: IpAddr| hop.to_canonical()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str], proxies: &[&str]) -> String {
        let mut request = http::Request::builder();
        for value in forwarded {
            request = request.header("x-forwarded-for", *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1234)));
        let proxies: Vec<Network> = proxies.iter().map(|text| Network::parse(text).unwrap()).collect();
        client_address(&parts, &proxies).unwrap().to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let proxies = &["10.0.0.0/8", "fd00::/8"][..];
        for (peer, forwarded, address) in [
            ("203.0.113.9", &[][..], "203.0.113.9"),
            ("203.0.113.9", &["1.2.3.4"], "203.0.113.9"),
            ("10.0.0.1", &["1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", &["9.9.9.9, 1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", &["9.9.9.9", "1.2.3.4, 10.0.0.7"], "1.2.3.4"),
            ("10.0.0.1", &["1.2.3.4, junk"], "10.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["2001:db9::1"], "2001:db9::1"),
            ("fd00::5", &["1.2.3.4"], "1.2.3.4"),
        ] {
            assert_eq!(seen(peer, forwarded, proxies), address, "{peer} {forwarded:?}");
        }
        assert_eq!(seen("10.0.0.1", &["1.2.3.4"], &[]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &["1.2.3.4"], &["0.0.0.0/0"]), "1.2.3.4");
    }

    #[test]
    fn networks_have_an_address_and_bits() {
        for text in ["", "10.0.0.0/33", "10.0.0.0/x", "10.0.0", "::/129", "10.0.0.0/-1", "a.example"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
        assert_eq!(Network::parse("10.1.2.3").unwrap().to_string(), "10.1.2.3/32");
    }

    #[test]
    fn half_an_address_of_version_6_is_one_household() {
        let of = |text: &str| household(text.parse().unwrap()).to_string();
        assert_eq!((of("2001:db8:1:2:3:4:5:6"), of("203.0.113.9")), ("2001:db8:1:2::".into(), "203.0.113.9".into()));
        assert_eq!(of("::ffff:203.0.113.9"), "203.0.113.9");
    }
}
