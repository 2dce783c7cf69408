//! The native dialect, `herenow.v1`: rosters at a version, and diffs between versions.
use crate::{
    code::Code,
    fields::{Field, Fields, shown},
    json::Writer,
    problem::Problem,
    request::{Asked, Request},
    shapes, words,
};
use herenow_core::{
    command::{Interest, Message, Reason},
    cursors::Point,
    event::{CountView, DiffView, Event, Gear, LockView, RosterView, SessionView, Typist, Viewer},
    id::{RequestId, RoomId, SessionId, Target, UserId},
    people::Dot,
    profile::Profile,
    time::Time,
};
use std::time::Duration;

/// Reads a frame of a client.
///
/// # Errors
/// With the request's number and room, where they could be read; nothing of the frame may be acted on.
pub fn decode(text: &str) -> Result<Asked, Problem> {
    let fields = Fields::parse(text)?;
    let room = || fields.room(Field::Room).ok();
    let re = fields.request_id().map_err(|problem| Problem { room: room(), ..problem })?;
    match request(&fields) {
        Ok(request) => Ok(Asked { re, request }),
        Err(problem) => Err(Problem { re, room: room(), ..problem }),
    }
}

fn request(fields: &Fields<'_>) -> Result<Request, Problem> {
    let room = || fields.room(Field::Room);
    Ok(match &*fields.kind()? {
        "typing" => Request::StartTyping { room: room()?, target: fields.target(Field::Target)? },
        "stop_typing" => Request::StopTyping { room: room()?, target: fields.target(Field::Target)? },
        "cursor" => Request::Point { room: room()?, point: fields.point()? },
        "update" => Request::Update { room: room()?, patch: fields.patch()? },
        "message" => Request::Send { room: room()?, message: fields.message()? },
        "join" => Request::Join {
            room: room()?,
            interest: fields.interest()?,
            observe: fields.flag(Field::Observe)?,
            state: fields.patch_if_any()?,
            since: fields.since()?,
            sessions: fields.flag(Field::Sessions)?,
        },
        "leave" => Request::Leave { room: room()? },
        "lock" => Request::Lock { room: room()?, name: fields.lock_name()?, wait: fields.flag(Field::Wait)? },
        "unlock" => Request::Unlock { room: room()?, name: fields.lock_name()? },
        "watch" => Request::Watch { users: fields.users()? },
        "unwatch" => Request::Unwatch { users: fields.users()? },
        "sync" => Request::Sync { room: room()?, since: fields.since()? },
        "status" => Request::SetStatus { status: fields.status()? },
        "ping" => Request::Ping,
        "auth" => Request::Auth {
            token: fields.text(Field::Token)?.into_owned(),
            resume: fields.text_if_any(Field::Resume)?.map(|text| text.into_owned()),
        },
        unknown => {
            let detail = format!(
                "type \"{}\" is unknown, it must be one of auth, join, leave, typing, stop_typing, update, cursor, \
                 lock, unlock, message, status, watch, unwatch, sync and ping",
                shown(unknown)
            );
            return Err(Problem::with_detail(Code::FrameUnknownType, detail));
        }
    })
}

/// What a client is told first.
#[derive(Clone, Debug)]
pub struct Welcome<'a> {
    /// Its session.
    pub session: SessionId,
    /// The secret with which to go on with the session later.
    pub resume: Option<&'a str>,
    /// What the client has to name with what it sends, where that does not come over the connection itself.
    pub send: Option<&'a str>,
    /// Whether it goes on with a session.
    pub resumed: bool,
    /// Whom the server takes it for.
    pub profile: &'a Profile,
    /// The name of this node.
    pub node: &'a str,
    /// What time it is.
    pub now: Time,
    /// How often the server pings.
    pub ping_interval: Duration,
    /// When the token ends.
    pub expires_at: Option<Time>,
    /// What the client has to keep to.
    pub limits: WelcomeLimits,
}

/// Limits that a client has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WelcomeLimits {
    /// Bytes of one frame of the client.
    pub frame_bytes_max: usize,
    /// Bytes of a session's state in one room.
    pub state_bytes_max: usize,
    /// Rooms that a session may be in at once.
    pub rooms_max: usize,
    /// How long one `typing` counts without a repeat.
    pub typing_lease: Duration,
}

