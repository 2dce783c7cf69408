//! The clients against a scripted server on a real socket.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]
use futures_util::{SinkExt, StreamExt};
use herenow_client::{
    client::{self, Client, Events, Synced},
    detail::Point,
    error::{ConnectError, Ended, RequestError},
    frame::ServerFrame,
    raw::{self, RawError, RawFrame},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
    },
};

const LIMIT: Duration = Duration::from_secs(5);

struct Server {
    socket: WebSocketStream<TcpStream>,
}

impl Server {
    /// Accepts one connection and hands it to a script.
    async fn start<F>(script: impl FnOnce(Self) -> F + Send + 'static) -> (String, JoinHandle<F::Output>)
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let socket = accept_hdr_async(stream, choose_protocol).await.unwrap();
            script(Self { socket }).await
        });
        (url, task)
    }

    async fn read(&mut self) -> Value {
        loop {
            match self.socket.next().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn say(&mut self, json: Value) {
        self.socket.send(Message::text(json.to_string())).await.unwrap();
    }

    async fn welcome(&mut self) {
        self.say(json!({"type":"welcome","session":"s1","user":{"id":"u1","name":"Ann","color":"#4d7400"}})).await;
    }
}

#[expect(clippy::result_large_err, reason = "the callback's type is given")]
fn choose_protocol(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    if let Some(offered) = request.headers().get("sec-websocket-protocol") {
        response.headers_mut().insert("sec-websocket-protocol", offered.clone());
    }
    Ok(response)
}

async fn open(url: &str) -> (Client, Events) {
    client::connect(url).token("t").open().await.unwrap()
}

fn roster(re: Value) -> Value {
    json!({"type":"roster","re":re,"room":"r","v":["e",1],"viewers":[],"count":{"users":0,"sessions":0}})
}

#[tokio::test]
async fn answers_find_their_request_in_any_order() {
    let (url, server) = Server::start(|mut server| async move {
        let auth = server.read().await;
        assert_eq!((&auth["type"], &auth["token"]), (&json!("auth"), &json!("t")));
        server.welcome().await;
        let (first, second) = (server.read().await, server.read().await);
        let (join, typing) = if first["type"] == "join" { (first, second) } else { (second, first) };
        server.say(json!({"type":"error","re":typing["id"],"code":"typing.off","message":"no"})).await;
        server.say(json!({"type":"typing","room":"r","user":{"id":"u2"},"on":true})).await;
        server.say(roster(join["id"].clone())).await;
        let ping = server.read().await;
        assert_eq!(ping["type"], "ping");
        server.say(json!({"type":"pong","time_ms":5})).await;
        while server.socket.next().await.is_some_and(|message| message.is_ok()) {}
    })
    .await;
    let (client, mut events) = open(&url).await;
    assert_eq!(client.welcome().user.name, "Ann");
    let (joined, typing) = tokio::join!(client.join("r"), client.typing("r", Some("card")));
    assert!(matches!(joined, Ok(Synced::Roster(roster)) if roster.v.number == 1));
    assert!(matches!(typing, Err(RequestError::Refused(error)) if error.code == "typing.off"));
    assert!(matches!(events.next().await, Ok(ServerFrame::Typing(typing)) if typing.user.id == "u2"));
    assert!(matches!(events.next().await, Ok(ServerFrame::Roster(_))), "a roster is an event too");
    assert_eq!(client.ping().await.unwrap().time_ms, 5);
    client.close(Some(1000)).await;
    assert_eq!(events.next().await, Err(Ended::Local));
    server.await.unwrap();
}

#[tokio::test]
async fn a_crowd_answers_a_join_without_a_list() {
    let (url, server) = Server::start(|mut server| async move {
        server.read().await;
        server.welcome().await;
        let join = server.read().await;
        server.say(json!({"type":"ack","re":join["id"]})).await;
        server.say(json!({"type":"count","room":"r","v":["e",1],"gear":"crowd","count":{"users":2000}})).await;
        server.socket.next().await
    })
    .await;
    let (client, mut events) = open(&url).await;
    assert!(matches!(client.join("r").await, Ok(Synced::Acked(_))));
    assert!(matches!(events.next().await, Ok(ServerFrame::Count(news)) if news.count.users == 2000));
    drop(client);
    server.await.unwrap();
}

#[tokio::test]
async fn locks_pointers_and_watches_are_asked_for_and_answered() {
    let (url, server) = Server::start(|mut server| async move {
        server.read().await;
        server.welcome().await;
        let mut asked = Vec::new();
        for answer in [json!({"held":false,"fence":7}), json!({}), json!({}), json!({}), json!({}), json!({})] {
            let mut request = server.read().await;
            let mut answer = answer;
            answer["type"] = json!("ack");
            answer["re"] = request.as_object_mut().unwrap().remove("id").unwrap();
            if request["type"] == "watch" {
                server.say(json!({"type":"statuses","users":{"u2":{"status":"offline"}}})).await;
            }
            server.say(answer).await;
            asked.push(request);
        }
        asked
    })
    .await;
    let (client, mut events) = open(&url).await;
    let lock = client.lock("r", "x", true).await.unwrap();
    assert_eq!((lock.held, lock.fence), (Some(false), Some(7)));
    client.unlock("r", "x").await.unwrap();
    client.cursor("r", Some(&Point { x: 0.5, y: 0.25, on: None })).await.unwrap();
    client.cursor("r", None).await.unwrap();
    client.watch(&["u2"]).await.unwrap();
    assert!(matches!(events.next().await, Ok(ServerFrame::Statuses(told)) if told.users["u2"].status == "offline"));
    client.unwatch(&["u2"]).await.unwrap();
    assert_eq!(
        server.await.unwrap(),
        [
            json!({"type":"lock","room":"r","name":"x","wait":true}),
            json!({"type":"unlock","room":"r","name":"x"}),
            json!({"type":"cursor","room":"r","x":0.5,"y":0.25}),
            json!({"type":"cursor","room":"r","x":null}),
            json!({"type":"watch","users":["u2"]}),
            json!({"type":"unwatch","users":["u2"]}),
        ]
    );
}

#[tokio::test]
async fn a_refused_token_and_a_close_are_told_apart() {
    let (url, _server) = Server::start(|mut server| async move {
        server.say(json!({"type":"error","code":"auth.expired","message":"old"})).await;
    })
    .await;
    let refused = client::connect(&url).token("t").open().await.map(|_| ());
    assert!(matches!(refused, Err(ConnectError::Refused(error)) if error.code == "auth.expired"));

    let (url, server) = Server::start(|mut server| async move {
        server.read().await;
        server.welcome().await;
        server.read().await;
        server.socket.get_mut().write_all(&[0x88, 2, 0x11, 0x31]).await.unwrap();
        server.socket.next().await
    })
    .await;
    let (client, mut events) = open(&url).await;
    let closed = Ended::Closed { code: Some(4401), reason: String::new() };
    assert!(matches!(client.leave("r").await, Err(RequestError::Ended(ended)) if ended == closed));
    assert_eq!(events.next().await, Err(closed.clone()));
    assert_eq!(client.send_raw("x").await, Err(closed));
    let answered = server.await.unwrap();
    assert!(matches!(answered, Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) == 4401));
}

