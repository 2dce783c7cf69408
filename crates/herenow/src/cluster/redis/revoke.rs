//! Whose tokens are withdrawn, as nodes tell each other through the store.
use super::{
    error::CallError,
    reply,
    script::Script,
    store::{Store, word},
};
use crate::auth::revoked::{Revocations, Withdrawal};
use herenow_core::id::UserId;

/// What was noted by all, after what is known already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Another one where the store has lost all of it since.
    pub name: Vec<u8>,
    /// The number of the last entry that was told, or the highest one where all were told.
    pub seen: u64,
    /// Whether there may be more.
    pub is_part: bool,
    /// In the order in which it was noted. What makes no sense is left out.
    pub withdrawals: Vec<Withdrawal>,
    /// How many made no sense.
    pub senseless: usize,
}

impl Store {
    /// Notes withdrawals, of which those that are noted already change nothing, and tells what was noted after a number. At
    /// most [`WITHDRAWALS_MAX`] should be noted at once.
    ///
    /// # Errors
    /// Where nobody knows whether it was done.
    pub async fn revoke(&self, seen: u64, name: &str, noted: &[Withdrawal]) -> Result<Told, CallError> {
        let mut call = Script::Revoke.call(&[self.keys.revoked()]);
        call.arg(seen).arg(Revocations::ENTRIES_MAX).arg(WITHDRAWALS_MAX).arg(Revocations::KEPT_S).arg(name);
        for Withdrawal { user, before_s } in noted {
            call.arg(format!("u{before_s}:{user}"));
        }
        let answer = self.link.ask(&call).await?;
        let nonsense = || CallError::nonsense("REVOKE");
        let [_, name, last, told] = reply::list(&answer).ok_or_else(nonsense)? else { return Err(nonsense()) };
        if word(&answer) != Some(b"OK".as_slice()) {
            return Err(nonsense());
        }
        let name = reply::text(name).ok_or_else(nonsense)?.to_vec();
        let last = reply::number(last).ok_or_else(nonsense)?;
        let told = reply::pairs(told).ok_or_else(nonsense)?;
        let is_part = told.len() >= WITHDRAWALS_MAX;
        let seen = match told.last() {
            Some((_, number)) if is_part => super::news::number(number).ok_or_else(nonsense)?,
            _ => last,
        };
        let withdrawals: Vec<Withdrawal> = told.iter().filter_map(|(entry, _)| parse(entry)).collect();
        let senseless = told.len() - withdrawals.len();
        Ok(Told { name, seen, is_part, withdrawals, senseless })
    }
}

fn parse(entry: &[u8]) -> Option<Withdrawal> {
    let (before, user) = std::str::from_utf8(entry).ok()?.strip_prefix('u')?.split_once(':')?;
    let before_s = super::news::number(before.as_bytes())?;
    Some(Withdrawal { user: UserId::parse(user).ok()?, before_s })
}

/// Entries that one call notes, and tells.
pub const WITHDRAWALS_MAX: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_entry_is_left_out() {
        let read = parse(b"u1700000000:a:b").expect("an entry");
        assert_eq!((read.user.as_str(), read.before_s), ("a:b", 1_700_000_000));
        for bad in [&b""[..], b"u", b"u:", b"u1:", b"u-1:a", b"x1:a", b"u1a:a", b"u1:\xff", b"u99999999999999999999:a"]
        {
            assert_eq!(parse(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }
}
