//! The task that owns a socket: sends what it is told to, and hands what comes to who waits for it.
use crate::{
    error::Ended,
    frame::{RequestId, ServerFrame},
    socket::{self, Socket},
};
use futures_util::{SinkExt, StreamExt};
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

/// What a handle tells the driver.
#[derive(Debug)]
pub(crate) enum Order {
    Ask { text: String, id: u64, waiting: Waiting },
    Forget { id: u64 },
    Send { text: String },
    Close { code: Option<u16> },
    Abort,
}

/// Somebody who waits for an answer.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) is_ping: bool,
    pub(crate) answer: oneshot::Sender<ServerFrame>,
}

/// Owns the socket; ends with the connection, or once every sender of orders is gone.
pub(crate) struct Driver {
    pub(crate) socket: Socket,
    pub(crate) orders: mpsc::Receiver<Order>,
    /// `None` once the caller does not want them any more.
    pub(crate) events: Option<mpsc::Sender<ServerFrame>>,
    pub(crate) events_max: usize,
    /// By number, thus by age.
    pub(crate) waiting: BTreeMap<u64, Waiting>,
}

impl Driver {
    pub(crate) async fn run(mut self, ended: Arc<OnceLock<Ended>>) {
        let how = loop {
            let step = tokio::select! {
                order = self.orders.recv() => match order {
                    Some(Order::Abort) => {
                        socket::abort(self.socket);
                        // The only writer of the cell; it is empty before.
                        let _ = ended.set(Ended::Local);
                        return;
                    }
                    Some(order) => self.obey(order).await,
                    None => self.close(Some(1000)).await,
                },
                message = self.socket.next() => self.take(message),
            };
            if let Err(how) = step {
                break how;
            }
        };
        let _ = ended.set(how);
        // Lets an answer to a close leave, if the server is still there to read it.
        let _ = tokio::time::timeout(CLOSE_LIMIT, self.socket.flush()).await;
    }

    async fn obey(&mut self, order: Order) -> Result<(), Ended> {
        let text = match order {
            Order::Ask { text, id, waiting } => {
                self.waiting.insert(id, waiting);
                text
            }
            Order::Send { text } => text,
            Order::Forget { id } => {
                self.waiting.remove(&id);
                return Ok(());
            }
            Order::Close { code } => return self.close(code).await,
            // Handled by the loop, which owns the socket; here it ends the loop all the same.
            Order::Abort => return Err(Ended::Local),
        };
        self.socket.send(Message::text(text)).await.map_err(|error| socket::cut(Some(error)))
    }

    /// Says the close and reads on until the other side has answered it.
    async fn close(&mut self, code: Option<u16>) -> Result<(), Ended> {
        let closing = async {
            self.socket.send(socket::close_message(code)).await.ok()?;
            while let Some(Ok(message)) = self.socket.next().await {
                if let Message::Close(_) = message {
                    break;
                }
            }
            Some(())
        };
        // Too late or broken makes no difference: the connection is dropped next.
        let _ = tokio::time::timeout(CLOSE_LIMIT, closing).await;
        Err(Ended::Local)
    }

    fn take(&mut self, message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>) -> Result<(), Ended> {
        match message {
            Some(Ok(Message::Text(text))) => match ServerFrame::parse(&text) {
                Ok(frame) => self.hand_out(frame),
                Err(error) => Err(unreadable(&text, &error)),
            },
            Some(Ok(Message::Close(frame))) => Err(socket::closed(frame)),
            // The server sends no binary; pings are answered by the codec.
            Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(()),
            Some(Err(error)) => Err(socket::cut(Some(error))),
            None => Err(socket::cut(None)),
        }
    }

    fn hand_out(&mut self, frame: ServerFrame) -> Result<(), Ended> {
        let asked = match (frame.re(), &frame) {
            (Some(RequestId::Number(id)), _) => self.waiting.remove(id),
            (None, ServerFrame::Pong(_)) => {
                let oldest = self.waiting.iter().find(|(_, waiting)| waiting.is_ping).map(|(id, _)| *id);
                oldest.and_then(|id| self.waiting.remove(&id))
            }
            (Some(RequestId::Text(_) | RequestId::OtherNumber(_)) | None, _) => None,
        };
        // Rosters and diffs are events too: who keeps a room's state must see them in order.
        let also_event = matches!(frame, ServerFrame::Roster(_) | ServerFrame::Diff(_));
        match asked {
            Some(waiting) if also_event => {
                // The asker may have given up; the event below reaches the caller all the same.
                let _ = waiting.answer.send(frame.clone());
            }
            Some(waiting) => {
                let _ = waiting.answer.send(frame);
                return Ok(());
            }
            None => {}
        }
        let Some(events) = &self.events else { return Ok(()) };
        match events.try_send(frame) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Ended::EventsFull { events_max: self.events_max }),
            Err(mpsc::error::TrySendError::Closed(_)) => {
                self.events = None;
                Ok(())
            }
        }
    }
}

/// What becomes of a frame that cannot be read.
pub(crate) fn unreadable(text: &str, error: &serde_json::Error) -> Ended {
    Ended::Unreadable { text: text.chars().take(1000).collect(), cause: error.to_string() }
}

/// How long the other side may take to answer a close.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);
