//! The demo through its HTTP interface.

use super::{Demo, router};
use axum::{
    Router,
    body::{Body, Bytes},
    response::Response,
};
use futures_util::StreamExt;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;
use tower::ServiceExt;

type Told = Arc<Mutex<Vec<Value>>>;

fn demo() -> (Router, Demo, Told) {
    let told = Told::default();
    let heard = Arc::clone(&told);
    let publish = move |board: &str, event: &str, data: Value| heard.lock().unwrap().push(json!([board, event, data]));
    let demo = Demo::open(None, publish).unwrap();
    (router(demo.clone()), demo, told)
}

async fn send(app: &Router, request: Request<Body>) -> Response {
    app.clone().oneshot(request).await.unwrap()
}

async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    if !status.is_success() {
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let value = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    (status, value)
}

async fn get(app: &Router, path: &str) -> (StatusCode, Value) {
    read(send(app, Request::get(path).body(Body::empty()).unwrap()).await).await
}

fn change(method: &str, path: &str, body: &Value) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    request.body(Body::from(body.to_string())).unwrap()
}

async fn call(app: &Router, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
    read(send(app, change(method, path, &body)).await).await
}

fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    (answer.0.as_u16(), answer.1["code"].as_str().unwrap_or_default())
}

/// A stream of server-sent events, read one block at a time.
struct Events {
    body: Body,
    rest: String,
}

impl Events {
    async fn open(app: &Router, path: &str, last_event_id: Option<u64>) -> Self {
        let mut request = Request::get(path);
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id.to_string());
        }
        let response = send(app, request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let mut events = Self { body: response.into_body(), rest: String::new() };
        let hello = events.next().await.unwrap();
        assert_eq!(field(&hello, "data"), r#"{"type":"connected"}"#, "the first event");
        assert_eq!(field(&hello, "event"), "", "without a name");
        events
    }

    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.rest.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.rest = rest;
                return Some(block);
            }
            let bytes: Bytes = (&mut self.body).into_data_stream().next().await?.unwrap();
            self.rest.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// The next event's name, id and data.
    async fn event(&mut self) -> (String, u64, Value) {
        let block = self.next().await.unwrap();
        let data = serde_json::from_str(field(&block, "data")).unwrap();
        (field(&block, "event").to_owned(), field(&block, "id").parse().unwrap(), data)
    }
}

fn field<'a>(block: &'a str, name: &str) -> &'a str {
    block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

#[tokio::test]
async fn a_task_is_made_renamed_moved_and_deleted_and_each_is_told() {
    let (app, _, told) = demo();
    let (status, made) =
        call(&app, "POST", "/tasks", json!({"listId": "list-todo", "title": "  Ship it ", "assigneeId": "bob"})).await;
    assert_eq!(status, StatusCode::CREATED);
    let task = &made["task"];
    assert_eq!(task["title"], "Ship it");
    assert_eq!((&task["listId"], &task["boardId"]), (&json!("list-todo"), &json!("board-1")));
    assert_eq!((&task["position"], &task["assigneeId"]), (&json!(3), &json!("bob")));
    let id = task["id"].as_str().unwrap();

    let (status, renamed) = call(&app, "PATCH", &format!("/tasks/{id}"), json!({"title": "Ship it today"})).await;
    assert_eq!((status, &renamed["task"]["title"]), (StatusCode::OK, &json!("Ship it today")));

    let to = json!({"listId": "list-done", "position": 0});
    let (status, moved) = call(&app, "PATCH", &format!("/tasks/{id}/move"), to).await;
    assert_eq!((status, &moved["task"]["listId"]), (StatusCode::OK, &json!("list-done")));

    let (status, _) = call(&app, "DELETE", &format!("/tasks/{id}"), json!({})).await;
    assert_eq!(status, StatusCode::NO_CONTENT);

    let told = told.lock().unwrap();
    assert_eq!(told[0], json!(["board-1", "task_created", {"task": task}]));
    assert_eq!(told[1], json!(["board-1", "task_updated", {"task": renamed["task"]}]));
    let told_move = json!({"id": id, "listId": "list-done", "position": 0, "updatedAt": moved["task"]["updatedAt"]});
    assert_eq!(told[2], json!(["board-1", "task_moved", {"task": told_move}]));
    assert_eq!(told[3], json!(["board-1", "task_deleted", {"taskId": id}]));
    assert_eq!(told.len(), 4);
}

