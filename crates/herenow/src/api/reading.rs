//! How somebody who only reads enters rooms: as an observer, or as a viewer where they want to be seen.
use crate::{
    api::{
        access::Caller,
        ear::{Ear, EarSetup, Frame},
        refusal::{refused, refused_by_frame, refused_for},
        state::Api,
    },
    auth::rights::Rights,
    problem::Problem,
};
use herenow_core::{
    command::{Command, Interest},
    id::{RoomId, UserId},
    profile::Profile,
    version::{Epoch, Version},
};
use herenow_wire::code::Code;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// Somebody who begins to read.
#[derive(Debug)]
pub struct Reading {
    /// Who asks.
    pub caller: Caller,
    /// Whether they are to be seen as a viewer.
    pub is_present: bool,
    /// The rooms, and what is known of each.
    pub rooms: Vec<(RoomId, Option<Version>)>,
}

impl Reading {
    /// Enters the rooms; the first frame of each, in order, and what was heard besides.
    ///
    /// # Errors
    /// Where a room may not be read or does not let the reader in.
    pub async fn begin(self, api: &Api) -> Result<(Ear, Vec<Frame>), Problem> {
        let Self { caller, is_present, rooms } = self;
        if api.is_stopping() {
            return Err(refused(Code::ServerStopping));
        }
        let observes = match (caller.identity(), is_present) {
            (None, true) => {
                let detail = "present needs the token of a client, whose user is then shown";
                return Err(refused_for(Code::HttpBadQuery, detail));
            }
            (Some(identity), true) => identity.grants.is_invisible(),
            (_, false) => true,
        };
        for (room, _) in &rooms {
            if observes {
                caller.may_read(api.presence(), room).await?;
            } else {
                caller.may(api.presence(), room, Rights::JOIN).await?;
            }
        }
        let now_s = Some(api.presence().clock().now().as_millis() / 1000);
        let (profile, ends_at, issued_at_s) = match &caller {
            Caller::Client(identity) => (Arc::clone(&identity.profile), Some(identity.ends_at()), identity.issued_at_s),
            Caller::Backend { name, .. } => (backend(name), None, now_s),
            Caller::Anybody => (backend("anybody"), None, now_s),
        };
        let setup = EarSetup { profile, ends_at, issued_at_s, is_online: !observes };
        let mut ear = Ear::open(api.presence(), setup).await.map_err(|_| refused(Code::ServerNoRandom))?;
        let mut heard = Vec::new();
        for (room, since) in rooms {
            let command = Command::Join {
                room: room.clone(),
                interest: Interest::Auto,
                observe: observes,
                state: None,
                since,
                sessions: false,
            };
            if let Caller::Client(identity) = &caller {
                ear.note_let_in(identity, &room);
            }
            ear.ask(&room, None, command).await;
            heard.extend(first_of(&ear, &room).await?);
        }
        Ok((ear, heard))
    }
}

/// What is heard until a room has answered, its answer as the last.
async fn first_of(ear: &Ear, room: &RoomId) -> Result<Vec<Frame>, Problem> {
    let answer = async {
        let mut heard = Vec::new();
        loop {
            let Some(frame) = ear.next().await else { return Err(refused(Code::ServerStopping)) };
            let label = frame.label();
            let is_of_room = label.room.as_ref() == Some(room);
            match label.kind.as_str() {
                "error" if is_of_room => return Err(refused_by_frame(&frame.text())),
                "roster" | "diff" | "count" if is_of_room => {
                    heard.push(frame);
                    return Ok(heard);
                }
                _ => heard.push(frame),
            }
        }
    };
    timeout(ANSWER_LIMIT, answer).await.unwrap_or_else(|_| Err(refused(Code::ServerBusy)))
}

/// As whom a backend listens. Nobody hears of it; the slash keeps it apart from what most apps take for ids.
fn backend(name: &str) -> Arc<Profile> {
    let user = UserId::parse(&format!("key/{name}")).expect("the name of a key has at most 64 letters and digits");
    Arc::new(Profile { user, name: name.into(), avatar: None })
}

/// Reads `epoch.number`.
pub fn version_of(text: &str) -> Option<Version> {
    let (epoch, number) = text.split_once('.')?;
    let is_whole = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    Some(Version { epoch: Epoch::parse(epoch)?, number: is_whole.then(|| number.parse().ok()).flatten()? })
}

/// How long a room may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
