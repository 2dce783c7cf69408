//! What a connection says and is told, from the first byte to the last: frames to requests, requests to the shards.
use crate::{
    auth::{error::AuthError, rights::Rights, token::Identity},
    connection::Connection,
    heartbeat::refuse_with,
    intake::{Admitted, admit},
    presence::Presence,
    rate::Rates,
    resume::Claim,
    shard::{Partition, ToShard},
};
use herenow_core::{
    command::{Command, Ending, Evictee, Patch, Reason},
    id::{RequestId, RoomId, SessionId, UserId},
    profile::{Profile, Status},
    refusal::Refusal,
    roster,
    time::Time,
};
use herenow_wire::{
    board,
    code::Code,
    dialect::Dialect,
    native::{self, Welcome, WelcomeLimits},
    problem::Problem,
    request::{Asked, Request},
    websocket::{
        decoder::Decoder,
        encoder,
        incoming::{CloseFrame, Incoming},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
    time::Duration,
};

/// One connection's side of the talk.
///
/// Invariant: a shard whose bit is set in `shards` was told of the session, so it is told of its end as well.
pub struct Conversation {
    presence: Presence,
    connection: Arc<Connection>,
    decoder: Decoder,
    identity: Option<Identity>,
    /// Rooms that the client asked to be in and did not leave, and as what.
    rooms: Vec<(RoomId, Place)>,
    shards: u64,
    status: Status,
    /// Users of whose green dots the client is told.
    watched: BTreeSet<UserId>,
    rates: Rates,
    /// The session to go on with that the request named, until the client has said who it is.
    resume: Option<Box<str>>,
    contest: Option<Box<Contest>>,
    /// Whether the client has yet to be heard since its session goes on here.
    is_unconfirmed: bool,
}

/// A claim to a session that another connection seems to hold.
pub struct Contest {
    identity: Identity,
    session: SessionId,
    holder: Arc<Connection>,
    /// What the client has said meanwhile.
    heard: Vec<Box<str>>,
}

impl Contest {
    /// The connection that seems to hold the session.
    pub fn holder(&self) -> &Connection {
        &self.holder
    }
}

/// How a session is in a room.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Viewer,
    Observer,
}

/// What goes to which shard, in order.
pub type Inputs = Vec<(usize, ToShard)>;

impl Conversation {
    /// The beginning of a talk.
    pub fn new(presence: Presence, connection: Arc<Connection>) -> Self {
        let decoder = Decoder::new(presence.settings().frame_bytes_max);
        Self {
            presence,
            connection,
            decoder,
            identity: None,
            rooms: Vec::new(),
            shards: 0,
            status: Status::default(),
            watched: BTreeSet::new(),
            rates: Rates::default(),
            resume: None,
            contest: None,
            is_unconfirmed: false,
        }
    }

    /// The connection it is held over.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// The presence that it is about.
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// Begins with what the request said of who it is: known, refused, or `None` where a first frame has to say it.
    pub fn greet(&mut self, known: Option<Result<Identity, AuthError>>, resume: Option<String>, inputs: &mut Inputs) {
        match known {
            None => self.resume = resume.map(String::into_boxed_str),
            Some(Ok(identity)) => self.begin(identity, resume.as_deref(), inputs),
            Some(Err(error)) => self.refuse(&problem_of(&error)),
        }
    }

    /// Takes bytes that were read. What they mean for the shards is added to `inputs`; how the connection ends, if it
    /// does, is said to the connection.
    pub fn take(&mut self, bytes: &mut [u8], inputs: &mut Inputs) {
        self.connection.note_heard(self.now());
        let mut decoder = std::mem::replace(&mut self.decoder, Decoder::new(0));
        let fed = decoder.feed(bytes, |incoming| {
            self.hear(incoming, inputs);
            match self.connection.farewell() {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            }
        });
        self.decoder = decoder;
        if let Err(error) = fed {
            self.connection.close(error.close_code(), &error.to_string(), Ending::Lost, self.now());
        }
    }

    /// Tells the shards that the peer reads again and may have missed something.
    pub fn catch_up(&self, inputs: &mut Inputs) {
        let session = self.connection.session();
        inputs.extend(bits(self.shards).map(|shard| (shard, ToShard::CaughtUp { session })));
    }

