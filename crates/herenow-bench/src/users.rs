//! The users of a benchmark, by number, and sets of them: completeness is a matter of who is in a list, not of how many.
use anyhow::{Context, Result, ensure};

/// The id of a user.
pub fn user_id(number: usize) -> String {
    format!("u{number:06}")
}

/// The display name of a user.
pub fn user_name(number: usize) -> String {
    format!("User {number:06}")
}

/// The number behind an id of [`user_id`].
///
/// # Errors
/// Where it is an id of nobody here.
pub fn user_number(id: &str) -> Result<usize> {
    let digits = id.strip_prefix('u').filter(|digits| digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).with_context(|| format!("`{id}` is the id of nobody here"))
}

/// A set of users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserSet {
    /// One bit a user; the last word is never 0, so that equal sets are equal values.
    words: Vec<u64>,
}

impl UserSet {
    /// The users of a list of ids.
    ///
    /// # Errors
    /// Where an id is in it twice, or is that of nobody here.
    pub fn of_ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut set = Self::default();
        for id in ids {
            ensure!(set.insert(user_number(id)?), "user `{id}` is in the list twice");
        }
        Ok(set)
    }

    /// Adds a user. Says whether they were not in it.
    pub fn insert(&mut self, user: usize) -> bool {
        let (word, bit) = (user / 64, 1 << (user % 64));
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        new
    }

    /// Takes a user out. Says whether they were in it.
    pub fn remove(&mut self, user: usize) -> bool {
        let (word, bit) = (user / 64, 1 << (user % 64));
        let Some(bits) = self.words.get_mut(word).filter(|bits| **bits & bit != 0) else { return false };
        *bits &= !bit;
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
        true
    }

    /// How many users are in it.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

impl FromIterator<usize> for UserSet {
    fn from_iter<I: IntoIterator<Item = usize>>(users: I) -> Self {
        let mut set = Self::default();
        for user in users {
            set.insert(user);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::{UserSet, user_id, user_number};

    #[test]
    fn ids_are_read_back() {
        for number in [0, 7, 999_999, 1_000_000] {
            assert_eq!(user_number(&user_id(number)).unwrap(), number);
        }
        for id in ["", "u", "u1", "x000001", "u00000x", "u+00001"] {
            assert!(user_number(id).is_err(), "{id}");
        }
    }

    #[test]
    fn sets_with_the_same_users_are_equal_however_they_came_about() {
        let mut set: UserSet = [1, 2, 640].into_iter().collect();
        assert!(set.remove(640) && !set.remove(640) && !set.remove(9_999));
        assert!(set.insert(64) && !set.insert(64));
        assert_eq!(set, [64, 2, 1].into_iter().collect());
        assert_eq!(set.len(), 3);
        for user in [1, 2, 64] {
            set.remove(user);
        }
        assert!(set.is_empty() && set == UserSet::default());
    }

    #[test]
    fn a_list_that_names_a_user_twice_is_none() {
        assert_eq!(UserSet::of_ids(["u000001", "u000000"]).unwrap(), (0..2).collect());
        assert!(UserSet::of_ids(["u000001", "u000001"]).is_err());
        assert!(UserSet::of_ids(["somebody"]).is_err());
    }
}
