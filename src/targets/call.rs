//! Calling out: only hosts and addresses that the operator's list allows, checked when a name was resolved, and then
//! connected to by the very addresses that were checked.
//!
//! A proxy of the environment is not used for webhooks: it would resolve the name where nobody checks it.

use std::net::SocketAddr;
use std::sync::{Arc, Once};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::place::Failure;
use crate::operator::Outgoing;

/// How long a name may take to resolve.
const RESOLVE_LIMIT: Duration = Duration::from_secs(10);

/// How long a connection may take to stand.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Makes ring the provider of all TLS in this process; the first call counts. Without one, reqwest panics when a client
/// is built.
pub fn install_tls() {
    static ONCE: Once = Once::new();
    // Somebody else in this process may have chosen it before.
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

/// Calls what the operator's list allows.
#[derive(Clone)]
pub(super) struct Caller(Arc<Outgoing>);

impl Caller {
    pub(super) fn new(outgoing: &Outgoing) -> Self {
        Caller(Arc::new(outgoing.clone()))
    }

    /// The addresses of `host` that may be called; a failure that says which line to add if there is none.
    pub(super) async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let refused = |what: String, entry: String| {
            Failure::new(format!("{what} may not be called"))
                .hint(format!("add \"{entry}\" to `outgoing.allow` in the operator's file"))
        };
        if !self.0.allows_host(&host) {
            return Err(refused(format!("`{host}`"), host));
        }
        let found = tokio::time::timeout(RESOLVE_LIMIT, tokio::net::lookup_host((host.as_str(), port))).await;
        let found: Vec<SocketAddr> = match found {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(error)) => return Err(Failure::new(format!("`{host}` cannot be resolved: {error}"))),
            Err(_) => return Err(Failure::new(format!("`{host}` cannot be resolved: no answer"))),
        };
        let named = self.0.names(&host);
        let may = |found: &&SocketAddr| self.0.allows_address(found.ip(), named);
        let allowed: Vec<_> = found.iter().filter(may).copied().collect();
        match found.first() {
            _ if !allowed.is_empty() => Ok(allowed),
            Some(first) => Err(refused(format!("`{host}` is at {}, which", first.ip()), first.ip().to_string())),
            None => Err(Failure::new(format!("`{host}` has no address"))),
        }
    }

    /// A client that connects to checked addresses only and follows no redirect.
    pub(super) fn client(&self, limit: Duration) -> Result<reqwest::Client, Failure> {
        install_tls();
        reqwest::Client::builder()
            .dns_resolver(Arc::new(self.clone()))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT_LIMIT)
            .timeout(limit)
            .pool_max_idle_per_host(1)
            .user_agent(concat!("pointsman/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                Failure::new(format!("TLS cannot be set up: {}", chain(&error)))
                    .hint("install the system's certificates, on Debian: apt-get install ca-certificates")
            })
    }
}

/// A client for calls that are no deliveries, under the same rule: it connects to what `outgoing` allows, follows no
/// redirect, and gives a request up after `limit`. The error is one sentence.
pub fn client(outgoing: &Outgoing, limit: Duration) -> Result<reqwest::Client, String> {
    Caller::new(outgoing).client(limit).map_err(|failure| failure.message)
}

impl Resolve for Caller {
    fn resolve(&self, name: Name) -> Resolving {
        let caller = self.clone();
        Box::pin(async move {
            match caller.resolve(name.as_str(), 0).await {
                Ok(found) => Ok(Box::new(found.into_iter()) as Addrs),
                Err(failure) => Err(failure.message.into()),
            }
        })
    }
}

/// The innermost reason of an error, which says more than its shell; the shell of reqwest names the whole address.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
