//! Server-sent events: what their streams have in common (WHATWG HTML, section 9.2).
//!
//! Axum's own `Sse` builds each event anew for each reader; here the bytes of an event are shared by all of them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::unfold;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::watch;

use super::App;

/// How long a stream says nothing at most. Proxies cut a line that is silent for a minute; a reader that hears nothing
/// for much longer than this may take the line for dead.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);

/// A comment, which readers pass over.
pub(super) const BEAT: Bytes = Bytes::from_static(b":\n\n");

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Ends all open streams at once.
pub(super) struct Streams(watch::Sender<Epoch>);

#[derive(Clone, Copy, Default)]
struct Epoch {
    number: u64,
    closed: bool,
}

impl Default for Streams {
    fn default() -> Self {
        Streams(watch::Sender::new(Epoch::default()))
    }
}

impl Streams {
    /// Ends those that are open; others may begin.
    pub(super) fn end_all(&self) {
        self.0.send_modify(|epoch| epoch.number += 1);
    }

    /// Ends those that are open, and those to come before they wait.
    pub(super) fn close(&self) {
        self.0.send_modify(|epoch| epoch.closed = true);
    }
}

/// One open stream; counted while it is.
pub(super) struct Open {
    pub(super) app: Arc<App>,
    ended: watch::Receiver<Epoch>,
}

impl Open {
    pub(super) fn new(app: Arc<App>) -> Self {
        app.live.metrics.watchers.inc();
        let mut ended = app.streams.0.subscribe();
        if ended.borrow().closed {
            ended.mark_changed();
        }
        Open { app, ended }
    }

    /// Comes when the stream is to end.
    pub(super) async fn ended(&mut self) {
        // An error would mean that the sender is gone, and with it the process's state.
        let _ = self.ended.changed().await;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.app.live.metrics.watchers.dec();
    }
}

/// Something that is told bit by bit, until there is nothing more.
pub(super) trait Telling: Send + 'static {
    /// The next bytes. Asked for only when the reader took nearly all that came before.
    fn next(&mut self) -> impl Future<Output = Option<Bytes>> + Send;
}

/// The answer that tells it.
pub(super) fn response(telling: impl Telling) -> Response {
    let bits = unfold(telling, |mut telling| async {
        let bytes = telling.next().await?;
        Some((Ok::<_, Infallible>(bytes), telling))
    });
    let mut response = Response::new(Body::from_stream(bits));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx as a proxy would hold events back.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// The id of the last event that the reader saw, if it says one and it is of the right form.
pub(super) fn last_event_id<T: std::str::FromStr>(headers: &HeaderMap) -> Option<T> {
    headers.get(LAST_EVENT_ID)?.to_str().ok()?.parse().ok()
}
