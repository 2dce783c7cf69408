//! Tokens that were withdrawn before their time. In memory of this process; nodes of a cluster tell each other of users, and a
//! new node learns of them. Without a cluster a restart forgets them, so tokens should be short-lived all the same.
use hashbrown::HashMap;
use herenow_core::id::UserId;
use std::sync::{Mutex, PoisonError};

/// What was withdrawn. Each entry ends by itself; see [`Self::KEPT_S`].
#[derive(Debug, Default)]
pub struct Revocations {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// By user: tokens issued up to this second are withdrawn; and the second at which that is forgotten.
    users: HashMap<UserId, (u64, u64)>,
    /// By `jti`: the second at which it is forgotten.
    tokens: HashMap<Box<str>, u64>,
}

/// When and for whom a token was made.
#[derive(Clone, Copy, Debug)]
pub struct Issued<'a> {
    /// `sub`
    pub user: &'a UserId,
    /// `iat`, if it is there.
    pub at_s: Option<u64>,
    /// `jti`, if it is there.
    pub token: Option<&'a str>,
}

/// All tokens of a user that were made up to a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// Whose.
    pub user: UserId,
    /// Up to which second, since the Unix epoch.
    pub before_s: u64,
}

/// There are [`Revocations::ENTRIES_MAX`] entries already. The user is disconnected all the same, but may come back with an
/// old token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyRevoked;

impl Revocations {
    /// For how long an entry is kept: a day. Tokens should not live longer than that.
    pub const KEPT_S: u64 = 86_400;
    /// Users, and tokens, that can be withdrawn at once.
    pub const ENTRIES_MAX: usize = 10_000;
    /// Bytes that a `jti` may have.
    pub const TOKEN_ID_BYTES_MAX: usize = 256;

    /// Withdraws all tokens of a user that were made until now, those without `iat` as well.
    ///
    /// # Errors
    /// See [`TooManyRevoked`].
    pub fn revoke_user(&self, user: &UserId, now_unix_s: u64) -> Result<(), TooManyRevoked> {
        self.note(&Withdrawal { user: user.clone(), before_s: now_unix_s }, now_unix_s).map(drop)
    }

    /// Notes what was withdrawn, here or by another node. True where it was not known, and is not over yet.
    ///
    /// # Errors
    /// See [`TooManyRevoked`].
    pub fn note(&self, withdrawal: &Withdrawal, now_unix_s: u64) -> Result<bool, TooManyRevoked> {
        let Withdrawal { user, before_s } = withdrawal;
        let (before_s, until_s) = (*before_s, before_s.saturating_add(Self::KEPT_S));
        let mut table = self.table();
        let is_known = table.users.get(user).is_some_and(|(known_s, _)| *known_s >= before_s);
        if is_known || until_s <= now_unix_s {
            return Ok(false);
        }
        if table.users.len() >= Self::ENTRIES_MAX && !table.users.contains_key(user) {
            table.users.retain(|_, (_, until_s)| *until_s > now_unix_s);
            if table.users.len() >= Self::ENTRIES_MAX {
                return Err(TooManyRevoked);
            }
        }
        table.users.insert(user.clone(), (before_s, until_s));
        Ok(true)
    }

    /// Whose tokens are withdrawn, without those of single tokens; by time, then by user. O(users).
    pub fn users(&self, now_unix_s: u64) -> Vec<Withdrawal> {
        let table = self.table();
        let lasting = table.users.iter().filter(|(_, (_, until_s))| *until_s > now_unix_s);
        let mut all: Vec<_> =
            lasting.map(|(user, (before_s, _))| Withdrawal { user: user.clone(), before_s: *before_s }).collect();
        all.sort_unstable_by(|one, other| (one.before_s, &one.user).cmp(&(other.before_s, &other.user)));
        all
    }

    /// Withdraws one token by its `jti`. A longer one than [`Self::TOKEN_ID_BYTES_MAX`] counts as too many.
    ///
    /// # Errors
    /// See [`TooManyRevoked`].
    pub fn revoke_token(&self, token_id: &str, now_unix_s: u64) -> Result<(), TooManyRevoked> {
        if token_id.len() > Self::TOKEN_ID_BYTES_MAX {
            return Err(TooManyRevoked);
        }
        let mut table = self.table();
        if table.tokens.len() >= Self::ENTRIES_MAX && !table.tokens.contains_key(token_id) {
            table.tokens.retain(|_, until_s| *until_s > now_unix_s);
            if table.tokens.len() >= Self::ENTRIES_MAX {
                return Err(TooManyRevoked);
            }
        }
        table.tokens.insert(token_id.into(), now_unix_s + Self::KEPT_S);
        Ok(())
    }

