//! Whether a server is one that the scripts run on, as it says itself.

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fit {
    /// Its name and version, as people say it.
    pub version: String,
    /// Whether it is new enough.
    pub is_new_enough: bool,
    /// Whether it is part of a Redis Cluster.
    pub is_cluster: bool,
    /// Whether it may throw keys away when memory is short, which costs a repair each time.
    pub evicts: bool,
}

impl Fit {
    /// Reads the answer to `INFO`.
    pub fn read(info: &str) -> Self {
        let field = |name: &str| {
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::trim)
                .filter(|v| !v.is_empty())
        };
        let valkey = field("valkey_version");
        let (name, version, least) = match (valkey, field("redis_version")) {
            (Some(version), _) => ("Valkey", version, (7, 2)),
            (None, Some(version)) => ("Redis", version, (7, 0)),
            (None, None) => ("Redis", "0", (7, 0)),
        };
        let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
        let has = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        Self {
            version: format!("{name} {version}"),
            is_new_enough: has >= least,
            is_cluster: field("cluster_enabled") == Some("1"),
            evicts: field("maxmemory_policy").is_some_and(|policy| policy != "noeviction"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_of_itself_is_understood() {
        let read = |text: &str| Fit::read(&text.replace('\n', "\r\n"));
        let new = read("# Server\nredis_version:7.0.15\ncluster_enabled:0\nmaxmemory_policy:noeviction\n");
        let fit = Fit { version: "Redis 7.0.15".into(), is_new_enough: true, is_cluster: false, evicts: false };
        assert_eq!(new, fit);
        let old = read("redis_version:6.2.14\ncluster_enabled:1\nmaxmemory_policy:allkeys-lru\n");
        assert_eq!((old.is_new_enough, old.is_cluster, old.evicts), (false, true, true));
        assert_eq!(read("redis_version:7.2.4\nvalkey_version:8.0.1\n").version, "Valkey 8.0.1");
        assert!(!read("server_name:nonsense\n").is_new_enough);
    }
}
