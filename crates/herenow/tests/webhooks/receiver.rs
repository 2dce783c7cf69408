//! A backend that takes webhooks, and can be made to fail in each way there is.
use crate::common::{LIMIT, SECRET};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    routing::post,
};
use herenow::{auth::secret::Secret, webhooks::signature};
use serde_json::Value;
use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{net::TcpListener, runtime::Runtime};

/// What the receiver does with a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Mood {
    /// Takes it.
    Takes,
    /// Answers this, and forgets the call.
    Answers(u16),
    /// Is busy, and asks to be left alone for so many seconds.
    IsBusyFor(u16),
    /// Takes it, and says that it failed.
    TakesAndFails,
    /// Takes it, and answers with so many bytes.
    TakesWithBody(usize),
    /// Takes it, and answers with a body that does not end.
    TakesWithoutEnd,
    /// Never answers.
    Hangs,
    /// Refuses calls that hold this text.
    Refuses(&'static str),
}

#[derive(Default)]
struct Taken {
    /// All events, in the order in which they came, those that came again included.
    events: Vec<Value>,
    calls: usize,
    nodes: HashSet<String>,
    ids: HashSet<String>,
}

struct Book {
    taken: Mutex<Taken>,
    mood: Mutex<Mood>,
    secret: Mutex<String>,
}

/// A receiver on a port of its own, in a runtime of its own, so that it can die with all its connections.
pub struct Receiver {
    pub address: SocketAddr,
    book: Arc<Book>,
    runtime: Option<Runtime>,
}

impl Receiver {
    pub fn start() -> Self {
        let (taken, mood) = (Mutex::default(), Mutex::new(Mood::Takes));
        let book = Arc::new(Book { taken, mood, secret: Mutex::new(SECRET.to_owned()) });
        let (runtime, address) = serve("127.0.0.1:0".parse().unwrap(), Arc::clone(&book));
        Self { address, book, runtime: Some(runtime) }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub fn feel(&self, mood: Mood) {
        *self.book.mood.lock().unwrap() = mood;
    }

    /// Checks with another secret from now on.
    pub fn trust(&self, secret: &str) {
        secret.clone_into(&mut self.book.secret.lock().unwrap());
    }

    /// Ends, with all its connections.
    pub fn die(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Comes back at the same address.
    pub fn revive(&mut self) {
        self.runtime = Some(serve(self.address, Arc::clone(&self.book)).0);
    }

    pub fn calls(&self) -> usize {
        self.book.taken.lock().unwrap().calls
    }

    /// Waits until it was called this often.
    pub async fn wait_for_calls(&self, count: usize) {
        let began = Instant::now();
        while self.calls() < count {
            assert!(began.elapsed() < LIMIT, "{} of {count} calls", self.calls());
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// All events that were taken, those that came again included.
    pub fn all(&self) -> Vec<Value> {
        self.book.taken.lock().unwrap().events.clone()
    }

    /// The events that were taken, each once; two with one key are the same.
    #[track_caller]
    pub fn unique(&self) -> Vec<Value> {
        let mut unique: Vec<Value> = Vec::new();
        let mut known = std::collections::HashMap::new();
        for event in self.all() {
            let key = event["key"].as_str().unwrap().to_owned();
            match known.get(&key) {
                None => {
                    known.insert(key, unique.len());
                    unique.push(event);
                }
                Some(at) => assert_eq!(unique[*at], event, "two events have one key"),
            }
        }
        unique
    }

    /// Waits until this many different events were taken.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> impl Future<Output = Vec<Value>> {
        let caller = std::panic::Location::caller();
        async move {
            let began = Instant::now();
            loop {
                let events = self.unique();
                if events.len() >= count {
                    return events;
                }
                assert!(began.elapsed() < LIMIT, "at {caller}: {} of {count} events: {events:#?}", events.len());
                // A receiver is told by calls only; nothing else says that one has come.
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.die();
    }
}

fn serve(address: SocketAddr, book: Arc<Book>) -> (Runtime, SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (told, hears) = std::sync::mpsc::channel();
    runtime.spawn(async move {
        let began = Instant::now();
        let listener = loop {
            match TcpListener::bind(address).await {
                Ok(listener) => break listener,
                // The connections of the one before may be ending still.
                Err(error) => assert!(began.elapsed() < LIMIT, "{error}"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        };
        told.send(listener.local_addr().unwrap()).unwrap();
        let router = Router::new().route("/hook", post(take)).with_state(book);
        axum::serve(listener, router).await.unwrap();
    });
    let address = hears.recv_timeout(LIMIT).unwrap();
    (runtime, address)
}

async fn take(State(book): State<Arc<Book>>, headers: HeaderMap, body: Bytes) -> (StatusCode, HeaderMap, Body) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let secret = Secret::parse(&book.secret.lock().unwrap()).unwrap();
    let signed = headers.get(signature::HEADER).map(|value| value.to_str().unwrap()).unwrap_or_default();
    book.taken.lock().unwrap().calls += 1;
    if signature::verify(signed, &body, &secret, now).is_err() {
        return (StatusCode::UNAUTHORIZED, HeaderMap::new(), Body::empty());
    }
    assert_eq!(headers[header::CONTENT_TYPE], "application/json");
    let mood = book.mood.lock().unwrap().clone();
    let status = match &mood {
        Mood::Takes | Mood::TakesWithBody(_) | Mood::TakesWithoutEnd => StatusCode::OK,
        Mood::TakesAndFails => StatusCode::SERVICE_UNAVAILABLE,
        Mood::Answers(status) => return (StatusCode::from_u16(*status).unwrap(), HeaderMap::new(), Body::empty()),
        Mood::IsBusyFor(seconds) => {
            let headers = [(header::RETRY_AFTER, (*seconds).into())].into_iter().collect();
            return (StatusCode::SERVICE_UNAVAILABLE, headers, Body::empty());
        }
        Mood::Hangs => return std::future::pending().await,
        Mood::Refuses(text) if String::from_utf8_lossy(&body).contains(*text) => {
            return (StatusCode::BAD_REQUEST, HeaderMap::new(), Body::empty());
        }
        Mood::Refuses(_) => StatusCode::OK,
    };
    let call: Value = serde_json::from_slice(&body).unwrap();
    let mut taken = book.taken.lock().unwrap();
    assert!(taken.ids.insert(call["id"].as_str().unwrap().to_owned()), "each call has an id of its own");
    taken.nodes.insert(call["node"].as_str().unwrap().to_owned());
    assert!(call["sent_at_ms"].as_u64().unwrap() / 1000 >= now - 60);
    taken.events.extend(call["events"].as_array().unwrap().iter().cloned());
    let body = match mood {
        Mood::TakesWithBody(bytes) => Body::from(vec![b'x'; bytes]),
        Mood::TakesWithoutEnd => Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>()),
        _ => Body::empty(),
    };
    (status, HeaderMap::new(), body)
}
