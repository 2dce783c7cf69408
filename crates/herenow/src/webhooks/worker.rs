//! The thread that writes news into the spool and has them sent.
use crate::{
    partition::Partition,
    presence::WeakPresence,
    webhooks::{
        delivery::{Down, Verdict, backoff, deliver},
        ledger::{Full, Ledger, News as Change, Present, Taken},
        meters::WebhookMeters,
        orders::{Flags, Health, Inboxes, News, Order},
        settings::Settings,
        spool::{Buried, Spool, Stored},
        wall::wall_clock,
    },
};
use herenow_core::{event::Notice, hub::Hub, time::Time};
use herenow_wire::words;
use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::{sync::mpsc::WeakSender, task::JoinSet};

mod held;
mod joint;
mod telling;

use held::Joint;

/// Owns the spool.
pub(super) struct Worker {
    spool: Spool,
    settings: Option<Arc<Settings>>,
    presence: WeakPresence,
    news: WeakSender<News>,
    flags: Arc<Flags>,
    meters: WebhookMeters,
    lanes: Vec<Lane>,
    calls: JoinSet<Call>,
    /// Calls in a row without an answer that says something about what was sent.
    failures: u32,
    /// While the receiver is down: when to try again.
    down_until: Option<Instant>,
    problem: Option<String>,
    /// Partitions in which who was announced has to be compared with who is there, and when to ask for that.
    behind: BTreeSet<usize>,
    compare_at: Option<Instant>,
    /// Asks the hubs who is there.
    asking: JoinSet<()>,
    /// Until when those may come back who were present before the server started.
    return_until: Option<Instant>,
    /// Of a node among several.
    joint: Joint,
}

/// How the events of one lane fare.
#[derive(Clone, Debug, Default)]
struct Lane {
    is_busy: bool,
    /// Times in a row that its first event was refused.
    refusals: u32,
    wait_until: Option<Instant>,
}

/// A call that is done.
struct Call {
    lane: usize,
    events: Vec<Stored>,
    verdict: Verdict,
}

impl Worker {
    pub(super) fn new(
        (spool, settings): (Spool, Arc<Settings>),
        (presence, news): (WeakPresence, WeakSender<News>),
        (flags, meters): (Arc<Flags>, WebhookMeters),
    ) -> Self {
        // Among several, others tell of those who do not come back.
        let is_alone = presence.upgrade().is_none_or(|presence| presence.cluster().is_none());
        let return_until = is_alone.then(|| Instant::now() + settings.return_grace);
        Self {
            spool,
            settings: Some(settings),
            presence,
            news,
            flags,
            meters,
            lanes: vec![Lane::default(); Spool::LANES],
            calls: JoinSet::new(),
            failures: 0,
            down_until: None,
            problem: None,
            behind: (0..Partition::COUNT).collect(),
            compare_at: Some(Instant::now()),
            asking: JoinSet::new(),
            return_until,
            joint: Joint::default(),
        }
    }

    /// Works until nobody can send news any more, or it is told to end.
    pub(super) async fn run(mut self, mut inboxes: Inboxes) {
        let mut batch = Vec::new();
        let node = self.presence.node();
        self.forget_unwanted();
        loop {
            self.send(&node);
            self.show();
            let wake = self.next_wake();
            tokio::select! {
                taken = inboxes.news.recv_many(&mut batch, NEWS_EACH_MAX) => {
                    if taken == 0 {
                        return;
                    }
                    self.take_all(&mut batch).await;
                }
                Some(order) = inboxes.orders.recv() => {
                    if let Order::Close(done) = order {
                        while inboxes.news.try_recv().map(|news| batch.push(news)).is_ok() {}
                        self.take_all(&mut batch).await;
                        let _ = done.send(());
                        return;
                    }
                    self.obey(order, inboxes.news.len());
                }
                Some(Ok(call)) = self.calls.join_next() => self.settle(call),
                () = sleep_until(wake) => {}
            }
            self.tell_held().await;
            self.do_due(inboxes.news.is_empty());
        }
    }

    async fn take_all(&mut self, batch: &mut Vec<News>) {
        match self.joint() {
            Some(store) => self.take_jointly(store, batch).await,
            None => self.take(batch),
        }
    }

