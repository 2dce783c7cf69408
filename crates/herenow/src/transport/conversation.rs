//! What a connection says and is told, from the first byte to the last: frames to requests, requests to the shards.
use crate::{
    auth::{error::AuthError, rights::Rights, token::Identity},
    connection::Connection,
    heartbeat::refuse_with,
    intake::{Admitted, admit},
    presence::Presence,
    shard::{Partition, ToShard},
};
use herenow_core::{
    command::{Command, Ending, Evictee, Patch, Reason},
    id::{RequestId, RoomId},
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
use std::{ops::ControlFlow, sync::Arc};

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
        Self { presence, connection, decoder, identity: None, rooms: Vec::new(), shards: 0, status: Status::default() }
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
    pub fn greet(&mut self, known: Option<Result<Identity, AuthError>>) {
        match known {
            None => {}
            Some(Ok(identity)) => self.welcome(identity),
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

    /// Tells the shards that it is over.
    pub async fn end(&mut self, how: Ending) {
        let session = self.connection.session();
        for shard in bits(std::mem::take(&mut self.shards)) {
            self.presence.tell(shard, ToShard::Detach { session, how }).await;
        }
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
        let asked = match self.connection.dialect() {
            Dialect::Native => native::decode(text),
            Dialect::Board => board::decode(text),
        };
        let Some(identity) = &self.identity else { return self.hear_stranger(asked) };
        let re = asked.as_ref().ok().and_then(|asked| asked.re.clone());
        match asked.and_then(|asked| admit(&identity.grants, asked)) {
            Ok(Admitted::InRoom(room, command)) => self.ask(room, re, command, inputs),
            Ok(Admitted::Everywhere(command)) => {
                if let Command::SetStatus { status } = command {
                    self.status = status;
                }
                self.ask_everywhere(re, &command, inputs);
            }
            Ok(Admitted::Pong) => self.say(&native::pong(re.as_ref(), self.now())),
            Ok(Admitted::Auth { token, resume: _ }) => self.renew(&token, re, inputs),
            Err(problem) => self.complain(&problem),
        }
    }

    /// Hears somebody who has not said yet who they are.
    fn hear_stranger(&mut self, asked: Result<Asked, Problem>) {
        match asked {
            Ok(Asked { request: Request::Auth { token, .. }, .. }) => match self.verify(&token) {
                Ok(identity) => self.welcome(identity),
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

    fn welcome(&mut self, identity: Identity) {
        self.connection.note_known(identity.ends_at());
        let text = match self.connection.dialect() {
            Dialect::Native => self.welcome_frame(&identity),
            Dialect::Board => board::connected(&identity.profile),
        };
        self.identity = Some(identity);
        self.say(&text);
    }

    fn welcome_frame(&self, identity: &Identity) -> String {
        let settings = self.presence.settings();
        native::welcome(&Welcome {
            session: self.connection.session(),
            resume: None,
            resumed: false,
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
                inputs.push((presence.shard_of(room), ToShard::Evict { room: room.clone(), whom, reason }));
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
        let shard = self.presence.shard_of(&room);
        if self.shards & (1 << shard) == 0 {
            let Some(profile) = self.identity.as_ref().map(|identity| Arc::clone(&identity.profile)) else { return };
            self.shards |= 1 << shard;
            inputs.push((shard, self.introduction(&profile)));
        }
        let (session, partition) = (self.connection.session(), Partition::of(&room));
        if matches!(command, Command::Join { .. }) && self.status != Status::default() {
            // The hub of the room may be one that has not been told.
            let command = Command::SetStatus { status: self.status };
            inputs.push((shard, ToShard::Ask { session, partition, re: None, command }));
        }
        inputs.push((shard, ToShard::Ask { session, partition, re, command }));
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
        if let Some(re) = re {
            self.say(&native::ack(&re));
        }
    }

    fn introduction(&self, profile: &Arc<Profile>) -> ToShard {
        ToShard::Attach { connection: Arc::clone(&self.connection), profile: Arc::clone(profile) }
    }

    fn verify(&self, token: &str) -> Result<Identity, AuthError> {
        self.presence.verifier().verify(token, self.now().as_millis() / 1000)
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
