//! What the requests of one connection share: what it says, what waits for it, and who reads that.
use super::numbers::Numbers;
use crate::{
    clock::Clock,
    connection::{Connection, Taken},
    cut::Cut,
    presence::Presence,
    resume::{self, Secret},
    transport::conversation::Conversation,
};
use bytes::Bytes;
use hashbrown::HashMap;
use herenow_core::{
    command::Ending,
    id::{SessionId, UserId},
};
use herenow_wire::{
    native,
    websocket::{encoder, frame::Opcode},
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};

/// What the routes work with.
#[derive(Clone)]
pub(super) struct Http {
    pub(super) presence: Presence,
    pub(super) talks: Talks,
}

/// A connection without WebSocket.
pub(super) struct Talk {
    pub(super) connection: Arc<Connection>,
    /// Requests of a client may come at the same time; what one says is handled as a whole.
    pub(super) conversation: tokio::sync::Mutex<Conversation>,
    pub(super) clock: Clock,
    /// What polls have been given and did not acknowledge.
    pub(super) numbers: Mutex<Numbers>,
    secret: Secret,
    reader: Mutex<Reader>,
    /// Whether the task has to look when it next wants to act.
    is_poked: AtomicBool,
}

/// Who takes frames away.
#[derive(Default)]
struct Reader {
    waker: Option<Waker>,
    /// Whether nobody will any more.
    is_gone: bool,
    /// Ends the HTTP connection that the frames go out over.
    cut: Option<Cut>,
}

/// What the client hears next.
pub(super) enum Next {
    /// A frame, in two pieces.
    Frame(Bytes, Bytes),
    /// Nothing, but something should be said.
    Pulse,
    /// Nothing for now.
    Nothing,
    /// Nothing any more.
    Over,
}

impl Talk {
    /// A talk that begins.
    ///
    /// # Errors
    /// Where the system gives no random bytes for the secret.
    pub(super) fn new(conversation: Conversation, cut: Option<Cut>) -> Result<Self, getrandom::Error> {
        Ok(Self {
            connection: Arc::clone(conversation.connection()),
            clock: conversation.presence().clock(),
            conversation: tokio::sync::Mutex::new(conversation),
            numbers: Mutex::default(),
            // Never zero, which stands for no secret.
            secret: [getrandom::u64()?, getrandom::u64()? | 1],
            reader: Mutex::new(Reader { cut, ..Reader::default() }),
            is_poked: AtomicBool::new(false),
        })
    }

    /// What the client hears next; takes it away.
    pub(super) fn next(&self) -> Next {
        loop {
            let (bytes, more) = match self.connection.take_frame(self.clock.now()) {
                Taken::Frame(bytes, more) => (bytes, more),
                Taken::Nothing => return Next::Nothing,
                Taken::Over => return Next::Over,
            };
            match encoder::opened(&bytes) {
                Some((Opcode::Text, header)) => return Next::Frame(bytes.slice(header..), more),
                Some((Opcode::Ping, _)) => return Next::Pulse,
                Some((Opcode::Close, _)) => {
                    let close = encoder::opened_close(&bytes);
                    let closed = close.map_or_else(String::new, |close| native::closed(close.code, close.reason));
                    return Next::Frame(Bytes::from(closed), Bytes::new());
                }
                // Nothing else is sent.
                Some((Opcode::Continuation | Opcode::Binary | Opcode::Pong, _)) | None => {}
            }
        }
    }

    /// Remembers whom to wake when there is something to take away. To be called before the last look.
    pub(super) fn read_by(&self, waker: &Waker) {
        let mut reader = self.reader();
        if !reader.waker.as_ref().is_some_and(|held| held.will_wake(waker)) {
            reader.waker = Some(waker.clone());
        }
    }

    /// Wakes who takes frames away.
    pub(super) fn wake_reader(&self) {
        let waker = self.reader().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Notes that nobody takes frames away any more, and ends the connection where it has not ended.
    pub(super) fn leave_unread(&self) {
        *self.reader() = Reader { is_gone: true, ..Reader::default() };
        self.connection.abort(Ending::Lost, self.clock.now());
        // The task may wait for this, having ended the connection itself.
        self.connection.wake();
    }

    /// Whether nobody takes frames away any more.
    pub(super) fn is_unread(&self) -> bool {
        self.reader().is_gone
    }

    /// Cuts off who does not take what waits.
    pub(super) fn cut_reader(&self) {
        let cut = self.reader().cut.take();
        if let Some(cut) = cut {
            cut.cut();
        }
    }

    /// Has the task look for what it has to do.
    pub(super) fn poke(&self) {
        self.is_poked.store(true, Ordering::Relaxed);
        self.connection.wake();
    }

    /// Whether the task was to look: true once.
    pub(super) fn take_poked(&self) -> bool {
        self.is_poked.swap(false, Ordering::Relaxed)
    }

    fn reader(&self) -> MutexGuard<'_, Reader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The talks of this process, by session.
#[derive(Clone, Default)]
pub(super) struct Talks(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    talks: HashMap<SessionId, Arc<Talk>>,
    /// How many connections of a user are polled.
    polled: HashMap<UserId, usize>,
}

/// The right to have one more connection that is polled.
pub(super) struct PollPermit {
    talks: Talks,
    user: UserId,
}

/// What a name of a session leads to.
pub(super) enum Found {
    Talk(Arc<Talk>),
    Nothing,
    WrongSecret,
}

impl Talks {
    /// Lets a talk be found; what its client has to name.
    pub(super) fn enter(&self, session: SessionId, talk: &Arc<Talk>) -> String {
        self.table().talks.insert(session, Arc::clone(talk));
        format!("{session}.{:016x}{:016x}", talk.secret[0], talk.secret[1])
    }

    /// The talk that a client names.
    pub(super) fn find(&self, named: &str) -> Found {
        let Some((session, secret)) = resume::parse(named) else { return Found::Nothing };
        match self.table().talks.get(&session) {
            Some(talk) if resume::is_same(talk.secret, secret) => Found::Talk(Arc::clone(talk)),
            Some(_) => Found::WrongSecret,
            None => Found::Nothing,
        }
    }

    /// Forgets a talk, unless another is held under its session by now.
    pub(super) fn forget(&self, talk: &Arc<Talk>) {
        let mut table = self.table();
        let session = talk.connection.session();
        if table.talks.get(&session).is_some_and(|held| Arc::ptr_eq(held, talk)) {
            table.talks.remove(&session);
        }
    }

    /// Lets a user have one more connection that is polled, which takes no socket to hold; `None` at the limit.
    pub(super) fn permit_poll(&self, user: &UserId) -> Option<PollPermit> {
        let mut table = self.table();
        let polled = table.polled.entry_ref(user).or_default();
        if *polled >= POLLED_PER_USER_MAX {
            return None;
        }
        *polled += 1;
        Some(PollPermit { talks: self.clone(), user: user.clone() })
    }

    /// How many talks there are, and users with connections that are polled.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        let table = self.table();
        table.talks.len() + table.polled.len()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PollPermit {
    fn drop(&mut self) {
        let mut table = self.talks.table();
        let Some(polled) = table.polled.get_mut(&self.user) else { return };
        *polled -= 1;
        if *polled == 0 {
            table.polled.remove(&self.user);
        }
    }
}

/// Connections that are polled, of one user.
pub(super) const POLLED_PER_USER_MAX: usize = 100;