    /// Tells the shards that it is over.
    pub async fn end(&mut self, how: Ending) {
        for shard in bits(std::mem::take(&mut self.shards)) {
            let connection = Arc::clone(&self.connection);
            self.presence.tell(shard, ToShard::Detach { connection, how }).await;
        }
        self.presence.resumes().release(&self.connection, how, self.now());
    }

    fn hear(&mut self, incoming: Incoming<'_>, inputs: &mut Inputs) {
        match incoming {
            Incoming::Text(text) => self.hear_text(text, inputs),
            Incoming::Binary(_) => {
                self.connection.close(1003, "only text frames are read here", Ending::Lost, self.now());
            }
            Incoming::Ping(payload) => self.connection.send_one(encoder::pong(payload), self.now()),
            Incoming::Pong(_) => {}
            Incoming::Close(frame) => self.connection.answer_close(&frame, ending_of(&frame), self.now()),
        }
    }

    fn hear_text(&mut self, text: &str, inputs: &mut Inputs) {
        if let Some(contest) = &mut self.contest {
            // What a client says before it knows whether its session goes on waits for that.
            if contest.heard.len() < HEARD_EARLY_MAX {
                return contest.heard.push(text.into());
            }
            return self.refuse(&Problem::new(Code::RateFlood));
        }
        let asked = match self.connection.dialect() {
            Dialect::Native => native::decode(text),
            Dialect::Board => board::decode(text),
        };
        let Some(identity) = &self.identity else { return self.hear_stranger(asked, inputs) };
        if std::mem::take(&mut self.is_unconfirmed) {
            self.presence.resumes().confirm(self.connection.session());
        }
        let re = asked.as_ref().ok().and_then(|asked| asked.re.clone());
        if let Ok(asked) = &asked
            && let Err(retry_after) = self.rates.take(&asked.request, &self.presence.settings().rates, self.now())
        {
            return self.say_too_often(&asked.request, re, retry_after);
        }
        match asked.and_then(|asked| admit(&identity.grants, asked)) {
            Ok(Admitted::InRoom(room, command)) => self.ask(room, re, command, inputs),
            Ok(Admitted::Everywhere(command)) => {
                if let Command::SetStatus { status } = command {
                    self.status = status;
                }
                self.ask_everywhere(re, &command, inputs);
            }
            Ok(Admitted::Watch(users)) => self.watch(re, users, inputs),
            Ok(Admitted::Unwatch(users)) => self.unwatch(re, users, inputs),
            Ok(Admitted::Pong) => self.say(&native::pong(re.as_ref(), self.now())),
            Ok(Admitted::Auth { token, resume: _ }) => self.renew(&token, re, inputs),
            Err(problem) => self.complain(&problem),
        }
    }

    /// Hears somebody who has not said yet who they are.
    fn hear_stranger(&mut self, asked: Result<Asked, Problem>, inputs: &mut Inputs) {
        match asked {
            Ok(Asked { request: Request::Auth { token, resume }, .. }) => match self.verify(&token) {
                Ok(identity) => {
                    let resume = resume.map(String::into_boxed_str).or_else(|| self.resume.take());
                    self.begin(identity, resume.as_deref(), inputs);
                }
                Err(error) => self.refuse(&problem_of(&error)),
            },
            Ok(Asked { re, .. }) => self.refuse(&Problem { re, ..Problem::new(Code::AuthMissing) }),
            // A board client that sends bad JSON is told so, and may still say who it is.
            Err(problem) if self.connection.dialect() == Dialect::Board && problem.code == Code::FrameNotJson => {
                self.complain(&problem);
            }
            Err(problem) => self.refuse(&problem),
        }
    }

    /// Begins with a new session, or goes on with an old one. Where another connection seems to hold that one, the answer
    /// waits for [`Self::settle_contest`].
    fn begin(&mut self, identity: Identity, resume: Option<&str>, inputs: &mut Inputs) {
        let user = &identity.profile.user;
        let claim = resume.map_or(Claim::New, |token| self.presence.resumes().claim(token, user, self.now()));
        match claim {
            Claim::New => self.welcome(identity, None, inputs),
            Claim::Free(session) => self.welcome(identity, Some(session), inputs),
            Claim::Contested(session, holder) => {
                self.contest = Some(Box::new(Contest { identity, session, holder, heard: Vec::new() }));
            }
        }
    }