/// The first frame to a client.
pub fn welcome(welcome: &Welcome<'_>) -> String {
    let mut frame = Writer::frame("welcome", 512);
    frame.string("session", &welcome.session.to_string());
    if let Some(resume) = welcome.resume {
        frame.string("resume", resume);
    }
    if let Some(send) = welcome.send {
        frame.string("send", send);
    }
    frame.flag("resumed", welcome.resumed);
    frame.object("user", |frame| shapes::user(frame, welcome.profile));
    frame.string("node", welcome.node);
    frame.number("time_ms", welcome.now.as_millis());
    frame.number("ping_interval_ms", welcome.ping_interval);
    if let Some(expires_at) = welcome.expires_at {
        frame.number("expires_at_ms", expires_at.as_millis());
    }
    let limits = welcome.limits;
    frame.object("limits", |frame| {
        frame.number("frame_bytes_max", limits.frame_bytes_max);
        frame.number("state_bytes_max", limits.state_bytes_max);
        frame.number("rooms_max", limits.rooms_max);
        frame.number("typing_lease_ms", limits.typing_lease);
    });
    frame.finish()
}

/// The answer to a `ping`.
pub fn pong(re: Option<&RequestId>, now: Time) -> String {
    let mut frame = Writer::frame("pong", 64);
    answers(&mut frame, re);
    frame.number("time_ms", now.as_millis());
    frame.finish()
}

/// Asks a client without WebSocket for a sign of life.
pub fn ping() -> String {
    Writer::frame("ping", 16).finish()
}

/// The server is about to stop: the client should connect elsewhere, at a random moment within this time.
pub fn draining(reconnect_within: Duration) -> String {
    let mut frame = Writer::frame("draining", 64);
    frame.number("reconnect_within_ms", reconnect_within);
    frame.finish()
}

/// The last frame to a client without WebSocket: what a close frame would say.
pub fn closed(code: Option<u16>, reason: &str) -> String {
    let mut frame = Writer::frame("closed", 96);
    if let Some(code) = code {
        frame.number("code", u64::from(code));
    }
    frame.string("reason", reason);
    frame.finish()
}

/// The answer to a request that is done without the core.
pub fn ack(re: &RequestId) -> String {
    acknowledged(re, None)
}

/// The answer to an `auth` that renewed the token of a live connection.
pub fn renewed(re: Option<&RequestId>, expires_at: Option<Time>) -> String {
    let mut frame = Writer::frame("ack", 96);
    answers(&mut frame, re);
    if let Some(expires_at) = expires_at {
        frame.number("expires_at_ms", expires_at.as_millis());
    }
    frame.finish()
}

/// Something was not done.
pub fn error(problem: &Problem) -> String {
    let mut frame = Writer::frame("error", 256);
    answers(&mut frame, problem.re.as_ref());
    frame.string("code", problem.code.as_str());
    frame.string("message", problem.message());
    frame.string("hint", problem.code.hint());
    if let Some(room) = &problem.room {
        frame.string("room", room.as_str());
    }
    if let Some(retry_after) = problem.retry_after {
        frame.number("retry_after_ms", retry_after);
    }
    frame.finish()
}

/// The part of a roster frame that differs by receiver. The frame is this and [`roster_body`], one after the other.
pub fn roster_head(re: Option<&RequestId>, interest: Interest) -> String {
    let mut frame = Writer::frame("roster", 64);
    answers(&mut frame, re);
    frame.string("interest", words::interest(interest));
    frame.finish_head()
}

/// The part of a roster frame that all receivers share. Costs time and bytes by viewer: encode it once.
pub fn roster_body(view: &RosterView) -> String {
    let sessions = view.sessions.iter().flatten().map(Vec::len).sum::<usize>();
    let mut frame = Writer::body(256 + VIEWER_BYTES * view.viewers.len() + SESSION_BYTES * sessions);
    frame.string("room", view.room.as_str());
    frame.version("v", &view.version);
    frame.string("gear", words::gear(view.gear));
    match &view.sessions {
        None => shapes::viewers(&mut frame, "viewers", &view.viewers),
        Some(lists) => shapes::viewers_in_detail(&mut frame, &view.viewers, lists),
    }
    shapes::count(&mut frame, view.count);
    shapes::typing(&mut frame, &view.typing);
    shapes::locks(&mut frame, &view.locks);
    frame.finish()
}

