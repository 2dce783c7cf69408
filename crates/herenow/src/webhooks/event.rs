//! One event, as it is sent.
use crate::webhooks::kinds::EventKind;
use herenow_core::{
    id::{RoomId, UserId},
    time::Time,
    version::Version,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Something that happened, as a backend is told.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// What.
    pub kind: EventKind,
    /// Where.
    pub room: Option<&'a RoomId>,
    /// Who.
    pub user: Option<&'a UserId>,
    /// The version of the room that this took, where a hub said so.
    pub version: Option<&'a Version>,
    /// When.
    pub at: Time,
    /// When the user came; of who left.
    pub joined_at: Option<Time>,
    /// Why the user left, where that is known.
    pub reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Form<'a> {
    event: &'static str,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    v: Option<(&'a str, u64)>,
    at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    joined_at_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl Event<'_> {
    /// What stays the same however often the event is sent, and is of no other event: 32 hexadecimal digits. Made from the
    /// version, the kind, the room and the user; where no hub gave a version, from `salt`, which is new for each event.
    pub fn key(&self, salt: &str) -> String {
        let version = self.version.map_or_else(|| format!("-{salt}"), ToString::to_string);
        let mut hash = Sha256::new();
        let (room, user) = (self.room.map_or("", RoomId::as_str), self.user.map_or("", UserId::as_str));
        for part in [&*version, self.kind.name(), room, user] {
            // No part has control characters in it.
            hash.update(part.as_bytes());
            hash.update(b"\n");
        }
        hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// As JSON.
    pub fn json(&self, key: &str) -> String {
        let duration = self.joined_at.map(|joined_at| self.at.since(joined_at).as_millis());
        let form = Form {
            event: self.kind.name(),
            key,
            room: self.room.map(RoomId::as_str),
            user: self.user.map(UserId::as_str),
            v: self.version.map(|version| (version.epoch.as_str(), version.number)),
            at_ms: self.at.as_millis(),
            joined_at_ms: self.joined_at.map(Time::as_millis),
            duration_ms: duration.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)),
            reason: self.reason,
        };
        serde_json::to_string(&form).expect("texts and numbers always serialize")
    }
}
