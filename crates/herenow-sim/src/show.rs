//! Events in words: for traces, and to count what a run reached.
use herenow_core::{
    command::Reason,
    event::{Event, Viewer},
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
        Event::Count(view) => format!("count {} {} {:?}", view.room, view.version, view.count),
        Event::Typing { room, profile, target, on } => format!("typing {room} {} {target:?} {on}", profile.user),
        Event::Message { room, message, .. } => format!("message {room} {}", message.data),
        Event::Removed { room, reason } => format!("removed {room} {reason:?}"),
        Event::Ack { re, sessions } => format!("ack {} {sessions:?}", re.0),
        Event::Refused { re, room, refusal } => format!("refused {re:?} {room} {refusal:?}"),
    }
}

/// What kind of thing an event is: a run that never says a kind shows nothing about it.
pub fn kind(event: &Event) -> &'static str {
    match event {
        Event::Roster { .. } => "roster",
        Event::Diff { typing: Some(_), .. } => "diff that answers",
        Event::Diff { view, .. } => view.left.first().map_or("diff", |(_, reason)| left(*reason)),
        Event::Step(step) => step.left.map_or("step joined", |_| "step left"),
        Event::Count(_) => "count",
        Event::Typing { on: true, .. } => "typing on",
        Event::Typing { on: false, .. } => "typing off",
        Event::Message { from: Some(_), .. } => "message",
        Event::Message { from: None, .. } => "message of the app",
        Event::Removed { .. } => "removed",
        Event::Ack { .. } => "ack",
        Event::Refused { refusal, .. } => match refusal {
            Refusal::NotJoined => "refused: not joined",
            Refusal::OnlyObserving => "refused: only observing",
            Refusal::TooManyRooms { .. } => "refused: too many rooms",
            Refusal::TooManyTargets { .. } => "refused: too many targets",
            Refusal::StateTooLarge { .. } => "refused: state too large",
            Refusal::StateTooManyKeys { .. } => "refused: state with too many keys",
            Refusal::JoinCancelled => "refused: join cancelled",
        },
    }
}

/// All that [`kind`] can say.
pub const KINDS: &[&str] = &[
    "roster",
    "diff",
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
    "typing on",
    "typing off",
    "message",
    "message of the app",
    "removed",
    "ack",
    "refused: not joined",
    "refused: only observing",
    "refused: too many rooms",
    "refused: too many targets",
    "refused: state too large",
    "refused: state with too many keys",
    "refused: join cancelled",
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
    }
}
