//! Where a request becomes a command: after the rights of who asks were looked at. The only place that does so.
use crate::auth::rights::{Grants, Rights};
use herenow_core::{
    command::Command,
    id::{RoomId, UserId},
    profile::Status,
};
use herenow_wire::{
    code::Code,
    problem::Problem,
    request::{Asked, Request},
};

/// What to do about a request.
#[derive(Debug)]
pub enum Admitted {
    /// Have the room's hub decide.
    InRoom(RoomId, Command),
    /// The session is active or idle, wherever it is.
    Status(Status),
    /// Have the users' homes tell whether they are online.
    Watch(Vec<UserId>),
    /// Have the users' homes tell so no more.
    Unwatch(Vec<UserId>),
    /// Say what time it is.
    Pong,
    /// Look at a token.
    Auth {
        /// The token, unchecked.
        token: String,
        /// Which session to go on with, unchecked.
        resume: Option<String>,
    },
}

/// Checks a request of a known user against the rights of their token. O(patterns of the token).
///
/// # Errors
/// Where a right is missing: [`Code::RoomForbidden`], with the right in the message.
pub fn admit(grants: &Grants, asked: Asked) -> Result<Admitted, Problem> {
    admit_with(grants, Rights::NONE, asked)
}

/// The room that a request needs a right in.
pub fn room_entered(request: &Request) -> Option<&RoomId> {
    match request {
        Request::Join { room, .. }
        | Request::StartTyping { room, .. }
        | Request::StopTyping { room, .. }
        | Request::Update { room, .. }
        | Request::Point { room, .. }
        | Request::Lock { room, .. }
        | Request::Unlock { room, .. }
        | Request::Send { room, .. } => Some(room),
        Request::Auth { .. }
        | Request::Ping
        | Request::SetStatus { .. }
        | Request::Watch { .. }
        | Request::Unwatch { .. }
        | Request::Leave { .. }
        | Request::Sync { .. } => None,
    }
}

/// As [`admit`], with more rights in the room than those of the token.
///
/// # Errors
/// As [`admit`].
pub fn admit_with(grants: &Grants, more: Rights, asked: Asked) -> Result<Admitted, Problem> {
    let Asked { re, request } = asked;
    let (room, wanted, command) = match request {
        Request::Auth { token, resume } => return Ok(Admitted::Auth { token, resume }),
        Request::Ping => return Ok(Admitted::Pong),
        Request::SetStatus { status } => return Ok(Admitted::Status(status)),
        Request::Watch { users } => match users.iter().find(|user| !grants.may_watch(user)) {
            None => return Ok(Admitted::Watch(users)),
            Some(user) => {
                let detail = format!("the token does not allow to watch the user {user}");
                return Err(Problem { re, ..Problem::with_detail(Code::WatchForbidden, detail) });
            }
        },
        Request::Unwatch { users } => return Ok(Admitted::Unwatch(users)),
        Request::Join { room, interest, observe, state, since, sessions } => {
            let wanted = if observe { Rights::OBSERVE } else { Rights::JOIN };
            // Who is invisible sees the room as an observer does.
            let observe = observe || grants.is_invisible();
            let command = Command::Join { room: room.clone(), interest, observe, state, since, sessions };
            (room, wanted, command)
        }
        Request::Leave { room } => (room.clone(), Rights::NONE, Command::Leave { room }),
        Request::Sync { room, since } => (room.clone(), Rights::NONE, Command::Sync { room, since }),
        Request::StartTyping { room, target } => (room.clone(), Rights::TYPE, Command::StartTyping { room, target }),
        Request::StopTyping { room, target } => (room.clone(), Rights::TYPE, Command::StopTyping { room, target }),
        Request::Update { room, patch } => (room.clone(), Rights::UPDATE, Command::Update { room, patch }),
        Request::Point { room, point } => (room.clone(), Rights::UPDATE, Command::Point { room, point }),
        Request::Lock { room, name, wait } => (room.clone(), Rights::UPDATE, Command::Lock { room, name, wait }),
        Request::Unlock { room, name } => (room.clone(), Rights::UPDATE, Command::Unlock { room, name }),
        Request::Send { room, message } => (room.clone(), Rights::MESSAGE, Command::Send { room, message }),
    };
    let held = if wanted.is_empty() { wanted } else { grants.rights(&room).union(more) };
    // Whoever may be a viewer may as well only look.
    let allowed = held.contains(wanted) || (wanted == Rights::OBSERVE && held.contains(Rights::JOIN));
    if !allowed {
        let right: Vec<&str> = wanted.names().collect();
        let detail = format!("the token does not give the right to {} in this room", right.join(", "));
        let problem = Problem::with_detail(Code::RoomForbidden, detail);
        return Err(Problem { re, room: Some(room), ..problem });
    }
    Ok(Admitted::InRoom(room, command))
}
