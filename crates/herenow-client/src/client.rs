//! The typed client: requests with answers, and a stream of everything else.
//!
//! Time limits are the only clock here: no reconnecting, no renewing of typing leases.
use crate::{
    detail::Point,
    driver::{Driver, Order, Waiting, unreadable},
    error::{ConnectError, Ended, RequestError},
    frame::{Ack, Diff, Pong, Roster, ServerFrame, Version, Welcome},
    request::{Addressing, Join, Request},
    socket::{self, Dial, Socket},
};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

/// Starts a connection to `ws://host:port/ws` (or `http://...`) in the native dialect.
pub fn connect(url: &str) -> Connector {
    let mut dial = Dial::new(url);
    dial.protocols.push(PROTOCOL.to_owned());
    Connector { dial, token: None, resume: None, answer_limit: Duration::from_secs(10), events_max: 65_536 }
}

/// The subprotocol of the native dialect.
pub const PROTOCOL: &str = "herenow.v1";

/// What is settled before a connection is opened.
#[derive(Clone, Debug)]
pub struct Connector {
    dial: Dial,
    token: Option<String>,
    resume: Option<String>,
    answer_limit: Duration,
    events_max: usize,
}

impl Connector {
    /// Says who this is, in a first frame `auth`. Without it, a header or the address has to.
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Continues an earlier session by the secret of its welcome. Takes effect only together with a token.
    pub fn resume(mut self, resume: &str) -> Self {
        self.resume = Some(resume.to_owned());
        self
    }

    /// Adds a request header; it replaces one of the same name.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.dial.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// How long connecting and upgrading may take, and then the welcome. Default 10 s each.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.dial.limit = limit;
        self
    }

    /// How long each answer may take. Default 10 s.
    pub fn answer_limit(mut self, limit: Duration) -> Self {
        self.answer_limit = limit;
        self
    }

    /// How many events may wait for the caller; one more ends the connection. Default 65,536, at least 1.
    pub fn events_max(mut self, events_max: usize) -> Self {
        self.events_max = events_max.max(1);
        self
    }

    /// Connects, says who this is and waits for the welcome.
    ///
    /// # Errors
    /// Where the address, the network or the server does not allow it.
    pub async fn open(self) -> Result<(Client, Events), ConnectError> {
        let (mut socket, _) = self.dial.open().await?;
        let limit = self.dial.limit;
        let welcoming = self.welcome(&mut socket);
        let welcome = tokio::time::timeout(limit, welcoming).await.map_err(|_| ConnectError::TimedOut { limit })??;
        let (orders, orders_in) = mpsc::channel(ORDERS_MAX);
        let (events_out, events) = mpsc::channel(self.events_max);
        let ended = Arc::new(OnceLock::new());
        let driver = Driver {
            socket,
            orders: orders_in,
            events: Some(events_out),
            events_max: self.events_max,
            waiting: BTreeMap::new(),
        };
        tokio::spawn(driver.run(Arc::clone(&ended)));
        let client = Client {
            orders,
            ended: Arc::clone(&ended),
            next_id: Arc::new(AtomicU64::new(1)),
            answer_limit: self.answer_limit,
            welcome: Arc::new(welcome),
        };
        Ok((client, Events { events, ended }))
    }

    async fn welcome(&self, socket: &mut Socket) -> Result<Welcome, ConnectError> {
        if let Some(token) = &self.token {
            let auth = Request::Auth { token, resume: self.resume.as_deref() }.to_text(None);
            let sent = socket.send(Message::text(auth)).await;
            sent.map_err(|error| ConnectError::Ended(socket::cut(Some(error))))?;
        }
        loop {
            let text = match socket.next().await {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Close(frame))) => return Err(ConnectError::Ended(socket::closed(frame))),
                Some(Ok(Message::Binary(_))) => return Err(ConnectError::NotWelcome { text: "(binary)".to_owned() }),
                Some(Err(error)) => return Err(ConnectError::Ended(socket::cut(Some(error)))),
                None => return Err(ConnectError::Ended(socket::cut(None))),
            };
            return match ServerFrame::parse(&text) {
                Ok(ServerFrame::Welcome(welcome)) => Ok(welcome),
                Ok(ServerFrame::Error(error)) => Err(ConnectError::Refused(Box::new(error))),
                Ok(_) => Err(ConnectError::NotWelcome { text: text.to_string() }),
                Err(error) => Err(ConnectError::Ended(unreadable(&text, &error))),
            };
        }
    }
}

