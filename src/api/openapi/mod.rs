//! The description of everything that is answered, OpenAPI 3.1, made from the tables of routes: `/openapi.json` for
//! programs and `/docs` for people. Both are open, since they say nothing that the source does not.

mod document;
mod operation;
mod page;
mod problems;

use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::domain::Digest;

pub use document::document;

/// Something that is made once and never changes while the process lives.
struct Page {
    bytes: Bytes,
    kind: &'static str,
    etag: HeaderValue,
    /// What a browser may load for it.
    policy: &'static str,
}

impl Page {
    fn new(kind: &'static str, policy: &'static str, text: String) -> Self {
        let etag = format!("\"{}\"", Digest::of(text.as_bytes()));
        let etag = HeaderValue::from_str(&etag).expect("a digest is plain ASCII");
        Page { bytes: text.into(), kind, etag, policy }
    }

    fn answer(&self, asked: &HeaderMap) -> Response {
        let has_it = asked.get(IF_NONE_MATCH).is_some_and(|held| *held == self.etag);
        let mut response = if has_it {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            Response::new(Body::from(self.bytes.clone()))
        };
        let headers = response.headers_mut();
        headers.insert(ETAG, self.etag.clone());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(self.policy));
        response
    }
}

static DOCUMENT: LazyLock<Page> = LazyLock::new(|| {
    let text = serde_json::to_string(&document()).expect("a description has string keys only");
    Page::new("application/json", "default-src 'none'", text)
});

static DOCS: LazyLock<Page> =
    LazyLock::new(|| Page::new("text/html; charset=utf-8", page::POLICY.as_str(), page::page(&document())));

/// The two routes.
pub(super) fn router() -> Router {
    Router::new()
        .route("/openapi.json", get(|headers: HeaderMap| async move { DOCUMENT.answer(&headers) }))
        .route("/docs", get(|headers: HeaderMap| async move { DOCS.answer(&headers) }))
}

#[cfg(test)]
mod tests;
