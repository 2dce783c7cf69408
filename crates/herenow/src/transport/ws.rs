//! WebSocket: the upgrade, and the task that reads a connection, writes what waits for it, and sees to its end.
use crate::{
    auth::{
        authority::{Credential, Verdict},
        source::query_value,
    },
    connection::{Connection, ConnectionSetup, SLICES_MAX, Socket},
    outbox::Outbox,
    presence::Presence,
    problem::Problem,
    transport::{
        conversation::{Conversation, Inputs, Pause},
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
use hyper_util::rt::TokioIo;
use std::{
    cell::RefCell,
    future::poll_fn,
    io::{self, IoSlice},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::net::TcpStream;

/// `GET /ws`: upgrades to a WebSocket in the dialect of the offered subprotocol.
///
/// A token that is no good does not refuse the upgrade, because a browser could not read why: the connection says it in
/// an error frame and closes.
pub async fn upgrade(State(presence): State<Presence>, mut request: Request<Body>) -> Response {
    let upgrading = hyper::upgrade::on(&mut request);
    let (parts, _body) = request.into_parts();
    let (choice, key) = match offer(&parts) {
        Ok(offer) => offer,
        Err(problem) => return refused(problem),
    };
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
        match upgraded.downcast::<TokioIo<TcpStream>>() {
            // A task of its own, so that what the upgrade needed is not kept for as long as the connection lives.
            Ok(tcp) => {
                open(opening, Socket::Tcp(tcp.io.into_inner()), Stream::Shared, tcp.read_buf);
            }
            Err(other) => {
                let stream = Stream::Owned(Box::pin(TokioIo::new(other)));
                open(opening, Socket::Owned, stream, Bytes::new());
            }
        }
    });
    accepted(&key, choice)
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

fn refused(problem: Problem) -> Response {
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
    let mut conversation = Box::new(Conversation::new(presence, connection));
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
    tokio::spawn(async move {
        let _counted = admission;
        let mut stream = stream;
        let how = loop {
            while let Some(pause) = conversation.take_pause() {
                Box::pin(sit_out(&mut conversation, pause, &mut inputs)).await;
            }
            if let Some(held_back) = tell_now(&conversation, &mut inputs) {
                Box::pin(tell(&conversation, held_back)).await;
            }
            if let Some(due) = conversation.held_until() {
                // In a box, because hardly any connection ever needs it.
                let wait = due.since(conversation.presence().clock().now());
                let work = poll_fn(|cx| poll_work(&mut conversation, &mut stream, &mut inputs, cx));
                match Box::pin(tokio::time::timeout(wait, work)).await {
                    Ok(Some(how)) => break how,
                    Ok(None) => {}
                    Err(_due) => conversation.release_held(&mut inputs),
                }
            } else if let Some(how) = poll_fn(|cx| poll_work(&mut conversation, &mut stream, &mut inputs, cx)).await {
                break how;
            }
        };
        Box::pin(end(*conversation, stream, how)).await;
    });
}

/// Waits until what the talk waits for is known, and goes on with it.
async fn sit_out(conversation: &mut Conversation, pause: Pause, inputs: &mut Inputs) {
    match pause {
        Pause::Contest(contest) => {
            let is_alive = probe(conversation, contest.holder()).await;
            conversation.settle_contest(contest, is_alive, inputs);
        }
        Pause::Inquiry(inquiry, heard) => {
            conversation.presence().settle(&inquiry).await;
            conversation.go_on(heard, inputs);
        }
    }
}

/// Asks the connection that holds a session for a sign of life; whether it gives one in time.
async fn probe(conversation: &Conversation, holder: &Connection) -> bool {
    let clock = conversation.presence().clock();
    let sign = async {
        // Times are whole milliseconds, and an answer may come within one: so nothing else must have come in that of the ping.
        while holder.heard_at() >= clock.now() {
            tokio::time::sleep(CLOCK_STEP).await;
        }
        let asked_at = clock.now();
        holder.send_one(PROBE, asked_at);
        while holder.heard_at() < asked_at && holder.farewell().is_none() {
            tokio::time::sleep(PROBE_LOOK).await;
        }
        // What was heard may be its close, which is a sign of life only until it is understood.
        tokio::time::sleep(PROBE_LOOK).await;
        holder.farewell().is_none()
    };
    tokio::time::timeout(PROBE_TIMEOUT, sign).await.unwrap_or(false)
}

/// Tells the shards as long as none has a full inbox; what is left then.
fn tell_now(conversation: &Conversation, inputs: &mut Inputs) -> Option<Inputs> {
    let mut rest = std::mem::take(inputs).into_iter();
    while let Some((shard, input)) = rest.next() {
        if let Err(input) = conversation.presence().try_tell(shard, input) {
            return Some(std::iter::once((shard, input)).chain(rest).collect());
        }
    }
    None
}

/// Tells the shards; waits for those that have a full inbox, which holds back who sends.
async fn tell(conversation: &Conversation, inputs: Inputs) {
    for (shard, input) in inputs {
        conversation.presence().tell(shard, input).await;
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
/// A ping, which the peer's browser answers by itself.
const PROBE: Bytes = Bytes::from_static(&[0x89, 0]);
/// How long the holder of a session may take to show that it is there.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
const PROBE_LOOK: Duration = Duration::from_millis(20);
/// How exact times are.
const CLOCK_STEP: Duration = Duration::from_millis(1);
/// How long a connection that was closed may take to say goodbye.
const LINGER: Duration = Duration::from_secs(2);
