//! A session without a socket: it is in rooms as any other, and hears them through the outbox of a connection. What it
//! hears is bounded as for a slow client; whoever holds it takes frames away in their own time.
use crate::{
    auth::token::Identity,
    connection::{Connection, ConnectionSetup, Socket},
    partition::Partition,
    presence::{Admission, Presence},
    shard::ToShard,
};
use bytes::{Buf, Bytes};
use herenow_core::{
    command::{Command, Ending, HomeNews},
    id::{RequestId, RoomId, SessionId},
    profile::{Profile, Status},
    time::Time,
};
use herenow_wire::{
    dialect::Dialect,
    websocket::{encoder, frame::Opcode},
};
use std::{future::poll_fn, sync::Arc, task::Poll};

/// A session that hears rooms, until it is dropped.
pub struct Ear {
    presence: Presence,
    connection: Arc<Connection>,
    profile: Arc<Profile>,
    /// The shards that were told of the session, one bit each.
    shards: u64,
    is_online: bool,
    how: Ending,
    _admission: Admission,
}

/// Whose session it is, and how long it may last.
pub struct EarSetup {
    /// Whose.
    pub profile: Arc<Profile>,
    /// When the right to it ends.
    pub ends_at: Option<Time>,
    /// When it was given, in seconds since the Unix epoch; `None` where nobody knows.
    pub issued_at_s: Option<u64>,
    /// Whether its user counts as online by it.
    pub is_online: bool,
}

/// One frame of the native dialect, without the frame of WebSocket around it, in the pieces in which it is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(Vec<Bytes>);

