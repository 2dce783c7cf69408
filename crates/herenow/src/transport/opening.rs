//! How a connection begins: with a new session or an old one, and how its token is renewed while it lives.
use crate::{
    auth::{rights::Rights, token::Identity},
    partition::Partition,
    resume::{Claim, Claimed},
    shard::ToShard,
    transport::conversation::{Contest, Conversation, Inputs, Membership, Place, bits, problem_of},
};
use herenow_core::{
    command::{Command, Ending, Evictee, HomeNews, Reason},
    id::{RequestId, UserId},
};
use herenow_wire::{
    board,
    code::Code,
    dialect::Dialect,
    native::{self, Welcome, WelcomeLimits},
    problem::Problem,
};
use std::sync::Arc;

impl Conversation {
    /// Begins with a new session, or goes on with an old one. Where another connection seems to hold that one, the answer
    /// waits for [`Self::settle_contest`].
    pub(super) fn begin(&mut self, identity: Identity, resume: Option<&str>, inputs: &mut Inputs) {
        let user = &identity.profile.user;
        // Who speaks the board dialect is given no secret, and would hold the session without anybody knowing.
        let resume = resume.filter(|_| self.connection.dialect() == Dialect::Native);
        let claim = resume.map_or(Claim::New, |token| self.presence.resumes().claim(token, user, self.now()));
        match claim {
            Claim::New => self.welcome(identity, None, inputs),
            Claim::Free(claimed) => self.welcome(identity, Some(claimed), inputs),
            Claim::Contested(claimed, holder) => {
                self.rare().contest = Some(Contest { identity, claimed, holder, heard: Vec::new() });
            }
        }
    }

    /// What has to be settled before this connection can begin.
    pub fn take_contest(&mut self) -> Option<Contest> {
        self.rare.as_mut()?.contest.take()
    }

    /// Gives the session to this connection where its holder showed no sign of life, and otherwise a new one: then the
    /// token was copied along with a tab.
    pub fn settle_contest(&mut self, contest: Contest, is_alive: bool, inputs: &mut Inputs) {
        let Contest { identity, claimed, holder, heard } = contest;
        if is_alive {
            self.welcome(identity, None, inputs);
        } else {
            holder.close(REPLACED, "replaced by a newer connection", Ending::Closed, self.now());
            self.welcome(identity, Some(claimed), inputs);
        }
        for text in heard {
            self.hear_text(&text, inputs);
        }
    }

    pub(super) fn welcome(&mut self, identity: Identity, resumed: Option<Claimed>, inputs: &mut Inputs) {
        self.connection.note_known(&identity.profile.user, identity.ends_at());
        self.connection.note_issued(identity.issued_at_s);
        if identity.ends_at() < self.now() + self.presence.settings().rhythm.auth_timeout {
            // Where the token came in a frame, the next look at the connection is planned for the end of that time.
            self.presence.watch_expiry(&self.connection);
        }
        let resumed = resumed.filter(|claimed| self.presence.resumes().take(claimed, &self.connection));
        if let Some(claimed) = &resumed {
            self.connection.go_on_with(claimed.session);
            self.presence.end_unclaimed_later(claimed.session, &identity.profile.user);
        }
        self.is_unconfirmed = resumed.is_some();
        let (status, watched) =
            resumed.as_ref().map(|claimed| self.presence.resumes().luggage(claimed.session)).unwrap_or_default();
        self.status = status;
        let text = match self.connection.dialect() {
            Dialect::Native => {
                let resume = self.presence.resumes().hold(&self.connection, &identity.profile.user, resumed.as_ref());
                if let Err(error) = &resume {
                    tracing::error!(%error, "no random number for a resume token");
                }
                let entrance = self.rare.as_mut().and_then(|rare| rare.entrance.take());
                let send = entrance.map(|enter| enter(self.connection.session()));
                self.welcome_frame(&identity, &Handed { resume: resume.ok(), send })
            }
            Dialect::Board => board::connected(&identity.profile),
        };
        self.is_online = !identity.grants.is_invisible();
        if self.is_online {
            inputs.push(self.home_news(&identity.profile.user, HomeNews::Arrived(self.status)));
        } else if self.is_unconfirmed {
            // It may have been seen on its last connection.
            inputs.push(self.home_news(&identity.profile.user, HomeNews::Departed(Ending::Left)));
        }
        self.identity = Some(identity);
        self.say(&text);
        self.watch_on(watched, inputs);
    }

    /// Has a session that goes on be told of those whom it watches, as far as its token lets it still.
    fn watch_on(&mut self, watched: Vec<UserId>, inputs: &mut Inputs) {
        let (watched, forbidden) = self.may_watch(watched);
        self.presence.resumes().unwatch(&self.connection, &forbidden);
        self.ask_homes(watched, |users| Command::Watch { users }, inputs);
    }

