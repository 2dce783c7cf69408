//! The two kinds of stream below a WebSocket: a TCP socket that shards write to as well, and anything else.
use crate::connection::Connection;
use socket2::SockRef;
use std::{
    io::{self, IoSlice},
    net::Shutdown,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What bytes come from and go to.
pub enum Stream {
    /// The connection's own socket, shared with the shards.
    Shared,
    /// A stream that only the connection's task can use: TLS, a pipe, a test.
    Owned(Box<Pin<Box<dyn Duplex>>>),
}

/// A stream in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Duplex for T {}

impl Stream {
    /// A stream that only the connection's task uses.
    pub fn owned(stream: impl Duplex + 'static) -> Self {
        Self::Owned(Box::new(Box::pin(stream)))
    }

    /// Reads what is there; 0 bytes at the end of the stream.
    pub fn poll_read(
        &mut self,
        connection: &Connection,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Shared => {
                let Some(tcp) = connection.tcp() else { return Poll::Ready(Ok(0)) };
                loop {
                    std::task::ready!(tcp.poll_read_ready(cx))?;
                    match tcp.try_read(buffer) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        read => return Poll::Ready(read),
                    }
                }
            }
            Self::Owned(stream) => {
                let mut buffer = ReadBuf::new(buffer);
                std::task::ready!((**stream).as_mut().poll_read(cx, &mut buffer))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
        }
    }

    /// Writes as much as is taken now.
    pub fn poll_write(
        &mut self,
        connection: &Connection,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Shared => {
                let Some(tcp) = connection.tcp() else { return Poll::Ready(Ok(0)) };
                loop {
                    std::task::ready!(tcp.poll_write_ready(cx))?;
                    match tcp.try_write_vectored(slices) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        written => return Poll::Ready(written),
                    }
                }
            }
            Self::Owned(stream) => (**stream).as_mut().poll_write_vectored(cx, slices),
        }
    }

    /// Has what was written leave; nothing to do for a socket.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Shared => Poll::Ready(Ok(())),
            Self::Owned(stream) => (**stream).as_mut().poll_flush(cx),
        }
    }

    /// Tells the peer that nothing more will be written; what it writes can still be read.
    pub fn poll_shutdown(&mut self, connection: &Connection, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Shared => {
                Poll::Ready(connection.tcp().map_or(Ok(()), |tcp| SockRef::from(tcp).shutdown(Shutdown::Write)))
            }
            Self::Owned(stream) => (**stream).as_mut().poll_shutdown(cx),
        }
    }
}
