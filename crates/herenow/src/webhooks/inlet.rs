//! Where news go in: hubs and who carries for a node among several put them here, and never wait for what becomes of them.
use crate::webhooks::orders::{Flags, News};
use herenow_core::{event::Notice, hub::Hub, id::RoomId, time::Time};
use prometheus_client::metrics::counter::Counter;
use std::sync::{Arc, atomic::Ordering};
use tokio::sync::mpsc::{self, Receiver, Sender, WeakSender};

/// Where the news of one process go in; cheap to clone. As long as webhooks are off it takes none.
#[derive(Clone, Debug)]
pub struct Inlet {
    news: Sender<News>,
    flags: Arc<Flags>,
    dropped: Counter,
}

impl Inlet {
    /// An inlet of webhooks that are off, and where its news come out. News that do not fit are counted.
    pub(super) fn new(dropped: Counter) -> (Self, Receiver<News>) {
        let (news, inbox) = mpsc::channel(NEWS_MAX);
        (Self { news, flags: Arc::default(), dropped }, inbox)
    }

    /// Whether it takes news: not so while webhooks are off.
    pub fn is_on(&self) -> bool {
        self.flags.is_on.load(Ordering::Relaxed)
    }

    /// Takes what a hub noticed; never waits.
    pub fn note(&self, now: Time, notice: &Notice) {
        let is_news = !matches!(notice, Notice::Typing { .. });
        if is_news && self.is_on() {
            self.put(News::Notice(now, notice.clone()));
        }
    }

    /// Takes what a hub among several noticed, as far as this node tells the app of it, and who is where this node has begun
    /// to tell; never waits.
    pub fn note_jointly(&self, now: Time, hub: &Hub, notices: Vec<Notice>, taken_over: Vec<RoomId>) {
        if !self.is_on() {
            return;
        }
        for notice in notices {
            let tells = match &notice {
                Notice::Joined { room, .. } | Notice::Updated { room, .. } | Notice::Left { room, .. } => {
                    hub.tells(room)
                }
                Notice::Online { user } | Notice::Offline { user } => hub.tells(&RoomId::of_user(user)),
                Notice::Typing { .. } => false,
            };
            if tells {
                self.put(News::Notice(now, notice));
            }
        }
        for room in taken_over {
            let users = hub.present_in(&room);
            let own = users.keys().filter(|user| hub.has_own_in(&room, user)).cloned().collect();
            self.put(News::View { room, users, own });
        }
    }

    /// Takes that the section of a node that died was ended in a room; never waits.
    pub fn note_reaped(&self, room: RoomId) {
        if self.is_on() {
            self.put(News::Reaped(room));
        }
    }

    /// What those look at who put news in, and who takes them.
    pub(super) fn flags(&self) -> &Arc<Flags> {
        &self.flags
    }

    /// The way in, for whoever ends when nobody else puts news in any more.
    pub(super) fn downgrade(&self) -> WeakSender<News> {
        self.news.downgrade()
    }

    fn put(&self, news: News) {
        if self.news.try_send(news).is_err() {
            self.dropped.inc();
            self.flags.has_dropped.store(true, Ordering::Relaxed);
        }
    }
}

/// News that wait for the thread at the most; some 100 bytes each.
const NEWS_MAX: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;
    use herenow_core::{
        event::Count,
        id::UserId,
        profile::Profile,
        version::{Epoch, Version},
    };

    #[test]
    fn news_over_the_limit_are_dropped_and_counted() {
        let dropped = Counter::default();
        let (inlet, _news) = Inlet::new(dropped.clone());
        let profile = Profile { user: UserId::parse("alice").unwrap(), name: "Alice".into(), avatar: None };
        let (room, version) = (RoomId::parse("r").unwrap(), Version { epoch: Epoch::parse("e").unwrap(), number: 1 });
        let count = Count { users: 1, sessions: 1 };
        let notice = Notice::Joined { room, profile: Arc::new(profile), version, count };
        let put = |times: usize| (0..times).for_each(|_| inlet.note(Time::from_millis(1), &notice));
        put(NEWS_MAX + 1);
        assert_eq!(dropped.get(), 0, "nothing is taken while they are off");
        inlet.flags.is_on.store(true, Ordering::Relaxed);
        put(NEWS_MAX);
        assert!(!inlet.flags.has_dropped.load(Ordering::Relaxed));
        put(3);
        assert_eq!(dropped.get(), 3);
        assert!(inlet.flags.has_dropped.load(Ordering::Relaxed));
    }
}
