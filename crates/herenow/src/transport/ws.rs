//! WebSocket: the upgrade, and the task that reads a connection, writes what waits for it, and sees to its end.
use crate::{
    auth::{
        authority::{Credential, Verdict},
        source::query_value,
    },
    connection::{Connection, ConnectionSetup, SLICES_MAX, Socket},
    handover::Lent,
    outbox::Outbox,
    patience,
    presence::{Admission, Presence},
    problem::Problem,
    transport::{
        conversation::{Conversation, Inputs},
        relay::{ask_others, probe, tell},
        stream::Stream,
    },
};
use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use herenow_core::{command::Ending, id::SessionId, time::Time};
use herenow_wire::{
    dialect::{Choice, Dialect},
    websocket::handshake,
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version, header, request::Parts};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::{
    cell::RefCell,
    future::poll_fn,
    io::{self, IoSlice},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

/// `GET /ws`: upgrades to a WebSocket in the dialect of the offered subprotocol.
///
/// A token that is no good does not refuse the upgrade, because a browser could not read why: the connection says it in
/// an error frame and closes.
pub async fn upgrade(State(presence): State<Presence>, mut request: Request<Body>) -> Response {
    let upgrading = hyper::upgrade::on(&mut request);
    let (parts, _body) = request.into_parts();
    let (choice, key) = match offer(&parts) {
        Ok(offer) => offer,
        Err(problem) => return refused(&presence, problem),
    };
    if let Err(problem) = presence.let_in(&parts) {
        return refused(&presence, problem);
    }
    let session = match getrandom::u64() {
        Ok(number) => SessionId(number),
        Err(error) => {
            tracing::error!(%error, "no random number for a session");
            let problem =
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "server.no_random", "no session id could be drawn");
            return problem.into_response();
        }
    };
    let credential = presence.credential(&parts);
    let resume = query_value(&parts.uri, "resume");
    tokio::spawn(async move {
        let Ok(upgraded) = upgrading.await else { return };
        // The app may have to be asked. Nothing is read meanwhile, and nothing of the waiting is kept.
        let known = identify(&presence, credential).await;
        let opening = Opening { presence, session, dialect: choice.dialect, known, resume };
        // A task of its own, so that what the upgrade needed is not kept for as long as the connection lives.
        let upgraded = match taken_back::<TcpStream>(upgraded) {
            Ok((stream, early)) => {
                // Pings tell who is gone, and who reads slowly may take longer.
                patience::end_when_unacknowledged(&stream, None);
                return open(opening, Socket::Tcp(stream), Stream::Shared, early);
            }
            Err(other) => other,
        };
        match taken_back::<TlsStream<TcpStream>>(upgraded) {
            Ok((stream, early)) => {
                patience::end_when_unacknowledged(stream.get_ref().0, None);
                open(opening, Socket::Owned, Stream::owned(stream), early);
            }
            Err(other) => open(opening, Socket::Owned, Stream::owned(TokioIo::new(other)), Bytes::new()),
        }
    });
    accepted(&key, choice)
}

/// The stream below an upgraded connection, be it that of this server or of an app that embeds it, and what was read of it
/// already.
///
/// # Errors
/// Where it is another kind of stream.
pub fn taken_back<S>(upgraded: Upgraded) -> Result<(S, Bytes), Upgraded>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let upgraded = match upgraded.downcast::<TokioIo<Lent<S>>>() {
        Ok(parts) => return Ok((parts.io.into_inner().into_stream(), parts.read_buf)),
        Err(other) => other,
    };
    upgraded.downcast::<TokioIo<S>>().map(|parts| (parts.io.into_inner(), parts.read_buf))
}

/// What is known of a connection before its first byte.
struct Opening {
    presence: Presence,
    session: SessionId,
    dialect: Dialect,
    known: Verdict,
    /// The session that it wants to go on with.
    resume: Option<String>,
}

/// Checks that a request is an upgrade to WebSocket that is understood here; the dialect and the key to answer.
///
/// # Errors
/// 426 where it is no upgrade or of another version, 400 where it has a body, says something twice, or the key or the
/// offered subprotocols are no good.
pub fn offer(parts: &Parts) -> Result<(Choice, String), Problem> {
    let bad = |code, title: &'static str| Problem::new(StatusCode::BAD_REQUEST, code, title);
    if parts.method != Method::GET || parts.version != Version::HTTP_11 || !is_upgrade(&parts.headers) {
        let problem =
            Problem::new(StatusCode::UPGRADE_REQUIRED, "ws.not_an_upgrade", "this address speaks WebSocket only");
        return Err(
            problem.hint("connect with `new WebSocket(\"ws://.../ws\")`; a proxy must pass the Upgrade header on")
        );
    }
    check_unambiguous(&parts.headers)?;
    if text(&parts.headers, &header::SEC_WEBSOCKET_VERSION) != Some("13") {
        let problem =
            Problem::new(StatusCode::UPGRADE_REQUIRED, "ws.version", "only version 13 of WebSocket is spoken here");
        return Err(problem.hint("send `Sec-WebSocket-Version: 13`"));
    }
    let key = text(&parts.headers, &header::SEC_WEBSOCKET_KEY).filter(|key| handshake::is_key(key));
    let Some(key) = key else {
        let problem = bad("ws.key", "the header Sec-WebSocket-Key is missing or not 16 bytes in base64");
        return Err(problem.hint("use a WebSocket client; it makes the key"));
    };
    let offered: Vec<&str> =
        parts.headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok()).collect();
    let offered = offered.join(",");
    let choice = Dialect::from_subprotocol((!offered.is_empty()).then_some(offered.as_str())).map_err(|unknown| {
        let problem = bad("ws.subprotocol", "none of the offered subprotocols is spoken here");
        problem.detail(unknown.to_string()).hint("offer `herenow.v1` or `board.v1`, or none for the latter")
    })?;
    Ok((choice, key.to_owned()))
}

