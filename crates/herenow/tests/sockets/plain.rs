//! Clients without WebSocket: one that hears a stream of events, one that polls.
use crate::common::{LIMIT, TestServer, token};
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::{collections::VecDeque, net::SocketAddr};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
};

/// A request, the body as text.
#[derive(Clone)]
pub struct Ask {
    pub method: Method,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Ask {
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), headers: Vec::new(), body: String::new() }
    }

    pub fn post(path: impl Into<String>, body: impl Into<String>) -> Self {
        Self { method: Method::POST, body: body.into(), ..Self::get(path) }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With a good token of a user.
    pub fn bearing(self, user: &str) -> Self {
        self.with("authorization", format!("Bearer {}", token(user)))
    }

    fn request(self, host: &str) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(self.method).uri(self.path);
        if self.headers.iter().all(|(name, _)| *name != "host") {
            request = request.header("host", host);
        }
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(Bytes::from(self.body))).unwrap()
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The status and the code of a problem.
    #[track_caller]
    pub fn problem(&self) -> (u16, String) {
        let problem = self.json();
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert!(problem["title"].is_string() && problem["hint"].is_string() && problem["status"] == self.status);
        (self.status, problem["code"].as_str().unwrap().to_owned())
    }
}

/// An answer whose body has yet to be read, and the task that carries its connection.
struct Begun {
    status: u16,
    headers: HeaderMap,
    body: Incoming,
    carrier: JoinHandle<()>,
}

async fn begin<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(stream: S, ask: Ask, host: &str) -> Begun {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let carrier = tokio::spawn(async move {
        // How it ends is seen by who reads.
        let _ = connection.await;
    });
    let response = tokio::time::timeout(LIMIT * 4, sender.send_request(ask.request(host))).await;
    let (parts, body) = response.expect("an answer has to come").unwrap().into_parts();
    Begun { status: parts.status.as_u16(), headers: parts.headers, body, carrier }
}

/// Asks over a connection of its own.
pub async fn ask(server: &TestServer, ask: Ask) -> Answer {
    ask_at(server.address, ask).await
}

/// The same, without the server at hand.
pub async fn ask_at(address: SocketAddr, ask: Ask) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let begun = begin(stream, ask, &address.to_string()).await;
    let body = begun.body.collect().await.unwrap().to_bytes();
    begun.carrier.abort();
    Answer { status: begun.status, headers: begun.headers, text: String::from_utf8(body.to_vec()).unwrap() }
}

/// Says frames in a session; the answer to the request.
pub async fn send(server: &TestServer, session: &str, frames: &Value) -> Answer {
    ask(server, Ask::post("/send", frames.to_string()).with("herenow-session", session)).await
}

/// Says one frame in a session, which must be taken.
#[track_caller]
pub fn say<'a>(server: &'a TestServer, session: &'a str, frame: Value) -> impl Future<Output = ()> + 'a {
    let caller = std::panic::Location::caller();
    async move {
        let answer = send(server, session, &json!([frame])).await;
        assert_eq!((answer.status, answer.text.as_str()), (202, ""), "at {caller}");
    }
}

/// A client that hears a stream of events. Dropping it breaks its connection off.
pub struct Listener {
    body: Incoming,
    carrier: JoinHandle<()>,
    text: String,
    /// How many comments were heard.
    pub comments: usize,
    pub headers: HeaderMap,
    pub welcome: Value,
}

impl Listener {
    /// A user who was welcomed.
    pub async fn open(server: &TestServer, user: &str) -> Self {
        Self::open_as(server, Ask::get("/stream").bearing(user)).await
    }

    /// The same, going on with a session.
    pub async fn resume(server: &TestServer, user: &str, resume: &str) -> Self {
        Self::open_as(server, Ask::get(format!("/stream?resume={resume}")).bearing(user)).await
    }

    pub async fn open_as(server: &TestServer, ask: Ask) -> Self {
        let stream = TcpStream::connect(server.address).await.unwrap();
        Self::open_over(stream, ask, &server.address.to_string()).await
    }