    /// Writes news in one transaction.
    fn take(&mut self, batch: &mut Vec<News>) {
        let Some(settings) = self.settings.clone() else {
            batch.clear();
            return;
        };
        let (now, mut behind) = (wall_clock(), BTreeSet::new());
        let before = self.spool.pending();
        let written = self.spool.write(|desk| {
            let mut dropped = 0;
            let mut compared = BTreeSet::new();
            let mut ledger = Ledger { desk, kinds: settings.kinds, now };
            for news in batch.iter() {
                match news {
                    News::Notice(at, notice) => {
                        if let Err(Full) = note(&mut ledger, &settings, (*at, notice))? {
                            dropped += 1;
                            behind.insert(partition_of(notice));
                        }
                    }
                    News::Present(partition, present) => {
                        match ledger.compare(*partition, present, |room| settings.wants(room))? {
                            Ok(()) => drop(compared.insert(partition.index())),
                            Err(Full) => drop(behind.insert(partition.index())),
                        }
                    }
                    // Only nodes among several say that.
                    News::View { .. } | News::Reaped(_) => {}
                }
            }
            Ok((dropped, compared))
        });
        match written {
            Ok((dropped, compared)) => {
                self.meters.dropped.inc_by(dropped);
                self.meters.stored.inc_by((self.spool.pending() - before) as u64);
                self.behind.retain(|partition| !compared.contains(partition));
            }
            Err(error) => {
                tracing::error!(%error, news = batch.len(), "the spool of webhooks cannot be written; its news are made good later");
                self.meters.dropped.inc_by(batch.len() as u64);
                self.problem = Some(format!("the spool cannot be written: {error}"));
                behind.extend(0..Partition::COUNT);
            }
        }
        batch.clear();
        if self.flags.has_dropped.swap(false, Ordering::Relaxed) {
            behind.extend(0..Partition::COUNT);
        }
        if !behind.is_empty() {
            self.behind.append(&mut behind);
            self.compare_at.get_or_insert(Instant::now() + COMPARE_WAIT);
        }
    }

    /// Does what the time has come for. `is_caught_up`: all news that came were written.
    fn do_due(&mut self, is_caught_up: bool) {
        let now = Instant::now();
        if self.settings.is_none() {
            return;
        }
        if self.compare_at.is_some_and(|at| at <= now) {
            if self.behind.is_empty() {
                self.compare_at = None;
            } else {
                // What does not fit now is tried again.
                self.compare_at = Some(now + COMPARE_WAIT);
                if self.spool.has_room() {
                    self.ask_who_is_here();
                }
            }
        }
        let is_over = self.return_until.is_some_and(|until| until <= now);
        if is_over && is_caught_up && self.behind.is_empty() {
            let kinds = self.settings.as_ref().map(|settings| settings.kinds).unwrap_or_default();
            let before = self.spool.pending();
            let ended = self.spool.write(|desk| Ledger { desk, kinds, now: wall_clock() }.end_absent());
            self.meters.stored.inc_by((self.spool.pending() - before) as u64);
            match ended {
                Ok(Ok(())) => self.return_until = None,
                Ok(Err(Full)) => self.return_until = Some(now + COMPARE_WAIT),
                Err(error) => {
                    self.problem = Some(format!("the spool cannot be written: {error}"));
                    self.return_until = Some(now + COMPARE_WAIT);
                }
            }
        }
    }

    /// Has the hubs that are behind looked at; what is seen comes with the news, in order with the notices.
    fn ask_who_is_here(&mut self) {
        let (Some(presence), Some(news)) = (self.presence.upgrade(), self.news.upgrade()) else { return };
        while self.asking.try_join_next().is_some() {}
        if !self.asking.is_empty() {
            return;
        }
        for partition in self.behind.iter().copied().filter_map(Partition::at) {
            let (presence, news, flags) = (presence.clone(), news.clone(), Arc::clone(&self.flags));
            self.asking.spawn(async move {
                let look = move |hub: &Hub| {
                    if news.try_send(News::Present(partition, Present::in_hub(hub))).is_err() {
                        flags.has_dropped.store(true, Ordering::Relaxed);
                    }
                };
                presence.look(partition, look).await;
            });
        }
    }

    fn obey(&mut self, order: Order, unwritten: usize) {
        // Who asked may have gone.
        match order {
            Order::Settings(settings) => {
                self.settings = settings;
                self.lanes.iter_mut().for_each(|lane| (lane.refusals, lane.wait_until) = (0, None));
                (self.failures, self.down_until) = (0, None);
                self.forget_unwanted();
                // What happened while nothing was wanted, or in rooms that were not.
                self.behind.extend(0..Partition::COUNT);
                self.compare_at = Some(Instant::now());
            }
            Order::Health(answer) => drop(answer.send(self.health(unwritten))),
            Order::Dead(after, events_max, answer) => {
                let dead = self.spool.list_dead(after, events_max);
                let _ = answer.send(dead.unwrap_or_else(|error| self.unread(&error, Vec::new())));
            }
            Order::Replay(which, answer) => {
                let replayed = self.spool.replay(&which, wall_clock());
                let _ = answer.send(replayed.unwrap_or_else(|error| self.unread(&error, 0)));
            }
            Order::Forget(which, answer) => {
                let forgotten = self.spool.forget_dead(&which);
                let _ = answer.send(forgotten.unwrap_or_else(|error| self.unread(&error, 0)));
            }
            Order::Close(done) => drop(done.send(())),
        }
    }