    /// What has to be settled before this connection can begin.
    pub fn take_contest(&mut self) -> Option<Contest> {
        self.contest.take().map(|contest| *contest)
    }

    /// Gives the session to this connection where its holder showed no sign of life, and otherwise a new one: then the
    /// token was copied along with a tab.
    pub fn settle_contest(&mut self, contest: Contest, is_alive: bool, inputs: &mut Inputs) {
        let Contest { identity, session, holder, heard } = contest;
        if is_alive {
            self.welcome(identity, None, inputs);
        } else {
            holder.close(REPLACED, "replaced by a newer connection", Ending::Closed, self.now());
            self.welcome(identity, Some(session), inputs);
        }
        for text in heard {
            self.hear_text(&text, inputs);
        }
    }

    fn welcome(&mut self, identity: Identity, resumed: Option<SessionId>, inputs: &mut Inputs) {
        self.connection.note_known(identity.ends_at());
        if let Some(session) = resumed {
            self.connection.go_on_with(session);
        }
        let text = match self.connection.dialect() {
            Dialect::Native => {
                let resume = self.presence.resumes().hold(&self.connection, &identity.profile.user);
                if let Err(error) = &resume {
                    tracing::error!(%error, "no random number for a resume token");
                }
                self.welcome_frame(&identity, resume.ok().as_deref(), resumed.is_some())
            }
            Dialect::Board => board::connected(&identity.profile),
        };
        self.is_unconfirmed = resumed.is_some();
        if !identity.grants.is_invisible() {
            let partition = Partition::of_user(&identity.profile.user);
            let shard = self.reach(partition, &identity.profile, inputs);
            inputs.push((shard, ToShard::Arrive { session: self.connection.session(), partition }));
        }
        self.identity = Some(identity);
        self.say(&text);
    }

    fn welcome_frame(&self, identity: &Identity, resume: Option<&str>, resumed: bool) -> String {
        let settings = self.presence.settings();
        native::welcome(&Welcome {
            session: self.connection.session(),
            resume,
            resumed,
            profile: &identity.profile,
            node: self.presence.node(),
            now: self.now(),
            ping_interval: settings.rhythm.ping_interval,
            expires_at: Some(identity.expires_at),
            limits: WelcomeLimits {
                frame_bytes_max: settings.frame_bytes_max as usize,
                state_bytes_max: settings.limits.state_bytes_max,
                rooms_max: settings.limits.rooms_per_session_max,
                typing_lease: settings.limits.typing_lease,
            },
        })
    }

    /// Takes a new token on a live connection: the same user, perhaps with another name, later end or other rights.
    fn renew(&mut self, token: &str, re: Option<RequestId>, inputs: &mut Inputs) {
        let identity = match self.verify(token) {
            Ok(identity) => identity,
            Err(error) => return self.complain(&Problem { re, ..problem_of(&error) }),
        };
        let Some(held) = &self.identity else { return };
        if held.profile.user != identity.profile.user {
            return self.complain(&Problem { re, ..Problem::new(Code::AuthUserChanged) });
        }
        if held.profile != identity.profile {
            for shard in bits(self.shards) {
                inputs.push((shard, self.introduction(&identity.profile)));
            }
        }
        let session = self.connection.session();
        let presence = &self.presence;
        self.rooms.retain(|(room, place)| {
            let rights = identity.grants.rights(room);
            let stays = match place {
                Place::Viewer => rights.contains(Rights::JOIN),
                Place::Observer => rights.reads(),
            };
            if !stays {
                let (whom, reason) = (Evictee::Session(session), Reason::Kicked);
                inputs
                    .push((presence.shard_of(room), ToShard::Evict { room: room.clone(), whom, reason, block: None }));
            }
            stays
        });
        let was_until = self.connection.expires_at();
        self.connection.note_known(identity.ends_at());
        if was_until.is_some_and(|before| identity.ends_at() < before) {
            self.presence.watch_expiry(&self.connection);
        }
        let text = match self.connection.dialect() {
            Dialect::Native => native::renewed(re.as_ref(), Some(identity.expires_at)),
            Dialect::Board => board::connected(&identity.profile),
        };
        self.identity = Some(identity);
        self.say(&text);
    }