#[tokio::test]
async fn a_missing_answer_times_out_and_a_late_one_is_an_event() {
    let (url, server) = Server::start(|mut server| async move {
        server.read().await;
        server.welcome().await;
        let unanswered = server.read().await;
        let second = server.read().await;
        server.say(json!({"type":"ack","re":unanswered["id"]})).await;
        server.say(json!({"type":"ack","re":second["id"],"sessions":2})).await;
        server.socket.next().await
    })
    .await;
    let connector = client::connect(&url).token("t").answer_limit(Duration::from_millis(50));
    let (client, mut events) = connector.open().await.unwrap();
    assert!(matches!(client.leave("r").await, Err(RequestError::TimedOut { .. })));
    let ack = client.message("r", "wave", &json!({})).await.unwrap();
    assert_eq!(ack.sessions, Some(2));
    drop(client);
    assert!(
        matches!(events.next().await, Ok(ServerFrame::Ack(_))),
        "nobody waits for it any more, so it is an event like all that is unasked"
    );
    let said = server.await.unwrap();
    assert!(matches!(said, Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) == 1000));
}

#[tokio::test]
async fn events_that_nobody_takes_end_the_connection() {
    let (url, server) = Server::start(|mut server| async move {
        server.read().await;
        server.welcome().await;
        for _ in 0..3 {
            server.say(json!({"type":"fresh","room":"r"})).await;
        }
        server.socket.next().await.is_none_or(|message| message.is_err())
    })
    .await;
    let (client, mut events) = client::connect(&url).token("t").events_max(2).open().await.unwrap();
    assert!(server.await.unwrap(), "the connection is gone");
    assert!(events.next().await.is_ok() && events.next().await.is_ok());
    assert_eq!(events.next().await, Err(Ended::EventsFull { events_max: 2 }));
    assert!(matches!(client.ping().await, Err(RequestError::Ended(_))));
}