    fn health(&self, unwritten: usize) -> Health {
        Health {
            is_on: self.settings.is_some(),
            unwritten,
            pending: self.spool.pending(),
            oldest_ms: self.spool.oldest_ms().unwrap_or_default(),
            dead: self.spool.dead(),
            failures: self.failures,
            problem: self.problem.clone(),
            is_behind: !self.behind.is_empty(),
        }
    }

    fn unread<T>(&mut self, error: &rusqlite::Error, instead: T) -> T {
        tracing::error!(%error, "the spool of webhooks cannot be used");
        self.problem = Some(format!("the spool cannot be used: {error}"));
        instead
    }

    fn forget_unwanted(&mut self) {
        let Some(settings) = self.settings.clone() else { return };
        let (kinds, now) = (settings.kinds, wall_clock());
        let done = self.spool.write(|desk| Ledger { desk, kinds, now }.forget_rooms(|room| settings.wants(room)));
        done.unwrap_or_else(|error| self.unread(&error, ()));
    }

    /// Begins as many calls as may be under way: one a lane, few in all, and only one while the receiver is down.
    fn send(&mut self, node: &Arc<str>) {
        let Some(settings) = self.settings.clone() else { return };
        let now = Instant::now();
        if self.down_until.is_some_and(|until| until > now) {
            return;
        }
        let calls_max = if self.failures > 0 { 1 } else { CALLS_MAX };
        let lanes: Vec<usize> = self.spool.lanes().collect();
        for lane in lanes {
            if self.calls.len() >= calls_max {
                return;
            }
            let state = &self.lanes[lane];
            if state.is_busy || state.wait_until.is_some_and(|until| until > now) {
                continue;
            }
            // One by one, so that what is refused keeps nothing else back.
            let events_max = if state.refusals > 0 { 1 } else { EVENTS_EACH_MAX };
            let events = match self.spool.first(lane, events_max) {
                Ok(events) => events,
                Err(error) => {
                    self.down_until = Some(now + COMPARE_WAIT);
                    return self.unread(&error, ());
                }
            };
            if events.is_empty() {
                continue;
            }
            self.lanes[lane].is_busy = true;
            self.meters.calls.inc();
            let call = deliver(Arc::clone(&settings), Arc::clone(node), events.clone());
            self.calls.spawn(async move { Call { lane, events, verdict: call.await } });
        }
    }

    fn settle(&mut self, call: Call) {
        let Call { lane, events, verdict } = call;
        self.lanes[lane].is_busy = false;
        if verdict != Verdict::Taken {
            self.meters.failures.inc();
        }
        match verdict {
            Verdict::Taken => {
                self.confirm_taken(&events);
                let last = events.last().map_or(0, |event| event.number);
                match self.spool.remove(lane, last) {
                    Ok(removed) => self.meters.delivered.inc_by(removed as u64),
                    Err(error) => return self.rest(format!("the spool cannot be written: {error}")),
                };
                (self.failures, self.down_until, self.problem) = (0, None, None);
                (self.lanes[lane].refusals, self.lanes[lane].wait_until) = (0, None);
            }
            Verdict::Refused(problem) => {
                // It is there, and answers.
                (self.failures, self.down_until) = (0, None);
                self.refuse(lane, events.len(), problem);
            }
            Verdict::Down(Down { problem, retry_after }) => {
                self.rest_for(problem, retry_after);
                self.give_up_old();
            }
        }
    }

    /// Leaves the receiver alone for a while.
    fn rest(&mut self, problem: String) {
        self.rest_for(problem, None);
    }

    /// As [`Self::rest`], and not less long than it asks for, as long as that is not longer than may be.
    fn rest_for(&mut self, problem: String, asked: Option<Duration>) {
        if self.failures == 0 {
            tracing::warn!(problem, "the receiver of webhooks does not take events; they wait");
        }
        self.failures = self.failures.saturating_add(1);
        let asked = asked.unwrap_or_default().min(self.longest_wait());
        self.down_until = Some(Instant::now() + self.wait_after(self.failures).max(asked));
        self.problem = Some(problem);
    }

