//! Viewers without a connection: bots, and clients that only send requests. Each is a session like any other, held by a task
//! until its time is over, it is ended, or it is put out of the room.
use crate::{
    api::{
        ear::{Ear, EarSetup},
        refusal::{refused, refused_by_frame},
    },
    presence::Presence,
    problem::Problem,
};
use hashbrown::HashMap;
use herenow_core::{
    command::{Command, Ending, Interest, Patch},
    id::{RequestId, RoomId, SessionId, Target, UserId},
    profile::Profile,
};
use herenow_wire::code::Code;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};

/// Who is in a room as whom.
pub type Place = (RoomId, UserId);

/// The viewers without a connection of a process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Hosts {
    hosted_max: usize,
    table: Arc<Mutex<HashMap<Place, Host>>>,
}

#[derive(Clone, Debug)]
struct Host {
    session: SessionId,
    orders: mpsc::Sender<(Order, oneshot::Sender<Result<(), Problem>>)>,
}

/// What a viewer without a connection is told to do.
#[derive(Clone, Debug)]
pub enum Order {
    /// To be there for some more time.
    Stay {
        /// As whom.
        profile: Arc<Profile>,
        /// What it shares from now on; as before where absent.
        state: Option<Patch>,
        /// For how long.
        ttl: Duration,
    },
    /// To type, or to stop it.
    Type {
        /// Into what.
        target: Option<Target>,
        /// Whether it types.
        on: bool,
    },
    /// To leave.
    Leave,
}

impl Hosts {
    /// Nobody is held.
    pub fn new(hosted_max: usize) -> Self {
        Self { hosted_max, table: Arc::default() }
    }

    /// How many are held.
    pub fn count(&self) -> usize {
        self.table().len()
    }

    /// The session of a viewer that is held.
    pub fn session(&self, place: &Place) -> Option<SessionId> {
        self.table().get(place).map(|host| host.session)
    }

    /// The rooms where somebody is held as a user.
    pub fn places_of(&self, user: &UserId) -> Vec<Place> {
        self.table().keys().filter(|(_, held)| held == user).cloned().collect()
    }

    /// Tells a viewer that is held what to do, and waits until it is done.
    ///
    /// # Errors
    /// [`Code::RoomNotJoined`] where nobody is held there, or what the room refuses.
    pub async fn tell(&self, place: &Place, order: Order) -> Result<(), Problem> {
        let host = self.table().get(place).cloned();
        let Some(host) = host else { return Err(refused(Code::RoomNotJoined)) };
        order_of(&host, order).await.unwrap_or_else(|| Err(refused(Code::RoomNotJoined)))
    }

    /// Has a user be in a room for a time, as one that is held already or as a new one.
    ///
    /// # Errors
    /// [`Code::ViewerTooMany`], or what the room refuses.
    pub async fn stay(&self, presence: &Presence, room: &RoomId, order: Order) -> Result<(), Problem> {
        let Order::Stay { profile, .. } = &order else { return Err(refused(Code::RoomNotJoined)) };
        let place = (room.clone(), profile.user.clone());
        // One that ends at this moment does not take orders any more; then there is room for another.
        for _ in 0..ATTEMPTS {
            let held = self.table().get(&place).cloned();
            let host = match held {
                Some(host) => host,
                None => self.hold(presence, &place, profile).await?,
            };
            if let Some(done) = order_of(&host, order.clone()).await {
                return done;
            }
        }
        Err(refused(Code::ServerBusy))
    }

    async fn hold(&self, presence: &Presence, place: &Place, profile: &Arc<Profile>) -> Result<Host, Problem> {
        let issued_at_s = Some(presence.clock().now().as_millis() / 1000);
        let setup = EarSetup { profile: Arc::clone(profile), ends_at: None, issued_at_s, is_online: true };
        let ear = Ear::open(presence, setup).await.map_err(|_| refused(Code::ServerNoRandom))?;
        let (orders, ordered) = mpsc::channel(ORDERS_MAX);
        let host = Host { session: ear.session(), orders };
        let mut table = self.table();
        if let Some(faster) = table.get(place) {
            return Ok(faster.clone());
        }
        if table.len() >= self.hosted_max {
            return Err(refused(Code::ViewerTooMany));
        }
        table.insert(place.clone(), host.clone());
        drop(table);
        let held = Held { ear, room: place.0.clone(), asked: 0, shared: BTreeSet::new(), is_in: false };
        let (hosts, place) = (self.clone(), place.clone());
        tokio::spawn(async move {
            let (session, ear) = (held.ear.session(), held.run(ordered).await);
            // Forgotten first: whoever finds nobody makes a new one, which is another session.
            hosts.forget(&place, session);
            drop(ear);
        });
        Ok(host)
    }

