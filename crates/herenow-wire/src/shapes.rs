//! What several frames of the native dialect have in common: users, viewers, their sessions, who types, locks.
use crate::{json::Writer, palette, words};
use herenow_core::{
    event::{Count, LockView, SessionView, State, Typist, Viewer},
    profile::Profile,
};

/// The members of a user.
pub(crate) fn user(frame: &mut Writer, profile: &Profile) {
    frame.string("id", profile.user.as_str());
    frame.string("name", &profile.name);
    frame.string("color", palette::color(profile));
    if let Some(avatar) = &profile.avatar {
        frame.string("avatar", avatar);
    }
}

/// A list of viewers.
pub(crate) fn viewers(frame: &mut Writer, key: &'static str, viewers: &[Viewer]) {
    frame.list(key, viewers, |frame, viewer| frame.object_value(|frame| self::viewer(frame, viewer)));
}

/// A list of viewers that stands by itself.
pub(crate) fn viewer_list(frame: &mut Writer, viewers: &[Viewer]) {
    frame.array_value(|frame| {
        viewers.iter().for_each(|viewer| frame.item().object_value(|one| self::viewer(one, viewer)))
    });
}

/// The viewers, each with their sessions; `lists` is in the order of `viewers`.
pub(crate) fn viewers_in_detail(frame: &mut Writer, viewers: &[Viewer], lists: &[Vec<SessionView>]) {
    frame.list("viewers", viewers.iter().enumerate(), |frame, (at, viewer)| {
        frame.object_value(|frame| {
            self::viewer(frame, viewer);
            if let Some(list) = lists.get(at) {
                sessions(frame, "session_list", list);
            }
        });
    });
}

/// A list of a user's sessions.
pub(crate) fn sessions(frame: &mut Writer, key: &'static str, list: &[SessionView]) {
    frame.list(key, list, |frame, view| {
        frame.object_value(|frame| {
            frame.string("id", &view.session.to_string());
            frame.string("status", words::status(view.status));
            state_if_any(frame, &view.state);
        });
    });
}

/// How many.
pub(crate) fn count(frame: &mut Writer, count: Count) {
    frame.object("count", |frame| {
        frame.number("users", count.users);
        frame.number("sessions", count.sessions);
    });
}

/// Everybody who types.
pub(crate) fn typing(frame: &mut Writer, typists: &[Typist]) {
    frame.list("typing", typists, |frame, typist| {
        frame.object_value(|frame| {
            frame.object("user", |frame| user(frame, &typist.profile));
            frame.list("targets", &typist.targets, |frame, target| match target {
                Some(target) => frame.string_value(target.as_str()),
                None => frame.null_value(),
            });
        });
    });
}

/// Every lock that is held.
pub(crate) fn locks(frame: &mut Writer, locks: &[LockView]) {
    frame.list("locks", locks, |frame, lock| frame.object_value(|frame| self::lock(frame, lock)));
}

/// The members of a lock.
pub(crate) fn lock(frame: &mut Writer, lock: &LockView) {
    frame.string("name", lock.name.as_str());
    if let Some((profile, session)) = &lock.holder {
        frame.object("holder", |frame| user(frame, profile));
        frame.string("session", &session.to_string());
    }
    frame.number("fence", lock.fence);
}

fn viewer(frame: &mut Writer, viewer: &Viewer) {
    frame.object("user", |frame| user(frame, &viewer.profile));
    frame.string("status", words::status(viewer.status));
    frame.number("joined_at_ms", viewer.joined_at.as_millis());
    frame.number("sessions", viewer.sessions);
    state_if_any(frame, &viewer.state);
}

fn state_if_any(frame: &mut Writer, state: &State) {
    if state.is_empty() {
        return;
    }
    frame.object("state", |frame| {
        for (key, json) in state {
            frame.foreign(key, json);
        }
    });
}
