//! The reducer, frame by frame.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]
use herenow_client::{
    frame::{Lock, ServerFrame},
    roster::{Change, Outcome, RoomState},
};
use serde_json::{Value, json};

fn frame(json: Value) -> ServerFrame {
    ServerFrame::parse(&json.to_string()).unwrap()
}

fn viewer(id: &str, joined_at_ms: u64) -> Value {
    json!({"user":{"id":id,"name":id,"color":"#4d7400"},"status":"active","joined_at_ms":joined_at_ms,"sessions":1})
}

fn roster(number: u64, viewers: &[Value]) -> ServerFrame {
    roster_of("e", number, viewers)
}

fn roster_of(epoch: &str, number: u64, viewers: &[Value]) -> ServerFrame {
    frame(json!({"type":"roster","room":"r","v":[epoch,number],"gear":"live","viewers":viewers,
        "count":{"users":viewers.len(),"sessions":viewers.len()},"typing":[],"locks":[]}))
}

fn diff(from: u64, to: u64, lists: Value) -> ServerFrame {
    let mut json = json!({"type":"diff","room":"r","from":from,"v":["e",to],"count":{"users":9,"sessions":9}});
    json.as_object_mut().unwrap().extend(lists.as_object().unwrap().clone());
    frame(json)
}

fn known() -> RoomState {
    let mut state = RoomState::new("r");
    assert_eq!(state.apply(&roster(5, &[viewer("b", 2), viewer("a", 1)])), Outcome::Synced(vec![]));
    state
}

#[test]
fn the_first_roster_is_only_a_sync_and_sorts_by_joined_time() {
    let state = known();
    assert_eq!(state.user_ids(), ["a", "b"]);
    assert_eq!(state.version().unwrap().to_string(), "e.5");
    assert_eq!(state.count().users, 2);
}

#[test]
fn a_diff_from_the_right_version_is_applied() {
    let mut state = known();
    let lists = json!({"joined":[viewer("c", 2)],"left":[{"id":"a","reason":"closed"}]});
    let Outcome::Changed(changes) = state.apply(&diff(5, 7, lists)) else { panic!("not applied") };
    assert_eq!(changes[0], Change::Left { id: "a".into(), reason: "closed".into() });
    assert!(matches!(&changes[1], Change::Joined(viewer) if viewer.user.id == "c"));
    assert_eq!(state.user_ids(), ["b", "c"]);
    assert_eq!((state.version().unwrap().number, state.count().users), (7, 9));
}

#[test]
fn the_same_version_twice_changes_nothing() {
    let mut state = known();
    let join = diff(5, 6, json!({"joined":[viewer("c", 3)]}));
    assert!(matches!(state.apply(&join), Outcome::Changed(_)));
    let before = state.clone();
    assert_eq!(state.apply(&join), Outcome::Unchanged);
    assert_eq!(state.apply(&roster(5, &[])), Outcome::Unchanged, "an older roster");
    assert_eq!(state, before);
    let same = roster(6, &[viewer("a", 1), viewer("b", 2), viewer("c", 3)]);
    assert_eq!(state.apply(&same), Outcome::Synced(vec![]));
    assert_eq!(state.user_ids(), before.user_ids());
}

#[test]
fn a_diff_from_another_version_is_a_gap_and_changes_nothing() {
    let mut state = known();
    let before = state.clone();
    let late = diff(6, 7, json!({"joined":[viewer("c", 3)]}));
    assert_eq!(state.apply(&late), Outcome::Gap { have: before.version().cloned(), from: 6 });
    let wide = diff(3, 7, json!({"joined":[viewer("c", 3)]}));
    assert_eq!(state.apply(&wide), Outcome::Gap { have: before.version().cloned(), from: 3 });
    let other_epoch = frame(json!({"type":"diff","room":"r","from":5,"v":["f",6],"count":{"users":1}}));
    assert_eq!(state.apply(&other_epoch), Outcome::Gap { have: before.version().cloned(), from: 5 });
    assert_eq!(state, before);
    assert_eq!(RoomState::new("r").apply(&late), Outcome::Gap { have: None, from: 6 });
}

