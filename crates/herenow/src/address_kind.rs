//! Whose an address is: anybody's, one's own, or nobody's.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who may be at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// Anybody's.
    Public,
    /// This machine, or a network of its owner.
    Private,
    /// Link-local, multicast, or set aside: nobody serves an app there.
    Nobody,
}

/// What kind of address this is; one of version 4 inside one of version 6 counts as itself.
pub fn kind_of(address: IpAddr) -> AddressKind {
    match address.to_canonical() {
        IpAddr::V4(v4) => kind_of_v4(v4),
        IpAddr::V6(v6) => kind_of_v6(v6),
    }
}

fn kind_of_v4(address: Ipv4Addr) -> AddressKind {
    let [a, b, c, _] = address.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    if address.is_loopback() || address.is_private() || is_shared {
        return AddressKind::Private;
    }
    let is_set_aside = a == 0 || a >= 240 || (a == 192 && b == 0 && c == 0) || (a == 198 && (18..20).contains(&b));
    if is_set_aside || address.is_link_local() || address.is_multicast() || address.is_documentation() {
        return AddressKind::Nobody;
    }
    AddressKind::Public
}

fn kind_of_v6(address: Ipv6Addr) -> AddressKind {
    let [first, second, ..] = address.segments();
    if address.is_loopback() || address.is_unique_local() {
        return AddressKind::Private;
    }
    // Only 2000::/3 is public. Of it, these carry addresses of version 4 inside (6to4, Teredo), or are for documentation.
    let embeds = first == 0x2002 || (first == 0x2001 && second == 0);
    let is_documentation = first == 0x2001 && second == 0x0db8;
    if first & 0xe000 != 0x2000 || embeds || is_documentation { AddressKind::Nobody } else { AddressKind::Public }
}
