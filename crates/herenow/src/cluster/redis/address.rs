//! Where the Redis of a cluster is: one server, a set of Sentinels that know it, or some nodes of a Redis Cluster.
use redis::{ConnectionInfo, IntoConnectionInfo};
use std::fmt;

/// Where the Redis of a cluster is. May hold a password, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisAddress {
    pub(crate) way: Way,
    /// As `redis://` addresses, one a server.
    pub(crate) servers: Vec<String>,
    shown: String,
}

/// How the servers of an address are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The one that is asked; where it says that it is part of a Redis Cluster, the cluster is.
    Single,
    /// Sentinels, which know the server of this name.
    Sentinel(String),
    /// Some nodes of a Redis Cluster, which know the others.
    Cluster,
}

impl RedisAddress {
    /// Bytes that it may have.
    pub const BYTES_MAX: usize = 2048;
    /// What may be written.
    pub const ALLOWED: &str = "an address such as redis://host:6379, rediss://user:password@host, \
        redis+sentinel://host:26379,host:26379/name or redis+cluster://host:6379,host:6379 (rediss+... for TLS)";

    /// Takes an address; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > Self::BYTES_MAX || text.chars().any(|c| c.is_control() || c == ' ') {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        let (scheme, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        if !matches!(scheme, "redis" | "rediss" | "valkey" | "valkeys") {
            return None;
        }
        // A password may hold anything but these, which have to be written as %2F and the like.
        let (place, tail) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = place.rsplit_once('@').map_or(("", place), |(login, hosts)| (login, hosts));
        let hosts: Vec<&str> = hosts.split(',').collect();
        let at = |login: &str| if login.is_empty() { String::new() } else { format!("{login}@") };
        let (way, tail) = match kind {
            "" if hosts.len() == 1 => (Way::Single, tail),
            "cluster" => (Way::Cluster, tail),
            "sentinel" => {
                let (name, tail) = tail.split_once('/').unwrap_or((tail, ""));
                if name.is_empty() {
                    return None;
                }
                (Way::Sentinel(name.to_owned()), tail)
            }
            _ => return None,
        };
        let servers: Vec<String> = hosts.iter().map(|host| format!("{scheme}://{}{host}/{tail}", at(login))).collect();
        let is_good = hosts.iter().all(|host| !host.is_empty());
        let is_good = is_good && servers.iter().all(|server| info(server).is_some());
        let tail = rest.split_once('/').map_or(String::new(), |(_, tail)| format!("/{tail}"));
        let plus = if kind.is_empty() { String::new() } else { format!("+{kind}") };
        let hidden = if login.is_empty() { "" } else { "***@" };
        let shown = format!("{scheme}{plus}://{hidden}{}{tail}", hosts.join(","));
        is_good.then_some(Self { way, servers, shown })
    }

    /// Its first server, or Sentinel.
    pub(crate) fn first(&self) -> Option<ConnectionInfo> {
        info(self.servers.first()?)
    }

    /// All its servers.
    pub(crate) fn all(&self) -> Vec<ConnectionInfo> {
        self.servers.iter().filter_map(|server| info(server)).collect()
    }
}

fn info(server: &str) -> Option<ConnectionInfo> {
    let info = server.into_connection_info().ok()?;
    let settings = info.redis_settings().clone().set_protocol(redis::ProtocolVersion::RESP3);
    Some(info.set_redis_settings(settings))
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_is_understood_and_no_password_is_shown() {
        for (text, way, servers, shown) in [
            ("redis://h", Way::Single, 1, "redis://h"),
            ("rediss://u:p%40ss@h:6380/2", Way::Single, 1, "rediss://***@h:6380/2"),
            ("redis+cluster://:secret@a:1,b:2", Way::Cluster, 2, "redis+cluster://***@a:1,b:2"),
            (
                "rediss+sentinel://a:1,b:2,c/main/3",
                Way::Sentinel("main".into()),
                3,
                "rediss+sentinel://a:1,b:2,c/main/3",
            ),
            ("valkey://h:7", Way::Single, 1, "valkey://h:7"),
        ] {
            let address = RedisAddress::parse(text).expect(text);
            assert_eq!(address.way, way, "{text}");
            assert_eq!(address.servers.len(), servers, "{text}");
            assert_eq!(address.to_string(), shown);
            assert_eq!(format!("{address:?}"), shown);
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for bad in [
            "",
            "h:6379",
            "http://h",
            "redis://",
            "redis://a,b",
            "redis+sentinel://a",
            "redis+ring://a",
            "redis+cluster://a,,b",
            "redis://h:port",
            "redis://a b",
            "redis://h/notanumber",
        ] {
            assert_eq!(RedisAddress::parse(bad), None, "{bad}");
        }
        assert_eq!(RedisAddress::parse(&format!("redis://{}", "h".repeat(RedisAddress::BYTES_MAX))), None);
    }
}
