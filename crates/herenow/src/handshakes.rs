//! How many connections one address may open in a while. Those that are open are left alone: this only spaces new ones.
use crate::{
    auth::address::{Network, client_address, household},
    problem::Problem,
    quota::{Quota, QuotaError},
};
use herenow_core::time::Time;
use http::{StatusCode, request::Parts};
use std::time::Duration;

/// Counts new connections by address.
#[derive(Debug)]
pub struct Handshakes {
    /// `None` is no limit.
    quota: Option<Quota>,
    proxies: Vec<Network>,
}

impl Handshakes {
    /// The time in which they are counted.
    pub const WINDOW: Duration = Duration::from_secs(10);

    /// Lets `per_address` connections be opened from one address in [`Self::WINDOW`]; 0 is no limit. `proxies` are believed to
    /// say from where a request came.
    pub fn new(per_address: usize, proxies: Vec<Network>) -> Self {
        Self { quota: (per_address > 0).then(|| Quota::new(per_address, Self::WINDOW)), proxies }
    }

    /// Counts one that a request asks for. Addresses of this machine are not counted: they are those of a proxy that nobody
    /// named, and of who could do worse.
    ///
    /// # Errors
    /// 429 `rate.handshakes` with `Retry-After`, where its address has had as many as may be.
    pub fn count(&self, parts: &Parts, now: Time) -> Result<(), Problem> {
        let Some(quota) = &self.quota else { return Ok(()) };
        let Some(address) = client_address(parts, &self.proxies).filter(|address| !address.is_loopback()) else {
            return Ok(());
        };
        match quota.count(household(address), now) {
            // So many addresses are no one who can be told apart; the others should not suffer for them.
            Ok(()) | Err(QuotaError::Full) => Ok(()),
            Err(QuotaError::Over(wait)) => {
                tracing::debug!("an address opens connections too often");
                let title = "this address opens connections too often";
                let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate.handshakes", title);
                let (per_address, window) = (quota.per_address(), Self::WINDOW.as_secs());
                Err(problem
                    .detail(format!("at most {per_address} connections may be opened from one address in {window} s"))
                    .hint("wait as long as Retry-After says; behind a proxy, server.trusted_proxies has to name it")
                    .retry_after(wait))
            }
        }
    }
}
