//! What a connection says and is told, from the first byte to the last: frames to requests, requests to the shards.
use crate::{
    auth::{authority::Inquiry, error::AuthError, rights::Rights, token::Identity},
    connection::Connection,
    heartbeat::refuse_with,
    intake::{Admitted, admit_with, room_entered},
    partition::Partition,
    presence::Presence,
    rate::Rates,
    resume::Claimed,
    shard::ToShard,
};
use herenow_core::{
    command::{Command, Ending, HomeNews, Interest, Patch},
    cursors::Point,
    id::{RequestId, RoomId, SessionId, UserId},
    profile::{Profile, Status},
    time::Time,
};
use herenow_wire::{
    board,
    code::Code,
    dialect::Dialect,
    native::{self},
    problem::Problem,
    request::{Asked, Request},
    websocket::{
        decoder::Decoder,
        encoder,
        incoming::{CloseFrame, Incoming},
    },
};
use std::{ops::ControlFlow, sync::Arc, time::Duration};

/// One connection's side of the talk.
///
/// Invariant: a shard whose bit is set in `shards` was told of the session, so it is told of its end as well.
pub struct Conversation {
    pub(super) presence: Presence,
    pub(super) connection: Arc<Connection>,
    pub(super) decoder: Decoder,
    pub(super) identity: Option<Identity>,
    /// Rooms that the client asked to be in and did not leave.
    pub(super) rooms: Vec<Membership>,
    pub(super) shards: u64,
    pub(super) status: Status,
    /// Whether the user's home counts the session.
    pub(super) is_online: bool,
    pub(super) rates: Rates,
    pub(super) rare: Option<Box<Rare>>,
    /// Whether the client has yet to be heard since its session goes on here.
    pub(super) is_unconfirmed: bool,
}

/// What only some connections need, and most of these not for long.
#[derive(Default)]
pub(super) struct Rare {
    pub(super) held: Option<Held>,
    /// The session to go on with that the request named, until the client has said who it is.
    pub(super) resume: Option<Box<str>>,
    pub(super) contest: Option<Contest>,
    /// What others have to be asked, before the first of these frames can be answered.
    pub(super) inquiry: Option<(Inquiry, Vec<Box<str>>)>,
    /// What a shard had no room for in its inbox.
    pub(super) unsaid: Inputs,
    pub(super) entrance: Option<Entrance>,
}

/// Lets what the client sends find to its conversation, where it does not come over the connection itself: what the client
/// has to name with it. Called once, before the client is told its session.
pub(super) type Entrance = Box<dyn FnOnce(SessionId) -> String + Send + Sync>;

/// A claim to a session that another connection seems to hold.
pub struct Contest {
    pub(super) identity: Identity,
    pub(super) claimed: Claimed,
    pub(super) holder: Arc<Connection>,
    /// What the client has said meanwhile.
    pub(super) heard: Vec<Box<str>>,
}

impl Contest {
    /// The connection that seems to hold the session.
    pub fn holder(&self) -> &Connection {
        &self.holder
    }
}

/// Changes that were said faster than they may be, merged, and until when they wait.
pub(super) struct Held {
    pub(super) updates: Vec<(RoomId, Patch)>,
    pub(super) points: Vec<(RoomId, Option<Point>)>,
    pub(super) status: Option<Status>,
    pub(super) due: Time,
}

/// A room that the client asked to be in.
#[derive(Debug)]
pub(super) struct Membership {
    pub(super) room: RoomId,
    pub(super) place: Place,
    /// What it hears there.
    pub(super) interest: Interest,
    /// Of single sessions as well.
    pub(super) sessions: bool,
    /// It was refused, or put out since.
    pub(super) is_departed: bool,
}

/// How a session is in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Viewer,
    Observer,
}

/// What goes to which shard, in order.
pub type Inputs = Vec<(usize, ToShard)>;

impl Conversation {
    /// The beginning of a talk.
    pub fn new(presence: Presence, connection: Arc<Connection>) -> Self {
        let decoder = Decoder::new(presence.settings().frame_bytes_max);
        presence.tallies().note_opened(connection.way());
        Self {
            presence,
            connection,
            decoder,
            identity: None,
            rooms: Vec::new(),
            shards: 0,
            status: Status::default(),
            is_online: false,
            rates: Rates::default(),
            rare: None,
            is_unconfirmed: false,
        }
    }

