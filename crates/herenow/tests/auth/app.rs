//! An HTTP server that stands for the app, or for who signs its tokens: it answers as a test wants, and counts.
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

/// What the app is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// What the app answers.
#[derive(Clone, Debug)]
pub struct Says {
    pub status: u16,
    pub content_type: &'static str,
    pub body: String,
    /// Where it sends the asker instead, if anywhere.
    pub location: Option<String>,
    /// How long it takes; `None`: for ever.
    pub after: Option<Duration>,
}

impl Says {
    pub fn json(body: &Value) -> Self {
        Self::text(200, "application/json", &body.to_string())
    }

    pub fn text(status: u16, content_type: &'static str, body: &str) -> Self {
        Self { status, content_type, body: body.to_owned(), location: None, after: Some(Duration::ZERO) }
    }

    pub fn status(status: u16) -> Self {
        Self::text(status, "text/plain", "")
    }

    pub fn never() -> Self {
        Self { after: None, ..Self::status(200) }
    }

    pub fn after(self, after: Duration) -> Self {
        Self { after: Some(after), ..self }
    }

    pub fn redirect(to: &str) -> Self {
        Self { location: Some(to.to_owned()), ..Self::status(302) }
    }
}

type Answers = Arc<dyn Fn(&Asked) -> Says + Send + Sync>;

/// The server. It is gone, with all its connections, once it is dropped.
pub struct App {
    pub address: SocketAddr,
    answers: Arc<Mutex<Answers>>,
    calls: Arc<AtomicUsize>,
    running: JoinHandle<()>,
}

impl App {
    pub async fn start(answers: impl Fn(&Asked) -> Says + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), answers).await
    }

    pub async fn start_at(address: SocketAddr, answers: impl Fn(&Asked) -> Says + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (answers, calls) = (Arc::new(Mutex::new(Arc::new(answers) as Answers)), Arc::new(AtomicUsize::new(0)));
        let running = tokio::spawn(serve(listener, Arc::clone(&answers), Arc::clone(&calls)));
        Self { address, answers, calls, running }
    }

    /// Has it answer in another way from now on.
    pub fn says(&self, answers: impl Fn(&Asked) -> Says + Send + Sync + 'static) {
        *self.answers.lock().unwrap() = Arc::new(answers);
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// An address at which nobody listens.
    pub async fn nobody() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn serve(listener: TcpListener, answers: Arc<Mutex<Answers>>, calls: Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (answers, calls) = (Arc::clone(&answers), Arc::clone(&calls));
        let service = service_fn(move |request: Request<Incoming>| {
            let (answers, calls) = (Arc::clone(&answers), Arc::clone(&calls));
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                let body = serde_json::from_slice(&body).unwrap_or_default();
                let asked = Asked { method: parts.method.to_string(), headers: parts.headers, body };
                calls.fetch_add(1, Ordering::Relaxed);
                let says = Arc::clone(&*answers.lock().unwrap())(&asked);
                match says.after {
                    // What a slow app is like cannot be shown without time going by.
                    Some(after) => tokio::time::sleep(after).await,
                    None => std::future::pending().await,
                }
                let mut response = Response::new(Full::new(Bytes::from(says.body)));
                *response.status_mut() = StatusCode::from_u16(says.status).unwrap();
                response.headers_mut().insert(header::CONTENT_TYPE, says.content_type.parse().unwrap());
                if let Some(location) = says.location {
                    response.headers_mut().insert(header::LOCATION, location.parse().unwrap());
                }
                Ok::<_, Infallible>(response)
            }
        });
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