    fn forget(&self, place: &Place, session: SessionId) {
        let mut table = self.table();
        if table.get(place).is_some_and(|host| host.session == session) {
            table.remove(place);
        }
    }

    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<Place, Host>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives an order; `None` where nobody takes it any more.
async fn order_of(host: &Host, order: Order) -> Option<Result<(), Problem>> {
    let (answer, done) = oneshot::channel();
    host.orders.send((order, answer)).await.ok()?;
    done.await.ok()
}

/// One viewer without a connection.
struct Held {
    ear: Ear,
    room: RoomId,
    /// Requests so far.
    asked: u64,
    /// The keys of the state that it shares.
    shared: BTreeSet<Arc<str>>,
    is_in: bool,
}

impl Held {
    /// Does what it is told until it is over; the session, to be let go of.
    async fn run(mut self, mut orders: mpsc::Receiver<(Order, oneshot::Sender<Result<(), Problem>>)>) -> Ear {
        let mut until = Instant::now() + FIRST_ORDER;
        loop {
            let order = tokio::select! {
                order = orders.recv() => order,
                frame = self.ear.next() => match frame {
                    Some(frame) if frame.label().kind != "removed" => continue,
                    Some(_) => {
                        self.ear.end_as(Ending::Kicked);
                        return self.ear;
                    }
                    None => return self.ear,
                },
                () = sleep_until(until) => {
                    self.ear.end_as(Ending::TimedOut);
                    return self.ear;
                }
            };
            let Some((order, answer)) = order else { return self.ear };
            let was = (order.ttl(), matches!(order, Order::Leave));
            let done = self.obey(order).await;
            if let (Some(ttl), Ok(())) = (was.0, &done) {
                until = Instant::now() + ttl;
            }
            let is_over = was.1 || !self.is_in;
            if is_over {
                self.ear.end_as(Ending::Left);
                orders.close();
            }
            // Who asked may have gone.
            let _ = answer.send(done);
            if is_over {
                return self.ear;
            }
        }
    }

    async fn obey(&mut self, order: Order) -> Result<(), Problem> {
        let room = self.room.clone();
        match order {
            Order::Stay { profile, state, ttl: _ } => {
                self.ear.rename(profile).await;
                let keys = state.as_ref().map(keys_of);
                let command = match (self.is_in, state.map(|state| self.whole(state))) {
                    (false, state) => {
                        let (interest, observe, since, sessions) = (Interest::None, false, None, false);
                        Command::Join { room, interest, observe, state, since, sessions }
                    }
                    (true, Some(patch)) => Command::Update { room, patch },
                    (true, None) => return Ok(()),
                };
                self.ask(command).await?;
                self.is_in = true;
                self.shared = keys.unwrap_or_else(|| std::mem::take(&mut self.shared));
                Ok(())
            }
            Order::Type { target, on: true } => self.ask(Command::StartTyping { room, target }).await,
            Order::Type { target, on: false } => self.ask(Command::StopTyping { room, target }).await,
            Order::Leave => self.ask(Command::Leave { room }).await,
        }
    }

    /// The change that makes a state the whole of what is shared.
    fn whole(&self, state: Patch) -> Patch {
        let new = keys_of(&state);
        let gone = self.shared.difference(&new).map(|key| (Arc::clone(key), None));
        let mut all: Vec<_> = state.0.iter().cloned().chain(gone).collect();
        all.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Patch(all)
    }

    /// Asks the room, and waits for its answer.
    async fn ask(&mut self, command: Command) -> Result<(), Problem> {
        self.asked += 1;
        let number = self.asked.to_string();
        self.ear.ask(&self.room, Some(RequestId(number.as_str().into())), command).await;
        let answers = [format!(r#"{{"type":"ack","re":{number}"#), format!(r#"{{"type":"error","re":{number}"#)];
        let answer = async {
            loop {
                let Some(frame) = self.ear.next().await else { return Err(refused(Code::ServerStopping)) };
                let text = frame.text();
                if frame.label().kind == "removed" {
                    self.is_in = false;
                    return Err(refused(Code::RoomNotJoined));
                }
                if text.starts_with(&answers[0]) {
                    return Ok(());
                }
                if text.starts_with(&answers[1]) {
                    return Err(refused_by_frame(&text));
                }
            }
        };
        timeout(ANSWER_LIMIT, answer).await.unwrap_or_else(|_| Err(refused(Code::ServerBusy)))
    }
}

impl Order {
    fn ttl(&self) -> Option<Duration> {
        match self {
            Self::Stay { ttl, .. } => Some(*ttl),
            Self::Type { .. } | Self::Leave => None,
        }
    }
}

fn keys_of(state: &Patch) -> BTreeSet<Arc<str>> {
    state.0.iter().filter(|(_, value)| value.is_some()).map(|(key, _)| Arc::clone(key)).collect()
}

/// Orders that wait for one viewer.
const ORDERS_MAX: usize = 8;
/// How long a viewer that was just made waits to be told that it may stay.
const FIRST_ORDER: Duration = Duration::from_secs(5);
/// How long a room may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
const ATTEMPTS: usize = 3;
