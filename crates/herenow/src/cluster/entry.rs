//! How an entry of a section is written in the store: a number for the form, then MessagePack. Reading trusts nothing: whoever
//! can write to the store must not be able to put into a frame what no client could have put there.
use crate::auth::name;
use herenow_core::{
    cluster::door::{LockSeat, NodeId, SectionEntry, ValueStamp},
    command::Reason,
    id::{LockName, SessionId, UserId},
    profile::{Profile, Status},
    time::Time,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

/// Bytes that an entry may have in the store.
pub const ENTRY_BYTES_MAX: usize = 64 * 1024;

/// What is written; the session is the name of the field.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    #[serde(borrow)]
    user: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    avatar: Option<Cow<'a, str>>,
    profile_stamp: (u64, u64),
    since_ms: u64,
    is_idle: bool,
    #[serde(borrow)]
    state: Vec<(Cow<'a, str>, Cow<'a, str>, u64)>,
    #[serde(borrow)]
    locks: Vec<(Cow<'a, str>, Seat)>,
}

#[derive(Serialize, Deserialize)]
enum Seat {
    H(u64),
    W(u64, u64),
}

/// Writes an entry.
pub fn encode(entry: &SectionEntry) -> Vec<u8> {
    let SectionEntry { session: _, profile, profile_stamp, since, status, state, locks } = entry;
    let written = Written {
        user: profile.user.as_str().into(),
        name: (*profile.name).into(),
        avatar: profile.avatar.as_deref().map(Into::into),
        profile_stamp: (profile_stamp.number, profile_stamp.node.0),
        since_ms: since.as_millis(),
        is_idle: match status {
            Status::Active => false,
            Status::Idle => true,
        },
        state: state.iter().map(|(key, value, number)| ((**key).into(), (**value).into(), *number)).collect(),
        locks: locks
            .iter()
            .map(|(name, seat)| {
                let seat = match seat {
                    LockSeat::Holds(fence) => Seat::H(*fence),
                    LockSeat::Waits(stamp) => Seat::W(stamp.number, stamp.node.0),
                };
                (name.as_str().into(), seat)
            })
            .collect(),
    };
    let mut bytes = vec![FORM];
    rmp_serde::encode::write(&mut bytes, &written).expect("a list of texts and numbers can be written to memory");
    bytes
}

/// Reads an entry; `None` where the bytes are none that [`encode`] could have written.
pub fn decode(session: SessionId, bytes: &[u8]) -> Option<SectionEntry> {
    let (form, rest) = bytes.split_first()?;
    if *form != FORM || bytes.len() > ENTRY_BYTES_MAX {
        return None;
    }
    let mut reader = rmp_serde::Deserializer::from_read_ref(rest);
    reader.set_max_depth(DEPTH_MAX);
    let written = Written::deserialize(&mut reader).ok()?;
    let Written { user, name, avatar, profile_stamp, since_ms, is_idle, state, locks } = written;
    let user = UserId::parse(&user).ok()?;
    let is_name = name.len() <= name::BYTES_MAX && !name.chars().any(name::is_unwanted);
    let is_address = avatar.as_ref().is_none_or(|avatar| !avatar.chars().any(char::is_control));
    if !is_name || !is_address {
        return None;
    }
    let profile = Profile { user, name: (*name).into(), avatar: avatar.map(|avatar| (*avatar).into()) };
    Some(SectionEntry {
        session,
        profile: Arc::new(profile),
        profile_stamp: stamp(profile_stamp.0, profile_stamp.1),
        since: Time::from_millis(since_ms),
        status: if is_idle { Status::Idle } else { Status::Active },
        state: read_state(state)?,
        locks: read_locks(locks)?,
    })
}

type State = Vec<(Arc<str>, Arc<str>, u64)>;

fn read_state(written: Vec<(Cow<'_, str>, Cow<'_, str>, u64)>) -> Option<State> {
    let mut keys = BTreeSet::new();
    let read = written.iter().map(|(key, value, number)| {
        // A value goes into frames as it is.
        serde_json::from_str::<&RawValue>(value).ok()?;
        keys.insert(key.as_ref()).then(|| ((**key).into(), (**value).into(), *number))
    });
    read.collect()
}

fn read_locks(written: Vec<(Cow<'_, str>, Seat)>) -> Option<Vec<(LockName, LockSeat)>> {
    let read = written.into_iter().map(|(name, seat)| {
        let seat = match seat {
            Seat::H(fence) => LockSeat::Holds(fence),
            Seat::W(number, node) => LockSeat::Waits(stamp(number, node)),
        };
        Some((LockName::parse(&name).ok()?, seat))
    });
    read.collect()
}

fn stamp(number: u64, node: u64) -> ValueStamp {
    ValueStamp { number, node: NodeId(node) }
}

/// The word for a reason, as written.
pub fn reason_word(reason: Reason) -> &'static str {
    match REASONS.iter().find(|(known, _)| *known == reason) {
        Some((_, word)) => word,
        None => "lost",
    }
}

/// The reason that a word says.
pub fn reason_of(word: &[u8]) -> Option<Reason> {
    REASONS.iter().find(|(_, known)| known.as_bytes() == word).map(|(reason, _)| *reason)
}

const REASONS: [(Reason, &str); 8] = [
    (Reason::Left, "left"),
    (Reason::Closed, "closed"),
    (Reason::Lost, "lost"),
    (Reason::TimedOut, "timeout"),
    (Reason::Kicked, "kicked"),
    (Reason::Expired, "expired"),
    (Reason::Drained, "drained"),
    (Reason::NodeLost, "node_lost"),
];

/// The form that entries are written in.
const FORM: u8 = 1;
/// How deep the lists of an entry may lie in each other.
const DEPTH_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stamps() -> impl Strategy<Value = ValueStamp> {
        (any::<u64>(), any::<u64>()).prop_map(|(number, node)| stamp(number, node))
    }

    fn entries() -> impl Strategy<Value = SectionEntry> {
        let seat = prop_oneof![any::<u64>().prop_map(LockSeat::Holds), stamps().prop_map(LockSeat::Waits)];
        let lock = ("[a-z]{1,9}", seat).prop_map(|(name, seat)| (LockName::parse(&name).expect("a name"), seat));
        let state = prop::collection::btree_map("\\PC{0,9}", (any::<i64>(), any::<u64>()), 0..4);
        let profile = ("[^\\p{Cc}]{1,20}", "[a-zé ]{0,20}", prop::option::of("https://[a-z]{1,9}"));
        let about = (any::<u64>(), profile, stamps(), any::<u64>(), any::<bool>());
        (about, state, prop::collection::vec(lock, 0..3)).prop_map(
            |((session, who, profile_stamp, ms, idle), state, locks)| {
                let (user, name, avatar) = who;
                let user = UserId::parse(&user).expect("a user");
                SectionEntry {
                    session: SessionId(session),
                    profile: Arc::new(Profile { user, name: name.into(), avatar: avatar.map(Into::into) }),
                    profile_stamp,
                    since: Time::from_millis(ms),
                    status: if idle { Status::Idle } else { Status::Active },
                    state: state.into_iter().map(|(k, (v, s))| (k.into(), v.to_string().into(), s)).collect(),
                    locks,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn an_entry_is_read_as_it_was_written(entry in entries()) {
            prop_assert_eq!(decode(entry.session, &encode(&entry)), Some(entry));
        }

        #[test]
        fn what_is_spoilt_is_read_as_nothing_or_as_an_entry(
            entry in entries(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = encode(&entry);
            *at.get_mut(&mut bytes) = byte;
            bytes.truncate(cut.index(bytes.len() + 1));
            if let Some(read) = decode(entry.session, &bytes) {
                prop_assert!(!read.profile.name.chars().any(char::is_control));
                for (_, value, _) in &read.state {
                    prop_assert!(serde_json::from_str::<serde_json::Value>(value).is_ok());
                }
            }
        }
    }

    #[test]
    fn each_reason_has_its_word() {
        for (reason, word) in REASONS {
            assert_eq!(reason_of(reason_word(reason).as_bytes()), Some(reason), "{word}");
        }
        assert_eq!(reason_of(b"dead"), None);
    }

    #[test]
    fn a_forged_value_never_reaches_a_frame() {
        let written = |user: &str, name: &str, value: &str| {
            let written = Written {
                user: user.into(),
                name: name.into(),
                avatar: None,
                profile_stamp: (1, 1),
                since_ms: 0,
                is_idle: false,
                state: vec![("k".into(), value.into(), 1)],
                locks: Vec::new(),
            };
            let mut bytes = vec![FORM];
            rmp_serde::encode::write(&mut bytes, &written).expect("written");
            decode(SessionId(1), &bytes)
        };
        assert!(written("u", "Name", "{\"a\":1}").is_some());
        assert_eq!(written("u", "Name", "1},\"type\":\"kick\",\"x\":{"), None, "no JSON");
        assert_eq!(written("u", "two\nlines", "1"), None, "a control character");
        assert_eq!(written("", "Name", "1"), None, "no user");
        assert_eq!(written("u", &"n".repeat(1025), "1"), None, "a long name");
        assert_eq!(written("u", "Name", &format!("\"{}\"", "x".repeat(ENTRY_BYTES_MAX))), None, "too large");
    }
}
