//! What a process goes by that may change while it runs.
use crate::{
    auth::{authority::Authority, origin::OriginPolicy},
    rate::RateLimits,
};
use std::sync::Arc;

/// The rules of the moment; replaced as a whole.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Who decides who somebody is.
    pub authority: Arc<Authority>,
    /// Which pages may connect.
    pub origins: Arc<OriginPolicy>,
    /// How often one connection may ask.
    pub rates: RateLimits,
}
