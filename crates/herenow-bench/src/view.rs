//! What one connection knows of its room, from the frames that it got and nothing else.
use crate::{dialect::News, users::UserSet};
use anyhow::{Result, bail, ensure};
use std::rc::Rc;

/// Who is in the room, as far as a connection was told.
#[derive(Clone, Debug, Default)]
pub struct View {
    version: Option<u64>,
    users: Option<Rc<UserSet>>,
    count: Option<u64>,
}

impl View {
    /// Takes a frame in. Says whether it was about who is there.
    ///
    /// # Errors
    /// Where it does not follow from what came before: a diff without a roster or to another version, somebody who comes
    /// twice or goes without having come. Such a server is not complete, it is wrong.
    pub fn take(&mut self, news: &News) -> Result<bool> {
        match news {
            News::Roster { version, users } => {
                self.version = *version;
                self.count = None;
                self.users = Some(Rc::clone(users));
            }
            News::Diff { versions, joined, left } => {
                let Some(users) = &mut self.users else { bail!("a diff came without a roster before it") };
                if let Some((from, to)) = *versions {
                    ensure!(self.version == Some(from), "a diff from {from} came at version {:?}", self.version);
                    self.version = Some(to);
                }
                let users = Rc::make_mut(users);
                // One diff may hold somebody who went and came again.
                for user in left.iter() {
                    ensure!(users.remove(*user), "user {user} left and was not there");
                }
                for user in joined.iter() {
                    ensure!(users.insert(*user), "user {user} joined and was there");
                }
            }
            News::Count(count) => {
                self.users = None;
                self.count = Some(*count);
            }
            News::Nothing | News::Ready | News::Reply(_) | News::Message(_) => return Ok(false),
        }
        Ok(true)
    }

    /// Who is there, where the connection was told.
    pub fn users(&self) -> Option<&UserSet> {
        self.users.as_deref()
    }

    /// How many are there: a count, or the length of the list.
    pub fn count(&self) -> Option<u64> {
        self.count.or_else(|| self.users().map(|users| users.len() as u64))
    }

    /// Whether anything was told yet.
    pub const fn is_told(&self) -> bool {
        self.users.is_some() || self.count.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::View;
    use crate::dialect::News;
    use std::rc::Rc;

    fn roster(version: Option<u64>, users: &[usize]) -> News {
        News::Roster { version, users: Rc::new(users.iter().copied().collect()) }
    }

    fn diff(versions: Option<(u64, u64)>, joined: &[usize], left: &[usize]) -> News {
        News::Diff { versions, joined: joined.into(), left: left.into() }
    }

    #[test]
    fn a_roster_and_diffs_make_a_set() {
        let mut view = View::default();
        assert!(!view.take(&News::Message(1)).unwrap() && !view.is_told());
        assert!(view.take(&roster(Some(3), &[1, 2])).unwrap());
        assert!(view.take(&diff(Some((3, 5)), &[3], &[1])).unwrap());
        assert_eq!((view.users(), view.count()), (Some(&[2, 3].into_iter().collect()), Some(2)));
        view.take(&News::Count(9)).unwrap();
        assert_eq!((view.users(), view.count()), (None, Some(9)));
    }

    #[test]
    fn what_does_not_follow_is_an_error() {
        assert!(View::default().take(&diff(None, &[1], &[])).is_err());
        let mut view = View::default();
        view.take(&roster(Some(3), &[1, 2])).unwrap();
        assert!(view.clone().take(&diff(Some((2, 4)), &[3], &[])).is_err());
        assert!(view.clone().take(&diff(Some((3, 4)), &[2], &[])).is_err());
        assert!(view.clone().take(&diff(Some((3, 4)), &[], &[3])).is_err());
        assert!(view.take(&diff(Some((3, 5)), &[1], &[1])).is_ok(), "went and came again");
    }

    #[test]
    fn views_that_share_a_roster_do_not_share_what_follows() {
        let news = roster(None, &[1]);
        let (mut one, mut other) = (View::default(), View::default());
        one.take(&news).unwrap();
        other.take(&news).unwrap();
        one.take(&diff(None, &[2], &[])).unwrap();
        assert_eq!((one.count(), other.count()), (Some(2), Some(1)));
    }
}