    fn ask(&mut self, room: RoomId, re: Option<RequestId>, command: Command, inputs: &mut Inputs) {
        match &command {
            Command::Join { state, observe, .. } => {
                let place = if *observe { Place::Observer } else { Place::Viewer };
                match self.rooms.iter_mut().find(|(held, _)| *held == room) {
                    Some(held) => held.1 = place,
                    None => {
                        // What the hub would refuse must not count as a room of the session.
                        if let Err(refusal) = self.admit_room(state.as_ref()) {
                            return self.complain(&Problem::refused(re, room, refusal));
                        }
                        self.rooms.reserve_exact(1);
                        self.rooms.push((room.clone(), place));
                    }
                }
            }
            Command::Leave { .. } => self.rooms.retain(|(held, _)| *held != room),
            _ => {}
        }
        let Some(profile) = self.identity.as_ref().map(|identity| Arc::clone(&identity.profile)) else { return };
        let (session, partition) = (self.connection.session(), Partition::of(&room));
        let shard = self.reach(partition, &profile, inputs);
        if matches!(command, Command::Join { .. }) && self.status != Status::default() {
            // The hub of the room may be one that has not been told.
            let command = Command::SetStatus { status: self.status };
            inputs.push((shard, ToShard::Ask { session, partition, re: None, command }));
        }
        inputs.push((shard, ToShard::Ask { session, partition, re, command }));
    }

    /// The shard that owns a partition; it is told of the session first, where it was not yet.
    fn reach(&mut self, partition: Partition, profile: &Arc<Profile>, inputs: &mut Inputs) -> usize {
        let shard = self.presence.shard_owning(partition);
        if self.shards & (1 << shard) == 0 {
            self.shards |= 1 << shard;
            inputs.push((shard, self.introduction(profile)));
        }
        shard
    }

    fn watch(&mut self, re: Option<RequestId>, users: Vec<UserId>, inputs: &mut Inputs) {
        let fresh: Vec<UserId> = users.iter().filter(|user| !self.watched.contains(*user)).cloned().collect();
        let watched_max = self.presence.settings().limits.watched_per_session_max;
        if self.watched.len() + fresh.len() > watched_max {
            let refusal = Refusal::TooManyWatched { watched_max };
            return self.complain(&Problem { re, ..Problem::from(refusal) });
        }
        self.watched.extend(fresh);
        self.ask_homes(users, |users| Command::Watch { users }, inputs);
        self.acknowledge(re);
    }

    fn unwatch(&mut self, re: Option<RequestId>, users: Vec<UserId>, inputs: &mut Inputs) {
        for user in &users {
            self.watched.remove(user);
        }
        self.ask_homes(users, |users| Command::Unwatch { users }, inputs);
        self.acknowledge(re);
    }

    /// Asks the home of each user, those of one home together.
    fn ask_homes(&mut self, users: Vec<UserId>, command: impl Fn(Vec<UserId>) -> Command, inputs: &mut Inputs) {
        let Some(profile) = self.identity.as_ref().map(|identity| Arc::clone(&identity.profile)) else { return };
        let mut homes: BTreeMap<usize, (Partition, Vec<UserId>)> = BTreeMap::new();
        for user in users {
            let home = Partition::of_user(&user);
            homes.entry(home.index()).or_insert_with(|| (home, Vec::new())).1.push(user);
        }
        let session = self.connection.session();
        for (partition, users) in homes.into_values() {
            let shard = self.reach(partition, &profile, inputs);
            inputs.push((shard, ToShard::Ask { session, partition, re: None, command: command(users) }));
        }
    }

    fn acknowledge(&self, re: Option<RequestId>) {
        if let Some(re) = re {
            self.say(&native::ack(&re));
        }
    }

