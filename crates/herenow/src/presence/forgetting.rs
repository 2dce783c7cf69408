//! Users who are put out everywhere: on this node, and on the other nodes of its cluster.
use super::{DRAIN_LOOK, Inner, Presence};
use crate::{
    auth::revoked::Withdrawal,
    cluster::withdrawals::Withdrawn,
    connection::{Connection, number_of},
    heartbeat::refuse,
    partition::Partition,
    shard::{ToShard, sight::Sight},
};
use futures_util::StreamExt;
use herenow_core::{
    command::{Ending, Evictee, HomeNews, Reason},
    hub::Hub,
    id::{RoomId, SessionId, UserId},
    roster::EntryFact,
};
use herenow_wire::code::Code;
use std::{
    collections::{BTreeSet, HashMap},
    sync::Weak,
};
use tokio::sync::mpsc;

impl Presence {
    /// Puts a user out of all rooms, closes their connections (4403), withdraws the tokens that they have, and forgets what is
    /// kept of them: here now, on the other nodes of a cluster within about a second, or once the store can be reached.
    pub async fn forget_user(&self, user: &UserId) {
        let before_s = self.0.clock.now().as_millis() / 1000;
        self.forget_user_here(user, None).await;
        // Tokens that were made before now bring nobody back.
        self.disconnect_user(user).await;
        if let Some(cluster) = &self.0.cluster {
            cluster.withdraw(Withdrawal { user: user.clone(), before_s });
        }
    }

    /// Closes the connections of a user on this node (4403), and withdraws here the tokens that they have. How many connections
    /// that were. They may come back with a token that is made after this second.
    pub async fn disconnect_user(&self, user: &UserId) -> usize {
        if self.0.revoked.revoke_user(user, self.0.clock.now().as_millis() / 1000).is_err() {
            tracing::warn!("too many users were signed out of late, so that the tokens of one more still count");
        }
        self.authority().forget(user);
        self.close_all_of(user, None).await
    }

    /// Closes the connections of a user on this node, or those by tokens of up to `before_s`; how many.
    async fn close_all_of(&self, user: &UserId, before_s: Option<u64>) -> usize {
        let mut closed = 0;
        // More than once: one that was just opened, or that the heartbeat is looking at, may not be listed.
        for look in 0..DISCONNECT_LOOKS {
            if look > 0 {
                tokio::time::sleep(DRAIN_LOOK).await;
            }
            for connection in self.0.heartbeat.connections() {
                let is_theirs = connection.is_of(user) && is_withdrawn(&connection, before_s);
                if is_theirs && connection.farewell().is_none() {
                    refuse(&connection, Code::AuthRevoked, Ending::Kicked, self.0.clock.now());
                    closed += 1;
                }
            }
        }
        closed
    }

    /// Puts a user out on this node, and out of the rooms that it knows of; what another node withdrew up to `before_s`, here
    /// only, and not who has come back by a newer token since.
    async fn forget_user_here(&self, user: &UserId, before_s: Option<u64>) {
        let now = self.0.clock.now();
        let of = user.clone();
        let sessions = self.look(Partition::of_user(user), move |hub: &Hub| hub.online_sessions(&of)).await;
        let sessions: BTreeSet<SessionId> = sessions.unwrap_or_default().into_iter().collect();
        let of = user.clone();
        let seated = self.look_everywhere(move |sight: Sight<'_>| sight.connections_of(&of)).await;
        let serving = self.connections_serving(&sessions);
        let mut connections: Vec<_> = seated.into_iter().flatten().chain(serving).collect();
        if connections.iter().any(|connection| !is_withdrawn(connection, before_s)) {
            return;
        }
        connections.extend(self.0.resumes.forget_user(user));
        for (room, _) in self.places_of(user, true).await {
            let whom = if before_s.is_some() { Evictee::UserHere } else { Evictee::User };
            let (shard, whom) = (self.shard_of(&room), whom(user.clone()));
            self.tell(shard, ToShard::Evict { room, whom, reason: Reason::Kicked, block: None }).await;
        }
        for connection in connections {
            connection.close(FORBIDDEN, "disconnected by the operator", Ending::Kicked, now);
        }
        let home = self.shard_owning(Partition::of_user(user));
        for session in sessions {
            // Their connections will say so as well, when they have ended.
            let (user, news) = (user.clone(), HomeNews::Departed(Ending::Kicked));
            self.tell(home, ToShard::Home { user, session, news }).await;
        }
        self.tell(home, ToShard::Forget { user: user.clone() }).await;
    }

    /// The rooms where this node knows of a user, and by which sessions.
    pub async fn places_of(&self, user: &UserId, also_private: bool) -> Vec<(RoomId, Vec<EntryFact>)> {
        let of = user.clone();
        let look = move |sight: Sight<'_>| {
            let of_hub = |hub: &Hub| {
                let places = hub.places(&of).into_iter();
                places.filter(|(room, _)| also_private || !hub.is_private(room)).collect::<Vec<_>>()
            };
            sight.hubs().iter().flat_map(of_hub).collect::<Vec<_>>()
        };
        self.look_everywhere(look).await.into_iter().flatten().collect()
    }

    /// Does what other nodes withdraw, for as long as the process lives.
    pub(super) async fn obey_others(inner: Weak<Inner>, mut withdrawn: mpsc::Receiver<Withdrawn>) {
        while let Some(Withdrawn { all, is_late }) = withdrawn.recv().await {
            let Some(inner) = inner.upgrade() else { return };
            let presence = Self(inner);
            if is_late {
                presence.end_withdrawn(&all);
            } else {
                let users = futures_util::stream::iter(&all);
                users.for_each_concurrent(FORGOTTEN_AT_ONCE, |one| presence.obey_withdrawal(one)).await;
            }
        }
    }

    async fn obey_withdrawal(&self, Withdrawal { user, before_s }: &Withdrawal) {
        self.authority().forget(user);
        self.forget_user_here(user, Some(*before_s)).await;
        self.close_all_of(user, Some(*before_s)).await;
    }

    /// Ends the connections that are here by tokens which were withdrawn some time ago. Who came back by a newer one stays.
    fn end_withdrawn(&self, all: &[Withdrawal]) {
        for withdrawal in all {
            self.authority().forget(&withdrawal.user);
        }
        let before: HashMap<u64, u64> = all.iter().map(|one| (number_of(&one.user), one.before_s)).collect();
        for connection in self.0.heartbeat.connections() {
            let ends =
                before.get(&connection.user_number()).is_some_and(|before_s| connection.was_issued_by(*before_s));
            if ends && connection.farewell().is_none() {
                refuse(&connection, Code::AuthRevoked, Ending::Kicked, self.0.clock.now());
            }
        }
    }
}

/// Whether a connection is by a token that was withdrawn: any, or one of up to a second.
fn is_withdrawn(connection: &Connection, before_s: Option<u64>) -> bool {
    before_s.is_none_or(|before_s| connection.was_issued_by(before_s))
}

/// How often a disconnect looks for connections of the user.
const DISCONNECT_LOOKS: usize = 3;
/// Users who are forgotten at once.
const FORGOTTEN_AT_ONCE: usize = 16;
/// The close code of who may not be here.
const FORBIDDEN: u16 = 4403;
