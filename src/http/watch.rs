//! `GET /watch/…`: what is served now and each change of it, as server-sent events.
//!
//! | event | of one agent | of an environment |
//! |---|---|---|
//! | now, or after a gap | `version`, or `retired` | `snapshot`: everything; what it does not name is not served |
//! | after a change | `version`, or `retired` | `change`: the agents that changed, and under `retired` those that left |
//!
//! Several agents that moved in one commit are one `change`. A reader that was slow, or comes back with the
//! `Last-Event-ID` of a head that this process has seen, gets one event that leads to the present; where it already has
//! the present, none.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::sleep;

use super::App;
use super::feed::{Mark, Watched};
use super::path::place;
use super::problem::Problem;
use super::stream::{BEAT, HEARTBEAT, Open, Telling, last_event_id, response};
use crate::live::Found;

/// `GET /watch/{environment}` and `GET /watch/{environment}/{agent}`
pub(super) async fn watch(State(app): State<Arc<App>>, request: Request) -> Response {
    let watched = match watched(&app, request.uri().path()) {
        Ok(watched) => watched,
        Err(problem) => return problem.into_response(),
    };
    let swapped = app.live.subscribe();
    response(Watching { swapped, watched, seen: last_event_id(request.headers()), open: Open::new(app) })
}

/// What `path` names, if there is something to watch.
fn watched(app: &App, path: &str) -> Result<Watched, Problem> {
    let place = place(path, "/watch/")?;
    let snapshot = app.live.peek();
    let Some(environment) = snapshot.environment(&place.environment) else {
        return Err(Problem::no_such_environment(&place.environment));
    };
    let all = path["/watch/".len()..].find('/').is_none();
    let agent = match environment.agent(&place.agent) {
        _ if all => None,
        Found::Served(served) => Some(served.agent.clone()),
        Found::Retired => environment.retired.get(&*place.agent).cloned(),
        Found::Nothing => return Err(Problem::not_served(&place.environment, &place.agent)),
    };
    Ok(Watched { environment: environment.name.clone(), agent })
}

struct Watching {
    open: Open,
    watched: Watched,
    /// The head that the reader knows of.
    seen: Option<Mark>,
    swapped: watch::Receiver<u64>,
}

impl Telling for Watching {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            // What is swapped from here on wakes us; what was swapped before is seen by the look that follows.
            self.swapped.borrow_and_update();
            let news = self.open.app.feeds.news(&self.open.app.live, &self.watched, self.seen)?;
            self.seen = Some(news.mark);
            if news.event.is_some() {
                return news.event;
            }
            tokio::select! {
                () = self.open.ended() => return None,
                swapped = self.swapped.changed() => swapped.ok()?,
                () = sleep(HEARTBEAT) => return Some(BEAT),
            }
        }
    }
}