/// Viewers as they stand in a roster, as a JSON array.
pub fn viewers(viewers: &[Viewer]) -> String {
    let mut list = Writer::body(VIEWER_BYTES * viewers.len());
    shapes::viewer_list(&mut list, viewers);
    list.finish_head()
}

/// Users as they stand in a count, as a JSON array.
pub fn users<'a>(profiles: impl IntoIterator<Item = &'a Profile>) -> String {
    let mut list = Writer::body(USER_BYTES);
    list.array_value(|list| {
        profiles.into_iter().for_each(|profile| list.item().object_value(|one| shapes::user(one, profile)))
    });
    list.finish_head()
}

/// An event as a whole frame; nothing for an event that is not told in this dialect. What many hear alike carries no
/// `re`, so that it can be encoded once; for rosters take [`roster_head`] and [`roster_body`].
pub fn encode(event: &Event) -> Option<String> {
    Some(match event {
        Event::Roster { re, interest, view, .. } => roster_head(re.as_ref(), *interest) + &roster_body(view),
        Event::Diff { re, view, typing, locks } => {
            diff(re.as_ref(), view, &Whole { typing: typing.as_deref(), locks: locks.as_deref() })
        }
        Event::Step(_) => return None,
        Event::Count { view, locks } => counted(view, locks.as_deref()),
        Event::Typing { room, profile, target, on } => typing(room, profile, target.as_ref(), *on),
        Event::Sessions { room, user, list } => sessions(room, user, list),
        Event::Cursors { room, at } => cursors(room, at),
        Event::Statuses(dots) => statuses(dots),
        Event::Lock { room, lock } => changed_hands(room, lock),
        Event::LockAnswer { re, held, fence } => lock_answered(re, *held, *fence),
        Event::Message { room, from, message } => passing(room, from.as_deref(), message),
        Event::Removed { room, reason, block } => removed(room, *reason, *block),
        Event::Ack { re, sessions } => acknowledged(re, *sessions),
        Event::WatchRefused { re, refusal } => error(&Problem { re: re.clone(), ..Problem::from(*refusal) }),
        Event::Refused { re, room, refusal } => error(&Problem::refused(re.clone(), room.clone(), *refusal)),
    })
}

/// What a diff that answers a request tells whole.
struct Whole<'a> {
    typing: Option<&'a [Typist]>,
    locks: Option<&'a [LockView]>,
}

fn diff(re: Option<&RequestId>, view: &DiffView, whole: &Whole<'_>) -> String {
    let changed = view.joined.len() + view.updated.len();
    let mut frame = Writer::frame("diff", 192 + VIEWER_BYTES * changed + 64 * view.left.len());
    answers(&mut frame, re);
    frame.string("room", view.room.as_str());
    frame.number("from", view.from);
    frame.version("v", &view.version);
    if !view.joined.is_empty() {
        shapes::viewers(&mut frame, "joined", &view.joined);
    }
    if !view.left.is_empty() {
        frame.list("left", &view.left, |frame, (user, reason)| {
            frame.object_value(|frame| {
                frame.string("id", user.as_str());
                frame.string("reason", words::reason(*reason));
            });
        });
    }
    if !view.updated.is_empty() {
        shapes::viewers(&mut frame, "updated", &view.updated);
    }
    shapes::count(&mut frame, view.count);
    // Most rooms are small, and a diff is the frame that is sent most.
    if view.gear != Gear::Live {
        frame.string("gear", words::gear(view.gear));
    }
    if let Some(typists) = whole.typing {
        shapes::typing(&mut frame, typists);
    }
    if let Some(locks) = whole.locks {
        shapes::locks(&mut frame, locks);
    }
    frame.finish()
}

fn counted(view: &CountView, locks: Option<&[LockView]>) -> String {
    let mut frame = Writer::frame("count", 128 + USER_BYTES * view.faces.len());
    frame.string("room", view.room.as_str());
    frame.version("v", &view.version);
    frame.string("gear", words::gear(view.gear));
    shapes::count(&mut frame, view.count);
    frame.list("faces", &view.faces, |frame, profile| frame.object_value(|frame| shapes::user(frame, profile)));
    if let Some(locks) = locks {
        shapes::locks(&mut frame, locks);
    }
    frame.finish()
}

