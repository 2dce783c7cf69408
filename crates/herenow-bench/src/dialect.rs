//! What the servers speak: how a viewer comes in, and what the frames say. One variant a protocol.
use crate::{
    frame::number_in,
    token,
    users::{UserSet, user_id, user_name, user_number},
};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::json;
use std::rc::Rc;

/// A protocol that a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `herenow.v1`: rosters, diffs, counts.
    Native,
    /// The frames of the seed text: each join and leave carries all viewers.
    Board,
    /// socket.io over its own WebSocket: all viewers to who joins, one event a change to the others.
    SocketIo,
}

/// What a viewer asks to be told of who is there. Only herenow has a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Interest {
    /// What is usual for the size of the room.
    Auto,
    /// Everybody, in rooms of up to 10,000.
    Full,
    /// Everybody, each of their sessions, and where its pointer is.
    Sessions,
}

/// What a text frame of a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing that a benchmark waits for.
    Nothing,
    /// The connection may join rooms now.
    Ready,
    /// The server wants this text back.
    Reply(&'static str),
    /// Everybody in the room.
    Roster {
        /// The version, where the server counts them.
        version: Option<u64>,
        /// Who.
        users: Rc<UserSet>,
    },
    /// Who came and went.
    Diff {
        /// The version that it applies to, and the one that it leads to, where the server counts them.
        versions: Option<(u64, u64)>,
        /// Who came.
        joined: Rc<[usize]>,
        /// Who went.
        left: Rc<[usize]>,
    },
    /// How many are in the room, in place of who.
    Count(u64),
    /// A message of this generator, with the number that it was sent under.
    Message(u64),
}

impl Dialect {
    /// The request that opens a connection.
    pub fn upgrade_request(self, host: &str, user: usize) -> String {
        let (path, protocol) = match self {
            Self::Native => ("/ws".to_owned(), "Sec-WebSocket-Protocol: herenow.v1\r\n"),
            Self::Board => (format!("/?token={}", user_id(user)), ""),
            Self::SocketIo => (format!("/socket.io/?EIO=4&transport=websocket&token={}", user_id(user)), ""),
        };
        // The key is the example of RFC 6455: nobody here guards against caches.
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{protocol}\r\n"
        )
    }

    /// What a client says first, if anything.
    ///
    /// # Errors
    /// Where no token can be signed.
    pub fn opening(self, user: usize, secret: &str) -> Result<Option<String>> {
        Ok(match self {
            Self::Native => {
                let token = token::mint(&user_id(user), &user_name(user), secret)?;
                Some(json!({"type": "auth", "token": token}).to_string())
            }
            Self::Board | Self::SocketIo => None,
        })
    }

    /// The frame that joins a room.
    pub fn join(self, room: &str, interest: Interest) -> String {
        match (self, interest) {
            (Self::Native, Interest::Auto) => format!(r#"{{"type":"join","room":"{room}"}}"#),
            (Self::Native, Interest::Full) => format!(r#"{{"type":"join","room":"{room}","interest":"full"}}"#),
            (Self::Native, Interest::Sessions) => format!(r#"{{"type":"join","room":"{room}","sessions":true}}"#),
            (Self::Board, _) => format!(r#"{{"type":"join","boardId":"{room}"}}"#),
            (Self::SocketIo, _) => format!(r#"42["join","{room}"]"#),
        }
    }

    /// The frame that hands `data`, a JSON value, to everybody else in the room. The seed has no messages of the app; its
    /// typing takes the place, and carries the data along.
    pub fn message(self, room: &str, data: &str) -> String {
        match self {
            Self::Native => format!(r#"{{"type":"message","room":"{room}","event":"tick","data":{data}}}"#),
            Self::Board => format!(r#"{{"type":"typing","boardId":"{room}","data":{data}}}"#),
            Self::SocketIo => format!(r#"42["typing","{room}",{data}]"#),
        }
    }

    /// Reads a text frame. Messages are looked for first and by their start alone, since most frames are messages.
    ///
    /// # Errors
    /// Where the server refuses something, or writes what its protocol does not have.
    pub fn read(self, text: &[u8]) -> Result<News> {
        let message = match self {
            Self::Native => &br#"{"type":"message""#[..],
            Self::Board => br#"{"type":"user_typing""#,
            Self::SocketIo => br#"42["typing""#,
        };
        if text.starts_with(message) {
            return Ok(number_in(text).map_or(News::Nothing, News::Message));
        }
        let news = match self {
            Self::Native => read_native(text),
            Self::Board => read_board(text),
            Self::SocketIo => read_socket_io(text),
        };
        news.with_context(|| format!("cannot use {}", String::from_utf8_lossy(&text[..text.len().min(500)])))
    }
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, rename = "type")]
    kind: &'a str,
}

#[derive(Deserialize)]
struct NativeFrame<'a> {
    #[serde(borrow)]
    v: (&'a str, u64),
    from: Option<u64>,
    #[serde(default)]
    viewers: Vec<NativeViewer<'a>>,
    #[serde(default)]
    joined: Vec<NativeViewer<'a>>,
    #[serde(default)]
    left: Vec<User<'a>>,
    count: NativeCount,
}

#[derive(Deserialize)]
struct NativeViewer<'a> {
    #[serde(borrow)]
    user: User<'a>,
}

#[derive(Deserialize)]
struct User<'a> {
    id: &'a str,
}

#[derive(Deserialize)]
struct NativeCount {
    users: u64,
}

fn read_native(text: &[u8]) -> Result<News> {
    let Typed { kind } = serde_json::from_slice(text)?;
    match kind {
        "welcome" => return Ok(News::Ready),
        "roster" | "diff" | "count" => {}
        "error" | "removed" | "draining" | "stale" => bail!("the server says `{kind}`"),
        _ => return Ok(News::Nothing),
    }
    let frame: NativeFrame<'_> = serde_json::from_slice(text)?;
    let numbers = |viewers: Vec<NativeViewer<'_>>| {
        viewers.iter().map(|viewer| user_number(viewer.user.id)).collect::<Result<_>>()
    };
    Ok(match kind {
        "roster" => {
            let users = UserSet::of_ids(frame.viewers.iter().map(|viewer| viewer.user.id))?;
            if users.len() as u64 != frame.count.users {
                bail!("a roster of {} counts {}", users.len(), frame.count.users);
            }
            News::Roster { version: Some(frame.v.1), users: Rc::new(users) }
        }
        "diff" => News::Diff {
            versions: Some((frame.from.context("a diff without `from`")?, frame.v.1)),
            joined: numbers(frame.joined)?,
            left: frame.left.iter().map(|user| user_number(user.id)).collect::<Result<_>>()?,
        },
        _ => News::Count(frame.count.users),
    })
}

#[derive(Deserialize)]
struct BoardViewers<'a> {
    #[serde(borrow)]
    viewers: Vec<BoardViewer<'a>>,
}

#[derive(Deserialize)]
struct BoardViewer<'a> {
    #[serde(borrow, rename = "userId")]
    user_id: &'a str,
}