#[tokio::test]
async fn what_a_task_says_changes_field_by_field() {
    let (app, _, told) = demo();
    let patch = async |body: Value| call(&app, "PATCH", "/tasks/task-1", body).await;
    let (status, answer) = patch(json!({"description": " By Friday \n", "assigneeId": "carol"})).await;
    assert_eq!(status, StatusCode::OK);
    let task = &answer["task"];
    assert_eq!((&task["title"], &task["description"]), (&json!("Write the announcement"), &json!("By Friday")));
    assert_eq!(task["assigneeId"], "carol");
    assert_eq!(patch(json!({"title": "Sing it"})).await.1["task"]["description"], "By Friday", "what is absent stays");
    let (_, answer) = patch(json!({"description": "", "assigneeId": ""})).await;
    assert_eq!((&answer["task"]["description"], &answer["task"]["assigneeId"]), (&Value::Null, &Value::Null));
    assert_eq!(told.lock().unwrap().len(), 3);
    assert_eq!(code(&patch(json!({})).await), (422, "task.unchanged"));
    assert_eq!(code(&patch(json!({"description": "d".repeat(2_001)})).await), (422, "text.too_long"));
    assert_eq!(code(&patch(json!({"assigneeId": "a".repeat(129)})).await), (422, "text.too_long"));
    assert_eq!(told.lock().unwrap().len(), 3, "what is refused changes nothing");
    let (_, board) = get(&app, "/boards/board-1").await;
    assert_eq!(board["lists"][0]["tasks"][0]["title"], "Sing it");
}

#[tokio::test]
async fn a_board_is_renamed_and_reset_and_both_are_told() {
    let (app, _, told) = demo();
    let (status, answer) = call(&app, "PATCH", "/boards/board-1", json!({"name": " Launch day "})).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({"board": {"id": "board-1", "name": "Launch day"}})));
    call(&app, "DELETE", "/tasks/task-1", json!({})).await;
    call(&app, "POST", "/tasks", json!({"listId": "list-done", "title": "More"})).await;
    let (_, board) = get(&app, "/boards/board-1").await;
    assert_eq!(board["board"]["name"], "Launch day");
    let (_, other) = get(&app, "/boards/board-2").await;

    let (status, _) = call(&app, "POST", "/boards/board-1/reset", json!({})).await;
    assert_eq!(status, StatusCode::OK);
    let (_, board) = get(&app, "/boards/board-1").await;
    assert_eq!(board["board"]["name"], "Launch week");
    let ids =
        |list: &Value| list["tasks"].as_array().unwrap().iter().map(|task| task["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&board["lists"][0]), [json!("task-1"), json!("task-2"), json!("task-3")]);
    assert_eq!(ids(&board["lists"][2]), [json!("task-6"), json!("task-7")]);
    assert_eq!(get(&app, "/boards/board-2").await.1["lists"], other["lists"], "the other one stays");
    {
        let told = told.lock().unwrap();
        assert_eq!(told[0], json!(["board-1", "board_updated", {"board": {"id": "board-1", "name": "Launch day"}}]));
        assert_eq!(told[3], json!(["board-1", "board_reset", {"board": {"id": "board-1", "name": "Launch week"}}]));
    }
    for (path, method) in [("/boards/board-9", "PATCH"), ("/boards/board-9/reset", "POST")] {
        assert_eq!(code(&call(&app, method, path, json!({"name": "x"})).await), (404, "board.unknown"), "{path}");
    }
    assert_eq!(code(&call(&app, "PATCH", "/boards/board-1", json!({"name": " "})).await), (422, "title.empty"));
}

#[tokio::test]
async fn a_board_lists_its_columns_and_tasks() {
    let (app, _, _) = demo();
    let (status, board) = get(&app, "/boards/board-1").await;
    assert_eq!(status, StatusCode::OK);
    let names: Vec<_> = board["lists"].as_array().unwrap().iter().map(|list| list["name"].clone()).collect();
    assert_eq!(names, ["To Do", "In Progress", "Done"]);
    assert_eq!(board["lists"][0]["tasks"][0]["id"], "task-1");
    assert_eq!(get(&app, "/boards/board-2").await.1["board"]["name"], "Garden");
}

#[tokio::test]
async fn a_short_poll_gives_all_and_then_what_changed() {
    let (app, _, _) = demo();
    let (_, all) = get(&app, "/boards/board-1/updates").await;
    assert_eq!(all["data"].as_array().unwrap().len(), 7);
    let timestamp = all["timestamp"].as_str().unwrap();
    call(&app, "PATCH", "/tasks/task-2", json!({"title": "Record a tour"})).await;
    let (_, changed) = get(&app, &format!("/boards/board-1/updates?since={timestamp}")).await;
    assert_eq!(changed["data"].as_array().unwrap().len(), 1);
    assert_eq!(changed["data"][0]["title"], "Record a tour");
    assert_eq!(changed["taskIds"].as_array().unwrap().len(), 7);
    let bad = get(&app, "/boards/board-1/updates?since=yesterday-ish").await;
    assert_eq!(code(&bad), (400, "since.invalid"));
}

#[tokio::test]
async fn a_long_poll_returns_when_something_happens_on_its_board() {
    let (app, _, _) = demo();
    let (_, board) = get(&app, "/boards/board-1").await;
    let waiting = tokio::spawn({
        let app = app.clone();
        let path = format!("/boards/board-1/poll?since={}", board["cursor"]);
        async move { get(&app, &path).await }
    });
    call(&app, "PATCH", "/tasks/task-8", json!({"title": "Of the other board"})).await;
    call(&app, "PATCH", "/tasks/task-3", json!({"title": "Of this board"})).await;
    let (status, answer) = waiting.await.unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["data"].as_array().unwrap().len(), 1);
    assert_eq!(answer["data"][0]["title"], "Of this board");
    assert_eq!(answer["events"][0]["type"], "task_updated");
    assert_eq!(answer["events"][0]["id"], answer["cursor"]);
    assert!(answer["timestamp"].is_string());
}

