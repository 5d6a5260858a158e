//! A connection's socket, and whether it is still good for something.
//!
//! hyper's own timeout arms and drops a timer for each request, and does not see a reader that takes nothing. Here one
//! timer per connection looks whether anything was written since it looked last: a request is answered, a stream beats, a download goes on. A head that comes in drops writes nothing.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many times something was written. It only grows.
#[derive(Clone, Default)]
pub(super) struct Written(Arc<AtomicU64>);

impl Written {
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How often a connection whose answer takes long is said to be good for something.
const BEAT: Duration = Duration::from_secs(10);

/// Speaks for a connection whose answer takes long. Handed to routes with each request; whoever uses it bounds the time.
#[derive(Clone, Default)]
pub struct Patience(pub(super) Written);

impl Patience {
    /// What `answer` comes to. The connection is not taken for idle meanwhile.
    pub async fn during<T>(&self, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        loop {
            match tokio::time::timeout(BEAT, answer.as_mut()).await {
                Ok(came) => return came,
                Err(_) => self.0.0.fetch_add(1, Ordering::Relaxed),
            };
        }
    }
}

/// A socket, or what TLS makes of one, that counts its writes.
pub(super) struct Line<S> {
    stream: S,
    written: Written,
}

impl<S> Line<S> {
    pub(super) fn new(stream: S, written: Written) -> Self {
        Line { stream, written }
    }

    fn counted(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(result, Poll::Ready(Ok(1..))) {
            self.written.0.fetch_add(1, Ordering::Relaxed);
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Line<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.counted(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.counted(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