#[test]
fn joined_and_left_alternate_for_each_user() {
    for lists in [
        json!({"joined":[viewer("a", 9)]}),
        json!({"left":[{"id":"x","reason":"left"}]}),
        json!({"updated":[viewer("x", 9)]}),
        json!({"left":[{"id":"a","reason":"left"},{"id":"a","reason":"left"}]}),
    ] {
        let mut state = known();
        let before = state.clone();
        let outcome = state.apply(&diff(5, 6, lists.clone()));
        assert!(matches!(outcome, Outcome::Contradiction { .. }), "{lists} gave {outcome:?}");
        assert_eq!(state, before);
    }
}

#[test]
fn a_later_roster_tells_the_net_difference() {
    let mut state = known();
    let mut changed = viewer("b", 2);
    changed["status"] = json!("idle");
    let Outcome::Synced(changes) = state.apply(&roster_of("f", 1, &[changed, viewer("c", 3)])) else {
        panic!("not taken")
    };
    assert_eq!(changes.len(), 3);
    assert_eq!(changes[0], Change::Left { id: "a".into(), reason: String::new() });
    assert!(matches!(&changes[1], Change::Updated(viewer) if viewer.status == "idle"));
    assert!(matches!(&changes[2], Change::Joined(viewer) if viewer.user.id == "c"));
}

#[test]
fn typing_begins_and_stops_once_and_ends_with_the_viewer() {
    let mut state = known();
    let typing = |on: bool| {
        frame(
            json!({"type":"typing","room":"r","user":{"id":"a","name":"a","color":"#4d7400"},"target":"card","on":on}),
        )
    };
    let told = |on| Outcome::Changed(vec![Change::Typing { user: "a".into(), target: Some("card".into()), on }]);
    assert_eq!(state.apply(&typing(true)), told(true));
    assert_eq!(state.apply(&typing(true)), Outcome::Unchanged);
    assert_eq!(state.apply(&typing(false)), told(false));
    assert_eq!(state.apply(&typing(false)), Outcome::Unchanged);
    assert_eq!(state.apply(&typing(true)), told(true));
    assert!(matches!(state.apply(&diff(5, 6, json!({"left":[{"id":"a","reason":"lost"}]}))), Outcome::Changed(_)));
    assert!(state.typing().is_empty());
}

#[test]
fn who_is_said_to_type_into_nothing_does_not_type() {
    let mut state = RoomState::new("r");
    let typing = json!([{"user":{"id":"a","name":"a"},"targets":[]}]);
    state.apply(&frame(json!({"type":"roster","room":"r","v":["e",5],"gear":"live","viewers":[viewer("a", 1)],
        "count":{"users":1,"sessions":1},"typing":typing})));
    assert!(state.typing().is_empty());
    state.apply(&diff(5, 5, json!({"re":1,"typing":typing})));
    assert!(state.typing().is_empty());
}

#[test]
fn a_diff_that_answers_a_sync_carries_typing_even_for_the_same_version() {
    let mut state = known();
    let answer = diff(5, 5, json!({"re":1,"typing":[{"user":{"id":"b","name":"b"},"targets":[null]}]}));
    let began = Change::Typing { user: "b".into(), target: None, on: true };
    assert_eq!(state.apply(&answer), Outcome::Changed(vec![began]));
    assert!(state.typing()["b"].contains(&None));
    assert_eq!(state.count().users, 2, "the version is the same, so is the count");
}

fn lock(name: &str, holder: Option<&str>, fence: u64) -> Value {
    match holder {
        Some(user) => json!({"name":name,"holder":{"id":user,"name":user},"session":format!("s-{user}"),"fence":fence}),
        None => json!({"name":name,"fence":fence}),
    }
}

fn lock_news(name: &str, holder: Option<&str>, fence: u64) -> ServerFrame {
    let mut json = lock(name, holder, fence);
    json["type"] = json!("lock");
    json["room"] = json!("r");
    frame(json)
}

fn holders(state: &RoomState) -> Vec<(&str, &str, u64)> {
    let mut all = Vec::new();
    for Lock { name, holder, fence, .. } in state.locks().values() {
        all.push((name.as_str(), holder.as_ref().map_or("", |user| &user.id), *fence));
    }
    all
}

