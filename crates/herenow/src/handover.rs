//! Takes a response that stays open out of hyper's hands: what hyper keeps for a connection is many times what a reader
//! of events needs who is mostly told nothing.
//!
//! Hyper reads the request, with all its limits, and writes what went before. Then it is dropped, and gives the stream
//! back that was lent to it. How the response is written from there on is left to [`crate::pour`].
use axum::response::Response;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Marks a response, among its extensions, whose body goes on for long and mostly says nothing.
#[derive(Clone, Copy, Debug)]
pub struct StaysOpen;

/// What is handed over from hyper: a response that waits to be written, and then the stream.
///
/// Invariant: nothing is handed over before hyper has written all that went before the response.
#[derive(Debug)]
pub struct Handover<S>(Arc<Mutex<State<S>>>);

#[derive(Debug)]
struct State<S> {
    response: Option<Box<Response>>,
    is_due: bool,
    stream: Option<S>,
}

impl<S> Default for Handover<S> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { response: None, is_due: false, stream: None })))
    }
}

impl<S> Handover<S> {
    /// Wants a response to be written without hyper, which must not be told of it.
    pub fn want(&self, response: Response) {
        self.state().response = Some(Box::new(response));
    }

    /// Whether hyper has nothing more to do: it is to be dropped.
    pub fn is_due(&self) -> bool {
        self.state().is_due
    }

    /// The stream and what is to be written to it, once hyper was dropped.
    pub fn take(&self) -> Option<(S, Response)> {
        let mut state = self.state();
        let (stream, response) = state.stream.take().zip(state.response.take())?;
        Some((stream, *response))
    }

    /// Notes that hyper has written all that it was told.
    fn note_flushed(&self) {
        let mut state = self.state();
        state.is_due |= state.response.is_some();
    }

    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Clone for Handover<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// A stream as hyper has it. Dropped when a handover is due, it is handed over instead of closed.
#[derive(Debug)]
pub struct Lent<S> {
    /// There until it is dropped or taken back.
    stream: Option<S>,
    handover: Handover<S>,
}

impl<S> Lent<S> {
    /// Lends a stream.
    pub fn new(stream: S, handover: Handover<S>) -> Self {
        Self { stream: Some(stream), handover }
    }

    /// Takes the stream back.
    pub fn into_stream(mut self) -> S {
        self.stream.take().expect("only this and the drop take it, and both at the end")
    }
}

impl<S: Unpin> Lent<S> {
    fn stream(&mut self) -> io::Result<Pin<&mut S>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl<S> Drop for Lent<S> {
    fn drop(&mut self) {
        let mut state = self.handover.state();
        if state.is_due {
            state.stream = self.stream.take();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lent<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lent<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    /// Hyper flushes the stream only when it has written all that it has.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.stream()?.poll_flush(cx))?;
        self.handover.note_flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}
