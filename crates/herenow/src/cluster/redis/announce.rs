//! What an app was told of who is in rooms, kept where all nodes see it: so that one of them tells a thing, and another one
//! tells it where that one died before the app had it.
use super::{
    error::CallError,
    news::{node_text, parse_node, tag_text},
    reply,
    script::Script,
    store::{Place, Store},
};
use crate::partition::Partition;
use herenow_core::{
    cluster::door::{NodeId, Tag},
    id::{RoomId, UserId},
    time::Time,
};
use redis::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A user who is in a room now, or is not any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Who.
    pub user: UserId,
    /// Whether they are there.
    pub is_here: bool,
    /// Since when they are, or were; [`Time::default`] of who goes: as it was noted when they came.
    pub joined_at: Time,
    /// When that happened.
    pub at: Time,
}

/// How turns are noted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noting<'a> {
    /// What stood for all that was noted in this partition when it was looked at last; empty where it never was.
    pub name: &'a str,
    /// Whether this only repairs what is noted, and nobody is told.
    pub is_silent: bool,
    /// Whether all of it is news, whatever is noted.
    pub is_forced: bool,
    /// Only as long as this is the last write to the room.
    pub only_at: Option<Tag>,
}

/// What is news to the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsNews {
    /// It was told, by whomever.
    No,
    /// It is to be told by this node.
    Yes,
    /// And the user is the first one there, or was the last.
    WithRoom,
}

/// What became of turns that were to be noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noted {
    /// They are; the name that stands for it all, and of each what is news, and since when the user is or was there.
    Done(String, Vec<(IsNews, Time)>),
    /// Nothing was, because all is lost that was noted; the name that stands for what is noted from now on.
    Lost(String),
    /// Nothing was, because the room was written to.
    Changed,
}

/// What an app was told of a user last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What.
    pub turn: Turn,
    /// Who has to tell it, as long as the app has not taken it.
    pub by: Option<NodeId>,
}

impl Store {
    /// Notes turns of users in a room; at most [`TURNS_EACH_MAX`].
    ///
    /// # Errors
    /// Where nobody knows whether it was done.
    pub async fn announce(&self, at: Place<'_>, noting: Noting<'_>, turns: &[Turn]) -> Result<Noted, CallError> {
        let Place { partition, room } = at;
        let keys = [self.keys.told(partition, room), self.keys.told_name(partition), self.keys.meta(partition, room)];
        let mut call = Script::Announce.call(&keys);
        let new = format!("{}.{:08x}", node_text(self.me), getrandom::u32().unwrap_or_default());
        call.arg(TOLD_KEPT_S).arg(node_text(self.me)).arg(noting.name).arg(new);
        call.arg(u8::from(noting.is_silent)).arg(u8::from(noting.is_forced));
        call.arg(noting.only_at.map(tag_text).unwrap_or_default());
        for turn in turns {
            call.arg(turn.user.as_str()).arg(if turn.is_here { "j" } else { "l" });
            call.arg(turn.joined_at.as_millis()).arg(turn.at.as_millis());
        }
        let answer = self.link.ask(&call).await?;
        let nonsense = || CallError::nonsense("ANNOUNCE");
        let all = reply::list(&answer).ok_or_else(nonsense)?;
        let name = || {
            let name = all.get(1).and_then(reply::text).and_then(|name| std::str::from_utf8(name).ok());
            name.map(str::to_owned).ok_or_else(nonsense)
        };
        match all.first().and_then(reply::text) {
            Some(b"OK") if all.len() == turns.len() + 2 => {
                let news = all[2..].iter().map(|news| parse_news(reply::text(news)?));
                Ok(Noted::Done(name()?, news.collect::<Option<_>>().ok_or_else(nonsense)?))
            }
            Some(b"LOST") => Ok(Noted::Lost(name()?)),
            Some(b"CHANGED") => Ok(Noted::Changed),
            _ => Err(nonsense()),
        }
    }

    /// What was told of the users of a room.
    ///
    /// # Errors
    /// Where the server did not say it.
    pub async fn announced(&self, Place { partition, room }: Place<'_>) -> Result<BTreeMap<UserId, Told>, CallError> {
        let nonsense = || CallError::nonsense("HSCAN");
        let (mut told, mut cursor) = (BTreeMap::new(), b"0".to_vec());
        for _ in 0..PAGES_MAX {
            let mut call = redis::cmd("HSCAN");
            call.arg(self.keys.told(partition, room)).arg(&cursor).arg("COUNT").arg(TURNS_EACH_MAX);
            let answer = self.link.ask(&call).await?;
            let [next, page] = reply::list(&answer).ok_or_else(nonsense)? else { return Err(nonsense()) };
            told.extend(reply::pairs(page).ok_or_else(nonsense)?.into_iter().filter_map(parse_told));
            cursor = reply::text(next).ok_or_else(nonsense)?.to_vec();
            if cursor == b"0" {
                break;
            }
        }
        Ok(told)
    }

