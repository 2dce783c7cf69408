//! The scripts, each known to the server by the hash of its text.
use sha1::{Digest, Sha1};
use std::sync::LazyLock;

/// A script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// Changes a section.
    Apply,
    /// Replaces a section.
    Sync,
    /// Ends the section of a claimed node.
    Reap,
    /// Reads the sections of a room.
    Snap,
    /// Reads a part of a large section.
    Page,
    /// Compares rooms with what a node believes.
    Poll,
    /// Says that a node lives.
    Renew,
    /// Notes whose tokens are withdrawn, and tells what others noted.
    Revoke,
    /// Fences a silent node.
    Claim,
    /// Forgets old tombstones.
    Sweep,
    /// Gives a lock.
    Lock,
    /// Takes a lock back.
    Free,
    /// Notes what an app is told.
    Announce,
    /// Notes that the app has taken it.
    Confirm,
}

impl Script {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Apply,
        Self::Sync,
        Self::Reap,
        Self::Snap,
        Self::Page,
        Self::Poll,
        Self::Renew,
        Self::Revoke,
        Self::Claim,
        Self::Sweep,
        Self::Lock,
        Self::Free,
        Self::Announce,
        Self::Confirm,
    ];

    /// Its text.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Apply => include_str!("scripts/apply.lua"),
            Self::Sync => include_str!("scripts/sync.lua"),
            Self::Reap => include_str!("scripts/reap.lua"),
            Self::Snap => include_str!("scripts/snap.lua"),
            Self::Page => include_str!("scripts/page.lua"),
            Self::Poll => include_str!("scripts/poll.lua"),
            Self::Renew => include_str!("scripts/renew.lua"),
            Self::Revoke => include_str!("scripts/revoke.lua"),
            Self::Claim => include_str!("scripts/claim.lua"),
            Self::Sweep => include_str!("scripts/sweep.lua"),
            Self::Lock => include_str!("scripts/lock.lua"),
            Self::Free => include_str!("scripts/free.lua"),
            Self::Announce => include_str!("scripts/announce.lua"),
            Self::Confirm => include_str!("scripts/confirm.lua"),
        }
    }

    /// What the server calls it: the SHA-1 of its text, in hexadecimal digits.
    pub fn hash(self) -> &'static str {
        &HASHES[self as usize]
    }

    /// A call of it, to which arguments are to be added.
    pub(crate) fn call(self, keys: &[String]) -> redis::Cmd {
        let mut call = redis::cmd("EVALSHA");
        call.arg(self.hash()).arg(keys.len());
        for key in keys {
            call.arg(key);
        }
        call
    }
}

static HASHES: LazyLock<[String; 14]> = LazyLock::new(|| {
    Script::ALL.map(|script| Sha1::digest(script.text()).iter().map(|byte| format!("{byte:02x}")).collect())
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_script_stands_at_its_number_and_may_write_where_memory_is_short() {
        for (at, script) in Script::ALL.into_iter().enumerate() {
            assert_eq!(script as usize, at);
            assert!(script.text().starts_with("#!lua flags=allow-oom\n"), "{script:?}");
            assert_eq!(script.hash().len(), 40);
        }
    }
}
