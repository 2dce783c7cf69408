//! What has changed of this node's own entries in a room, until it is written.
use crate::{
    command::Reason,
    id::{SessionId, UserId},
};
use std::collections::BTreeMap;

/// Sessions of this node whose entries have changed since that was asked last: whose they are, and for those that are
/// gone, why.
pub(crate) type OwnChanges = BTreeMap<SessionId, (UserId, Option<Reason>)>;
