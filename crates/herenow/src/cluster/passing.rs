//! What passes between nodes and is not kept, as bytes: MessagePack, with the node that says it. Reading trusts nothing.
use crate::{auth::name, cluster::entry};
use herenow_core::{
    cluster::door::{NodeId, Passing},
    command::Message,
    cursors::Point,
    id::{SessionId, Target, UserId},
    profile::Profile,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{sync::Arc, time::Duration};

/// Bytes that one may have.
pub const PASSING_BYTES_MAX: usize = 1024 * 1024;

#[derive(Serialize, Deserialize)]
enum Said {
    /// Session, user, target, on.
    T(u64, String, Option<String>, bool),
    /// Session, and where: x, y, on what.
    C(Vec<(u64, Option<Where>)>),
    /// From, event, data, to, echo, except.
    M(Option<Sender>, String, String, Option<String>, bool, Option<u64>),
    /// User, reason, milliseconds of the block.
    E(String, String, Option<u64>),
}

/// How far from the left, how far from the top, on what.
type Where = (u32, u32, Option<String>);
/// User, name, picture.
type Sender = (String, String, Option<String>);

/// Writes one.
pub fn encode(from: NodeId, passing: &Passing) -> Vec<u8> {
    let said = match passing {
        Passing::Typing { session, user, place, on } => {
            Said::T(session.0, user.to_string(), place.as_ref().map(ToString::to_string), *on)
        }
        Passing::Cursors(all) => {
            let point = |point: &Point| (point.x, point.y, point.on.as_ref().map(ToString::to_string));
            Said::C(all.iter().map(|(session, at)| (session.0, at.as_ref().map(point))).collect())
        }
        Passing::Message { from, message, except } => {
            let text = |text: &Arc<str>| text.to_string();
            let sender = |profile: &Arc<Profile>| {
                (profile.user.to_string(), text(&profile.name), profile.avatar.as_ref().map(text))
            };
            let Message { event, data, to, echo } = &**message;
            let to = to.as_ref().map(ToString::to_string);
            Said::M(from.as_ref().map(sender), text(event), text(data), to, *echo, except.map(|session| session.0))
        }
        Passing::Evict { user, reason, block } => {
            let block_ms = block.map(|block| u64::try_from(block.as_millis()).unwrap_or(u64::MAX));
            Said::E(user.to_string(), entry::reason_word(*reason).to_owned(), block_ms)
        }
    };
    rmp_serde::to_vec(&(from.0, said)).expect("lists of texts and numbers can be written to memory")
}

/// Reads one, and who says it; `None` where the bytes are none that [`encode`] could have written.
pub fn decode(bytes: &[u8]) -> Option<(NodeId, Passing)> {
    if bytes.len() > PASSING_BYTES_MAX {
        return None;
    }
    let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
    reader.set_max_depth(DEPTH_MAX);
    let (from, said) = <(u64, Said)>::deserialize(&mut reader).ok()?;
    let passing = match said {
        Said::T(session, user, place, on) => {
            let (session, user) = (SessionId(session), UserId::parse(&user).ok()?);
            Passing::Typing { session, user, place: target(place)?, on }
        }
        Said::C(all) => {
            let read = |(session, at): (u64, Option<Where>)| {
                let point = |(x, y, on): Where| {
                    let is_inside = x <= Point::WHOLE && y <= Point::WHOLE;
                    Some(Point { x, y, on: target(on).filter(|_| is_inside)? })
                };
                Some((
                    SessionId(session),
                    match at {
                        Some(at) => Some(point(at)?),
                        None => None,
                    },
                ))
            };
            Passing::Cursors(all.into_iter().map(read).collect::<Option<_>>()?)
        }
        Said::M(from, event, data, to, echo, except) => {
            // Both go into frames: the event as the word that says what it is.
            let event = herenow_wire::message::event_name(&event).ok()?;
            serde_json::from_str::<&RawValue>(&data).ok()?;
            let to = match to {
                Some(to) => Some(UserId::parse(&to).ok()?),
                None => None,
            };
            let from = match from {
                Some(from) => Some(Arc::new(sender(from)?)),
                None => None,
            };
            let message = Arc::new(Message { event, data: data.into(), to, echo });
            Passing::Message { from, message, except: except.map(SessionId) }
        }
        Said::E(user, reason, block_ms) => {
            let reason = entry::reason_of(reason.as_bytes())?;
            Passing::Evict { user: UserId::parse(&user).ok()?, reason, block: block_ms.map(Duration::from_millis) }
        }
    };
    Some((NodeId(from), passing))
}

fn target(text: Option<String>) -> Option<Option<Target>> {
    match text {
        Some(text) => Target::parse(&text).ok().map(Some),
        None => Some(None),
    }
}

fn sender((user, name, avatar): Sender) -> Option<Profile> {
    let is_name = name.len() <= name::BYTES_MAX && !name.chars().any(name::is_unwanted);
    let is_address = avatar.as_ref().is_none_or(|avatar| !avatar.chars().any(char::is_control));
    let user = UserId::parse(&user).ok().filter(|_| is_name && is_address)?;
    Some(Profile { user, name: name.into(), avatar: avatar.map(Into::into) })
}

/// How deep the lists may lie in each other.
const DEPTH_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use herenow_core::command::Reason;

    fn all() -> Vec<Passing> {
        let user = UserId::parse("alice").expect("a user");
        let profile = Profile { user: user.clone(), name: "Alice".into(), avatar: None };
        let message = Message { event: "ring".into(), data: "{\"a\":[1]}".into(), to: Some(user.clone()), echo: true };
        let point = Point { x: 1, y: Point::WHOLE, on: Target::parse("card").ok() };
        vec![
            Passing::Typing { session: SessionId(1), user: user.clone(), place: Target::parse("card").ok(), on: true },
            Passing::Typing { session: SessionId(1), user: user.clone(), place: None, on: false },
            Passing::Cursors(vec![(SessionId(1), Some(point)), (SessionId(2), None)]),
            Passing::Message {
                from: Some(Arc::new(profile)),
                message: Arc::new(message.clone()),
                except: Some(SessionId(3)),
            },
            Passing::Message { from: None, message: Arc::new(message), except: None },
            Passing::Evict { user, reason: Reason::Kicked, block: Some(Duration::from_secs(3)) },
        ]
    }

    #[test]
    fn each_is_read_as_it_was_written() {
        for passing in all() {
            assert_eq!(decode(&encode(NodeId(7), &passing)), Some((NodeId(7), passing)));
        }
    }

    #[test]
    fn what_is_cut_or_bent_does_no_harm() {
        for passing in all() {
            let bytes = encode(NodeId(7), &passing);
            for end in 0..bytes.len() {
                assert_eq!(decode(&bytes[..end]), None);
            }
            for at in 0..bytes.len() {
                for byte in [0, 0x7f, 0x90, 0xc0, 0xdd, 0xff] {
                    let mut bent = bytes.clone();
                    bent[at] = byte;
                    if let Some((_, Passing::Message { message, .. })) = decode(&bent) {
                        assert!(serde_json::from_str::<serde_json::Value>(&message.data).is_ok());
                    }
                }
            }
        }
        let forged = Said::M(None, "kick".to_owned(), "1},{".to_owned(), None, false, None);
        assert_eq!(decode(&rmp_serde::to_vec(&(7, forged)).expect("written")), None);
    }
}