    /// Tells the shards as long as none has a full inbox; the rest waits for [`Self::take_unsaid`].
    pub fn tell_now(&mut self, inputs: Inputs) {
        let mut rest = inputs.into_iter();
        while let Some((shard, input)) = rest.next() {
            if let Err(input) = self.presence.try_tell(shard, input) {
                self.rare().unsaid = std::iter::once((shard, input)).chain(rest).collect();
                return;
            }
        }
    }

    /// What a shard had no room for, in order. Whoever takes it tells the shards, and waits for them.
    pub fn take_unsaid(&mut self) -> Inputs {
        self.rare.as_mut().map(|rare| std::mem::take(&mut rare.unsaid)).unwrap_or_default()
    }

    /// Whether something has to be done besides waiting for work: something to say still, a contest, an
    /// inquiry, something held.
    pub fn needs_care(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| {
            !rare.unsaid.is_empty() || rare.contest.is_some() || rare.inquiry.is_some() || rare.held.is_some()
        })
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Says what has to be done once it is known which session this is.
    pub(super) fn enter_by(&mut self, entrance: Entrance) {
        self.rare().entrance = Some(entrance);
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
            None => {
                if let Some(resume) = resume {
                    self.rare().resume = Some(resume.into_boxed_str());
                }
            }
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
        self.presence.tallies().note_caught_up();
        let session = self.connection.session();
        inputs.extend(bits(self.shards).map(|shard| (shard, ToShard::CaughtUp { session })));
    }

    /// Tells the shards that it is over.
    pub async fn end(&mut self, how: Ending) {
        self.presence.tallies().note_ended(how);
        let mut last = Inputs::new();
        // Acknowledged already, so the end of the connection must not lose it; a newer connection knows better.
        if self.presence.resumes().is_held_by(&self.connection) {
            self.release_last(&mut last);
        }
        for (shard, input) in last {
            self.presence.tell(shard, input).await;
        }
        for shard in bits(std::mem::take(&mut self.shards)) {
            let connection = Arc::clone(&self.connection);
            self.presence.tell(shard, ToShard::Detach { connection, how }).await;
        }
        // Where another connection serves the session by now, it is still here.
        if self.presence.resumes().is_held_by(&self.connection) || self.connection.dialect() == Dialect::Board {
            let mut inputs = Inputs::new();
            self.tell_home(HomeNews::Departed(how), &mut inputs);
            for (shard, input) in inputs {
                self.presence.tell(shard, input).await;
            }
        }
        let rooms = self.rooms.drain(..).filter(|held| !held.is_departed).map(|held| held.room).collect();
        self.presence.resumes().release(&self.connection, how, rooms, self.now());
    }

    fn hear(&mut self, incoming: Incoming<'_>, inputs: &mut Inputs) {
        match incoming {
            Incoming::Text(text) => self.hear_text(text, inputs),
            Incoming::Binary(_) => {
                self.connection.close(1003, "only text frames are read here", Ending::Lost, self.now());
            }
            Incoming::Ping(payload) => self.connection.send_one(encoder::pong(payload), self.now()),
            Incoming::Pong(_) => {}
            Incoming::Close(frame) => self.hear_close(&frame),
        }
    }

    /// Hears that the client closes.
    pub(super) fn hear_close(&self, frame: &CloseFrame<'_>) {
        self.connection.answer_close(frame, ending_of(frame), self.now());
    }

