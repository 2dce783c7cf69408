//! The board dialect: plain frames with whole lists, for clients that know nothing of versions.
//!
//! Frames name the room twice, as `room` and as `boardId`. States, statuses, single sessions, pointers, locks and green
//! dots are not told here.
use crate::{
    code::Code,
    fields::{Field, Fields, shown},
    json::Writer,
    problem::Problem,
    raw,
    request::{Asked, Request},
    words,
};
use herenow_core::{
    command::{Interest, Message, Reason},
    event::{Event, FIRST_MAX, RosterView, StepView, Viewer},
    id::{RoomId, Target, UserId},
    profile::Profile,
};

/// Reads a frame of a client. Requests of this dialect have no number: what went well is not answered.
///
/// # Errors
/// With the room, where it could be read; nothing of the frame may be acted on.
pub fn decode(text: &str) -> Result<Asked, Problem> {
    let fields = Fields::parse(text)?;
    match request(&fields) {
        Ok(request) => Ok(Asked { re: None, request }),
        Err(problem) => Err(Problem { room: room_of(&fields).ok(), ..problem }),
    }
}

fn request(fields: &Fields<'_>) -> Result<Request, Problem> {
    let room = || room_of(fields);
    Ok(match &*fields.kind()? {
        "typing" => Request::StartTyping { room: room()?, target: fields.target(Field::Target)? },
        "stop_typing" => Request::StopTyping { room: room()?, target: fields.target(Field::Target)? },
        "join" => Request::Join {
            room: room()?,
            interest: Interest::Listed,
            observe: false,
            state: None,
            since: None,
            sessions: false,
        },
        "leave" => Request::Leave { room: room()? },
        "auth" => Request::Auth { token: fields.text(Field::Token)?.into_owned(), resume: None },
        unknown => {
            let detail = format!(
                "type \"{}\" is unknown, it must be one of auth, join, leave, typing and stop_typing",
                shown(unknown)
            );
            return Err(Problem::with_detail(Code::FrameUnknownType, detail));
        }
    })
}

/// `boardId`, or else `room`. Where both are missing, `boardId` is asked for.
fn room_of(fields: &Fields<'_>) -> Result<RoomId, Problem> {
    let only_room = !fields.has(Field::BoardId) && fields.has(Field::Room);
    fields.room(if only_room { Field::Room } else { Field::BoardId })
}

/// The first frame to a client that is known.
pub fn connected(profile: &Profile) -> String {
    let mut frame = Writer::frame("connected", 96);
    user(&mut frame, profile);
    frame.finish()
}

/// Something was not done. Also the last frame before a connection is closed because nobody knows who the client is.
pub fn error(problem: &Problem) -> String {
    let mut frame = Writer::frame("error", 256);
    frame.string("error", error_text(problem));
    frame.string("code", problem.code.as_str());
    frame.string("hint", problem.code.hint());
    if let Some(room) = &problem.room {
        self::room(&mut frame, room);
    }
    if let Some(retry_after) = problem.retry_after {
        frame.number("retry_after_ms", retry_after);
    }
    frame.finish()
}

/// What `error` says: words that clients of this dialect have always compared with, where there are such, and else
/// the message. Also good as the reason of the close frame that follows.
pub fn error_text(problem: &Problem) -> &str {
    match problem.code {
        Code::FrameNotJson => "Invalid JSON",
        Code::AuthMissing | Code::AuthTimeout | Code::OriginForbidden => "Unauthorized",
        Code::AuthInvalid | Code::AuthExpired | Code::AuthRevoked => "Invalid session",
        Code::FrameNotObject
        | Code::FrameUnknownType
        | Code::FrameMissingField
        | Code::FrameBadField
        | Code::FrameTooDeep
        | Code::FrameTooLarge
        | Code::FrameDuplicateKey
        | Code::RoomBadName
        | Code::RoomNotJoined
        | Code::RoomForbidden
        | Code::RoomObserving
        | Code::RoomTooMany
        | Code::RoomFull
        | Code::RoomUnavailable
        | Code::RoomBlocked
        | Code::TypingTooManyTargets
        | Code::TypingOff
        | Code::StateTooLarge
        | Code::StateTooManyKeys
        | Code::LockNotHeld
        | Code::LockTooMany
        | Code::LockUnavailable
        | Code::WatchTooMany
        | Code::WatchForbidden
        | Code::JoinCancelled
        | Code::MessageReservedEvent
        | Code::AuthUserChanged
        | Code::AuthUnavailable
        | Code::RateLimited
        | Code::RateFlood
        | Code::HttpNotFound
        | Code::HttpMethod
        | Code::HttpBadPath
        | Code::HttpBadQuery
        | Code::HttpBadBody
        | Code::HttpTooLarge
        | Code::HttpContentType
        | Code::KeyNeeded
        | Code::KeyUnknown
        | Code::KeyForbidden
        | Code::AuthNotAdmin
        | Code::ViewerTooMany
        | Code::RateStreams
        | Code::ServerStopping
        | Code::ServerBusy
        | Code::ServerNoRandom
        | Code::WsNotAnUpgrade
        | Code::WsVersion
        | Code::WsKey
        | Code::WsSubprotocol
        | Code::WsBody
        | Code::WsHeaderTwice
        | Code::DevContentType
        | Code::DevBody
        | Code::DevUser => problem.message(),
    }
}