#[tokio::test]
async fn a_raw_client_offers_sends_and_closes_as_told() {
    let (url, server) = Server::start(|mut server| async move {
        for expected in [Message::text("{oops"), Message::binary(vec![1, 2])] {
            assert_eq!(server.socket.next().await.unwrap().unwrap(), expected);
        }
        server.socket.send(Message::Ping("p".into())).await.unwrap();
        server.socket.send(Message::text("hello")).await.unwrap();
        let pong = server.socket.next().await.unwrap().unwrap();
        assert_eq!(pong, Message::Pong("p".into()));
        server.socket.next().await.unwrap().unwrap()
    })
    .await;
    let mut raw = raw::connect(&url).protocol("board.v1").header("x-test", "1").open().await.unwrap();
    assert_eq!(raw.protocol(), Some("board.v1"));
    assert_eq!(raw.next(Duration::from_millis(20)).await, Err(RawError::TimedOut { limit: Duration::from_millis(20) }));
    raw.text("{oops").await.unwrap();
    raw.binary(&[1, 2]).await.unwrap();
    assert_eq!(raw.next_text(LIMIT).await.unwrap(), "hello");
    raw.close(Some(4900)).await.unwrap();
    assert!(matches!(raw.next(LIMIT).await, Ok(RawFrame::Ended(_))));
    let said = server.await.unwrap();
    assert!(matches!(said, Message::Close(Some(frame)) if u16::from(frame.code) == 4900));
}

#[tokio::test]
async fn aborting_is_a_reset_and_dropping_an_end_of_stream() {
    for abort in [true, false] {
        let (url, server) = Server::start(|mut server| async move {
            let mut byte = [0];
            server.socket.get_mut().read(&mut byte).await
        })
        .await;
        let raw = raw::connect(&url).open().await.unwrap();
        if abort {
            raw.abort()
        } else {
            drop(raw)
        }
        let read = server.await.unwrap();
        assert_eq!(
            read.map_err(|error| error.kind()),
            if abort { Err(std::io::ErrorKind::ConnectionReset) } else { Ok(0) }
        );
    }
}

#[tokio::test]
async fn a_refused_upgrade_and_a_bad_address_say_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/ws", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 2048];
        let read = stream.read(&mut request).await.unwrap();
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    let refused = raw::connect(&url).header("origin", "http://evil.example").open().await.map(|_| ());
    assert!(matches!(refused, Err(ConnectError::Status { status: 403, .. })), "{refused:?}");
    assert!(server.await.unwrap().to_lowercase().contains("origin: http://evil.example"));
    for url in ["wss://127.0.0.1/ws", "127.0.0.1", "ws://"] {
        let bad = raw::connect(url).open().await.map(|_| ());
        assert!(matches!(bad, Err(ConnectError::Url { .. })), "{url}: {bad:?}");
    }
}
