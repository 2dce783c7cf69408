//! How often something may be asked for from one address: counted in windows of time, each address by itself.
use hashbrown::HashMap;
use herenow_core::time::Time;
use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Counts by address.
#[derive(Debug)]
pub struct Quota {
    per_address: usize,
    window: Duration,
    came: Mutex<Came>,
}

/// Who came.
#[derive(Debug, Default)]
struct Came {
    /// By address: since when it is counted, and how often it came.
    addresses: HashMap<IpAddr, (Time, usize)>,
    /// When those that are over were last taken out.
    swept_at: Option<Time>,
}

/// Why something is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaError {
    /// As many have come from this address as may; when to try again.
    Over(Duration),
    /// So many addresses are counted that there is no room for another one.
    Full,
}

impl Quota {
    /// Addresses that are counted at once.
    pub const ADDRESSES_MAX: usize = 100_000;

    /// Lets each address come `per_address` times in a window.
    pub fn new(per_address: usize, window: Duration) -> Self {
        Self { per_address, window, came: Mutex::default() }
    }

    /// How often each address may come in a window.
    pub fn per_address(&self) -> usize {
        self.per_address
    }

    /// Counts one.
    ///
    /// # Errors
    /// See [`QuotaError`]; it is not counted then.
    pub fn count(&self, address: IpAddr, now: Time) -> Result<(), QuotaError> {
        let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        if came.addresses.len() >= Self::ADDRESSES_MAX && !came.addresses.contains_key(&address) {
            // Not for each who comes: where all are new, each look at all of them would be in vain.
            if came.swept_at.is_none_or(|at| now.since(at) >= SWEEP_INTERVAL) {
                came.addresses.retain(|_, (since, _)| now.since(*since) < self.window);
                came.swept_at = Some(now);
            }
            if came.addresses.len() >= Self::ADDRESSES_MAX {
                return Err(QuotaError::Full);
            }
        }
        let (since, count) = came.addresses.entry(address).or_insert((now, 0));
        if now.since(*since) >= self.window {
            (*since, *count) = (now, 0);
        }
        if *count >= self.per_address {
            return Err(QuotaError::Over((*since + self.window).since(now)));
        }
        *count += 1;
        Ok(())
    }
}

/// How often those that are over are taken out, where there is no room for others.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn addresses_are_counted_up_to_a_limit() {
        const WINDOW: Duration = Duration::from_secs(600);
        let quota = Quota::new(1, WINDOW);
        let address = |n: usize| IpAddr::V4(Ipv4Addr::from_bits(n as u32));
        let now = Time::from_millis(1_000_000);
        for n in 0..Quota::ADDRESSES_MAX {
            assert_eq!(quota.count(address(n), now), Ok(()));
        }
        assert_eq!(quota.count(address(0), now), Err(QuotaError::Over(WINDOW)));
        assert_eq!(quota.count(address(Quota::ADDRESSES_MAX), now), Err(QuotaError::Full));
        assert_eq!(quota.count(address(Quota::ADDRESSES_MAX), now + WINDOW), Ok(()), "the others are over");
        assert_eq!(quota.came.lock().unwrap().addresses.len(), 1);
    }
}