/// An open connection. Clones share it; when the last is dropped the connection is closed with 1000.
#[derive(Clone, Debug)]
pub struct Client {
    orders: mpsc::Sender<Order>,
    ended: Arc<OnceLock<Ended>>,
    next_id: Arc<AtomicU64>,
    answer_limit: Duration,
    welcome: Arc<Welcome>,
}

/// Answer to a join or a sync. A roster or diff also comes as an event, in its place among the others.
#[derive(Clone, Debug, PartialEq)]
pub enum Synced {
    /// The whole truth.
    Roster(Roster),
    /// What was missed since the version that the request named.
    Diff(Diff),
    /// Done, and no list: the room or the interest is one that tells counts, which come as an event, or nothing.
    Acked(Ack),
}

impl Client {
    /// The server's first frame: the session, its resume secret, who this is.
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// Enters a room as a viewer.
    ///
    /// # Errors
    /// Where the server refuses, or does not answer.
    pub async fn join(&self, room: &str) -> Result<Synced, RequestError> {
        self.join_as(room, &Join::default()).await
    }

    /// Enters a room, with options.
    ///
    /// # Errors
    /// Where the server refuses, or does not answer.
    pub async fn join_as(&self, room: &str, join: &Join) -> Result<Synced, RequestError> {
        synced(self.request(&Request::Join { room, join }).await?)
    }

    /// Leaves a room.
    ///
    /// # Errors
    /// Where the server refuses, or does not answer.
    pub async fn leave(&self, room: &str) -> Result<Ack, RequestError> {
        acked(self.request(&Request::Leave { room }).await?)
    }

    /// Says that a key was pressed; `target` is a card or a field, `None` the room as a whole. Good for 6 s.
    ///
    /// # Errors
    /// Where the server refuses, or does not answer.
    pub async fn typing(&self, room: &str, target: Option<&str>) -> Result<Ack, RequestError> {
        acked(self.request(&Request::Typing { room, target }).await?)
    }

    /// Says that typing is over.
    ///
    /// # Errors
    /// Where the server refuses, or does not answer.
    pub async fn stop_typing(&self, room: &str, target: Option<&str>) -> Result<Ack, RequestError> {
        acked(self.request(&Request::StopTyping { room, target }).await?)
    }

    /// Merges a patch into this session's state in a room; a null deletes its key.
    ///
    /// # Errors
    /// Where the server refuses, or does not answer.
    pub async fn update(&self, room: &str, state: &Map<String, Value>) -> Result<Ack, RequestError> {
        acked(self.request(&Request::Update { room, state }).await?)
    }

    /// Says where this session's pointer is; `None` hides it.
    ///
    /// # Errors
    /// Where the server refuses, or does not answer.
    pub async fn cursor(&self, room: &str, at: Option<&Point>) -> Result<Ack, RequestError> {
        acked(self.request(&Request::Cursor { room, at }).await?)
    }

    /// Asks for a lock; `wait` gets in line where another session holds it. The answer says in `held` whether this
    /// session holds it, and in `fence` the number of whoever does; a lock that passes on comes as an event.
    ///
    /// # Errors
    /// Where the server refuses, or does not answer.
    pub async fn lock(&self, room: &str, name: &str, wait: bool) -> Result<Ack, RequestError> {
        acked(self.request(&Request::Lock { room, name, wait }).await?)
    }

    /// Gives a lock back, or a place in the line for it.
    ///
    /// # Errors
    /// Where the server refuses, or does not answer.
    pub async fn unlock(&self, room: &str, name: &str) -> Result<Ack, RequestError> {
        acked(self.request(&Request::Unlock { room, name }).await?)
    }

    /// Asks whether users are online, 1 to 1,000 at once, and for each change of that: both come as events.
    ///
    /// # Errors
    /// Where the server refuses, or does not answer.
    pub async fn watch(&self, users: &[&str]) -> Result<Ack, RequestError> {
        acked(self.request(&Request::Watch { users }).await?)
    }

    /// Asks for no more news of users.
    ///
    /// # Errors
    /// Where the server refuses, or does not answer.
    pub async fn unwatch(&self, users: &[&str]) -> Result<Ack, RequestError> {
        acked(self.request(&Request::Unwatch { users }).await?)
    }

    /// Sends a passing event to the others in a room.
    ///
    /// # Errors
    /// Where the server refuses, or does not answer.
    pub async fn message(&self, room: &str, event: &str, data: &Value) -> Result<Ack, RequestError> {
        let send = &Addressing::default();
        acked(self.request(&Request::Message { room, event, data, send }).await?)
    }