#[tokio::test]
async fn between_two_long_polls_nothing_is_missed() {
    let (app, _, _) = demo();
    let (_, board) = get(&app, "/boards/board-1").await;
    let mut cursor = board["cursor"].clone();
    let timestamp = board["timestamp"].as_str().unwrap().to_owned();
    for (task, title) in [("task-1", "One"), ("task-2", "Two")] {
        call(&app, "PATCH", &format!("/tasks/{task}"), json!({"title": title})).await;
        let (_, answer) = get(&app, &format!("/boards/board-1/poll?since={cursor}")).await;
        assert_eq!(answer["events"].as_array().unwrap().len(), 1);
        assert_eq!(answer["events"][0]["task"]["title"], title);
        cursor = answer["cursor"].clone();
    }
    let (_, by_time) = get(&app, &format!("/boards/board-1/poll?since={timestamp}")).await;
    assert_eq!(by_time["data"].as_array().unwrap().len(), 2, "a time works as a cursor too");
    assert_eq!(by_time["cursor"], cursor);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_ends_after_thirty_seconds() {
    let (app, _, _) = demo();
    let start = Instant::now();
    let (status, answer) = get(&app, "/boards/board-1/poll").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&answer["data"], &answer["timeout"]), (&json!([]), &json!(true)));
    let waited = start.elapsed();
    assert!(waited >= Duration::from_secs(30) && waited < Duration::from_secs(31), "{waited:?}");
}

#[tokio::test]
async fn a_long_poll_with_a_cursor_we_do_not_know_gets_the_whole_board() {
    let (app, _, _) = demo();
    let (_, answer) = get(&app, "/boards/board-1/poll?since=42").await;
    assert_eq!(answer["reset"], true);
    assert_eq!(answer["data"].as_array().unwrap().len(), 7);
}

#[tokio::test]
async fn a_stream_carries_named_events_with_ids() {
    let (app, _, _) = demo();
    let mut events = Events::open(&app, "/boards/board-1/events", None).await;
    let (_, made) = call(&app, "POST", "/tasks", json!({"listId": "list-todo", "title": "One"})).await;
    call(&app, "PATCH", "/tasks/task-8", json!({"title": "Of the other board"})).await;
    call(&app, "PATCH", "/tasks/task-1/move", json!({"listId": "list-done"})).await;
    let (name, first, data) = events.event().await;
    assert_eq!(name, "task_created");
    assert_eq!(data, json!({"type": "task_created", "boardId": "board-1", "task": made["task"]}));
    let (name, second, data) = events.event().await;
    assert_eq!((name.as_str(), &data["task"]["id"]), ("task_moved", &json!("task-1")));
    assert!(second > first);
}

