//! Events in words: for traces, and to count what a run reached.
use herenow_core::{
    command::Reason,
    event::{Event, Gear, Viewer},
    refusal::Refusal,
};

pub(crate) fn show_viewers(viewers: &[Viewer]) -> String {
    let one = |viewer: &Viewer| {
        let Viewer { profile, status, joined_at, sessions, state } = viewer;
        let (user, name) = (&profile.user, &profile.name);
        format!("{user}({name}) {status:?} x{sessions} since {joined_at} {state:?}")
    };
    format!("[{}]", viewers.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// An event in one line.
pub(crate) fn show(event: &Event) -> String {
    match event {
        Event::Roster { re, view, .. } => {
            format!("roster {re:?} {} {} {}", view.room, view.version, show_viewers(&view.viewers))
        }
        Event::Diff { re, view, .. } => {
            let (joined, updated) = (show_viewers(&view.joined), show_viewers(&view.updated));
            format!("diff {re:?} {} {} -> {} +{joined} ~{updated} -{:?}", view.room, view.from, view.version, view.left)
        }
        Event::Step(step) => format!("step {} {} {} left {:?}", step.room, step.version, step.profile.user, step.left),
        Event::Count { view, .. } => format!("count {} {} {:?} {:?}", view.room, view.version, view.gear, view.count),
        Event::Sessions { room, user, list } => format!("sessions {room} {user} {list:?}"),
        Event::Cursors { room, at } => format!("cursors {room} {at:?}"),
        Event::Lock { room, lock } => {
            let holder = lock.holder.as_ref().map(|(profile, session)| format!("{} {session}", profile.user));
            format!("lock {room} {} of {holder:?} under {}", lock.name, lock.fence)
        }
        Event::LockAnswer { re, held, fence } => format!("lock answer {} {held} {fence}", re.0),
        Event::Statuses(dots) => format!("dots {dots:?}"),
        Event::Stale { room, since } => format!("stale {room} {since:?}"),
        Event::WatchRefused { re, refusal } => format!("watch refused {re:?} {refusal:?}"),
        Event::Typing { room, profile, target, on } => format!("typing {room} {} {target:?} {on}", profile.user),
        Event::Message { room, message, .. } => format!("message {room} {}", message.data),
        Event::Removed { room, reason, block } => format!("removed {room} {reason:?} {block:?}"),
        Event::Ack { re, sessions } => format!("ack {} {sessions:?}", re.0),
        Event::Refused { re, room, refusal } => format!("refused {re:?} {room} {refusal:?}"),
    }
}

/// What kind of thing an event is: a run that never says a kind shows nothing about it.
pub fn kind(event: &Event) -> &'static str {
    match event {
        Event::Roster { re: Some(_), .. } => "roster",
        Event::Roster { re: None, view, .. } if view.sessions.is_some() => "roster unasked, with sessions",
        Event::Roster { re: None, .. } => "roster unasked",
        Event::Diff { typing: Some(_), .. } => "diff that answers",
        Event::Diff { view, .. } => match view.left.first() {
            Some((_, reason)) => left(*reason),
            None if view.version.number > view.from + 1 => "diff of many",
            None => "diff",
        },
        Event::Step(step) => step.left.map_or("step joined", |_| "step left"),
        Event::Count { view, .. } => match view.gear {
            Gear::Live => "count",
            Gear::Batched => "count, batched",
            Gear::Crowd => "count, crowd",
        },
        Event::Sessions { list, .. } if list.is_empty() => "sessions: none",
        Event::Sessions { .. } => "sessions",
        Event::Cursors { at, .. } if at.iter().any(|(_, point)| point.is_none()) => "cursor hidden",
        Event::Cursors { .. } => "cursors",
        Event::Lock { lock, .. } => lock.holder.as_ref().map_or("lock freed", |_| "lock"),
        Event::LockAnswer { held: true, .. } => "lock held",
        Event::LockAnswer { held: false, .. } => "lock taken",
        Event::Statuses(dots) if dots.iter().any(|dot| dot.status.is_none()) => "dot offline",
        Event::Statuses(_) => "dots",
        Event::Stale { .. } => "stale",
        Event::WatchRefused { .. } => "refused: too many watched",
        Event::Typing { on: true, .. } => "typing on",
        Event::Typing { on: false, .. } => "typing off",
        Event::Message { from: Some(_), .. } => "message",
        Event::Message { from: None, .. } => "message of the app",
        Event::Removed { block: Some(_), .. } => "removed for a while",
        Event::Removed { .. } => "removed",
        Event::Ack { .. } => "ack",
        Event::Refused { refusal, .. } => match refusal {
            Refusal::NotJoined => "refused: not joined",
            Refusal::OnlyObserving => "refused: only observing",
            Refusal::TooManyRooms { .. } => "refused: too many rooms",
            Refusal::RoomFull { .. } => "refused: room full",
            Refusal::TooManyTargets { .. } => "refused: too many targets",
            Refusal::StateTooLarge { .. } => "refused: state too large",
            Refusal::StateTooManyKeys { .. } => "refused: state with too many keys",
            Refusal::JoinCancelled => "refused: join cancelled",
            Refusal::TypingOff => "refused: typing off",
            Refusal::LockNotHeld => "refused: lock not held",
            Refusal::LockUnavailable => "refused: lock unavailable",
            Refusal::TooManyLocks { .. } => "refused: too many locks",
            Refusal::Blocked { .. } => "refused: blocked",
            Refusal::TooManyWatched { .. } => "refused: too many watched",
        },
    }
}

/// All that [`kind`] can say.
pub const KINDS: &[&str] = &[
    "roster",
    "roster unasked",
    "roster unasked, with sessions",
    "diff",
    "diff of many",
    "diff that answers",
    "left",
    "left: closed",
    "left: lost",
    "left: timed out",
    "left: kicked",
    "left: expired",
    "left: drained",
    "step joined",
    "step left",
    "count",
    "count, batched",
    "count, crowd",
    "sessions",
    "sessions: none",
    "cursors",
    "cursor hidden",
    "lock",
    "lock freed",
    "lock held",
    "lock taken",
    "dots",
    "dot offline",
    "typing on",
    "typing off",
    "message",
    "message of the app",
    "removed",
    "removed for a while",
    "ack",
    "refused: not joined",
    "refused: only observing",
    "refused: too many rooms",
    "refused: too many targets",
    "refused: state too large",
    "refused: state with too many keys",
    "refused: join cancelled",
    "refused: typing off",
    "refused: lock not held",
    "refused: too many locks",
    "refused: blocked",
    "refused: too many watched",
];

fn left(reason: Reason) -> &'static str {
    match reason {
        Reason::Left => "left",
        Reason::Closed => "left: closed",
        Reason::Lost => "left: lost",
        Reason::TimedOut => "left: timed out",
        Reason::Kicked => "left: kicked",
        Reason::Expired => "left: expired",
        Reason::Drained => "left: drained",
        Reason::NodeLost => "left: node lost",
    }
}
