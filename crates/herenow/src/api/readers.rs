//! Who follows streams and long polls: so many from one address, and a whole roster for nothing not too often.
use hashbrown::HashMap;
use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The readers of a process, by their address.
#[derive(Debug)]
pub struct Readers {
    per_address_max: usize,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    /// When a reader with a version of another life was last given a whole roster.
    restarts: Mutex<HashMap<(IpAddr, String), Instant>>,
}

/// A reader that is counted until this is dropped.
#[derive(Debug)]
pub struct Seat {
    address: IpAddr,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Readers {
    /// Nobody reads.
    pub fn new(per_address_max: usize) -> Self {
        Self { per_address_max, open: Arc::default(), restarts: Mutex::default() }
    }

    /// Counts a reader; `None` where the address has as many as it may.
    pub fn seat(&self, address: IpAddr) -> Option<Seat> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= self.per_address_max {
            return None;
        }
        *count += 1;
        Some(Seat { address, open: Arc::clone(&self.open) })
    }

    /// How many read.
    pub fn count(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// How long a reader that comes with a version of another life has to wait for the roster of a room: so that no more
    /// than one a second goes to an address.
    pub fn restart_wait(&self, address: IpAddr, room: &str, now: Instant) -> Duration {
        let mut restarts = self.restarts.lock().unwrap_or_else(PoisonError::into_inner);
        if restarts.len() >= RESTARTS_MAX {
            restarts.retain(|_, at| *at + RESTART_PACE > now);
        }
        if restarts.len() >= RESTARTS_MAX {
            return RESTART_PACE;
        }
        let next = restarts.get(&(address, room.to_owned())).map_or(now, |at| *at + RESTART_PACE).max(now);
        // Who asks on while others of the address wait is not queued behind them for ever.
        let next = next.min(now + RESTART_PACE);
        restarts.insert((address, room.to_owned()), next);
        next - now
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// Addresses and rooms that are remembered; beyond that everybody waits.
const RESTARTS_MAX: usize = 10_000;
const RESTART_PACE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::{RESTART_PACE, RESTARTS_MAX, Readers};
    use std::{
        net::{IpAddr, Ipv4Addr},
        time::{Duration, Instant},
    };

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn an_address_has_so_many_readers_and_no_more() {
        let readers = Readers::new(2);
        let (one, two) = (readers.seat(HERE), readers.seat(HERE));
        assert!(one.is_some() && two.is_some() && readers.seat(HERE).is_none());
        assert!(readers.seat(Ipv4Addr::new(10, 0, 0, 1).into()).is_some(), "another address has its own");
        drop(one);
        assert!(readers.seat(HERE).is_some());
        drop(two);
        assert_eq!(readers.count(), 0);
    }

    #[test]
    fn a_roster_for_a_version_of_another_life_is_given_once_a_second() {
        let (readers, now) = (Readers::new(1), Instant::now());
        assert_eq!(readers.restart_wait(HERE, "r", now), Duration::ZERO);
        assert_eq!(readers.restart_wait(HERE, "other", now), Duration::ZERO);
        assert_eq!(readers.restart_wait(HERE, "r", now + Duration::from_millis(400)), Duration::from_millis(600));
        assert_eq!(readers.restart_wait(HERE, "r", now + RESTART_PACE * 3), Duration::ZERO);
    }

    #[test]
    fn who_cannot_be_told_apart_waits() {
        let (readers, now) = (Readers::new(1), Instant::now());
        for at in 0..RESTARTS_MAX {
            assert_eq!(readers.restart_wait(HERE, &at.to_string(), now), Duration::ZERO);
        }
        assert_eq!(readers.restart_wait(HERE, "more", now), RESTART_PACE);
        assert_eq!(
            readers.restart_wait(HERE, "more", now + RESTART_PACE * 2),
            Duration::ZERO,
            "they are forgotten again"
        );
    }
}