#[tokio::test]
async fn a_stream_resumes_after_the_last_event() {
    let (app, _, _) = demo();
    let mut events = Events::open(&app, "/boards/board-1/events", None).await;
    call(&app, "PATCH", "/tasks/task-1", json!({"title": "One"})).await;
    let (_, id, _) = events.event().await;
    drop(events);
    call(&app, "PATCH", "/tasks/task-2", json!({"title": "Two"})).await;
    let mut resumed = Events::open(&app, "/boards/board-1/events", Some(id)).await;
    call(&app, "PATCH", "/tasks/task-3", json!({"title": "Three"})).await;
    assert_eq!(resumed.event().await.2["task"]["title"], "Two");
    assert_eq!(resumed.event().await.2["task"]["title"], "Three");
}

#[tokio::test]
async fn a_stream_that_was_lost_before_its_first_event_resumes_as_well() {
    let (app, _, _) = demo();
    let response = send(&app, Request::get("/boards/board-1/events").body(Body::empty()).unwrap()).await;
    let hello = response.into_body().into_data_stream().next().await.unwrap().unwrap();
    let id = field(std::str::from_utf8(&hello).unwrap(), "id").parse().unwrap();
    call(&app, "PATCH", "/tasks/task-1", json!({"title": "One"})).await;
    let mut resumed = Events::open(&app, "/boards/board-1/events", Some(id)).await;
    assert_eq!(resumed.event().await.2["task"]["title"], "One");
}

#[tokio::test]
async fn a_reader_who_was_away_too_long_is_reset() {
    let (app, _, _) = demo();
    let mut slow = Events::open(&app, "/boards/board-1/events", None).await;
    call(&app, "PATCH", "/tasks/task-1", json!({"title": "First"})).await;
    let (_, id, _) = slow.event().await;
    for number in 0..=Demo::EVENTS_MAX {
        call(&app, "PATCH", "/tasks/task-1", json!({"title": format!("Number {number}")})).await;
    }
    let mut late = Events::open(&app, "/boards/board-1/events", Some(id)).await;
    assert_eq!(late.event().await.0, "reset", "by Last-Event-ID");
    assert_eq!(slow.event().await.0, "reset", "a slow reader too, instead of a queue without bound");
    call(&app, "PATCH", "/tasks/task-1", json!({"title": "Afterwards"})).await;
    assert_eq!(late.event().await.2["task"]["title"], "Afterwards");
    assert_eq!(slow.event().await.2["task"]["title"], "Afterwards");
}

