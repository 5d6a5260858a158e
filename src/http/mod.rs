//! What the controller answers over HTTP: the data plane of calls and chats, forges' webhooks, health and metrics.
//!
//! A request reads memory and nothing else: it never waits for git, for the loop, or for another request. What it reads
//! is one immutable snapshot, so an answer never mixes two moments.

mod access;
mod conditional;
mod config;
mod described;
mod events;
mod feed;
mod front;
mod health;
mod hooks;
mod line;
mod path;
mod problem;
mod resolve;
mod router;
mod server;
mod stream;
mod tls;
mod watch;

#[cfg(test)]
mod testing;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use http::{HeaderMap, Uri};

pub use access::may_listen;
pub use described::{Described, For, ROUTES};
pub use line::Patience;
pub use router::router;
pub use server::serve;
pub use tls::CertificateError;

use crate::live::Live;
use crate::operator::Settings;
use access::Access;
use feed::Feeds;
use problem::Problem;
use stream::Streams;
use tls::Certificate;

/// The state behind every route. One per process.
pub struct App {
    live: Arc<Live>,
    access: ArcSwap<Access>,
    /// Whether only this machine can connect; without it and without tokens, nothing is read.
    local: AtomicBool,
    feeds: Feeds,
    streams: Streams,
    certificate: Certificate,
}

impl App {
    /// Serves what `live` holds to those whom `settings` lets read it.
    pub fn new(live: Arc<Live>, settings: &Settings) -> Result<Arc<Self>, CertificateError> {
        Ok(Arc::new(App {
            certificate: Certificate::read(settings.tls.as_ref())?,
            live,
            access: ArcSwap::from_pointee(Access::of(settings)),
            local: AtomicBool::new(access::only_this_machine(settings.listen.ip())),
            feeds: Feeds::default(),
            streams: Streams::default(),
        }))
    }

    /// Takes over tokens, webhook secrets and the certificate of a file that was read again. Streams that are open end, so that nobody
    /// goes on listening with a token that no longer holds; their readers come back and go on where they were. The
    /// address stays the one that is listened on.
    pub fn reload(&self, settings: &Settings) {
        self.certificate.reload(settings.tls.as_ref());
        let access = Access::of(settings);
        if access.readers_differ(&self.access.load()) {
            self.access.store(Arc::new(access));
            self.streams.end_all();
        } else {
            self.access.store(Arc::new(access));
        }
    }

    /// Whether a request may pass: the one gate in front of everything.
    fn admit(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let verdict = self.access.load().admit(self.local.load(Ordering::Relaxed), uri, headers);
        if verdict.is_err() {
            self.live.metrics.refused_requests.inc();
        }
        verdict
    }
}
