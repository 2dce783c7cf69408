//! Frames of a server, as the client reads them, and the state of a room that it keeps from them.
use herenow_client::{
    frame::ServerFrame,
    roster::{Outcome, RoomState},
};
use std::collections::BTreeSet;

/// Frames of a server, one a line. Whatever a server says, the client's state of a room stays ordered, a diff keeps each
/// viewer once, and saying a thing twice changes nothing.
pub fn server_frames(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else { return false };
    let mut room: Option<RoomState> = None;
    let mut is_taken = false;
    for frame in text.split('\n').filter_map(|line| ServerFrame::parse(line).ok()) {
        is_taken = true;
        let Some(name) = frame.room() else {
            assert_eq!(RoomState::new("").apply(&frame), Outcome::Ignored, "a frame about no room");
            continue;
        };
        let state = room.get_or_insert_with(|| RoomState::new(name));
        check_apply(state, &frame);
    }
    is_taken
}

fn check_apply(state: &mut RoomState, frame: &ServerFrame) {
    let before = state.clone();
    let was_unique = is_unique(&before);
    let outcome = state.apply(frame);
    match &outcome {
        Outcome::Ignored | Outcome::Unchanged | Outcome::Gap { .. } | Outcome::Contradiction { .. } => {
            assert_eq!(*state, before, "nothing changed by {outcome:?}");
        }
        Outcome::Synced(_) | Outcome::Changed(_) | Outcome::Removed => {}
    }
    let order: Vec<_> = state.viewers().iter().map(|viewer| (viewer.joined_at_ms, &viewer.user.id)).collect();
    assert!(order.is_sorted(), "viewers by joined time, then id");
    if !matches!(frame, ServerFrame::Roster(_)) && was_unique {
        assert!(is_unique(state), "{frame:?} let somebody in twice");
    }
    assert!(state.locks().values().all(|lock| lock.holder.is_some()), "each lock has a holder");
    let once = state.clone();
    state.apply(frame);
    assert_eq!(*state, once, "said twice");
}

fn is_unique(state: &RoomState) -> bool {
    let ids = state.user_ids();
    ids.iter().collect::<BTreeSet<_>>().len() == ids.len()
}