impl Ear {
    /// A session that is in no room yet.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub async fn open(presence: &Presence, setup: EarSetup) -> Result<Self, getrandom::Error> {
        let EarSetup { profile, ends_at, issued_at_s, is_online } = setup;
        let session = SessionId(getrandom::u64()?);
        let (now, outbox_bytes_max) = (presence.clock().now(), presence.settings().outbox_bytes_max);
        let setup =
            ConnectionSetup { session, dialect: Dialect::Native, socket: Socket::Stream, outbox_bytes_max, now };
        let connection = Arc::new(Connection::new(setup));
        connection.note_known(&profile.user, ends_at.unwrap_or(FOREVER));
        connection.note_issued(issued_at_s);
        let admission = presence.admit(&connection);
        let ear = Self {
            presence: presence.clone(),
            connection,
            profile,
            shards: 0,
            is_online,
            how: Ending::Lost,
            _admission: admission,
        };
        if is_online {
            ear.tell_home(HomeNews::Arrived(Status::default())).await;
        }
        Ok(ear)
    }

    /// Its connection.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Which session it is.
    pub fn session(&self) -> SessionId {
        self.connection.session()
    }

    /// Whose it is.
    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// Asks for something in a room; with `re`, the frame that answers carries it.
    pub async fn ask(&mut self, room: &RoomId, re: Option<RequestId>, command: Command) {
        let (session, partition) = (self.session(), Partition::of(room));
        let shard = self.presence.shard_owning(partition);
        if self.shards & (1 << shard) == 0 {
            self.shards |= 1 << shard;
            self.presence.tell(shard, self.introduction()).await;
        }
        self.presence.tell(shard, ToShard::Ask { session, partition, re, command }).await;
    }

    /// Has the app asked again about its user, where that is who lets them into a room, for as long as they are in it.
    pub fn note_let_in(&self, identity: &Identity, room: &RoomId) {
        if identity.grants.rights(room).reads() || !self.presence.asks_about_rooms() {
            return;
        }
        if let Ok(Some(rights)) = self.presence.rights(identity, room, true) {
            self.presence.hold_room((identity.profile.user.clone(), room.clone()), rights, &self.connection);
        }
    }

    /// Has its user shown under another name or picture from now on.
    pub async fn rename(&mut self, profile: Arc<Profile>) {
        if self.profile == profile {
            return;
        }
        self.profile = profile;
        for shard in bits(self.shards) {
            self.presence.tell(shard, self.introduction()).await;
        }
    }

    /// The next frame; `None` once the connection has ended. Taking one shows that somebody listens.
    pub async fn next(&self) -> Option<Frame> {
        loop {
            match poll_fn(|cx| self.poll(cx)).await {
                Event::Frame(bytes, more) => {
                    // A sign of life is for who takes frames over a network; that it was taken is what counts.
                    if let Some(frame) = Frame::of_text(bytes, more).filter(|frame| !frame.is_ping()) {
                        return Some(frame);
                    }
                }
                Event::CaughtUp => self.catch_up().await,
                Event::Over => return None,
            }
        }
    }

    /// Sees to the session until it has ended, for somebody else who takes its frames away: `wake` is called whenever there
    /// is something to take.
    pub async fn attend(&self, wake: impl Fn()) {
        loop {
            let event = poll_fn(|cx| {
                let mut is_news = false;
                let event = self.connection.poll_outbox(cx, |outbox, _| {
                    is_news = !outbox.is_empty();
                    match outbox.farewell() {
                        Some(_) => Poll::Ready(Event::Over),
                        None if outbox.take_caught_up() => Poll::Ready(Event::CaughtUp),
                        None => Poll::Pending,
                    }
                });
                if is_news {
                    wake();
                }
                event
            });
            match event.await {
                // In a box, because it is seldom needed and would count for as long as the session lasts.
                Event::CaughtUp => Box::pin(self.catch_up()).await,
                Event::Over | Event::Frame(..) => return,
            }
        }
    }

    async fn catch_up(&self) {
        let session = self.session();
        for shard in bits(self.shards) {
            self.presence.tell(shard, ToShard::CaughtUp { session }).await;
        }
    }

    /// Says how it ends when it is dropped; [`Ending::Lost`] otherwise.
    pub fn end_as(&mut self, how: Ending) {
        self.how = how;
    }

    fn poll(&self, cx: &mut std::task::Context<'_>) -> Poll<Event> {
        let now = self.presence.clock().now();
        self.connection.poll_outbox(cx, |outbox, _| {
            if let Some((bytes, more)) = outbox.take_frame(now) {
                return Poll::Ready(Event::Frame(bytes, more));
            }
            if outbox.farewell().is_some() {
                return Poll::Ready(Event::Over);
            }
            if outbox.take_caught_up() { Poll::Ready(Event::CaughtUp) } else { Poll::Pending }
        })
    }

    fn introduction(&self) -> ToShard {
        ToShard::Attach { connection: Arc::clone(&self.connection), profile: Arc::clone(&self.profile) }
    }

    async fn tell_home(&self, news: HomeNews) {
        let (shard, input) = self.home_news(news);
        self.presence.tell(shard, input).await;
    }

    fn home_news(&self, news: HomeNews) -> (usize, ToShard) {
        let user = self.profile.user.clone();
        let shard = self.presence.shard_owning(Partition::of_user(&user));
        (shard, ToShard::Home { user, session: self.session(), news })
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let how = self.connection.farewell().map_or(self.how, |farewell| farewell.how);
        self.connection.abort(how, self.presence.clock().now());
        let connection = &self.connection;
        let mut last: Vec<(usize, ToShard)> = bits(self.shards)
            .map(|shard| (shard, ToShard::Detach { connection: Arc::clone(connection), how }))
            .collect();
        if self.is_online {
            last.push(self.home_news(HomeNews::Departed(how)));
        }
        let presence = self.presence.clone();
        let tell = async move {
            for (shard, input) in last {
                presence.tell(shard, input).await;
            }
        };
        // Without a runtime the process is at its end, and nobody is there to be told.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tell);
        }
    }
}

/// What there is to do.
enum Event {
    Frame(Bytes, Bytes),
    CaughtUp,
    Over,
}

impl Frame {
    /// That of a frame of WebSocket, as it is shared; `None` where that is no text.
    pub fn of_text(mut first: Bytes, more: Bytes) -> Option<Self> {
        let (Opcode::Text, header) = encoder::opened(&first)? else { return None };
        first.advance(header);
        Some(Self([first, more].into_iter().filter(|piece| !piece.is_empty()).collect()))
    }

