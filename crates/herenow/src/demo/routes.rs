//! The board's HTTP interface: what the addresses mean and what their bodies look like.

use super::{
    boards::Boards,
    bus::{About, EventKind},
    database::Database,
    error::StoreError,
    extract::{Asked, BODY_BYTES_MAX, Body, Id, busy, same_origin_writes},
    long_poll::{self, Seen},
    model::{Board, Move, NewTask, Task, TaskPatch},
    sse::{self, Follow, Resume},
};
use crate::problem::Problem;
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

pub(super) fn api(boards: Boards) -> Router {
    Router::new()
        .route("/tasks", post(create_task))
        .route("/tasks/{id}", patch(update_task).delete(delete_task))
        .route("/tasks/{id}/move", patch(move_task))
        .route("/boards/{id}", get(board).patch(rename_board))
        .route("/boards/{id}/reset", post(reset_board))
        .route("/boards/{id}/updates", get(updates))
        .route("/boards/{id}/poll", get(poll))
        .route("/boards/{id}/events", get(board_events))
        .route("/events", get(events))
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method.unsupported", "this address has no such method")
        })
        .layer(middleware::from_fn(same_origin_writes))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::map_response(never_sniffed))
        .with_state(boards)
}

async fn never_sniffed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateTask {
    list_id: String,
    title: String,
    description: Option<String>,
    assignee_id: Option<String>,
}

async fn create_task(State(boards): State<Boards>, Body(asked): Body<CreateTask>) -> Result<Response, Problem> {
    let description = asked.description.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if let Some(text) = &description {
        at_most(text, DESCRIPTION_CHARS_MAX, "description")?;
    }
    if let Some(id) = &asked.assignee_id {
        at_most(id, ASSIGNEE_CHARS_MAX, "assigneeId")?;
    }
    let title = checked_title(&asked.title)?;
    let new = NewTask { list_id: asked.list_id, title, description, assignee_id: asked.assignee_id };
    let task = write(&boards, EventKind::Created, |database| database.create_task(new)).await?;
    Ok((StatusCode::CREATED, Json(json!({"task": task}))).into_response())
}

/// What is absent stays; an empty text takes a description or an assignee away.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpdateTask {
    title: Option<String>,
    description: Option<String>,
    assignee_id: Option<String>,
}

async fn update_task(
    State(boards): State<Boards>,
    Id(id): Id,
    Body(asked): Body<UpdateTask>,
) -> Result<Json<Value>, Problem> {
    let UpdateTask { title, description, assignee_id } = asked;
    if title.is_none() && description.is_none() && assignee_id.is_none() {
        let problem = "nothing is to be changed";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "task.unchanged", problem)
            .hint("give title, description or assigneeId"));
    }
    let title = title.map(|title| checked_title(&title)).transpose()?;
    let description = description.map(|text| text.trim().to_owned());
    at_most(description.as_deref().unwrap_or_default(), DESCRIPTION_CHARS_MAX, "description")?;
    at_most(assignee_id.as_deref().unwrap_or_default(), ASSIGNEE_CHARS_MAX, "assigneeId")?;
    let patch = TaskPatch { title, description, assignee_id };
    let task = write(&boards, EventKind::Updated, move |database| database.update_task(&id, patch)).await?;
    Ok(Json(json!({"task": task})))
}

#[derive(Deserialize)]
struct RenameBoard {
    name: String,
}

async fn rename_board(
    State(boards): State<Boards>,
    Id(id): Id,
    Body(asked): Body<RenameBoard>,
) -> Result<Json<Value>, Problem> {
    let name = checked_title(&asked.name)?;
    let board =
        write_board(&boards, EventKind::BoardUpdated, move |database| database.rename_board(&id, &name)).await?;
    Ok(Json(json!({"board": board})))
}

