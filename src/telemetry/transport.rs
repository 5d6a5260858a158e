//! The way to the collector: under the operator's list of what may be called, as every other call, and told in the log
//! when it breaks and when it is whole again, not with every batch.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError, ResponseBodyTooLarge};
use tokio::runtime::Handle;

use crate::operator::Outgoing;
use crate::targets::{chain, client};

/// How long one batch may take.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// The longest answer that is read, in bytes: it says at most which spans were refused.
const LONGEST_ANSWER: usize = 64 << 10;

/// A client whose requests run on the program's own runtime: the thread that asks for them has none.
#[derive(Debug)]
pub(super) struct Transport {
    outgoing: Outgoing,
    runtime: Handle,
    client: OnceLock<reqwest::Client>,
    /// Whether the last batch was not taken, which was told then.
    failing: AtomicBool,
}

impl Transport {
    pub(super) fn new(outgoing: &Outgoing, runtime: &Handle) -> Self {
        Transport {
            outgoing: outgoing.clone(),
            runtime: runtime.clone(),
            client: OnceLock::new(),
            failing: AtomicBool::new(false),
        }
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = match self.client.get() {
            Some(client) => client.clone(),
            None => {
                let client = client(&self.outgoing, LIMIT)?;
                self.client.get_or_init(|| client).clone()
            }
        };
        let request: reqwest::Request = request.try_into()?;
        self.runtime.spawn(exchange(client, request)).await?
    }
}

async fn exchange(client: reqwest::Client, request: reqwest::Request) -> Result<Response<Bytes>, HttpError> {
    let reason = |error: reqwest::Error| if error.is_timeout() { "no answer in time".into() } else { chain(&error) };
    let mut answer = client.execute(request).await.map_err(reason)?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(reason)? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Err(Box::new(ResponseBodyTooLarge::new()));
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(response)
}

#[async_trait]
impl HttpClient for Transport {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let result = self.send(request).await;
        let failure = match &result {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answered {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        let failed_before = self.failing.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(failure) if !failed_before => {
                tracing::warn!(failure, "the collector takes no traces; those that it does not take are lost");
            }
            None if failed_before => tracing::info!("the collector takes traces again"),
            _ => {}
        }
        result
    }
}