    /// Refuses one more room, or a first state, that is over the limits.
    fn admit_room(&self, state: Option<&Patch>) -> Result<(), Refusal> {
        let limits = &self.presence.settings().limits;
        let rooms_max = limits.rooms_per_session_max;
        if self.rooms.len() >= rooms_max {
            return Err(Refusal::TooManyRooms { rooms_max });
        }
        state.map_or(Ok(()), |state| roster::check_first_state(state, limits))
    }

    fn ask_everywhere(&mut self, re: Option<RequestId>, command: &Command, inputs: &mut Inputs) {
        let session = self.connection.session();
        for shard in bits(self.shards) {
            inputs.push((shard, ToShard::AskEverywhere { session, command: command.clone() }));
        }
        self.acknowledge(re);
    }

    fn introduction(&self, profile: &Arc<Profile>) -> ToShard {
        ToShard::Attach { connection: Arc::clone(&self.connection), profile: Arc::clone(profile) }
    }

    fn verify(&self, token: &str) -> Result<Identity, AuthError> {
        self.presence.verifier().verify(token, self.now().as_millis() / 1000)
    }

    /// Says that a request was not done because there are too many; where no answer is owed, once a minute. Asking too
    /// often does not end a connection: what is dropped is made good by the next of its kind.
    fn say_too_often(&mut self, request: &Request, re: Option<RequestId>, retry_after: Duration) {
        let answer_is_owed = re.is_some() || matches!(request, Request::Send { .. });
        if !answer_is_owed && !self.rates.may_warn(self.now()) {
            return;
        }
        let problem = Problem { re, retry_after: Some(retry_after), ..Problem::new(Code::RateLimited) };
        let text = match self.connection.dialect() {
            Dialect::Native => native::error(&problem),
            Dialect::Board => board::error(&problem),
        };
        self.say(&text);
    }

    /// Says what is wrong; the connection goes on, unless that goes on too.
    fn complain(&self, problem: &Problem) {
        if self.connection.note_refused(self.now()) {
            return self.refuse(&Problem::new(Code::RateFlood));
        }
        let text = match self.connection.dialect() {
            Dialect::Native => native::error(problem),
            Dialect::Board => board::error(problem),
        };
        self.say(&text);
    }

    /// Says what is wrong, and ends the connection.
    fn refuse(&self, problem: &Problem) {
        refuse_with(&self.connection, problem, Ending::Lost, self.now());
    }

    fn say(&self, text: &str) {
        self.connection.send_one(encoder::text(text.as_bytes()), self.now());
    }

    fn now(&self) -> Time {
        self.presence.clock().now()
    }
}

/// What the rooms are told of a client that closes with this frame.
fn ending_of(frame: &CloseFrame<'_>) -> Ending {
    match frame.code {
        None | Some(1000) => Ending::Left,
        // The peer found a fault of ours, or of the network, and will try again.
        Some(1002 | 1003 | 1007..=1015) => Ending::Lost,
        // 1001 and 4900 say that the page goes away. Other codes are the app's own: whatever they mean, the page may be
        // back at once.
        Some(_) => Ending::Closed,
    }
}

/// Frames that a client may send before it is welcomed.
const HEARD_EARLY_MAX: usize = 64;
/// The close code for a connection whose session goes on over another.
const REPLACED: u16 = 4409;

/// An error of authentication as an error frame.
pub fn problem_of(error: &AuthError) -> Problem {
    let code = match error {
        AuthError::Missing => Code::AuthMissing,
        AuthError::Expired { .. } => Code::AuthExpired,
        AuthError::Origin { .. } | AuthError::NoOrigin | AuthError::Host { .. } => Code::OriginForbidden,
        AuthError::TooLong { .. }
        | AuthError::Malformed
        | AuthError::Algorithm
        | AuthError::Critical
        | AuthError::Signature
        | AuthError::Claim { .. }
        | AuthError::NotYet { .. } => Code::AuthInvalid,
    };
    Problem::with_detail(code, error.to_string())
}

fn bits(mask: u64) -> impl Iterator<Item = usize> {
    (0..64).filter(move |bit| mask & (1 << bit) != 0)
}