    /// Whether a token was withdrawn.
    pub fn covers(&self, issued: Issued<'_>, now_unix_s: u64) -> bool {
        let table = self.table();
        let by_user = table.users.get(issued.user).is_some_and(|(before_s, until_s)| {
            *until_s > now_unix_s && issued.at_s.is_none_or(|at_s| at_s <= *before_s)
        });
        by_user || issued.token.and_then(|id| table.tokens.get(id)).is_some_and(|until_s| *until_s > now_unix_s)
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        // Each map is whole after each of its calls, so one that a panic left behind is as good as any.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> UserId {
        UserId::parse(id).unwrap()
    }

    fn issued<'a>(user: &'a UserId, at_s: Option<u64>, token: Option<&'a str>) -> Issued<'a> {
        Issued { user, at_s, token }
    }

    #[test]
    fn older_tokens_of_a_user_are_withdrawn_and_newer_ones_are_not() {
        let revoked = Revocations::default();
        let (alice, bob) = (user("alice"), user("bob"));
        revoked.revoke_user(&alice, 1000).unwrap();
        assert!(revoked.covers(issued(&alice, Some(1000), None), 1001));
        assert!(revoked.covers(issued(&alice, None, None), 1001), "it may be old");
        assert!(!revoked.covers(issued(&alice, Some(1001), None), 1001));
        assert!(!revoked.covers(issued(&bob, Some(1), None), 1001));
        assert!(!revoked.covers(issued(&alice, Some(1), None), 1000 + Revocations::KEPT_S), "forgotten after a day");
    }

    #[test]
    fn what_another_node_withdrew_is_news_once_and_never_less() {
        let revoked = Revocations::default();
        let alice = user("alice");
        let until = |before_s| Withdrawal { user: alice.clone(), before_s };
        assert_eq!(revoked.note(&until(1000), 1000), Ok(true));
        assert_eq!(revoked.note(&until(1000), 1001), Ok(false), "known");
        assert_eq!(revoked.note(&until(900), 1001), Ok(false), "less than is known");
        assert!(revoked.covers(issued(&alice, Some(1000), None), 1001));
        assert_eq!(revoked.note(&until(1100), 1100), Ok(true));
        assert_eq!(revoked.users(1100), [until(1100)]);
        let late = 1101 + Revocations::KEPT_S;
        assert_eq!(revoked.users(late), []);
        let bob = Withdrawal { user: user("bob"), before_s: 1100 };
        assert_eq!(revoked.note(&bob, late), Ok(false), "over before it was heard");
    }

    #[test]
    fn one_token_is_withdrawn_by_its_id() {
        let revoked = Revocations::default();
        let alice = user("alice");
        revoked.revoke_token("t1", 1000).unwrap();
        assert!(revoked.covers(issued(&alice, Some(2000), Some("t1")), 2000));
        assert!(!revoked.covers(issued(&alice, Some(2000), Some("t2")), 2000));
        assert!(!revoked.covers(issued(&alice, Some(2000), None), 2000));
        assert_eq!(revoked.revoke_token(&"x".repeat(257), 1), Err(TooManyRevoked));
    }

    #[test]
    fn the_list_is_bounded_and_forgets_what_is_over() {
        let revoked = Revocations::default();
        for n in 0..Revocations::ENTRIES_MAX {
            revoked.revoke_user(&user(&n.to_string()), 1000).unwrap();
            revoked.revoke_token(&n.to_string(), 1000).unwrap();
        }
        assert_eq!(revoked.revoke_user(&user("one more"), 1001), Err(TooManyRevoked));
        assert_eq!(revoked.revoke_token("one more", 1001), Err(TooManyRevoked));
        assert_eq!(revoked.revoke_user(&user("7"), 1001), Ok(()), "one that is listed is renewed");
        let later = 1001 + Revocations::KEPT_S;
        assert_eq!(revoked.revoke_user(&user("one more"), later), Ok(()));
        assert_eq!(revoked.revoke_token("one more", later), Ok(()));
    }
}
