//! A session between the task that sees to it and the response that takes its frames away: neither waits for the other, and
//! an idle reader costs next to nothing.
use crate::{
    api::{
        ear::{Ear, Frame},
        state::Api,
    },
    clock::Clock,
    connection::{Connection, Taken},
    cut::Cut,
};
use futures_util::task::AtomicWaker;
use herenow_core::command::Ending;
use herenow_wire::websocket::{encoder, frame::Opcode};
use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

/// What is heard next.
#[derive(Debug)]
pub enum Heard {
    /// A frame.
    Frame(Frame),
    /// Nothing, but something should be said.
    Pulse,
    /// Nothing for now.
    Nothing,
    /// Nothing any more.
    Over,
}

/// The side of who takes frames away. Dropped where they are gone.
#[derive(Debug)]
pub struct Hearing(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    connection: Arc<Connection>,
    clock: Clock,
    listener: AtomicWaker,
    is_gone: AtomicBool,
}

impl Hearing {
    /// Has a task see to a session for as long as it lasts: until its listener is gone, its right ends, it is put out, or the
    /// server stops. A listener who then does not take what still waits is cut off.
    pub fn begin(api: &Api, ear: Ear, cut: Option<Cut>) -> Self {
        let connection = Arc::clone(ear.connection());
        let (clock, listener, is_gone) = (api.presence().clock(), AtomicWaker::new(), AtomicBool::new(false));
        let shared = Arc::new(Shared { connection, clock, listener, is_gone });
        let (api, attended) = (api.clone(), Arc::clone(&shared));
        // No `async fn`, which would keep room for what it was given twice; and what is seldom needed is in a box, because it
        // would count for as long as the reader is there.
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = ear.attend(|| attended.listener.wake()) => {}
                () = api.stopped() => attended.connection.abort(Ending::Drained, clock.now()),
            }
            // From here on it is in no room, whether or not its listener takes what was said before.
            drop(ear);
            attended.listener.wake();
            let gone = Box::pin(tokio::time::timeout(LINGER, attended.gone()));
            if gone.await.is_err()
                && let Some(cut) = &cut
            {
                cut.cut();
            }
        });
        Self(shared)
    }

    /// What is heard next; takes it away.
    pub fn next(&self) -> Heard {
        loop {
            match self.0.connection.take_frame(self.0.clock.now()) {
                Taken::Frame(bytes, more) => match encoder::opened(&bytes) {
                    Some((Opcode::Ping, _)) => return Heard::Pulse,
                    _ => match Frame::of_text(bytes, more) {
                        Some(frame) if frame.is_ping() => return Heard::Pulse,
                        Some(frame) => return Heard::Frame(frame),
                        // That it closes is said by the end.
                        None => {}
                    },
                },
                Taken::Nothing => return Heard::Nothing,
                Taken::Over => return Heard::Over,
            }
        }
    }

    /// Remembers whom to wake when there is something to take away. To be called before the last look.
    pub fn listen(&self, waker: &Waker) {
        self.0.listener.register(waker);
    }

    /// Ends the session.
    pub fn end(&self, how: Ending) {
        self.0.connection.abort(how, self.0.clock.now());
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.0.is_gone.store(true, Ordering::Release);
        self.end(Ending::Lost);
        // The task may wait for this, the session having ended before.
        self.0.connection.wake();
    }
}

impl Shared {
    /// Waits until the listener is gone.
    async fn gone(&self) {
        let look = |cx: &mut Context<'_>| {
            self.connection.poll_outbox(cx, |_, _| {
                if self.is_gone.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
            })
        };
        poll_fn(look).await;
    }
}

/// How long a listener may take to hear the last before they are cut off.
const LINGER: Duration = Duration::from_secs(2);
