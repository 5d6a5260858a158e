//! A model server on loopback: it speaks OpenAI's protocol over real sockets, does what the story tells it to, and
//! remembers what it was asked.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Uri};
use serde_json::{Value, json};

/// What it does with one request.
#[derive(Clone, Debug)]
pub enum Act {
    /// Streams these words.
    Says(&'static [&'static str]),
    /// Streams these words with some time between them.
    Slowly(&'static [&'static str]),
    /// Answers in one document.
    Whole(&'static str),
    /// Answers with this status, and a body that quotes the key and the address that it was called with.
    Status(u16),
    /// Asks for a skill.
    Asks(&'static str),
    /// Says a word and hangs up.
    HangsUp,
    /// Says a word and nothing more for as long as anybody waits.
    Stalls,
    /// Answers with a page.
    Garbage,
    /// Answers words without end.
    Floods,
    /// Answers with a redirect to this address.
    Sends(String),
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: String,
    pub authorization: Option<String>,
    pub body: Value,
}

struct Room {
    acts: Mutex<VecDeque<Act>>,
    requests: Mutex<Vec<Request>>,
}

/// A running server.
pub struct ModelServer {
    pub address: String,
    room: Arc<Room>,
    _runtime: tokio::runtime::Runtime,
}

impl ModelServer {
    /// One on a free port, which says "Aye." where it was not told what to do.
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let room = Arc::new(Room { acts: Mutex::default(), requests: Mutex::default() });
        let app = Router::new().fallback(answer).with_state(Arc::clone(&room));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        runtime.spawn(async move { axum::serve(listener, app).await });
        ModelServer { address, room, _runtime: runtime }
    }

    /// What it does with the next requests.
    pub fn will(&self, acts: impl IntoIterator<Item = Act>) {
        self.room.acts.lock().unwrap().extend(acts);
    }

    /// How many requests came since the last look.
    pub fn seen(&self) -> usize {
        self.room.requests.lock().unwrap().len()
    }

    /// What it was asked since the last look.
    pub fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.room.requests.lock().unwrap())
    }
}

async fn answer(State(room): State<Arc<Room>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    room.requests.lock().unwrap().push(Request {
        path: uri.path().to_owned(),
        authorization: header("authorization"),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    });
    let act = room.acts.lock().unwrap().pop_front().unwrap_or(Act::Says(&["Aye."]));
    let (key, host) = (header("authorization").unwrap_or_default(), header("host").unwrap_or_default());
    match act {
        Act::Says(words) => {
            let mut events: Vec<String> = words.iter().map(|word| chunk(&json!({ "content": word }), None)).collect();
            events.push(chunk(&json!({}), Some("stop")));
            events.push("data: [DONE]\n\n".to_owned());
            stream(Body::from(events.concat()))
        }
        Act::Slowly(words) => {
            let mut events: VecDeque<_> = words.iter().map(|word| chunk(&json!({ "content": word }), None)).collect();
            events.push_back("data: [DONE]\n\n".to_owned());
            let parts = futures_util::stream::unfold(events, |mut events| async move {
                tokio::time::sleep(Duration::from_millis(200)).await;
                Some((Ok::<_, Infallible>(events.pop_front()?), events))
            });
            stream(Body::from_stream(parts))
        }
        Act::Whole(text) => {
            let choice =
                json!({ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" });
            let mut response = Response::new(Body::from(json!({ "choices": [choice] }).to_string()));
            response.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
            response
        }
        Act::Status(status) => {
            let mut response = Response::new(Body::from(format!("{{\"error\": \"{key} at {host} is wrong\"}}")));
            *response.status_mut() = status.try_into().unwrap();
            response.headers_mut().insert(RETRY_AFTER, "0".parse().unwrap());
            response
        }
        Act::Asks(skill) => {
            let call = |arguments| json!({ "tool_calls": [{ "index": 0, "id": "c1", "function": { "name": skill, "arguments": arguments } }] });
            let again = json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "}" } }] });
            stream(Body::from(
                [chunk(&call("{"), None), chunk(&again, Some("tool_calls")), "data: [DONE]\n\n".into()].concat(),
            ))
        }
        Act::HangsUp => {
            let parts = futures_util::stream::unfold(0, |part| async move {
                match part {
                    0 => Some((Ok(chunk(&json!({ "content": "Half a" }), None)), 1)),
                    // Long enough for the word to be on its way.
                    _ => {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        Some((Err(std::io::Error::other("gone")), 2))
                    }
                }
            });
            stream(Body::from_stream(parts))
        }
        Act::Stalls => {
            let parts = futures_util::stream::unfold(false, |told| async move {
                if told {
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                }
                Some((Ok::<_, Infallible>(chunk(&json!({ "content": "Wait" }), None)), true))
            });
            stream(Body::from_stream(parts))
        }
        Act::Garbage => stream(Body::from("data: <html>it works</html>\n\n")),
        Act::Floods => {
            let word = chunk(&json!({ "content": "x".repeat(4096) }), None);
            let parts = futures_util::stream::repeat_with(move || Ok::<_, Infallible>(word.clone()));
            stream(Body::from_stream(parts))
        }
        Act::Sends(to) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = http::StatusCode::TEMPORARY_REDIRECT;
            response.headers_mut().insert("location", to.parse().unwrap());
            response
        }
    }
}

fn chunk(delta: &Value, finish: Option<&str>) -> String {
    let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
    format!("data: {}\n\n", json!({ "object": "chat.completion.chunk", "choices": [choice] }))
}

fn stream(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, "text/event-stream".parse().unwrap());
    response
}