    /// Over any stream.
    pub async fn open_over<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(s: S, ask: Ask, host: &str) -> Self {
        let Begun { status, headers, body, carrier } = begin(s, ask, host).await;
        assert_eq!((status, &headers["content-type"]), (200, &"text/event-stream".parse().unwrap()));
        let text = String::new();
        let mut listener = Self { body, carrier, text, comments: 0, headers, welcome: Value::Null };
        listener.welcome = listener.hear().await;
        assert_eq!(listener.welcome["type"], "welcome", "{}", listener.welcome);
        listener
    }

    /// What to name with what is sent.
    pub fn session(&self) -> String {
        self.welcome["send"].as_str().unwrap().to_owned()
    }

    pub fn secret(&self) -> String {
        self.welcome["resume"].as_str().unwrap().to_owned()
    }

    /// The next event, without what parts it from the next; `None` at the end of the stream.
    pub async fn event(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let event = event.to_owned();
                self.text = rest.to_owned();
                return Some(event);
            }
            let frame = tokio::time::timeout(LIMIT, self.body.frame()).await.expect("something has to come");
            match frame {
                Some(Ok(frame)) => self.text += std::str::from_utf8(&frame.into_data().unwrap()).unwrap(),
                Some(Err(_)) | None => {
                    assert_eq!(self.text, "", "the stream ends within an event");
                    return None;
                }
            }
        }
    }

    /// The next frame.
    pub async fn hear(&mut self) -> Value {
        self.hear_or_end().await.expect("the stream has ended")
    }

    pub async fn hear_or_end(&mut self) -> Option<Value> {
        loop {
            let event = self.event().await?;
            match event.strip_prefix("data: ") {
                Some(data) => return Some(serde_json::from_str(data).unwrap()),
                None => {
                    assert_eq!(event, ":");
                    self.comments += 1;
                }
            }
        }
    }

    /// The close code, after whatever is heard before; `None` where there is none in the last frame.
    pub async fn close_code(&mut self) -> Option<u64> {
        let mut last = Value::Null;
        while let Some(frame) = self.hear_or_end().await {
            last = frame;
        }
        assert_eq!(last["type"], "closed", "the last frame is {last}");
        last["code"].as_u64()
    }

    /// Breaks the connection off, whatever else holds it.
    pub fn abort(self) {
        drop(self);
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.carrier.abort();
    }
}

/// A client that polls.
pub struct Poller {
    /// The number of the last frame that was received.
    pub last: u64,
    heard: VecDeque<Value>,
    pub welcome: Value,
}

impl Poller {
    /// A user who was welcomed.
    pub async fn open(server: &TestServer, user: &str) -> Self {
        Self::open_as(server, Ask::get("/session-poll").bearing(user)).await
    }

    pub async fn resume(server: &TestServer, user: &str, resume: &str) -> Self {
        Self::open_as(server, Ask::get(format!("/session-poll?resume={resume}")).bearing(user)).await
    }

    pub async fn open_as(server: &TestServer, asked: Ask) -> Self {
        let mut poller = Self { last: 0, heard: VecDeque::new(), welcome: Value::Null };
        poller.take(&ask(server, asked).await);
        poller.welcome = poller.heard.pop_front().unwrap();
        assert_eq!(poller.welcome["type"], "welcome");
        poller
    }

    pub fn session(&self) -> String {
        self.welcome["send"].as_str().unwrap().to_owned()
    }

    pub fn secret(&self) -> String {
        self.welcome["resume"].as_str().unwrap().to_owned()
    }

    /// Asks for what comes after a number; the answer as it is.
    pub async fn poll(&self, server: &TestServer, after: u64) -> Answer {
        ask(server, self.asking(after)).await
    }

    pub fn asking(&self, after: u64) -> Ask {
        Ask::get(format!("/session-poll?after={after}")).with("herenow-session", self.session())
    }

    /// The next frame.
    pub async fn hear(&mut self, server: &TestServer) -> Value {
        while self.heard.is_empty() {
            let answer = self.poll(server, self.last).await;
            self.take(&answer);
        }
        self.heard.pop_front().unwrap()
    }

    fn take(&mut self, answer: &Answer) {
        assert_eq!((answer.status, &answer.headers["content-type"]), (200, &"application/json".parse().unwrap()));
        for pair in answer.json().as_array().unwrap() {
            assert_eq!(pair[0].as_u64().unwrap(), self.last + 1, "{pair}");
            self.last += 1;
            self.heard.push_back(pair[1].clone());
        }
    }
}