    /// Asks for the roster again, or for what was missed since a version.
    ///
    /// # Errors
    /// Where the server refuses, or does not answer.
    pub async fn sync(&self, room: &str, since: Option<&Version>) -> Result<Synced, RequestError> {
        synced(self.request(&Request::Sync { room, since }).await?)
    }

    /// Asks for the server's clock: everything sent before it was read by the server when the answer comes.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn ping(&self) -> Result<Pong, RequestError> {
        match self.request(&Request::Ping).await? {
            ServerFrame::Pong(pong) => Ok(pong),
            other => Err(RequestError::Unexpected(Box::new(other))),
        }
    }

    /// Sends a request with a number on it and waits for the frame that carries it back. An answer to a ping needs no
    /// number: the oldest ping gets it.
    ///
    /// # Errors
    /// Where the server answers with an error frame, or not at all.
    pub async fn request(&self, request: &Request<'_>) -> Result<ServerFrame, RequestError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { is_ping: matches!(request, Request::Ping), answer };
        let asking = async {
            let order = Order::Ask { text: request.to_text(Some(id)), id, waiting };
            self.orders.send(order).await.ok()?;
            answered.await.ok()
        };
        let limit = self.answer_limit;
        match tokio::time::timeout(limit, asking).await {
            Ok(Some(ServerFrame::Error(error))) => Err(RequestError::Refused(Box::new(error))),
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => Err(RequestError::Ended(how(&self.ended))),
            Err(_) => {
                // A full queue means that the driver itself is stuck; then there is nobody to tell.
                let _ = self.orders.try_send(Order::Forget { id });
                Err(RequestError::TimedOut { limit })
            }
        }
    }

    /// Sends a text as it is; what it brings about comes as events. An `id` in it should be a text: numbers are for
    /// [`Self::request`].
    ///
    /// # Errors
    /// Where the connection has ended.
    pub async fn send_raw(&self, text: &str) -> Result<(), Ended> {
        self.orders.send(Order::Send { text: text.to_owned() }).await.map_err(|_| how(&self.ended))
    }

    /// Closes with a code (`None`: without one), and returns when the connection is gone, after 5 s at most.
    pub async fn close(self, code: Option<u16>) {
        if self.orders.send(Order::Close { code }).await.is_ok() {
            self.orders.closed().await;
        }
    }

    /// Cuts the connection with a TCP reset and no close frame, and returns when that is done.
    pub async fn abort(self) {
        if self.orders.send(Order::Abort).await.is_ok() {
            self.orders.closed().await;
        }
    }
}

/// Everything that the server says unasked, and each roster and diff, in the order in which it came.
///
/// Dropping it makes the client throw events away.
#[derive(Debug)]
pub struct Events {
    events: mpsc::Receiver<ServerFrame>,
    ended: Arc<OnceLock<Ended>>,
}

impl Events {
    /// The next event. Losing the wait loses nothing.
    ///
    /// # Errors
    /// Once the connection has ended and all events before that are taken: how it ended.
    pub async fn next(&mut self) -> Result<ServerFrame, Ended> {
        self.events.recv().await.ok_or_else(|| how(&self.ended))
    }

    /// The next event if it is there within `limit`, else `None`.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn next_within(&mut self, limit: Duration) -> Result<Option<ServerFrame>, Ended> {
        tokio::time::timeout(limit, self.next()).await.map_or(Ok(None), |next| next.map(Some))
    }
}

fn synced(frame: ServerFrame) -> Result<Synced, RequestError> {
    match frame {
        ServerFrame::Roster(roster) => Ok(Synced::Roster(roster)),
        ServerFrame::Diff(diff) => Ok(Synced::Diff(diff)),
        ServerFrame::Ack(ack) => Ok(Synced::Acked(ack)),
        other => Err(RequestError::Unexpected(Box::new(other))),
    }
}

fn acked(frame: ServerFrame) -> Result<Ack, RequestError> {
    match frame {
        ServerFrame::Ack(ack) => Ok(ack),
        other => Err(RequestError::Unexpected(Box::new(other))),
    }
}

fn how(ended: &OnceLock<Ended>) -> Ended {
    ended.get().cloned().unwrap_or(Ended::Local)
}

/// Orders that may wait for the driver; more make the handles wait.
const ORDERS_MAX: usize = 64;