/// Who is in a room. `hide` leaves one user out of those who type: nobody is told of their own typing. Only where
/// [`presence_differs`] does that change anything; all others share what `None` gives.
pub fn presence(view: &RosterView, hide: Option<&UserId>) -> String {
    let listed = view.viewers.len().min(FIRST_MAX);
    let mut frame = Writer::frame("presence", 160 + VIEWER_BYTES * (listed + view.typing.len()));
    room(&mut frame, &view.room);
    viewers(&mut frame, &view.viewers);
    frame.number("count", view.count.users);
    frame.version("version", &view.version);
    let others = view.typing.iter().filter(|typist| Some(&typist.profile.user) != hide);
    frame.list("typing", others, |frame, typist| frame.object_value(|frame| id_and_name(frame, &typist.profile)));
    frame.finish()
}

/// Whether `presence` for this user differs from what others get, because the user types. Costs a binary search.
pub fn presence_differs(view: &RosterView, user: &UserId) -> bool {
    view.typing.binary_search_by(|typist| typist.profile.user.cmp(user)).is_ok()
}

/// An event as a whole frame, the same for all who hear it; nothing for an event that is not told in this dialect.
pub fn encode(event: &Event) -> Option<String> {
    Some(match event {
        Event::Roster { view, .. } => presence(view, None),
        Event::Diff { .. }
        | Event::Count { .. }
        | Event::Sessions { .. }
        | Event::Cursors { .. }
        | Event::Statuses(_)
        | Event::Stale { .. }
        | Event::Lock { .. }
        | Event::LockAnswer { .. }
        | Event::Ack { .. } => return None,
        Event::Step(view) => step(view),
        Event::Typing { room, profile, target, on } => typing(room, profile, target.as_ref(), *on),
        Event::Message { room, message, .. } => passing(room, message),
        Event::Removed { room, reason, block: _ } => removed(room, *reason),
        Event::WatchRefused { refusal, .. } => error(&Problem::from(*refusal)),
        Event::Refused { room, refusal, .. } => error(&Problem::refused(None, room.clone(), *refusal)),
    })
}

fn step(view: &StepView) -> String {
    let kind = if view.left.is_some() { "user_left" } else { "user_joined" };
    let mut frame = Writer::frame(kind, 256 + VIEWER_BYTES * view.first.len());
    room(&mut frame, &view.room);
    user(&mut frame, &view.profile);
    viewers(&mut frame, &view.first);
    if let Some(reason) = view.left {
        frame.string("reason", words::reason(reason));
    }
    frame.number("count", view.count.users);
    frame.version("version", &view.version);
    frame.finish()
}

fn typing(room: &RoomId, profile: &Profile, target: Option<&Target>, on: bool) -> String {
    let kind = if on { "user_typing" } else { "user_stopped_typing" };
    let mut frame = Writer::frame(kind, 192);
    self::room(&mut frame, room);
    user(&mut frame, profile);
    if let Some(target) = target {
        frame.string("target", target.as_str());
    }
    frame.finish()
}

/// The members of the data stand beside the type. Those that would take the place of the frame's own are left out.
fn passing(room: &RoomId, message: &Message) -> String {
    let mut frame = Writer::frame(&message.event, 128 + message.data.len());
    self::room(&mut frame, room);
    match raw::members(&message.data) {
        Some(members) => {
            for (key, json) in members.iter().filter(|(key, _)| !matches!(&**key, "type" | "room" | "boardId")) {
                frame.foreign(key, json);
            }
        }
        None => frame.raw("data", &message.data),
    }
    frame.finish()
}

fn removed(room: &RoomId, reason: Reason) -> String {
    let mut frame = Writer::frame("removed", 128);
    self::room(&mut frame, room);
    frame.string("reason", words::reason(reason));
    frame.finish()
}

fn room(frame: &mut Writer, room: &RoomId) {
    frame.string("room", room.as_str());
    frame.string("boardId", room.as_str());
}

fn user(frame: &mut Writer, profile: &Profile) {
    frame.object("user", |frame| id_and_name(frame, profile));
}

fn id_and_name(frame: &mut Writer, profile: &Profile) {
    frame.string("id", profile.user.as_str());
    frame.string("name", &profile.name);
}

fn viewers(frame: &mut Writer, viewers: &[Viewer]) {
    frame.list("viewers", viewers.iter().take(FIRST_MAX), |frame, viewer| {
        frame.object_value(|frame| {
            frame.string("userId", viewer.profile.user.as_str());
            frame.string("name", &viewer.profile.name);
        });
    });
}

/// Room to set aside for a viewer, so that a text rarely grows.
const VIEWER_BYTES: usize = 48;