fn typing(room: &RoomId, profile: &Profile, target: Option<&Target>, on: bool) -> String {
    let mut frame = Writer::frame("typing", 96 + USER_BYTES);
    frame.string("room", room.as_str());
    frame.object("user", |frame| shapes::user(frame, profile));
    if let Some(target) = target {
        frame.string("target", target.as_str());
    }
    frame.flag("on", on);
    frame.finish()
}

fn sessions(room: &RoomId, user: &UserId, list: &[SessionView]) -> String {
    let mut frame = Writer::frame("sessions", 96 + SESSION_BYTES * list.len());
    frame.string("room", room.as_str());
    frame.string("user", user.as_str());
    shapes::sessions(&mut frame, "list", list);
    frame.finish()
}

fn cursors(room: &RoomId, at: &[(SessionId, Option<Point>)]) -> String {
    let mut frame = Writer::frame("cursors", 64 + CURSOR_BYTES * at.len());
    frame.string("room", room.as_str());
    frame.list("at", at, |frame, (session, point)| {
        frame.array_value(|frame| {
            frame.item().string_value(&session.to_string());
            match point {
                None => frame.item().null_value(),
                Some(Point { x, y, on }) => {
                    frame.item().fraction_value(*x);
                    frame.item().fraction_value(*y);
                    if let Some(on) = on {
                        frame.item().string_value(on.as_str());
                    }
                }
            }
        });
    });
    frame.finish()
}

fn statuses(dots: &[Dot]) -> String {
    let mut frame = Writer::frame("statuses", 32 + DOT_BYTES * dots.len());
    frame.object("users", |frame| {
        for Dot { user, status, last_seen } in dots {
            frame.foreign_object(user.as_str(), |frame| {
                frame.string("status", words::dot(*status));
                if let Some(last_seen) = last_seen {
                    frame.number("last_seen_ms", last_seen.as_millis());
                }
            });
        }
    });
    frame.finish()
}

fn changed_hands(room: &RoomId, lock: &LockView) -> String {
    let mut frame = Writer::frame("lock", 128 + USER_BYTES);
    frame.string("room", room.as_str());
    shapes::lock(&mut frame, lock);
    frame.finish()
}

fn lock_answered(re: &RequestId, held: bool, fence: u64) -> String {
    let mut frame = Writer::frame("ack", 64);
    answers(&mut frame, Some(re));
    frame.flag("held", held);
    frame.number("fence", fence);
    frame.finish()
}

fn passing(room: &RoomId, from: Option<&Profile>, message: &Message) -> String {
    let mut frame = Writer::frame("message", 96 + USER_BYTES + message.data.len());
    frame.string("room", room.as_str());
    frame.string("event", &message.event);
    frame.raw("data", &message.data);
    if let Some(profile) = from {
        frame.object("from", |frame| shapes::user(frame, profile));
    }
    frame.finish()
}

fn removed(room: &RoomId, reason: Reason, block: Option<Duration>) -> String {
    let mut frame = Writer::frame("removed", 96);
    frame.string("room", room.as_str());
    frame.string("reason", words::reason(reason));
    if let Some(block) = block {
        frame.number("block_ms", block);
    }
    frame.finish()
}

fn acknowledged(re: &RequestId, sessions: Option<usize>) -> String {
    let mut frame = Writer::frame("ack", 64);
    answers(&mut frame, Some(re));
    if let Some(sessions) = sessions {
        frame.number("sessions", sessions);
    }
    frame.finish()
}

fn answers(frame: &mut Writer, re: Option<&RequestId>) {
    if let Some(RequestId(json)) = re {
        frame.raw("re", json);
    }
}

/// Room to set aside for a viewer, so that a text rarely grows; measured on short names without state.
const VIEWER_BYTES: usize = 160;
/// Room to set aside for a user.
const USER_BYTES: usize = 80;
/// Room to set aside for a session without state.
const SESSION_BYTES: usize = 48;
/// Room to set aside for a pointer on the room as a whole.
const CURSOR_BYTES: usize = 40;
/// Room to set aside for whether a user of a short id is online.
const DOT_BYTES: usize = 48;