    /// The pieces, which make the frame one after the other.
    pub fn into_pieces(self) -> Vec<Bytes> {
        self.0
    }

    /// The whole frame.
    pub fn text(&self) -> String {
        self.0.iter().map(|piece| String::from_utf8_lossy(piece)).collect()
    }

    /// Whether it asks for a sign of life, which is for who takes frames over a network of their own.
    pub fn is_ping(&self) -> bool {
        self.0.first().is_some_and(|piece| piece.starts_with(PING))
    }

    /// What the frame begins with: enough to see its type, room and version, which come first.
    fn head(&self) -> String {
        let bytes: Vec<u8> = self.0.iter().flat_map(|piece| piece.iter().take(HEAD_BYTES)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Its type, room and version, as far as it has them.
    pub fn label(&self) -> Label {
        let head = self.head();
        let after = |mark: &str| head.find(mark).map(|at| &head[at + mark.len()..]);
        let kind = after(r#"{"type":""#).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned();
        let version = after(r#""v":[""#).and_then(|rest| {
            let (epoch, rest) = rest.split_once(r#"","#)?;
            let (number, _) = rest.split_once(']')?;
            Some((epoch.to_owned(), number.parse().ok()?))
        });
        let room = after(r#""room":"#).and_then(|rest| {
            let text = serde_json::Deserializer::from_str(rest).into_iter::<String>().next()?.ok()?;
            RoomId::parse(&text).ok()
        });
        Label { kind, room, version }
    }
}

/// What a frame is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its type.
    pub kind: String,
    /// The room.
    pub room: Option<RoomId>,
    /// Epoch and number of the room's version.
    pub version: Option<(String, u64)>,
}

fn bits(mask: u64) -> impl Iterator<Item = usize> {
    (0..64).filter(move |bit| mask & (1 << bit) != 0)
}

const PING: &[u8] = br#"{"type":"ping""#;
/// A room's name takes at most six times its bytes as JSON; what stands before it and after is short.
const HEAD_BYTES: usize = RoomId::BYTES_MAX * 6 + 200;
/// When a session ends that has no end: in the year 5138.
const FOREVER: Time = Time::from_millis(100_000_000_000_000);

#[cfg(test)]
mod tests {
    use super::Frame;
    use bytes::Bytes;
    use herenow_wire::websocket::encoder;

    fn frame(text: &str) -> Frame {
        Frame::of_text(encoder::text(text.as_bytes()), Bytes::new()).unwrap()
    }

    #[test]
    fn the_frame_of_websocket_is_taken_off() {
        for bytes in [1, 125, 126, 65_535, 65_536] {
            let text = format!(r#"{{"type":"x","pad":"{}"}}"#, "p".repeat(bytes));
            assert_eq!(frame(&text).text(), text);
        }
        let head = encoder::text_before_body(b"{\"a\":1", 9);
        let two = Frame::of_text(head, Bytes::from_static(b",\"b\":222}")).unwrap();
        assert_eq!(two.text(), r#"{"a":1,"b":222}"#);
        assert_eq!(Frame::of_text(Bytes::from_static(&[0x89, 0]), Bytes::new()), None, "a ping");
    }

    #[test]
    fn a_label_says_what_a_frame_is_about() {
        let diff = frame(r#"{"type":"diff","room":"a\"v\":[\"b","from":1,"v":["e1",2],"joined":[]}"#).label();
        assert_eq!((diff.kind.as_str(), diff.version), ("diff", Some(("e1".to_owned(), 2))));
        assert_eq!(diff.room.unwrap().as_str(), r#"a"v":["b"#);
        let typing = frame(r#"{"type":"typing","room":"r","user":{}}"#).label();
        assert_eq!((typing.kind.as_str(), typing.version), ("typing", None));
        let long = format!(r#"{{"type":"count","room":"{}","v":["e",7]}}"#, "\\u0041".repeat(255));
        assert_eq!(frame(&long).label().version, Some(("e".to_owned(), 7)));
    }
}
