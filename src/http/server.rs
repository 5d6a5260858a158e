//! Connections: how many, how long, and how they end.
//!
//! The loop below stands in for `axum::serve`, which has no limit for connections and none for idle ones. A connection
//! on which nothing is answered for [`PATIENCE`] is closed: before a request, in the middle of its head, or between two.
//! One whose reader acknowledges nothing for [`UNREAD`] is given up by the kernel. So a stranger can hold no more than
//! some sockets for some time.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsAcceptor;

use super::App;
use super::access::only_this_machine;
use super::front::Front;
use super::line::{Line, Written};

/// How long a connection may go without an answer or a part of one; up to twice as long where the last one came just
/// after a look.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long both sides may take to agree on keys.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long sent bytes may stay unacknowledged; heartbeats of streams make sure that there are some.
const UNREAD: Duration = Duration::from_secs(60);
/// The most a connection reads ahead or holds back for writing, in bytes. The head of a request must fit, too.
const BUFFER: usize = 16 * 1024;
/// The most headers of a request.
const MOST_HEADERS: usize = 64;
/// How many connections wait to be taken, where the system allows as many.
const BACKLOG: i32 = 4096;
/// The most connections at once.
const MOST_CONNECTIONS: u64 = 32 * 1024;
/// File descriptors that are kept for git, targets and files.
const RESERVED: u64 = 256;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// No further request is read; those that are being answered may end.
    Draining,
    /// It is over.
    Ended,
}

/// Answers on `listener` until `shutdown` comes. Then nobody new is let in, streams end, requests that are being answered
/// may end, and after `drain` the rest is cut off.
///
/// An error means that the listener cannot be used, or that it is open to others than `app` was told.
pub async fn serve(
    listener: std::net::TcpListener,
    app: Arc<App>,
    more: axum::Router,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) -> io::Result<()> {
    // What counts is the socket: the file's address may have been changed since, or overridden on the command line.
    app.local.store(only_this_machine(listener.local_addr()?.ip()), Ordering::Relaxed);
    listener.set_nonblocking(true)?;
    // The standard library's queue of 128 makes a crowd that comes at once try again after a second.
    let _ = socket2::SockRef::from(&listener).listen(BACKLOG);
    let listener = TcpListener::from_std(listener)?;
    let most = connections_allowed();
    let places = Arc::new(Semaphore::new(most as usize));
    let phase = watch::Sender::new(Phase::Open);
    let front = Front::new(Arc::clone(&app), more);
    let mut shutdown = pin!(shutdown);
    loop {
        // A place first, then a connection: who finds none waits in the kernel's queue.
        let place = tokio::select! {
            biased;
            () = &mut shutdown => break,
            place = Arc::clone(&places).acquire_owned() => place.expect("the semaphore is never closed"),
        };
        let stream = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        match stream {
            Ok((stream, _)) => {
                let connection = Connection::new(Arc::clone(&app), place);
                tokio::spawn(connection.run(stream, front.clone(), phase.subscribe()));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Out of file descriptors or memory: others must let go first.
                tracing::warn!(%error, "cannot accept connections at the moment");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    phase.send_replace(Phase::Draining);
    app.streams.close();
    let all_gone = places.acquire_many(most);
    if tokio::time::timeout(drain, all_gone).await.is_err() {
        tracing::warn!("cut off connections that did not end in time");
    }
    phase.send_replace(Phase::Ended);
    Ok(())
}

struct Connection {
    app: Arc<App>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn new(app: Arc<App>, place: OwnedSemaphorePermit) -> Self {
        app.live.metrics.connections.inc();
        Connection { app, _place: place }
    }

    async fn run(self, stream: TcpStream, front: Front, phase: watch::Receiver<Phase>) {
        // Both only fail on sockets that are closed already.
        let _ = stream.set_nodelay(true);
        let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(UNREAD));
        let Some(certificate) = self.app.certificate.present() else {
            return self.answer(stream, front, phase).await;
        };
        let handshake = TlsAcceptor::from(certificate).accept(stream);
        // Why one failed is of no interest either.
        if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, handshake).await {
            self.answer(stream, front, phase).await;
        }
    }

    async fn answer<S>(self, stream: S, front: Front, mut phase: watch::Receiver<Phase>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let written = Written::default();
        let connection = http1::Builder::new()
            // A look at what was written takes its place.
            .header_read_timeout(None)
            .max_buf_size(BUFFER)
            .max_headers(MOST_HEADERS)
            .serve_connection(TokioIo::new(Line::new(stream, written.clone())), front.on(&written));
        let mut connection = pin!(connection);
        let mut look = pin!(sleep(PATIENCE));
        let mut before = 0;
        loop {
            tokio::select! {
                biased;
                // How it ended is of no interest: strangers break off as they please.
                _ = &mut connection => break,
                _ = phase.changed() => {}
                () = &mut look => {
                    let now = written.count();
                    if std::mem::replace(&mut before, now) == now {
                        break;
                    }
                    look.as_mut().reset(Instant::now() + PATIENCE);
                    continue;
                }
            }
            match *phase.borrow_and_update() {
                Phase::Open => {}
                Phase::Draining => connection.as_mut().graceful_shutdown(),
                Phase::Ended => break,
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.app.live.metrics.connections.dec();
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// How many connections the process may hold, after it allowed itself as many files as the system lets it.
fn connections_allowed() -> u32 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = MOST_CONNECTIONS + RESERVED;
    let possible = limit.maximum.unwrap_or(wanted).min(wanted);
    let mut files = limit.current.unwrap_or(wanted);
    if files < possible && setrlimit(Resource::Nofile, Rlimit { current: Some(possible), ..limit }).is_ok() {
        files = possible;
    }
    let connections = files.saturating_sub(RESERVED).clamp(16, MOST_CONNECTIONS);
    u32::try_from(connections).expect("clamped to less")
}

#[cfg(test)]
mod tests;