#[test]
fn locks_are_kept_as_they_change_hands() {
    let mut state = RoomState::new("r");
    let full = frame(json!({"type":"roster","room":"r","v":["e",5],"viewers":[viewer("a", 1)],
        "count":{"users":1,"sessions":1},"locks":[lock("x", Some("a"), 1), lock("y", Some("a"), 2)]}));
    assert_eq!(state.apply(&full), Outcome::Synced(vec![]));
    assert_eq!(holders(&state), [("x", "a", 1), ("y", "a", 2)]);
    let told = |outcome: Outcome| match outcome {
        Outcome::Changed(changes) => match changes.as_slice() {
            [Change::Lock(lock)] => (lock.name.clone(), lock.holder.as_ref().map(|user| user.id.clone()), lock.fence),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    assert_eq!(told(state.apply(&lock_news("x", Some("b"), 3))), ("x".into(), Some("b".into()), 3));
    assert_eq!(state.apply(&lock_news("x", Some("b"), 3)), Outcome::Unchanged);
    assert_eq!(told(state.apply(&lock_news("y", None, 2))), ("y".into(), None, 2));
    assert_eq!(state.apply(&lock_news("y", None, 2)), Outcome::Unchanged);
    assert_eq!(holders(&state), [("x", "b", 3)]);
}

#[test]
fn an_answer_tells_all_locks_even_for_the_same_version() {
    let mut state = known();
    state.apply(&lock_news("x", Some("a"), 1));
    state.apply(&lock_news("y", Some("a"), 2));
    let same = json!({"re":1,"typing":[],"locks":[lock("y", Some("b"), 3), lock("z", Some("a"), 4)]});
    let Outcome::Changed(changes) = state.apply(&diff(5, 5, same)) else { panic!("not applied") };
    let names: Vec<_> = changes
        .iter()
        .map(|change| match change {
            Change::Lock(lock) => (lock.name.as_str(), lock.holder.is_some()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, [("x", false), ("y", true), ("z", true)]);
    assert_eq!(holders(&state), [("y", "b", 3), ("z", "a", 4)]);
    let only_locks = diff(5, 5, json!({"re":2,"locks":[lock("z", Some("a"), 4)]}));
    assert!(matches!(state.apply(&only_locks), Outcome::Changed(changes) if changes.len() == 1), "locks alone will do");
    assert!(matches!(state.apply(&diff(5, 6, json!({}))), Outcome::Changed(_)), "a plain diff says nothing of locks");
    assert_eq!(holders(&state), [("z", "a", 4)]);
}

#[test]
fn sessions_are_kept_beside_the_viewers() {
    let mut state = RoomState::new("r");
    let told = |user: &str, list: Value| frame(json!({"type":"sessions","room":"r","user":user,"list":list}));
    assert_eq!(state.apply(&told("a", json!([{"id":"s1"}]))), Outcome::Ignored, "a roster comes first");
    let mut a = viewer("a", 1);
    a["session_list"] = json!([{"id":"s1","status":"idle","state":{"k":1}}]);
    let full = roster(5, &[a.clone(), viewer("b", 2)]);
    assert_eq!(state.apply(&full), Outcome::Synced(vec![]));
    assert_eq!(state.sessions()["a"][0].state.as_ref().unwrap()["k"], 1);
    assert_eq!(state.apply(&full), Outcome::Synced(vec![]), "the same again");

    let two = json!([{"id":"s1","status":"idle"},{"id":"s2","status":"active"}]);
    let changed = |user: &str| Outcome::Changed(vec![Change::Sessions { user: user.into() }]);
    assert_eq!(state.apply(&told("a", two.clone())), changed("a"));
    assert_eq!(state.apply(&told("a", two)), Outcome::Unchanged);
    state.apply(&diff(5, 6, json!({"updated":[viewer("a", 1)]})));
    assert_eq!(state.sessions()["a"].len(), 2, "a diff says nothing of sessions");
    state.apply(&diff(6, 7, json!({"left":[{"id":"a","reason":"left"}]})));
    assert!(state.sessions().is_empty());
    assert_eq!(state.apply(&told("a", json!([]))), Outcome::Unchanged);
    assert_eq!(state.apply(&told("b", json!([{"id":"s3"}]))), changed("b"));
    assert_eq!(state.apply(&told("b", json!([]))), changed("b"));
}

#[test]
fn joining_again_without_sessions_ends_what_was_known_of_them() {
    let mut state = RoomState::new("r");
    let mut a = viewer("a", 1);
    a["session_list"] = json!([{"id":"s1","status":"idle"}]);
    state.apply(&roster(5, &[a]));
    let gone = Outcome::Synced(vec![Change::Sessions { user: "a".into() }]);
    assert_eq!(state.apply(&roster(5, &[viewer("a", 1)])), gone);
    assert!(state.sessions().is_empty());
}

#[test]
fn pointers_and_dots_are_left_to_the_caller() {
    let mut state = known();
    let before = state.clone();
    for news in [
        json!({"type":"cursors","room":"r","at":[["s",0.5,0.5],["t",null]]}),
        json!({"type":"statuses","users":{"a":{"status":"offline"}}}),
    ] {
        assert_eq!(state.apply(&frame(news)), Outcome::Ignored);
    }
    assert_eq!(state, before);
}

#[test]
fn a_roster_that_comes_unasked_ends_the_crowd() {
    let mut state = known();
    state.apply(&lock_news("x", Some("a"), 1));
    let crowd = |number: u64, users: u64| {
        frame(json!({"type":"count","room":"r","v":["e",number],"gear":"crowd",
            "count":{"users":users,"sessions":users},"faces":[{"id":"a","name":"a"}]}))
    };
    assert_eq!(state.apply(&crowd(900, 1001)), Outcome::Changed(vec![Change::Counted]));
    assert_eq!(holders(&state), [("x", "a", 1)], "locks are told on in a crowd");
    assert_eq!(state.apply(&crowd(900, 1001)), Outcome::Unchanged);
    assert_eq!(state.apply(&crowd(901, 1000)), Outcome::Changed(vec![Change::Counted]));
    let typing = frame(json!({"type":"typing","room":"r","user":{"id":"a"},"on":true}));
    assert_eq!(state.apply(&typing), Outcome::Ignored);

    let unasked = frame(json!({"type":"roster","interest":"auto","room":"r","v":["e",1200],"gear":"batched",
        "viewers":[viewer("a", 1), viewer("c", 3)],"count":{"users":2,"sessions":2},"typing":[],"locks":[]}));
    assert_eq!(state.apply(&unasked), Outcome::Synced(vec![]), "what was before the crowd is long forgotten");
    assert_eq!((state.user_ids(), state.gear(), state.faces().len()), (vec!["a", "c"], "batched", 0));
    assert!(holders(&state).is_empty());
    assert!(matches!(state.apply(&diff(1200, 1201, json!({"joined":[viewer("d", 4)]}))), Outcome::Changed(_)));
}

#[test]
fn an_interest_in_counts_ends_the_list_in_any_gear() {
    let mut state = known();
    let news = json!({"type":"count","room":"r","v":["e",5],"gear":"live","count":{"users":2,"sessions":2},"faces":[]});
    assert_eq!(state.apply(&frame(news)), Outcome::Changed(vec![Change::Counted]));
    assert!(state.viewers().is_empty() && state.version().is_none());
    assert_eq!((state.count().users, state.gear()), (2, "live"));
}

#[test]
fn going_up_to_crowd_ends_the_list() {
    let mut state = known();
    let news =
        frame(json!({"type":"count","room":"r","v":["e",6],"gear":"crowd","count":{"users":2000,"sessions":2001},
        "faces":[{"id":"a","name":"a","color":"#4d7400"}]}));
    assert_eq!(state.apply(&news), Outcome::Changed(vec![Change::Counted]));
    assert!(state.viewers().is_empty() && state.version().is_none());
    assert_eq!((state.count().users, state.faces().len(), state.gear()), (2000, 1, "crowd"));
    assert!(matches!(state.apply(&diff(6, 7, json!({}))), Outcome::Gap { have: None, .. }));
}

#[test]
fn other_rooms_and_other_frames_are_ignored_and_removal_forgets() {
    let mut state = known();
    assert_eq!(state.apply(&frame(json!({"type":"removed","room":"s","reason":"kicked"}))), Outcome::Ignored);
    assert_eq!(state.apply(&frame(json!({"type":"message","room":"r","event":"x","data":1}))), Outcome::Ignored);
    assert_eq!(state.apply(&frame(json!({"type":"stale","room":"r","since_ms":1}))), Outcome::Changed(vec![]));
    assert!(state.is_stale());
    assert_eq!(state.apply(&frame(json!({"type":"fresh","room":"r"}))), Outcome::Changed(vec![]));
    assert_eq!(state.apply(&frame(json!({"type":"removed","room":"r","reason":"kicked"}))), Outcome::Removed);
    assert_eq!(state, RoomState::new("r"));
}
