//! Connections that have not said yet what they want: how long that may take, and how many of them there may be.
//!
//! Where there are too many, the oldest makes room for the newest: who means well says at once what they want, and who holds
//! connections open to keep others out loses those first. Nothing here reads a clock or a socket.
use crate::{
    auth::address::{Network, household},
    cut::Cut,
};
use hashbrown::HashMap;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Who stands at the door of a server.
#[derive(Debug)]
pub struct Doors {
    per_address: usize,
    proxies: Vec<Network>,
    waiting: Mutex<Waiting>,
}

/// `all` by the order in which they came; `by_address` has the same ones, save for those of proxies.
#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    all: BTreeMap<u64, Caller>,
    by_address: HashMap<IpAddr, BTreeSet<u64>>,
}

#[derive(Debug)]
struct Caller {
    household: Option<IpAddr>,
    cut: Cut,
    due: Instant,
}

/// One connection that has not said yet what it wants; it counts until this is dropped.
#[derive(Debug)]
pub struct Knock {
    doors: Arc<Doors>,
    number: u64,
}

impl Doors {
    /// How long a connection may take for TLS, where that is spoken, and for the head of its first request together.
    pub const KNOCK_TIMEOUT: Duration = Duration::from_secs(5);
    /// How many there may be at once, of all addresses.
    pub const HALF_OPEN_MAX: usize = 5_000;

    /// Lets `per_address` of them be at once from one address, or one half of an address of version 6. Proxies that are
    /// trusted stand for many and are counted only among all.
    pub fn new(per_address: usize, proxies: Vec<Network>) -> Arc<Self> {
        Arc::new(Self { per_address, proxies, waiting: Mutex::default() })
    }

    /// Counts a connection that was accepted at `now`, and cuts off the oldest where there are too many.
    pub fn knock(self: &Arc<Self>, address: IpAddr, cut: &Cut, now: Instant) -> Knock {
        let is_proxy = self.proxies.iter().any(|proxy| proxy.contains(address));
        let household = (!is_proxy).then(|| household(address));
        let mut waiting = self.waiting();
        let number = waiting.next;
        waiting.next += 1;
        if let Some(household) = household {
            let of_address = waiting.by_address.entry(household).or_default();
            of_address.insert(number);
            let oldest = of_address.first().copied().filter(|_| of_address.len() > self.per_address);
            oldest.inspect(|oldest| waiting.cut(*oldest));
        }
        waiting.all.insert(number, Caller { household, cut: cut.clone(), due: now + Self::KNOCK_TIMEOUT });
        if waiting.all.len() > Self::HALF_OPEN_MAX {
            let oldest = waiting.all.first_key_value().map(|(number, _)| *number);
            oldest.inspect(|oldest| waiting.cut(*oldest));
        }
        Knock { doors: Arc::clone(self), number }
    }

    /// When to look for those who are late: the next time at which one may be.
    pub fn next_due(&self) -> Option<Instant> {
        self.waiting().all.first_key_value().map(|(_, caller)| caller.due)
    }

    /// Cuts off those who are late.
    pub fn cut_late(&self, now: Instant) {
        let mut waiting = self.waiting();
        while let Some((&number, caller)) = waiting.all.first_key_value() {
            if caller.due > now {
                return;
            }
            waiting.cut(number);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn cut(&mut self, number: u64) {
        if let Some(caller) = self.remove(number) {
            caller.cut.cut();
        }
    }

    fn remove(&mut self, number: u64) -> Option<Caller> {
        let caller = self.all.remove(&number)?;
        if let Some(household) = caller.household
            && let Some(of_address) = self.by_address.get_mut(&household)
        {
            of_address.remove(&number);
            if of_address.is_empty() {
                self.by_address.remove(&household);
            }
        }
        Some(caller)
    }
}

impl Drop for Knock {
    fn drop(&mut self) {
        self.doors.waiting().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    /// A connection of an address, and whether it was cut off.
    struct Caller {
        _knock: Knock,
        cut: Cut,
    }

    impl Caller {
        fn new(doors: &Arc<Doors>, address: &str, now: Instant) -> Self {
            let cut = Cut::default();
            Self { _knock: doors.knock(address.parse().unwrap(), &cut, now), cut }
        }

        fn is_cut(&self) -> bool {
            self.cut.is_wanted().now_or_never().is_some()
        }
    }

    #[test]
    fn the_oldest_of_an_address_makes_room() {
        let proxy = Network::parse("10.0.0.0/8").unwrap();
        let (doors, now) = (Doors::new(2, vec![proxy]), Instant::now());
        let callers: Vec<Caller> =
            ["1.1.1.1", "2.2.2.2", "1.1.1.1", "1.1.1.1", "2001:db8::1", "2001:db8::2", "2001:db8::3", "10.0.0.1"]
                .into_iter()
                .chain(["10.0.0.1"; 5])
                .map(|address| Caller::new(&doors, address, now))
                .collect();
        let cut: Vec<usize> = callers.iter().enumerate().filter(|(_, c)| c.is_cut()).map(|(n, _)| n).collect();
        assert_eq!(cut, [0, 4], "of each address the first; none of the proxy");
        drop(callers);
        let waiting = doors.waiting();
        assert!(waiting.all.is_empty() && waiting.by_address.is_empty());
    }

    #[test]
    fn the_oldest_of_all_makes_room() {
        let (doors, now) = (Doors::new(10, Vec::new()), Instant::now());
        let address = |n: usize| format!("10.0.{}.{}", n / 256, n % 256);
        let callers: Vec<Caller> =
            (0..Doors::HALF_OPEN_MAX + 2).map(|n| Caller::new(&doors, &address(n), now)).collect();
        let cut: Vec<usize> = callers.iter().enumerate().filter(|(_, c)| c.is_cut()).map(|(n, _)| n).collect();
        assert_eq!((cut, doors.waiting().all.len()), (vec![0, 1], Doors::HALF_OPEN_MAX));
    }

    #[test]
    fn who_is_late_is_cut_off() {
        let (doors, now) = (Doors::new(10, Vec::new()), Instant::now());
        let later = now + Duration::from_secs(1);
        let callers = [Caller::new(&doors, "1.1.1.1", now), Caller::new(&doors, "1.1.1.1", later)];
        assert_eq!(doors.next_due(), Some(now + Doors::KNOCK_TIMEOUT));
        doors.cut_late(later);
        assert!(!callers[0].is_cut());
        doors.cut_late(now + Doors::KNOCK_TIMEOUT);
        assert!(callers[0].is_cut() && !callers[1].is_cut());
        assert_eq!(doors.next_due(), Some(later + Doors::KNOCK_TIMEOUT));
        drop(callers);
        assert_eq!(doors.next_due(), None);
    }
}
