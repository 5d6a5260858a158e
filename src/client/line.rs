//! Requests and answers: one address, one token, bounded time and size, no redirect that would carry the token elsewhere.

use std::net::IpAddr;
use std::time::Duration;

use http::Method;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::refusal::refusal;
use crate::ops::idempotency::must_be_a_key;
use crate::ops::{Kind, Problem};

/// How long connecting may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// How long an answer may take: a publish waits for the remote, which has its own limits.
const ANSWER_WITHIN: Duration = Duration::from_secs(300);

/// The largest answer that is read, in bytes. A diff of the largest agent is far below it.
const LARGEST_ANSWER: usize = 256 * 1024 * 1024;

/// What all paths begin with.
const PREFIX: [&str; 2] = ["api", "v1"];

/// A way to one controller.
pub(super) struct Line {
    address: Url,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

/// A request.
pub(super) struct Asked<'a> {
    method: Method,
    path: Vec<&'a str>,
    query: Vec<(&'a str, String)>,
    body: Option<String>,
    key: Option<&'a str>,
}

impl<'a> Asked<'a> {
    /// `GET` of the path of these segments, which are encoded here.
    pub(super) fn get(path: &[&'a str]) -> Self {
        Asked { method: Method::GET, path: path.to_vec(), query: Vec::new(), body: None, key: None }
    }

    /// `DELETE` of it.
    pub(super) fn delete(path: &[&'a str]) -> Self {
        Asked { method: Method::DELETE, ..Asked::get(path) }
    }

    /// `POST` of `body` to it.
    pub(super) fn post(path: &[&'a str], body: &impl Serialize) -> Self {
        let body = serde_json::to_string(body).expect("bodies have string keys only");
        Asked { method: Method::POST, body: Some(body), ..Asked::get(path) }
    }

    /// The same with a word in the query, where there is one.
    pub(super) fn query(mut self, name: &'a str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// The same with an idempotency key, where there is one.
    pub(super) fn key(mut self, key: Option<&'a str>) -> Self {
        self.key = key;
        self
    }
}

impl Line {
    pub(super) fn new(address: &str, token: &str) -> Result<Self, Problem> {
        let wrong = |why: &str| {
            Problem::usage("bad_server", format!("`{address}` is not a controller's address: {why}"))
                .hint("--server http://127.0.0.1:7117")
        };
        let parsed: Url = address.parse().map_err(|_| wrong("it is no URL"))?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.cannot_be_a_base() {
            return Err(wrong("it begins with neither http:// nor https://"));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() || parsed.query().is_some() {
            return Err(wrong("it has more than a host, a port and a path"));
        }
        let mut shown = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
            Problem::usage("bad_token", "the token has characters that no token has").hint("look at POINTSMAN_TOKEN")
        })?;
        shown.set_sensitive(true);
        // The first call in the process counts; reqwest panics without a provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let broken = |why: String| Problem::refused("io", format!("cannot call `{address}`: {why}"));
        let http = reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, shown)]))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN)
            .user_agent(concat!("pointsman/", env!("CARGO_PKG_VERSION")));
        // A proxy of the environment has no business with this machine's own controller.
        let http = if is_this_machine(address) { http.no_proxy() } else { http };
        let http = http.build().map_err(|error| broken(innermost(&error)).hint("apt-get install ca-certificates"))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| broken(error.to_string()))?;
        Ok(Line { address: parsed, http, runtime })
    }

    /// The data of the answer.
    pub(super) fn ask<T: DeserializeOwned>(&self, asked: Asked<'_>) -> Result<T, Problem> {
        let (status, body) = self.runtime.block_on(self.exchange(asked))?;
        if !status.is_success() {
            return Err(refusal(status, &body, &self.address));
        }
        let strange = |why: String| {
            Problem::refused("strange_answer", format!("what `{}` answers is not understood: {why}", self.address))
                .hint("are both of the same version? pointsman --version")
        };
        let mut body: Value = serde_json::from_slice(&body).map_err(|error| strange(error.to_string()))?;
        serde_json::from_value(body["data"].take()).map_err(|error| strange(error.to_string()))
    }

    async fn exchange(&self, asked: Asked<'_>) -> Result<(reqwest::StatusCode, Vec<u8>), Problem> {
        let mut url = self.address.clone();
        url.path_segments_mut().expect("an http address has a path").pop_if_empty().extend(PREFIX).extend(&asked.path);
        if !asked.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&asked.query);
        }
        let mut request = self.http.request(asked.method, url);
        if let Some(key) = asked.key {
            must_be_a_key(key)?;
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = asked.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let mut answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.unreachable(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST_ANSWER {
                return Err(Problem::refused("strange_answer", format!("`{}` answers without end", self.address)));
            }
        }
        Ok((status, body))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Problem {
        let address = &self.address;
        if error.is_timeout() && !error.is_connect() {
            let problem = Problem::refused("server_timeout", format!("`{address}` did not answer in time"));
            return Problem { kind: Kind::Waited, ..problem }
                .hint("the same call again is safe: nothing is done twice");
        }
        Problem::refused("server_unreachable", format!("cannot reach `{address}`: {}", innermost(error)))
            .hint("does the controller run there? curl <server>/healthz")
    }
}

/// The innermost reason of an error, which says more than its shell.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Whether `address` names this machine by an address or by the one name that always means it (RFC 6761).
pub(super) fn is_this_machine(address: &str) -> bool {
    let Ok(url) = address.parse::<Url>() else { return false };
    let Some(host) = url.host_str() else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_this_machine() {
        for here in ["http://127.0.0.1:7117", "http://localhost", "https://[::1]:1/x", "http://LOCALHOST:7117/"] {
            assert!(is_this_machine(here), "{here}");
        }
        for there in [
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://10.0.0.1",
            "x",
            "http://127.0.0.1@example.com",
        ] {
            assert!(!is_this_machine(there), "{there}");
        }
    }

    #[test]
    fn an_address_is_a_place_and_nothing_more() {
        for wrong in ["", "localhost:7117", "ftp://a", "http://", "http://u@a", "http://u:p@a", "http://a?b"] {
            assert_eq!(Line::new(wrong, "t").map(|_| ()).unwrap_err().code, "bad_server", "{wrong}");
        }
        assert_eq!(Line::new("http://a", "a\nb").map(|_| ()).unwrap_err().code, "bad_token");
        assert!(Line::new("https://a.example/behind/a/proxy/", "t").is_ok());
    }
}