    pub(super) fn hear_text(&mut self, text: &str, inputs: &mut Inputs) {
        if let Some(rare) = &mut self.rare {
            // What a client says before it knows whether its session goes on waits for that.
            if let Some(contest) = &mut rare.contest {
                if contest.heard.len() < HEARD_EARLY_MAX {
                    return contest.heard.push(text.into());
                }
                return self.refuse(&Problem::new(Code::RateFlood));
            }
            // No more than one read holds: nothing is read while the talk waits.
            if let Some((_, heard)) = &mut rare.inquiry {
                return heard.push(text.into());
            }
        }
        let asked = self.decode(text);
        if self.identity.is_none() {
            return self.hear_stranger(asked, text, inputs);
        }
        if std::mem::take(&mut self.is_unconfirmed) {
            self.presence.resumes().confirm(self.connection.session());
        }
        let re = asked.as_ref().ok().and_then(|asked| asked.re.clone());
        let (now, limits) = (self.now(), self.presence.rates());
        let taken = asked.as_ref().map_or(Ok(()), |asked| self.rates.take(&asked.request, &limits, now));
        if let (Ok(asked), Err(retry_after)) = (&asked, taken) {
            let asked = asked.clone();
            return self.hear_too_often(asked, re, retry_after);
        }
        self.hear_counted(asked, text, inputs);
    }

    /// Hears somebody who is known, and who does not ask too often.
    pub(super) fn hear_counted(&mut self, asked: Result<Asked, Problem>, text: &str, inputs: &mut Inputs) {
        let Some(identity) = &self.identity else { return };
        let asked = match asked {
            Ok(asked) => asked,
            Err(problem) => return self.complain(&problem),
        };
        let re = asked.re.clone();
        let more = match self.more_rights(identity, &asked.request) {
            Ok(Some(more)) => more,
            Ok(None) => {
                let room = room_entered(&asked.request).cloned();
                let retry_after = Some(UNAVAILABLE_WAIT);
                return self.complain(&Problem { re, room, retry_after, ..Problem::new(Code::RoomUnavailable) });
            }
            Err(inquiry) => return self.wait_for(inquiry, text),
        };
        let grants = Arc::clone(&identity.grants);
        match admit_with(&grants, more, asked) {
            Ok(Admitted::InRoom(room, command)) => {
                if !more.is_empty() {
                    self.note_let_in(&room, more, &command);
                }
                self.ask(room, re, command, inputs);
            }
            Ok(Admitted::Status(status)) => self.set_status(status, re, inputs),
            Ok(Admitted::Watch(users)) => self.watch(re, users, inputs),
            Ok(Admitted::Unwatch(users)) => self.unwatch(re, users, inputs),
            Ok(Admitted::Pong) => self.say(&native::pong(re.as_ref(), self.now())),
            Ok(Admitted::Auth { token, resume: _ }) => match self.presence.inquiry_of_token(&token) {
                Some(inquiry) => self.wait_for(inquiry, text),
                None => self.renew(&token, re, inputs),
            },
            Err(problem) => self.complain(&problem),
        }
    }

    pub(super) fn decode(&self, text: &str) -> Result<Asked, Problem> {
        match self.connection.dialect() {
            Dialect::Native => native::decode(text),
            Dialect::Board => board::decode(text),
        }
    }

