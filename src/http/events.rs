//! `GET /events`: everything that happens, as server-sent events. The id of an event grows, across restarts too, so a
//! reader that comes back with `Last-Event-ID` gets what it missed, as far as that is remembered; one that comes for the
//! first time gets all that is.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::sleep;

use super::App;
use super::stream::{BEAT, HEARTBEAT, Open, Telling, last_event_id, response};
use crate::live::Event;

/// `GET /events`
pub(super) async fn events(State(app): State<Arc<App>>, request: Request) -> Response {
    let last = last_event_id(request.headers()).unwrap_or(0);
    let (missed, later) = app.live.events.after(last);
    response(Listening { open: Open::new(app), last, missed: missed.into(), later })
}

struct Listening {
    open: Open,
    last: u64,
    missed: VecDeque<Arc<Event>>,
    later: Receiver<Arc<Event>>,
}

impl Telling for Listening {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.missed.pop_front() {
                return Some(self.told(&event));
            }
            tokio::select! {
                () = self.open.ended() => return None,
                event = self.later.recv() => match event {
                    Ok(event) => return Some(self.told(&event)),
                    // Too slow for the channel: read again from the log, which remembers more.
                    Err(RecvError::Lagged(_)) => {
                        let (missed, later) = self.open.app.live.events.after(self.last);
                        (self.missed, self.later) = (missed.into(), later);
                    }
                    Err(RecvError::Closed) => return None,
                },
                () = sleep(HEARTBEAT) => return Some(BEAT),
            }
        }
    }
}

impl Listening {
    fn told(&mut self, event: &Event) -> Bytes {
        self.last = event.id;
        let json = serde_json::to_string(event).expect("names, times and text serialise");
        format!("event: {}\nid: {}\ndata: {json}\n\n", event.kind.word(), event.id).into()
    }
}
