//! The task of a connection without WebSocket: it sees to what waits for its time or for room, and to the end.
use super::talk::{Http, PollPermit, Talk, Talks};
use crate::{
    auth::token::Identity,
    connection::{Connection, ConnectionSetup, Socket, Way},
    cut::Cut,
    problem::Problem,
    transport::{
        conversation::{Conversation, Inputs},
        relay::{probe, tell},
    },
};
use herenow_core::{command::Ending, id::SessionId};
use herenow_wire::dialect::Dialect;
use http::StatusCode;
use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// What a connection begins with.
pub(super) struct Opening {
    pub(super) identity: Identity,
    /// The session that it wants to go on with.
    pub(super) resume: Option<String>,
    /// How its frames are taken away.
    pub(super) socket: Socket,
    pub(super) cut: Option<Cut>,
    /// For one that is polled.
    pub(super) permit: Option<PollPermit>,
}

/// Opens a connection; the first frame comes as soon as it is known which session it is for.
///
/// # Errors
/// 500 where the system gives no random bytes.
pub(super) fn open(http: &Http, opening: Opening) -> Result<Arc<Talk>, Problem> {
    let Opening { identity, resume, socket, cut, permit } = opening;
    let presence = http.presence.clone();
    let no_random = |error| {
        tracing::error!(%error, "no random number for a session");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "server.no_random", "no session id could be drawn")
    };
    let session = SessionId(getrandom::u64().map_err(no_random)?);
    let setup = ConnectionSetup {
        session,
        dialect: Dialect::Native,
        socket,
        outbox_bytes_max: presence.settings().outbox_bytes_max,
        now: presence.clock().now(),
    };
    let conversation = Conversation::new(presence.clone(), Arc::new(Connection::new(setup)));
    let talk = Arc::new(Talk::new(conversation, cut).map_err(no_random)?);
    let (opened, talks) = (Arc::clone(&talk), http.talks.clone());
    tokio::spawn(async move {
        Box::pin(begin(&opened, &talks, identity, resume)).await;
        let counted = presence.admit(&opened.connection);
        let how = converse(&opened).await;
        Box::pin(end(&opened, &talks, how)).await;
        drop((counted, permit));
    });
    Ok(talk)
}

/// Welcomes the client, once it is known whether its session goes on.
async fn begin(talk: &Arc<Talk>, talks: &Talks, identity: Identity, resume: Option<String>) {
    let mut inputs = Inputs::new();
    let mut conversation = talk.conversation.lock().await;
    let (entered, entering) = (talks.clone(), Arc::downgrade(talk));
    conversation.enter_by(Box::new(move |session| {
        // Who calls this holds it.
        entering.upgrade().map_or_else(String::new, |talk| entered.enter(session, &talk))
    }));
    conversation.greet(Some(Ok(identity)), resume, &mut inputs);
    if let Some(contest) = conversation.take_contest() {
        let is_alive = probe(talk.clock, contest.holder()).await;
        conversation.settle_contest(contest, is_alive, &mut inputs);
    }
    tell(&conversation, inputs).await;
}

/// What the task has to see to.
enum Event {
    Over(Ending),
    CaughtUp,
    Poked,
}

/// Sees to the connection for as long as it lives; how it ended.
async fn converse(talk: &Talk) -> Ending {
    loop {
        let due = talk.conversation.lock().await.held_until();
        let event = match due {
            None => Some(poll_fn(|cx| poll_event(talk, cx)).await),
            Some(due) => {
                let wait = due.since(talk.clock.now());
                // In a box, because hardly any connection ever needs it.
                Box::pin(tokio::time::timeout(wait, poll_fn(|cx| poll_event(talk, cx)))).await.ok()
            }
        };
        match event {
            Some(Event::Over(how)) => return how,
            Some(Event::CaughtUp) => Box::pin(act(talk, |conversation, inputs| conversation.catch_up(inputs))).await,
            Some(Event::Poked) => {}
            None => Box::pin(act(talk, Conversation::release_held)).await,
        }
    }
}

fn poll_event(talk: &Talk, cx: &mut Context<'_>) -> Poll<Event> {
    let mut has_frames = false;
    let event = talk.connection.poll_outbox(cx, |outbox, _| {
        has_frames = !outbox.is_empty();
        match outbox.farewell() {
            Some(farewell) => Poll::Ready(Event::Over(farewell.how)),
            None if outbox.take_caught_up() => Poll::Ready(Event::CaughtUp),
            None => Poll::Pending,
        }
    });
    if has_frames {
        talk.wake_reader();
    }
    match event {
        Poll::Pending if talk.take_poked() => Poll::Ready(Event::Poked),
        event => event,
    }
}

async fn act(talk: &Talk, act: impl FnOnce(&mut Conversation, &mut Inputs)) {
    let mut inputs = Inputs::new();
    let mut conversation = talk.conversation.lock().await;
    act(&mut conversation, &mut inputs);
    tell(&conversation, inputs).await;
}

async fn end(talk: &Arc<Talk>, talks: &Talks, how: Ending) {
    talk.conversation.lock().await.end(how).await;
    tracing::debug!(session = %talk.connection.session(), ?how, "connection ended");
    let heard = poll_fn(|cx| {
        let heard = talk.connection.poll_outbox(cx, |outbox, _| match talk.connection.way() {
            Way::Poll if outbox.is_empty() => Poll::Ready(()),
            Way::Stream | Way::WebSocket if talk.is_unread() => Poll::Ready(()),
            Way::Poll | Way::Stream | Way::WebSocket => Poll::Pending,
        });
        talk.wake_reader();
        heard
    });
    // Who has not heard it by then is cut off, if anybody is there still.
    let _ = tokio::time::timeout(LINGER, heard).await;
    talks.forget(talk);
    talk.wake_reader();
    talk.cut_reader();
}

/// How long a client may take to hear why its connection ends.
const LINGER: Duration = Duration::from_secs(2);