/// Refuses a request that a proxy in front may have read in another way than this server: where it ends, or what it says.
fn check_unambiguous(headers: &HeaderMap) -> Result<(), Problem> {
    let bad = |code, title: &'static str| Problem::new(StatusCode::BAD_REQUEST, code, title);
    let is_empty = text(headers, &header::CONTENT_LENGTH).is_none_or(|length| length == "0");
    if !is_empty || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(bad("ws.body", "an upgrade has no body").hint("leave Content-Length and Transfer-Encoding out"));
    }
    for name in [header::HOST, header::SEC_WEBSOCKET_KEY, header::SEC_WEBSOCKET_VERSION] {
        if headers.get_all(&name).iter().count() > 1 {
            let problem = bad("ws.header_twice", "a header is there twice").detail(format!("{name} is there twice"));
            return Err(problem.hint("send each header of the handshake once"));
        }
    }
    Ok(())
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    let lists =
        |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(','));
    let names = |name, word: &str| lists(name).any(|item| item.trim().eq_ignore_ascii_case(word));
    names(header::CONNECTION, "upgrade") && names(header::UPGRADE, "websocket")
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Who the request says it is.
async fn identify(presence: &Presence, credential: Credential) -> Verdict {
    match credential {
        Credential::Nothing => Verdict { who: None, cookie: None },
        credential => presence.identify(credential).await,
    }
}

/// The answer to an upgrade that was understood: 101.
pub fn accepted(key: &str, choice: Choice) -> Response {
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let accept = HeaderValue::try_from(handshake::accept_key(key)).expect("base64 is a header value");
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(echo) = choice.echo {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(echo));
    }
    response
}