    /// Hears somebody who has not said yet who they are.
    pub(super) fn hear_stranger(&mut self, asked: Result<Asked, Problem>, text: &str, inputs: &mut Inputs) {
        if let Ok(Asked { request: Request::Auth { token, .. }, .. }) = &asked
            && let Some(inquiry) = self.presence.inquiry_of_token(token)
        {
            return self.wait_for(inquiry, text);
        }
        match asked {
            Ok(Asked { request: Request::Auth { token, resume }, .. }) => match self.verify(&token) {
                Ok(identity) => {
                    let resume = resume.map(String::into_boxed_str).or_else(|| self.rare.as_mut()?.resume.take());
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

    /// Says something to the user's home, where that counts the session.
    pub(super) fn tell_home(&self, news: HomeNews, inputs: &mut Inputs) {
        if let Some(identity) = self.identity.as_ref().filter(|_| self.is_online) {
            inputs.push(self.home_news(&identity.profile.user, news));
        }
    }

    pub(super) fn home_news(&self, user: &UserId, news: HomeNews) -> (usize, ToShard) {
        let shard = self.presence.shard_owning(Partition::of_user(user));
        (shard, ToShard::Home { user: user.clone(), session: self.connection.session(), news })
    }

    pub(super) fn introduction(&self, profile: &Arc<Profile>) -> ToShard {
        ToShard::Attach { connection: Arc::clone(&self.connection), profile: Arc::clone(profile) }
    }

    pub(super) fn verify(&self, token: &str) -> Result<Identity, AuthError> {
        self.presence.verifier().verify(token, self.now().as_millis() / 1000)
    }

    /// Holds what can be merged to its newest value; says of the rest that there are too many.
    fn hear_too_often(&mut self, asked: Asked, re: Option<RequestId>, retry_after: Duration) {
        let Some(identity) = &self.identity else { return };
        let request = asked.request.clone();
        let more = self.more_rights(identity, &request).ok().flatten().unwrap_or(Rights::NONE);
        let command = match admit_with(&identity.grants, more, asked) {
            Ok(Admitted::InRoom(_, command @ (Command::Update { .. } | Command::Point { .. }))) => command,
            Ok(Admitted::Status(status)) => Command::SetStatus { status },
            Ok(_) => return self.say_too_often(&request, re, retry_after),
            Err(problem) => return self.complain(&problem),
        };
        if !self.hold(command, re.clone(), retry_after) {
            self.say_too_often(&request, re, retry_after);
        }
    }

    /// Says that a request was not done because there are too many; where no answer is owed, once a minute. To ask too often
    /// does not end a connection, because the next of its kind makes good what was dropped. A message that is refused is lost,
    /// though, and who goes on sending them all the same does not heed the answers.
    fn say_too_often(&mut self, request: &Request, re: Option<RequestId>, retry_after: Duration) {
        let is_message = matches!(request, Request::Send { .. });
        if re.is_none() && !is_message && !self.rates.may_warn(self.now()) {
            return;
        }
        let problem = Problem { re, retry_after: Some(retry_after), ..Problem::new(Code::RateLimited) };
        if is_message { self.complain(&problem) } else { self.say_problem(&problem) }
    }

    /// Says what is wrong; the connection goes on, unless that goes on too.
    pub(super) fn complain(&self, problem: &Problem) {
        if self.connection.note_refused(self.now()) {
            return self.refuse(&Problem::new(Code::RateFlood));
        }
        self.say_problem(problem);
    }

    fn say_problem(&self, problem: &Problem) {
        let text = match self.connection.dialect() {
            Dialect::Native => native::error(problem),
            Dialect::Board => board::error(problem),
        };
        self.say(&text);
    }

    /// Says what is wrong, and ends the connection.
    pub(super) fn refuse(&self, problem: &Problem) {
        self.presence.tallies().note_refused(problem.code.as_str());
        refuse_with(&self.connection, problem, Ending::Lost, self.now());
    }

    pub(super) fn say(&self, text: &str) {
        self.connection.send_one(encoder::text(text.as_bytes()), self.now());
    }

    pub(super) fn now(&self) -> Time {
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

/// When to try again where the app or the keys could not be reached.
const UNAVAILABLE_WAIT: Duration = Duration::from_secs(2);
/// Frames that a client may send before it is welcomed.
const HEARD_EARLY_MAX: usize = 64;
/// An error of authentication as an error frame.
pub fn problem_of(error: &AuthError) -> Problem {
    let code = match error {
        AuthError::Missing => Code::AuthMissing,
        AuthError::Expired { .. } => Code::AuthExpired,
        AuthError::Origin { .. } | AuthError::NoOrigin | AuthError::Host { .. } => Code::OriginForbidden,
        AuthError::Revoked => Code::AuthRevoked,
        AuthError::Unavailable => Code::AuthUnavailable,
        AuthError::TooLong { .. }
        | AuthError::Malformed
        | AuthError::Algorithm
        | AuthError::Critical
        | AuthError::Signature
        | AuthError::UnknownKey
        | AuthError::Cookie
        | AuthError::Claim { .. }
        | AuthError::NotYet { .. } => Code::AuthInvalid,
    };
    let retry_after = (code == Code::AuthUnavailable).then_some(UNAVAILABLE_WAIT);
    Problem { retry_after, ..Problem::with_detail(code, error.to_string()) }
}

pub(super) fn bits(mask: u64) -> impl Iterator<Item = usize> {
    (0..64).filter(move |bit| mask & (1 << bit) != 0)
}
