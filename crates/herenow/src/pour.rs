//! Writes a response that stays open, in chunks as HTTP/1.1 has them, and keeps next to nothing while there is nothing to
//! say. The connection ends with the response.
use axum::{body::Body, response::Response};
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, header};
use hyper::body::Body as _;
use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::SystemTime,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A response that is being written, to its end or until its reader is gone. A future, and not made by an `async fn`, which
/// would keep room for what it was given besides what it has made of it.
///
/// # Errors
/// Where the stream breaks, or the reader says more than it may where it has nothing to say.
pub struct Pouring<S> {
    stream: S,
    body: Body,
    /// What was taken from the body and not written.
    waiting: VecDeque<Bytes>,
    /// Bytes that the reader has sent behind its request.
    unheard_bytes: usize,
    is_over: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Pouring<S> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_pour(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Pouring<S> {
    /// Writes a response to a stream, in chunks and with its head first.
    pub fn new(stream: S, response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let waiting = VecDeque::from([head(parts.status, &parts.headers)]);
        Self { stream, body, waiting, unheard_bytes: 0, is_over: false }
    }

    fn poll_pour(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.poll_gone(cx)?.is_ready() {
            return Poll::Ready(Ok(()));
        }
        loop {
            ready!(self.poll_write(cx))?;
            if self.is_over {
                return Pin::new(&mut self.stream).poll_shutdown(cx);
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => {
                    ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(frame))) => self.add_chunk(frame.into_data().unwrap_or_default()),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(io::Error::other(error))),
                Poll::Ready(None) => {
                    self.is_over = true;
                    self.waiting.push_back(Bytes::from_static(b"0\r\n\r\n"));
                }
            }
        }
    }

    /// Whether the reader is gone. What it says instead is not heard.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut bytes = [0; 256];
            let mut buffer = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            let read = buffer.filled().len();
            if read == 0 {
                return Poll::Ready(Ok(()));
            }
            self.unheard_bytes += read;
            if self.unheard_bytes > UNHEARD_BYTES_MAX {
                return Poll::Ready(Err(io::Error::other("the reader of a stream goes on speaking")));
            }
        }
    }

    /// Writes what waits.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let pairs = slices.iter_mut().zip(&self.waiting);
            let count = pairs.map(|(slice, piece)| *slice = IoSlice::new(piece)).count();
            let mut written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &slices[..count]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            while let Some(first) = self.waiting.front_mut() {
                let taken = written.min(first.len());
                written -= taken;
                if taken < first.len() {
                    drop(first.split_to(taken));
                    break;
                }
                self.waiting.pop_front();
            }
        }
        // Without the room for what it held.
        self.waiting = VecDeque::new();
        Poll::Ready(Ok(()))
    }

    fn add_chunk(&mut self, data: Bytes) {
        // An empty chunk would be the end.
        if data.is_empty() {
            return;
        }
        let size = format!("{:x}\r\n", data.len());
        if data.len() > COPIED_BYTES_MAX {
            return self.waiting.extend([Bytes::from(size), data, Bytes::from_static(b"\r\n")]);
        }
        let mut chunk = BytesMut::with_capacity(size.len() + data.len() + 2);
        chunk.put_slice(size.as_bytes());
        chunk.put_slice(&data);
        chunk.put_slice(b"\r\n");
        self.waiting.push_back(chunk.freeze());
    }
}

/// The head of a response of unknown length after which the connection ends.
fn head(status: http::StatusCode, headers: &HeaderMap) -> Bytes {
    let mut head = BytesMut::new();
    head.put_slice(format!("HTTP/1.1 {status}\r\n").as_bytes());
    for (name, value) in headers {
        // Said below, or of no sense here.
        if [header::CONNECTION, header::CONTENT_LENGTH, header::DATE, header::TRANSFER_ENCODING].contains(name) {
            continue;
        }
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.put_slice(part);
        }
    }
    head.put_slice(b"transfer-encoding: chunked\r\nconnection: close\r\ndate: ");
    head.put_slice(httpdate::fmt_http_date(SystemTime::now()).as_bytes());
    head.put_slice(b"\r\n\r\n");
    head.freeze()
}

/// Bytes that a reader may send behind its request: as many as the head of one more, which a client may have sent before it
/// knew that the connection ends with this one.
const UNHEARD_BYTES_MAX: usize = 16 * 1024;
/// Up to here, a piece is copied together with what frames it.
const COPIED_BYTES_MAX: usize = 16 * 1024;
/// Pieces that one write takes: those of a chunk, and the end.
const SLICES: usize = 4;

#[cfg(test)]
mod tests {
    use super::{COPIED_BYTES_MAX, Pouring, UNHEARD_BYTES_MAX};
    use axum::{body::Body, response::Response};
    use bytes::Bytes;
    use futures_util::stream;
    use std::{convert::Infallible, io};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    fn response(pieces: Vec<Bytes>) -> Response {
        let body = Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)));
        Response::builder()
            .header("content-type", "text/event-stream")
            .header("content-length", "7")
            .body(body)
            .unwrap()
    }

    async fn poured(mut reader: DuplexStream) -> (String, Vec<u8>) {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).await.unwrap();
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        (String::from_utf8(bytes[..end].to_vec()).unwrap(), bytes[end..].to_vec())
    }

    #[tokio::test]
    async fn a_response_is_poured_in_chunks_and_ended_whatever_the_stream_takes_at_once() {
        let large = Bytes::from(vec![b'x'; COPIED_BYTES_MAX + 1]);
        for takes in [1, 7, 1 << 20] {
            let (stream, reader) = duplex(takes);
            let pieces = vec![Bytes::from_static(b"data: 1\n\n"), Bytes::new(), large.clone()];
            let (ended, (head, body)) = tokio::join!(Pouring::new(stream, response(pieces)), poured(reader));
            ended.unwrap();
            assert!(head.starts_with("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"), "{head}");
            assert!(head.contains("\r\ntransfer-encoding: chunked\r\nconnection: close\r\ndate: "), "{head}");
            assert!(!head.contains("content-length"), "{head}");
            let mut wanted = b"9\r\ndata: 1\n\n\r\n4001\r\n".to_vec();
            wanted.extend_from_slice(&large);
            wanted.extend_from_slice(b"\r\n0\r\n\r\n");
            assert!(body == wanted, "{takes} bytes at once");
        }
    }

    /// A response that says nothing.
    fn silent() -> Response {
        Response::new(Body::from_stream(stream::pending::<Result<Bytes, Infallible>>()))
    }

    #[tokio::test]
    async fn a_reader_who_goes_ends_it_and_one_who_speaks_on_has_a_limit() {
        let (stream, reader) = duplex(1 << 20);
        drop(reader);
        Pouring::new(stream, silent()).await.unwrap();

        let (stream, mut reader) = duplex(1 << 20);
        reader.write_all(&vec![b' '; UNHEARD_BYTES_MAX]).await.unwrap();
        reader.shutdown().await.unwrap();
        Pouring::new(stream, silent()).await.unwrap();

        let (stream, mut reader) = duplex(1 << 20);
        reader.write_all(&vec![b' '; UNHEARD_BYTES_MAX + 1]).await.unwrap();
        assert_eq!(Pouring::new(stream, silent()).await.unwrap_err().kind(), io::ErrorKind::Other);
    }
}