fn refused(presence: &Presence, problem: Problem) -> Response {
    presence.tallies().note_refused(problem.code);
    let is_upgrade = problem.status == StatusCode::UPGRADE_REQUIRED;
    let mut response = problem.into_response();
    if is_upgrade {
        response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    response
}

/// Serves a connection from its first byte to its last, in a task of its own. What is needed only at the start stays
/// out of that task, and what is needed only at the end is boxed: both would count for as long as the connection lives.
fn open(opening: Opening, socket: Socket, stream: Stream, early: Bytes) {
    let Opening { presence, session, dialect, known, resume } = opening;
    let now = presence.clock().now();
    let outbox_bytes_max = presence.settings().outbox_bytes_max;
    let connection = Arc::new(Connection::new(ConnectionSetup { session, dialect, socket, outbox_bytes_max, now }));
    let mut conversation = Conversation::new(presence, connection);
    let mut inputs = Inputs::new();
    let Verdict { who, cookie } = known;
    let vouched = cookie.zip(who.as_ref().and_then(|who| who.as_ref().ok()).cloned());
    conversation.greet(who, resume, &mut inputs);
    if let Some((cookie, identity)) = vouched {
        conversation.presence().hold_cookie(cookie, &identity, conversation.connection());
    }
    if !early.is_empty() {
        conversation.take(&mut early.to_vec(), &mut inputs);
    }
    let admission = conversation.presence().admit(conversation.connection());
    conversation.tell_now(inputs);
    let mut live = Live { admission, conversation, stream };
    tokio::spawn(async move {
        let how = loop {
            if live.conversation.needs_care() {
                // In a box, because a connection hardly ever needs it.
                if let Some(how) = Box::pin(live.care()).await {
                    break how;
                }
            } else if let Some(how) = poll_fn(|cx| live.poll_work(cx)).await {
                break how;
            }
        };
        Box::pin(live.end(how)).await;
    });
}

/// A connection as its task keeps it, as long as it lives: small, and in one piece.
struct Live {
    admission: Admission,
    conversation: Conversation,
    stream: Stream,
}

impl Live {
    /// Does what is seldom needed, and where something is held, waits for work until that goes on. `Some` with how the
    /// connection ended.
    async fn care(&mut self) -> Option<Ending> {
        let unsaid = self.conversation.take_unsaid();
        tell(&self.conversation, unsaid).await;
        let mut inputs = Inputs::new();
        ask_others(&mut self.conversation, &mut inputs).await;
        tell(&self.conversation, std::mem::take(&mut inputs)).await;
        if let Some(contest) = self.conversation.take_contest() {
            let is_alive = probe(self.conversation.presence().clock(), contest.holder()).await;
            self.conversation.settle_contest(contest, is_alive, &mut inputs);
        } else if let Some(due) = self.conversation.held_until() {
            let wait = due.since(self.conversation.presence().clock().now());
            match tokio::time::timeout(wait, poll_fn(|cx| self.poll_work(cx))).await {
                Ok(ended) => return ended,
                Err(_due) => self.conversation.release_held(&mut inputs),
            }
        }
        self.conversation.tell_now(inputs);
        None
    }

    /// Waits for something to do, and does it: `Some` with how the connection ended.
    fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<Option<Ending>> {
        let mut inputs = Inputs::new();
        let done = poll_work(&mut self.conversation, &mut self.stream, &mut inputs, cx);
        self.conversation.tell_now(inputs);
        done
    }

    /// Says that it is over, and ends the stream in good order.
    async fn end(self, how: Ending) {
        let Self { admission, mut conversation, stream } = self;
        let unsaid = conversation.take_unsaid();
        tell(&conversation, unsaid).await;
        end(conversation, stream, how).await;
        drop(admission);
    }
}

async fn end(mut conversation: Conversation, stream: Stream, how: Ending) {
    // Where the peer ended it without a word: whoever probes it need not wait. It keeps a farewell that it has.
    conversation.connection().abort(how, conversation.presence().clock().now());
    conversation.end(how).await;
    tracing::debug!(session = %conversation.connection().session(), ?how, "connection ended");
    if conversation.connection().farewell().is_some_and(|farewell| farewell.with_close) {
        // Without this wait, a close frame could be lost to a reset: the peer may still be sending.
        let _ = tokio::time::timeout(LINGER, linger(conversation, stream)).await;
    }
}

/// Waits for something to do, and does it: `Some` with how the connection ended, `None` where `inputs` may have grown.
fn poll_work(
    conversation: &mut Conversation,
    stream: &mut Stream,
    inputs: &mut Inputs,
    cx: &mut Context<'_>,
) -> Poll<Option<Ending>> {
    let now = conversation.presence().clock().now();
    let outbox_work = conversation.connection().poll_outbox(cx, |outbox, cx| {
        if let Some(farewell) = outbox.farewell() {
            return Poll::Ready(Some(farewell.how));
        }
        match poll_drain(conversation.connection(), outbox, stream, cx, now) {
            Poll::Ready(Err(_broken)) => Poll::Ready(Some(Ending::Lost)),
            Poll::Ready(Ok(())) if outbox.take_caught_up() => Poll::Ready(None),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    });
    match outbox_work {
        Poll::Ready(None) => {
            conversation.catch_up(inputs);
            return Poll::Ready(None);
        }
        Poll::Ready(ended) => return Poll::Ready(ended),
        Poll::Pending => {}
    }
    READ_BUFFER.with_borrow_mut(|buffer| {
        match std::task::ready!(stream.poll_read(conversation.connection(), cx, buffer)) {
            Ok(0) | Err(_) => Poll::Ready(Some(Ending::Lost)),
            Ok(bytes) => {
                conversation.take(&mut buffer[..bytes], inputs);
                Poll::Ready(None)
            }
        }
    })
}

/// Writes what waits, until the stream takes no more; ready where nothing is left.
fn poll_drain(
    connection: &Connection,
    outbox: &mut Outbox,
    stream: &mut Stream,
    cx: &mut Context<'_>,
    now: Time,
) -> Poll<io::Result<()>> {
    while !outbox.is_empty() {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let count = outbox.slices(&mut slices);
        let written = ready!(stream.poll_write(connection, cx, &slices[..count]))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        outbox.advance(written, now);
        connection.note_taken(now);
    }
    stream.poll_flush(cx)
}

/// Writes the rest, ends the stream, and reads on until the peer has closed as well. Nothing that it says is heard any
/// more.
async fn linger(conversation: Conversation, mut stream: Stream) {
    let connection = Arc::clone(conversation.connection());
    let now = conversation.presence().clock().now();
    drop(conversation);
    let written =
        poll_fn(|cx| connection.poll_outbox(cx, |outbox, cx| poll_drain(&connection, outbox, &mut stream, cx, now)));
    if written.await.is_err() {
        return;
    }
    // The peer waits for this: RFC 6455 has the server end the stream, and browsers tell no page of a close before it.
    if poll_fn(|cx| stream.poll_shutdown(&connection, cx)).await.is_err() {
        return;
    }
    let over = poll_fn(|cx| {
        READ_BUFFER.with_borrow_mut(|buffer| {
            loop {
                match ready!(stream.poll_read(&connection, cx, buffer)) {
                    Ok(0) | Err(_) => return Poll::Ready(()),
                    Ok(_unheard) => {}
                }
            }
        })
    });
    over.await;
}

thread_local! {
    /// Where bytes are read to: one buffer a thread instead of one a connection.
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES_MAX]);
}

/// Bytes that one read takes at the most.
const READ_BYTES_MAX: usize = 64 * 1024;
/// How long a connection that was closed may take to say goodbye.
const LINGER: Duration = Duration::from_secs(2);