#[tokio::test]
async fn one_stream_follows_many_boards() {
    let (app, _, _) = demo();
    let mut events = Events::open(&app, "/events?boards=board-1,board-2", None).await;
    for task in ["task-1", "task-8"] {
        call(&app, "DELETE", &format!("/tasks/{task}"), json!({})).await;
    }
    assert_eq!(events.event().await.2, json!({"type": "task_deleted", "boardId": "board-1", "taskId": "task-1"}));
    assert_eq!(events.event().await.2, json!({"type": "task_deleted", "boardId": "board-2", "taskId": "task-8"}));
    assert_eq!(code(&get(&app, "/events").await), (400, "boards.invalid"));
    assert_eq!(code(&get(&app, "/events?boards=board-1,board-9").await), (404, "board.unknown"));
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_beats_every_fifteen_seconds() {
    let (app, _, _) = demo();
    let mut events = Events::open(&app, "/boards/board-1/events", None).await;
    for _ in 0..2 {
        let start = Instant::now();
        assert_eq!(events.next().await.unwrap(), ": heartbeat");
        let waited = start.elapsed();
        assert!(waited >= Duration::from_secs(15) && waited < Duration::from_secs(16), "{waited:?}");
    }
}

#[tokio::test]
async fn closing_the_demo_ends_streams_and_polls() {
    let (app, demo, _) = demo();
    let mut events = Events::open(&app, "/boards/board-1/events", None).await;
    demo.close();
    assert_eq!(events.next().await, None);
    assert_eq!(get(&app, "/boards/board-1/poll").await.1["timeout"], true);
}

#[tokio::test]
async fn only_so_many_may_follow() {
    let (app, _, _) = demo();
    let mut open = Vec::new();
    for _ in 0..Demo::READERS_MAX {
        open.push(Events::open(&app, "/boards/board-1/events", None).await);
    }
    assert_eq!(code(&get(&app, "/boards/board-1/events").await), (503, "readers.full"));
    assert_eq!(code(&get(&app, "/boards/board-1/poll").await), (503, "readers.full"));
    open.pop();
    Events::open(&app, "/boards/board-1/events", None).await;
}

#[tokio::test]
async fn titles_have_one_to_two_hundred_characters() {
    let (app, _, _) = demo();
    let make = async |title: &str| call(&app, "POST", "/tasks", json!({"listId": "list-todo", "title": title})).await;
    assert_eq!(code(&make(" \t ").await), (422, "title.empty"));
    assert_eq!(code(&make("a\u{7}b").await), (422, "title.control"));
    assert_eq!(code(&make(&"ä".repeat(201)).await), (422, "text.too_long"));
    assert_eq!(make(&"ä".repeat(200)).await.0, StatusCode::CREATED);
    let renamed = call(&app, "PATCH", "/tasks/task-1", json!({"title": ""})).await;
    assert_eq!(code(&renamed), (422, "title.empty"));
    let long = json!({"listId": "list-todo", "title": "x", "description": "d".repeat(2_001)});
    assert_eq!(code(&call(&app, "POST", "/tasks", long).await), (422, "text.too_long"));
}

#[tokio::test]
async fn what_does_not_exist_is_a_problem_with_a_code() {
    let (app, _, told) = demo();
    for path in ["/boards/x", "/boards/x/updates", "/boards/x/poll", "/boards/x/events"] {
        assert_eq!(code(&get(&app, path).await), (404, "board.unknown"), "{path}");
    }
    let title = json!({"title": "x"});
    assert_eq!(code(&call(&app, "PATCH", "/tasks/x", title.clone()).await), (404, "task.unknown"));
    assert_eq!(code(&call(&app, "DELETE", "/tasks/x", title).await), (404, "task.unknown"));
    let list = json!({"listId": "x", "title": "x"});
    assert_eq!(code(&call(&app, "POST", "/tasks", list.clone()).await), (404, "list.unknown"));
    assert_eq!(code(&call(&app, "PATCH", "/tasks/task-1/move", list).await), (404, "list.unknown"));
    assert_eq!(code(&call(&app, "PUT", "/tasks/task-1", json!({})).await), (405, "method.unsupported"));
    assert_eq!(code(&get(&app, "/boards/%FF").await), (400, "path.invalid"));
    assert_eq!(told.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn what_another_site_could_send_changes_nothing() {
    let (app, _, told) = demo();
    let body = json!({"listId": "list-todo", "title": "Mischief"}).to_string();
    let plain = Request::post("/tasks").header("content-type", "text/plain").body(Body::from(body.clone())).unwrap();
    assert_eq!(code(&read(send(&app, plain).await).await), (415, "content_type.unsupported"));

    let from = |origin: &str, method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let request = request.header("host", "127.0.0.1:4280").header("origin", origin);
        request.body(Body::from(body.clone())).unwrap()
    };
    for (method, path) in [("POST", "/tasks"), ("DELETE", "/tasks/task-1"), ("PATCH", "/tasks/task-1")] {
        let answer = read(send(&app, from("https://evil.example", method, path)).await).await;
        assert_eq!(code(&answer), (403, "origin.forbidden"), "{method}");
    }
    assert_eq!(told.lock().unwrap().len(), 0);
    let own = read(send(&app, from("http://127.0.0.1:4280", "POST", "/tasks")).await).await;
    assert_eq!(own.0, StatusCode::CREATED);
}

#[tokio::test]
async fn bodies_are_small_and_of_the_right_shape() {
    let (app, _, _) = demo();
    let large = json!({"listId": "list-todo", "title": "x", "description": "d".repeat(40_000)});
    assert_eq!(code(&call(&app, "POST", "/tasks", large).await), (413, "body.too_large"));
    assert_eq!(code(&call(&app, "POST", "/tasks", json!({"title": 1})).await), (400, "body.invalid"));
    assert_eq!(code(&call(&app, "POST", "/tasks", json!("no object")).await), (400, "body.invalid"));
    let moved = json!({"listId": "list-done", "position": -1});
    assert_eq!(code(&call(&app, "PATCH", "/tasks/task-1/move", moved).await), (400, "body.invalid"));
}
