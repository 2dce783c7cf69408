//! Who decides who somebody is and what they may do, as a presence sees it: the rules of the moment, and asking again about
//! those who are here by the word of the app.
use super::{Inner, Presence};
use crate::{
    auth::{
        authority::{Authority, AuthorityHealth, Credential, Inquiry, KnownCookie, Verdict},
        origin::OriginPolicy,
        revoked::Revocations,
        rights::Rights,
        token::{Identity, Verifier},
    },
    connection::Connection,
    heartbeat::refuse,
    rate::RateLimits,
    rechecks::{Due, Outcome, Rechecks},
    rules::Rules,
    shard::ToShard,
};
use futures_util::StreamExt;
use herenow_core::{
    command::{Ending, Evictee, Input, Reason},
    id::{RoomId, UserId},
    rules::RoomRule,
};
use herenow_wire::code::Code;
use http::request::Parts;
use std::{
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

impl Presence {
    /// Has a process that runs go by other rules from now on. Who is connected stays so, until their token ends or is
    /// renewed.
    pub fn change_rules(&self, rules: Rules) {
        rules.authority.start(Some(&self.authority()));
        *self.0.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    /// Has every room, also those that people are in, go by other rules for rooms from now on.
    pub async fn change_room_rules(&self, rooms: Arc<[RoomRule]>) {
        for shard in 0..self.0.shards.len() {
            let input = Input::Ruled { rooms: Arc::clone(&rooms) };
            self.tell(shard, ToShard::Everywhere(Box::new(input))).await;
        }
    }

    /// Who decides who somebody is.
    pub fn authority(&self) -> Arc<Authority> {
        Arc::clone(&self.rules().authority)
    }

    /// Who tells good tokens from bad ones, without asking anybody.
    pub fn verifier(&self) -> Arc<Verifier> {
        Arc::clone(&self.rules().authority.verifier)
    }

    /// Which pages may connect.
    pub fn origins(&self) -> Arc<OriginPolicy> {
        Arc::clone(&self.rules().origins)
    }

    /// How often one connection may ask.
    pub fn rates(&self) -> RateLimits {
        self.rules().rates
    }

    /// Which tokens were withdrawn.
    pub fn revoked(&self) -> &Arc<Revocations> {
        &self.0.revoked
    }

    /// What a request says of who sent it, once the page that it came from was looked at.
    pub fn credential(&self, parts: &Parts) -> Credential {
        let (credential, source) = self.authority().credential(parts, &self.0.settings.cookie_name);
        match self.origins().check(&parts.headers, source) {
            Ok(()) => credential,
            Err(error) => Credential::Refused(error),
        }
    }

    /// Says who somebody is; waits for the app or for new keys where they have to be asked.
    pub async fn identify(&self, credential: Credential) -> Verdict {
        let authority = self.authority();
        authority.identify(credential, || self.0.clock.now().as_millis() / 1000).await
    }

    /// Asks what has to be asked before something can be decided.
    pub async fn settle(&self, inquiry: &Inquiry) {
        self.authority().settle(inquiry).await;
    }

    /// What a user may do in a room by their token and, where the app is asked about rooms, by its word: for somebody who
    /// joins its newest, and otherwise as long as it lets them stay.
    ///
    /// # Errors
    /// What has to be asked before that can be said. `Ok(None)` where it was, in vain.
    pub fn rights(&self, identity: &Identity, room: &RoomId, joins: bool) -> Result<Option<Rights>, Inquiry> {
        let authority = self.authority();
        if authority.rooms.is_none() {
            return Ok(Some(identity.grants.rights(room)));
        }
        let held = || {
            let held = self.0.rechecks.rights(&identity.profile.user, room);
            held.map(|held| identity.grants.rights(room).union(held))
        };
        match held().filter(|_| !joins) {
            Some(rights) => Ok(Some(rights)),
            None => authority.rights(identity, room).map(|rights| rights.or_else(held)),
        }
    }

    /// What has to be asked before a token can be judged; `None` where it can be judged now.
    pub fn inquiry_of_token(&self, token: &str) -> Option<Inquiry> {
        let authority = self.authority();
        authority.inquiry_of_token(token, self.0.clock.now().as_millis() / 1000)
    }

    /// Whether the app is asked who may enter a room.
    pub fn asks_about_rooms(&self) -> bool {
        self.rules().authority.rooms.is_some()
    }

    /// Has the app asked again about a cookie that a connection is here by.
    pub fn hold_cookie(&self, cookie: KnownCookie, identity: &Identity, connection: &Arc<Connection>) {
        if let Some(cookies) = &self.authority().cookies {
            self.0.rechecks.hold_cookie(cookie, identity, connection, cookies.hook().times());
        }
    }

    /// Has the app asked again about a room that a session enters by its word.
    pub fn hold_room(&self, place: (UserId, RoomId), rights: Rights, connection: &Arc<Connection>) {
        if let Some(rooms) = &self.authority().rooms {
            self.0.rechecks.hold_room(place, rights, connection, rooms.hook().times());
        }
    }

    /// Who is here by the word of the app.
    pub fn rechecks(&self) -> &Rechecks {
        &self.0.rechecks
    }

    /// How those stand that others are asked for.
    pub fn authority_health(&self) -> AuthorityHealth {
        self.authority().health()
    }

    /// Asks the app again about those who are here by its word, for as long as the process lives.
    pub(super) async fn ask_again(inner: Weak<Inner>) {
        loop {
            tokio::time::sleep(ASK_AGAIN_LOOK).await;
            let Some(inner) = inner.upgrade() else { return };
            let presence = Self(inner);
            let due = presence.0.rechecks.due();
            let asked = futures_util::stream::iter(due).map(|due| presence.ask_about(due));
            asked.buffer_unordered(ASKED_AT_ONCE).for_each(|outcome| presence.obey(outcome)).await;
        }
    }

    async fn ask_about(&self, due: Due) -> Outcome {
        let authority = self.authority();
        match (due, &authority.cookies, &authority.rooms) {
            (Due::Cookie(key, pair), Some(cookies), _) => {
                let answer = cookies.recheck(&key, pair.as_str(), &authority.verifier).await;
                self.0.rechecks.take_cookie_answer(&key, &answer, cookies)
            }
            (Due::Room(user, room), _, Some(rooms)) => {
                let answer = rooms.recheck(&user, &room).await;
                self.0.rechecks.take_room_answer(&user, &room, answer, rooms)
            }
            // The hook was taken out of the configuration: those who are here stay until their time is over.
            (Due::Cookie(..), None, _) | (Due::Room(..), _, None) => Outcome::Keep,
        }
    }

    async fn obey(&self, outcome: Outcome) {
        match outcome {
            Outcome::Keep => {}
            Outcome::Extend(connections, ends_at) => {
                for connection in connections {
                    let is_sooner = connection.expires_at().is_some_and(|before| ends_at < before);
                    connection.note_expiry(ends_at);
                    // The app has vouched for them just now.
                    connection.note_issued(Some(self.0.clock.now().as_millis() / 1000));
                    if is_sooner {
                        self.watch_expiry(&connection);
                    }
                }
            }
            Outcome::Expire(connections) => {
                for connection in connections {
                    refuse(&connection, Code::AuthExpired, Ending::Expired, self.0.clock.now());
                }
            }
            Outcome::Evict(room, sessions) => {
                for session in sessions {
                    let (whom, reason, room) = (Evictee::Session(session), Reason::Kicked, room.clone());
                    self.tell(self.shard_of(&room), ToShard::Evict { room, whom, reason, block: None }).await;
                }
            }
        }
    }

    fn rules(&self) -> std::sync::RwLockReadGuard<'_, Rules> {
        // They are replaced as a whole, so what a panic left behind is as good as any.
        self.0.rules.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often it is looked who has to be asked about again.
const ASK_AGAIN_LOOK: Duration = Duration::from_millis(250);
/// How many are asked about at once.
const ASKED_AT_ONCE: usize = 32;
