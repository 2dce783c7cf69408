//! An axum app with herenow inside: people sign in with the app, the app hands them tokens, and tells them what happens.
//!
//! `cargo run --example axum_app`, then open <http://127.0.0.1:3000> in two browsers.
#![expect(clippy::print_stdout, reason = "says what happens")]

use anyhow::Context;
use axum::{
    Json, Router,
    extract::{FromRequestParts, State},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use herenow::embed::{Embedded, event::Event};
use http::{StatusCode, header, request::Parts};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let listener = TcpListener::bind(std::env::args().nth(1).as_deref().unwrap_or("127.0.0.1:3000")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    run(listener, |line| println!("{line}"), stop).await
}

/// Serves until `stop` is done; `print` is told who comes and goes.
pub async fn run(
    listener: TcpListener,
    print: impl Fn(String) + Send + 'static,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let herenow = Embedded::builder().start()?;

    let mut events = herenow.events();
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                Event::Joined { room, user, count } => {
                    print(format!("{} is in {room}, with {}", user.name, count.users))
                }
                Event::Left { room, user, .. } => print(format!("{} left {room}", user.name)),
                _ => {}
            }
        }
    });

    let app = App { herenow: herenow.clone(), sessions: Arc::default(), tasks: Arc::default() };
    let routes = Router::new()
        .route("/", get(|| async { Html(include_str!("page.html")) }))
        .route("/sign-in", post(sign_in))
        .route("/token", post(token))
        .route("/tasks", get(tasks).post(add_task))
        .route("/who", get(who))
        .with_state(app)
        .merge(herenow.router());

    axum::serve(listener, routes.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async move {
            stop.await;
            herenow.stop().await;
        })
        .await
        .context("cannot serve")
}

/// What the app knows.
#[derive(Clone)]
struct App {
    herenow: Embedded,
    /// Names of users by the secret in their cookie.
    sessions: Arc<Mutex<HashMap<String, String>>>,
    tasks: Arc<Mutex<Vec<Task>>>,
}

#[derive(Clone, Serialize)]
struct Task {
    title: String,
    by: String,
}

/// Who is signed in: the app's own affair.
struct User(String);

impl FromRequestParts<App> for User {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, StatusCode> {
        let cookies = parts.headers.get(header::COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let session = cookies.split("; ").find_map(|cookie| cookie.strip_prefix("app_session="));
        let sessions = app.sessions.lock().expect("nobody panics with it");
        session.and_then(|session| sessions.get(session).cloned()).map(User).ok_or(StatusCode::UNAUTHORIZED)
    }
}

#[derive(Deserialize)]
struct SignIn {
    name: String,
}

/// Signs in whoever gives a name; a real app asks for more.
async fn sign_in(State(app): State<App>, Json(SignIn { name }): Json<SignIn>) -> Result<Response, StatusCode> {
    let secret = format!("{:016x}{:016x}", random()?, random()?);
    app.sessions.lock().expect("nobody panics with it").insert(secret.clone(), name);
    let cookie = format!("app_session={secret}; Path=/; HttpOnly; SameSite=Lax");
    Ok(([(header::SET_COOKIE, cookie)], StatusCode::NO_CONTENT).into_response())
}

/// Vouches for who is signed in, for the SDK in the page.
async fn token(State(app): State<App>, User(name): User) -> Result<String, (StatusCode, String)> {
    let token = app.herenow.token(&name.to_lowercase()).name(&name).room("board-*").mint();
    token.map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))
}

async fn tasks(State(app): State<App>, User(_): User) -> Json<Vec<Task>> {
    Json(app.tasks.lock().expect("nobody panics with it").clone())
}

#[derive(Deserialize)]
struct NewTask {
    title: String,
}

/// Keeps a task, and tells everybody on the board.
async fn add_task(State(app): State<App>, User(by): User, Json(NewTask { title }): Json<NewTask>) -> Response {
    let task = Task { title, by };
    app.tasks.lock().expect("nobody panics with it").push(task.clone());
    match app.herenow.publish("board-1", "task_created", &task).await {
        Ok(()) => StatusCode::CREATED.into_response(),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
    }
}

/// Who is on the board, asked for in the process itself.
async fn who(State(app): State<App>) -> Json<Vec<String>> {
    let (viewers, _) = app.herenow.viewers("board-1", 100).await.expect("a good name");
    Json(viewers.iter().map(|viewer| viewer.profile.name.to_string()).collect())
}

fn random() -> Result<u64, StatusCode> {
    getrandom::u64().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}