    /// Notes that the app has taken what this node told.
    ///
    /// # Errors
    /// Where nobody knows whether it was done; then it may be told again.
    pub async fn confirm(&self, Place { partition, room }: Place<'_>, turns: &[Turn]) -> Result<(), CallError> {
        let mut call = Script::Confirm.call(&[self.keys.told(partition, room)]);
        call.arg(node_text(self.me));
        for turn in turns {
            call.arg(turn.user.as_str()).arg(if turn.is_here { "j" } else { "l" }).arg(turn.at.as_millis());
        }
        self.link.ask(&call).await.map(drop)
    }

    /// The name that stands for all that was told in a partition, which is drawn where there is none.
    ///
    /// # Errors
    /// Where the server did not say it.
    pub async fn told_name(&self, partition: Partition) -> Result<String, CallError> {
        // Of no turns, so that the room is looked at by nobody.
        let room = RoomId::parse("-").expect("a hyphen is a name");
        match self.announce(Place { partition, room: &room }, Noting::default(), &[]).await? {
            Noted::Done(name, _) | Noted::Lost(name) => Ok(name),
            Noted::Changed => Err(CallError::nonsense("ANNOUNCE")),
        }
    }

    /// The nodes that were given up, and did not come back since.
    ///
    /// # Errors
    /// Where the server did not say it.
    pub async fn dead_nodes(&self) -> Result<BTreeSet<NodeId>, CallError> {
        let (live, fenced) = (self.live_nodes().await?, self.nodes_in(self.keys.fence()).await?);
        Ok(fenced.difference(&live).copied().collect())
    }

    /// The nodes that live, as far as they say so.
    ///
    /// # Errors
    /// Where the server did not say it.
    pub async fn live_nodes(&self) -> Result<BTreeSet<NodeId>, CallError> {
        self.nodes_in(self.keys.live()).await
    }

    async fn nodes_in(&self, key: String) -> Result<BTreeSet<NodeId>, CallError> {
        let mut call = redis::cmd("HGETALL");
        call.arg(key);
        let answer = self.link.ask(&call).await?;
        let live: Vec<&[u8]> = match &answer {
            Value::Map(all) => all.iter().filter_map(|(node, _)| reply::text(node)).collect(),
            other => {
                let pairs = reply::pairs(other).ok_or_else(|| CallError::nonsense("HGETALL"))?;
                pairs.into_iter().map(|(node, _)| node).collect()
            }
        };
        Ok(live.into_iter().filter_map(parse_node).collect())
    }
}

fn parse_news(text: &[u8]) -> Option<(IsNews, Time)> {
    let (news, joined) = std::str::from_utf8(text).ok()?.split_once(' ')?;
    let news = match news {
        "0" => IsNews::No,
        "1" => IsNews::Yes,
        "2" => IsNews::WithRoom,
        _ => return None,
    };
    Some((news, Time::from_millis(joined.parse().ok()?)))
}

fn parse_told((user, told): (&[u8], &[u8])) -> Option<(UserId, Told)> {
    let user = UserId::parse(std::str::from_utf8(user).ok()?).ok()?;
    let mut words = std::str::from_utf8(told).ok()?.split(' ');
    let is_here = match words.next()? {
        "j" => true,
        "l" => false,
        _ => return None,
    };
    let mut time = || Some(Time::from_millis(words.next()?.parse().ok()?));
    let (joined_at, at) = (time()?, time()?);
    let by = parse_node(words.next()?.as_bytes());
    Some((user.clone(), Told { turn: Turn { user, is_here, joined_at, at }, by }))
}

/// Turns that one call notes.
pub const TURNS_EACH_MAX: usize = 500;
/// How long it is kept what was told of a room in which nothing happens: thirty days.
const TOLD_KEPT_S: u64 = 30 * 24 * 3600;
/// Pages of one room at the most: one that others write to meanwhile must come to an end as well.
const PAGES_MAX: usize = 10_000;