async fn reset_board(State(boards): State<Boards>, Id(id): Id) -> Result<Json<Value>, Problem> {
    let board = write_board(&boards, EventKind::BoardReset, move |database| database.reset_board(&id)).await?;
    Ok(Json(json!({"board": board})))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MoveTask {
    list_id: String,
    position: Option<u32>,
}

async fn move_task(
    State(boards): State<Boards>,
    Id(task_id): Id,
    Body(asked): Body<MoveTask>,
) -> Result<Json<Value>, Problem> {
    let to = Move { task_id, list_id: asked.list_id, position: asked.position };
    let task = write(&boards, EventKind::Moved, move |database| database.move_task(&to)).await?;
    Ok(Json(json!({"task": task})))
}

async fn delete_task(State(boards): State<Boards>, Id(id): Id) -> Result<StatusCode, Problem> {
    write(&boards, EventKind::Deleted, move |database| database.delete_task(&id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes a task and tells everybody, both on the database thread, so that nobody hears of changes in another order
/// than they were made in.
async fn write<W>(boards: &Boards, kind: EventKind, change: W) -> Result<Task, StoreError>
where
    W: FnOnce(&mut Database) -> Result<Task, StoreError> + Send + 'static,
{
    let bus = Arc::clone(&boards.bus);
    let work = move |database: &mut Database| {
        let task = change(database)?;
        let about = About { board: &task.board_id, task_id: Some(&task.id), data: told(kind, &task) };
        bus.publish(kind, about);
        Ok(task)
    };
    boards.store.run(work).await
}

/// As [`write`], for a board itself.
async fn write_board<W>(boards: &Boards, kind: EventKind, change: W) -> Result<Board, StoreError>
where
    W: FnOnce(&mut Database) -> Result<Board, StoreError> + Send + 'static,
{
    let bus = Arc::clone(&boards.bus);
    let work = move |database: &mut Database| {
        let board = change(database)?;
        let data = Map::from_iter([("board".to_owned(), json!(board))]);
        bus.publish(kind, About { board: &board.id, task_id: None, data });
        Ok(board)
    };
    boards.store.run(work).await
}

/// What is told of a task; of a board the whole of it is told, by [`write_board`].
fn told(kind: EventKind, task: &Task) -> Map<String, Value> {
    let (key, value) = match kind {
        EventKind::Created | EventKind::Updated | EventKind::BoardUpdated | EventKind::BoardReset => {
            ("task", json!(task))
        }
        EventKind::Moved => {
            let Task { id, list_id, position, updated_at, .. } = task;
            ("task", json!({"id": id, "listId": list_id, "position": position, "updatedAt": updated_at}))
        }
        EventKind::Deleted => ("taskId", json!(task.id)),
    };
    Map::from_iter([(key.to_owned(), value)])
}

async fn board(State(boards): State<Boards>, Id(id): Id) -> Result<Json<Value>, Problem> {
    let bus = Arc::clone(&boards.bus);
    let (snapshot, cursor) = boards.store.run(move |database| Ok((database.board(&id)?, bus.head().id))).await?;
    Ok(Json(json!({
        "board": snapshot.board,
        "lists": snapshot.lists,
        "cursor": cursor,
        "timestamp": snapshot.timestamp,
    })))
}

#[derive(Deserialize)]
struct SinceQuery {
    since: Option<String>,
}

async fn updates(
    State(boards): State<Boards>,
    Id(id): Id,
    Asked(SinceQuery { since }): Asked<SinceQuery>,
) -> Result<Json<Value>, Problem> {
    let changes = boards.store.run(move |database| database.changes(&id, since.as_deref())).await?;
    Ok(Json(json!({"data": changes.tasks, "taskIds": changes.task_ids, "timestamp": changes.timestamp})))
}

async fn poll(
    State(boards): State<Boards>,
    Id(id): Id,
    Asked(SinceQuery { since }): Asked<SinceQuery>,
) -> Result<Json<long_poll::Answer>, Problem> {
    let _permit = admit(&boards)?;
    let (bus, store) = (Arc::clone(&boards.bus), boards.store.clone());
    let reader = long_poll::Reader { bus, store, board: id };
    Ok(Json(reader.poll(Seen::parse(since)).await?))
}

async fn board_events(
    State(boards): State<Boards>,
    Id(id): Id,
    Asked(SinceQuery { since }): Asked<SinceQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    follow(&boards, vec![id], Resume::from_request(&headers, since.as_deref())).await
}

#[derive(Deserialize)]
struct EventsQuery {
    #[serde(default)]
    boards: String,
    since: Option<String>,
}

async fn events(
    State(boards): State<Boards>,
    Asked(asked): Asked<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut ids: Vec<_> = asked.boards.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect();
    ids.sort();
    ids.dedup();
    if ids.is_empty() || ids.len() > BOARDS_MAX {
        let title = "boards has to name some boards, separated by commas";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "boards.invalid", title)
            .detail(format!("{} were given, 1 to {BOARDS_MAX} are allowed", ids.len())));
    }
    follow(&boards, ids, Resume::from_request(&headers, asked.since.as_deref())).await
}

async fn follow(boards: &Boards, ids: Vec<String>, resume: Resume) -> Result<Response, Problem> {
    let permit = admit(boards)?;
    let asked = ids.clone();
    boards.store.run(move |database| asked.iter().try_for_each(|board| database.check_board(board))).await?;
    Ok(sse::respond(Follow { bus: Arc::clone(&boards.bus), boards: ids, resume, permit }))
}

/// Lets a reader in that stays for a while, if there is room.
fn admit(boards: &Boards) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(&boards.readers).try_acquire_owned().map_err(|_| {
        let readers_max = Boards::READERS_MAX;
        busy("readers.full", "too many follow the boards").detail(format!("at most {readers_max} may at a time"))
    })
}

fn checked_title(title: &str) -> Result<String, Problem> {
    let title = title.trim();
    if title.is_empty() {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "title.empty", "a task needs a title")
            .detail(format!("1 to {TITLE_CHARS_MAX} characters are allowed")));
    }
    if title.chars().any(char::is_control) {
        let problem = "a title may not hold control characters";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "title.control", problem));
    }
    at_most(title, TITLE_CHARS_MAX, "title")?;
    Ok(title.to_owned())
}

fn at_most(text: &str, chars_max: usize, field: &str) -> Result<(), Problem> {
    let chars = text.chars().count();
    if chars <= chars_max {
        return Ok(());
    }
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "text.too_long", "a text is too long")
        .detail(format!("{field} has {chars} characters, at most {chars_max} are allowed")))
}

const TITLE_CHARS_MAX: usize = 200;
const DESCRIPTION_CHARS_MAX: usize = 2_000;
const ASSIGNEE_CHARS_MAX: usize = 128;
const BOARDS_MAX: usize = 20;