fn read_board(text: &[u8]) -> Result<News> {
    let kind = serde_json::from_slice::<Typed<'_>>(text).map(|typed| typed.kind);
    match kind {
        Ok("connected") => Ok(News::Ready),
        Ok("presence" | "user_joined" | "user_left") => Ok(roster(&serde_json::from_slice(text)?)?),
        Ok(_) => Ok(News::Nothing),
        // Refusals of the seed have no type.
        Err(error) => Err(error.into()),
    }
}

fn roster(listed: &BoardViewers<'_>) -> Result<News> {
    let users = UserSet::of_ids(listed.viewers.iter().map(|viewer| viewer.user_id))?;
    Ok(News::Roster { version: None, users: Rc::new(users) })
}

fn read_socket_io(text: &[u8]) -> Result<News> {
    if let Some(event) = text.strip_prefix(b"42") {
        let (kind, _): (&str, serde::de::IgnoredAny) = serde_json::from_slice(event)?;
        return match kind {
            "presence" => roster(&serde_json::from_slice::<(&str, BoardViewers<'_>)>(event)?.1),
            "user_joined" | "user_left" => {
                let (_, User { id }): (&str, User<'_>) = serde_json::from_slice(event)?;
                let (one, none): (Rc<[usize]>, Rc<[usize]>) = ([user_number(id)?].into(), [].into());
                let (joined, left) = if kind == "user_joined" { (one, none) } else { (none, one) };
                Ok(News::Diff { versions: None, joined, left })
            }
            _ => Ok(News::Nothing),
        };
    }
    Ok(match text.first() {
        // The engine's opening, its ping, and the answer to our connect.
        Some(b'0') => News::Reply("40"),
        Some(b'2') => News::Reply("3"),
        Some(b'4') if text.starts_with(b"40") => News::Ready,
        Some(b'4') if text.starts_with(b"44") => bail!("the server refuses the connection"),
        _ => News::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use super::{Dialect, Interest, News};
    use crate::frame::numbered_data;
    use std::rc::Rc;

    fn users(numbers: &[usize]) -> Rc<crate::users::UserSet> {
        Rc::new(numbers.iter().copied().collect())
    }

    #[test]
    fn messages_carry_their_number_in_each_dialect() {
        let data = numbered_data(0xfeed_beef, 100);
        for (dialect, text) in [
            (Dialect::Native, format!(r#"{{"type":"message","room":"r","event":"tick","data":{data},"from":{{}}}}"#)),
            (Dialect::Board, format!(r#"{{"type":"user_typing","user":{{"id":"u000001"}},"data":{data}}}"#)),
            (Dialect::SocketIo, format!(r#"42["typing",{{"id":"u000001"}},{data}]"#)),
        ] {
            assert_eq!(dialect.read(text.as_bytes()).unwrap(), News::Message(0xfeed_beef));
        }
        // One of somebody else's.
        assert_eq!(Dialect::Native.read(br#"{"type":"message","data":1}"#).unwrap(), News::Nothing);
    }

    #[test]
    fn native_rosters_diffs_and_counts_are_read() {
        let read = |text: &str| Dialect::Native.read(text.as_bytes()).unwrap();
        assert_eq!(read(r#"{"type":"welcome","session":"s"}"#), News::Ready);
        let roster = r#"{"type":"roster","interest":"auto","room":"r","v":["e",42],"gear":"live","viewers":[
            {"user":{"id":"u000003","name":"x","color":"y"},"status":"active"},{"user":{"id":"u000001"}}],
            "count":{"users":2,"sessions":3},"typing":[],"locks":[]}"#;
        assert_eq!(read(roster), News::Roster { version: Some(42), users: users(&[1, 3]) });
        let diff = r#"{"type":"diff","room":"r","from":42,"v":["e",45],"joined":[{"user":{"id":"u000002"}}],
            "left":[{"id":"u000003","reason":"left"}],"count":{"users":2,"sessions":3}}"#;
        let (joined, left) = (Rc::from([2]), Rc::from([3]));
        assert_eq!(read(diff), News::Diff { versions: Some((42, 45)), joined, left });
        let count = r#"{"type":"count","room":"r","v":["e",45],"gear":"crowd","count":{"users":5000,"sessions":1},
            "faces":[]}"#;
        assert_eq!(read(count), News::Count(5000));
        assert_eq!(read(r#"{"type":"pong"}"#), News::Nothing);
    }

    #[test]
    fn what_is_wrong_is_an_error() {
        let roster = |viewers: &str, count: u32| {
            format!(r#"{{"type":"roster","v":["e",1],"viewers":[{viewers}],"count":{{"users":{count}}}}}"#)
        };
        let one = r#"{"user":{"id":"u000001"}}"#;
        assert!(Dialect::Native.read(roster(one, 1).as_bytes()).is_ok());
        for text in [
            roster(one, 2),
            roster(&format!("{one},{one}"), 2),
            roster(r#"{"user":{"id":"stranger"}}"#, 1),
            r#"{"type":"error","code":"rate.limited"}"#.to_owned(),
            "nonsense".to_owned(),
        ] {
            assert!(Dialect::Native.read(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Dialect::Board.read(br#"{"error":"Unauthorized"}"#).is_err());
        assert!(Dialect::SocketIo.read(br#"44{"message":"no"}"#).is_err());
    }

    #[test]
    fn the_peers_are_read() {
        let board = |text: &str| Dialect::Board.read(text.as_bytes()).unwrap();
        let viewers = r#""viewers":[{"userId":"u000000","name":"a"},{"userId":"u000002","name":"b"}]"#;
        for kind in ["presence", "user_joined", "user_left"] {
            let text = format!(r#"{{"type":"{kind}",{viewers}}}"#);
            assert_eq!(board(&text), News::Roster { version: None, users: users(&[0, 2]) });
        }
        assert_eq!(board(r#"{"type":"connected","user":{}}"#), News::Ready);
        let io = |text: &str| Dialect::SocketIo.read(text.as_bytes()).unwrap();
        assert_eq!(io(r#"0{"sid":"a"}"#), News::Reply("40"));
        assert_eq!(io(r#"40{"sid":"b"}"#), News::Ready);
        assert_eq!(io("2"), News::Reply("3"));
        let presence = format!(r#"42["presence",{{{viewers}}}]"#);
        assert_eq!(io(&presence), News::Roster { version: None, users: users(&[0, 2]) });
        let (one, none): (Rc<[usize]>, Rc<[usize]>) = ([7].into(), [].into());
        let joined = News::Diff { versions: None, joined: Rc::clone(&one), left: Rc::clone(&none) };
        assert_eq!(io(r#"42["user_joined",{"id":"u000007","name":"x"}]"#), joined);
        assert_eq!(io(r#"42["user_left",{"id":"u000007"}]"#), News::Diff { versions: None, joined: none, left: one });
    }

    #[test]
    fn who_joins_says_where_and_what_they_want() {
        assert_eq!(Dialect::Native.join("r", Interest::Auto), r#"{"type":"join","room":"r"}"#);
        assert!(Dialect::Native.join("r", Interest::Full).contains("full"));
        assert!(Dialect::Board.join("r", Interest::Auto).contains("boardId"));
    }
}