    /// Tries what was refused again, one by one, and gives up the one that is to blame.
    fn refuse(&mut self, lane: usize, events: usize, problem: String) {
        let refusals = self.lanes[lane].refusals.saturating_add(1);
        if events == 1 && refusals > REFUSALS_MAX {
            self.lanes[lane] = Lane::default();
            tracing::warn!(problem, "the receiver of webhooks refuses an event, which is given up");
            let buried = self.spool.bury_first(lane, &problem, wall_clock());
            self.problem = Some(problem);
            return self.buried(buried);
        }
        let wait = if events == 1 { self.wait_after(refusals) } else { Duration::ZERO };
        let state = &mut self.lanes[lane];
        (state.refusals, state.wait_until) = (refusals, Some(Instant::now() + wait));
        self.problem = Some(problem);
    }

    fn give_up_old(&mut self) {
        let Some(settings) = &self.settings else { return };
        let (now, busy) =
            (wall_clock(), (0..Spool::LANES).filter(|lane| self.lanes[*lane].is_busy).collect::<Vec<_>>());
        let give_up_ms = u64::try_from(settings.give_up.as_millis()).unwrap_or(u64::MAX);
        let than = Time::from_millis(now.as_millis().saturating_sub(give_up_ms));
        let problem = self.problem.clone().unwrap_or_default();
        let buried = self.spool.bury_older(than, &busy, (&problem, now));
        self.buried(buried);
    }

    fn buried(&mut self, buried: rusqlite::Result<Buried>) {
        match buried {
            Ok(Buried { given_up, forgotten }) => {
                self.meters.given_up.inc_by(given_up as u64);
                self.meters.forgotten.inc_by(forgotten as u64);
            }
            Err(error) => self.unread(&error, ()),
        }
    }

    fn longest_wait(&self) -> Duration {
        self.settings.as_ref().map_or(COMPARE_WAIT, |settings| settings.retry_max)
    }

    fn wait_after(&self, failures: u32) -> Duration {
        // Without random bytes all wait as long.
        backoff(failures, self.longest_wait(), getrandom::u32().unwrap_or(u32::MAX))
    }

    fn next_wake(&self) -> Option<Instant> {
        self.settings.as_ref()?;
        let waiting = self.spool.lanes().filter_map(|lane| self.lanes[lane].wait_until);
        let now = Instant::now();
        let times = waiting.chain(self.down_until).filter(|at| *at > now);
        // Those who may come back are waited for as long as news are behind; the comparison wakes for both.
        let due = self
            .return_until
            .filter(|_| self.behind.is_empty())
            .into_iter()
            .chain(self.compare_at)
            .chain(self.joint.next());
        times.chain(due).min()
    }

    fn show(&self) {
        self.meters.pending.set(i64::try_from(self.spool.pending()).unwrap_or(i64::MAX));
        self.meters.dead.set(i64::try_from(self.spool.dead()).unwrap_or(i64::MAX));
    }
}

fn note(ledger: &mut Ledger<'_, '_>, settings: &Settings, (at, notice): (Time, &Notice)) -> Taken {
    match notice {
        Notice::Joined { room, profile, version, .. } if settings.wants(room) => {
            ledger.came(Change { room, user: &profile.user, version: Some(version), at })
        }
        Notice::Updated { room, profile, version } if settings.wants(room) => {
            ledger.changed(Change { room, user: &profile.user, version: Some(version), at })
        }
        Notice::Left { room, profile, version, reason, .. } if settings.wants(room) => {
            let change = Change { room, user: &profile.user, version: Some(version), at };
            ledger.went(change, Some(words::reason(*reason)))
        }
        Notice::Online { user } => ledger.came_online(user, at),
        Notice::Offline { user } => ledger.went_offline(user, at),
        Notice::Joined { .. } | Notice::Updated { .. } | Notice::Left { .. } | Notice::Typing { .. } => Ok(Ok(())),
    }
}

fn partition_of(notice: &Notice) -> usize {
    match notice {
        Notice::Joined { room, .. }
        | Notice::Updated { room, .. }
        | Notice::Left { room, .. }
        | Notice::Typing { room, .. } => Partition::of(room),
        Notice::Online { user } | Notice::Offline { user } => Partition::of_user(user),
    }
    .index()
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake.into()).await,
        None => std::future::pending().await,
    }
}

/// News that one transaction takes.
const NEWS_EACH_MAX: usize = 1024;
/// Events in one call.
const EVENTS_EACH_MAX: usize = 100;
/// Calls under way at once.
const CALLS_MAX: usize = 4;
/// Times that one event may be refused before it is given up: some four minutes.
const REFUSALS_MAX: u32 = 7;
/// How long to wait before who is announced is compared with who is there, after news were dropped.
const COMPARE_WAIT: Duration = Duration::from_secs(1);