    /// Has the session be seen from now on, or not. Who is not seen any more leaves all rosters, and hears the rooms on; who
    /// is seen again is a viewer where they join again.
    fn be_seen(&mut self, is_seen: bool, inputs: &mut Inputs) {
        let Some(profile) = self.identity.as_ref().map(|identity| Arc::clone(&identity.profile)) else { return };
        if self.is_online == is_seen {
            return;
        }
        self.is_online = is_seen;
        if is_seen {
            return inputs.push(self.home_news(&profile.user, HomeNews::Arrived(self.status)));
        }
        inputs.push(self.home_news(&profile.user, HomeNews::Departed(Ending::Left)));
        let session = self.connection.session();
        let (presence, rooms) = (&self.presence, self.rooms.iter_mut());
        for held in rooms.filter(|held| held.place == Place::Viewer && !held.is_departed) {
            held.place = Place::Observer;
            let (room, interest, sessions) = (held.room.clone(), held.interest, held.sessions);
            let (shard, partition) = (presence.shard_of(&room), Partition::of(&room));
            let command = Command::Join { room, interest, observe: true, state: None, since: None, sessions };
            inputs.push((shard, ToShard::Ask { session, partition, re: None, command }));
        }
    }

    /// Those of some users who may be watched, and those who may not.
    fn may_watch(&self, users: Vec<UserId>) -> (Vec<UserId>, Vec<UserId>) {
        let grants = self.identity.as_ref().map(|identity| &identity.grants);
        users.into_iter().partition(|user| grants.is_some_and(|grants| grants.may_watch(user)))
    }

    fn welcome_frame(&self, identity: &Identity, handed: &Handed) -> String {
        let settings = self.presence.settings();
        native::welcome(&Welcome {
            session: self.connection.session(),
            resume: handed.resume.as_deref(),
            send: handed.send.as_deref(),
            resumed: self.is_unconfirmed,
            profile: &identity.profile,
            node: self.presence.node(),
            now: self.now(),
            ping_interval: settings.rhythm.pulse(self.connection.way()),
            expires_at: Some(identity.expires_at),
            limits: WelcomeLimits {
                frame_bytes_max: settings.frame_bytes_max as usize,
                state_bytes_max: settings.limits.state_bytes_max,
                rooms_max: settings.limits.rooms_per_session_max,
                typing_lease: settings.limits.typing_lease,
            },
        })
    }

    /// Takes a new token on a live connection: the same user, perhaps with another name, later end or other rights.
    pub(super) fn renew(&mut self, token: &str, re: Option<RequestId>, inputs: &mut Inputs) {
        let identity = match self.verify(token) {
            Ok(identity) => identity,
            Err(error) => return self.complain(&Problem { re, ..problem_of(&error) }),
        };
        let Some(held) = &self.identity else { return };
        if held.profile.user != identity.profile.user {
            return self.complain(&Problem { re, ..Problem::new(Code::AuthUserChanged) });
        }
        if held.profile != identity.profile {
            for shard in bits(self.shards) {
                inputs.push((shard, self.introduction(&identity.profile)));
            }
        }
        let session = self.connection.session();
        let presence = &self.presence;
        self.rooms.retain(|Membership { room, place, .. }| {
            let rights = identity.grants.rights(room);
            let stays = match place {
                Place::Viewer => rights.contains(Rights::JOIN),
                Place::Observer => rights.reads(),
            };
            if !stays {
                let (whom, reason) = (Evictee::Session(session), Reason::Kicked);
                inputs
                    .push((presence.shard_of(room), ToShard::Evict { room: room.clone(), whom, reason, block: None }));
            }
            stays
        });
        let was_until = self.connection.expires_at();
        self.connection.note_known(&identity.profile.user, identity.ends_at());
        self.connection.note_issued(identity.issued_at_s);
        if was_until.is_some_and(|before| identity.ends_at() < before) {
            self.presence.watch_expiry(&self.connection);
        }
        let text = match self.connection.dialect() {
            Dialect::Native => native::renewed(re.as_ref(), Some(identity.expires_at)),
            Dialect::Board => board::connected(&identity.profile),
        };
        let is_seen = !identity.grants.is_invisible();
        self.identity = Some(identity);
        self.be_seen(is_seen, inputs);
        let (_, watched) = self.presence.resumes().luggage(session);
        let (_, forbidden) = self.may_watch(watched);
        if !forbidden.is_empty() {
            self.unwatch(None, forbidden, inputs);
        }
        self.say(&text);
    }
}

/// The secrets that a client is given.
struct Handed {
    resume: Option<String>,
    send: Option<String>,
}

/// The close code for a connection whose session goes on over another.
const REPLACED: u16 = 4409;
