//! The operator's file: what belongs to the machine and never to the repository. Where to listen, where state is kept,
//! which secrets and tokens hold, where deliveries go, which models answer, and which hosts may be called at all.

mod address;
mod file;
mod model;
mod outgoing;
mod secret;
mod target;
mod target_table;
mod telemetry;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use address::Called;
pub use model::Model;
pub use outgoing::{AllowedHost, Outgoing};
pub use secret::{Secret, SecretSource, SigningSecrets};
pub use target::{Destination, Target};
pub use telemetry::Telemetry;

/// Where `serve` listens unless told otherwise: on this machine only.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7117);

/// The settings of one controller.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The certificate to answer with; plain HTTP without one.
    pub tls: Option<Tls>,
    /// Where the mirror and other files of its own are kept.
    pub state: Option<PathBuf>,
    /// The repository that decides; without one, the repository that `serve` was started in.
    pub remote: Option<String>,
    /// How long the loop sleeps at most.
    pub resync: Duration,
    /// How long tags of a remote may go unread when nothing calls for it.
    pub tag_audit: Duration,
    /// Log lines as JSON.
    pub json_logs: bool,
    /// Where traces go, if they go anywhere.
    pub telemetry: Option<Telemetry>,
    /// Tokens that may read what is served, by name. Without any, reading is open where only this machine listens.
    pub read_tokens: BTreeMap<String, Secret>,
    /// Whether drafts and versions, the first generation of the Atoms API, are answered.
    pub atoms_v1: bool,
    /// Secrets of forges' webhooks.
    pub hooks: Hooks,
    /// Which hosts may be called.
    pub outgoing: Outgoing,
    /// Where what is live goes.
    pub targets: Vec<Target>,
    /// The model endpoints that agents may name.
    pub models: BTreeMap<String, Model>,
    /// How many days the sandbox keeps what was said.
    pub keep_days: u32,
}

/// Files of a certificate. They are read at the start and with every reload, so that a renewed one needs no restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate and those that lead from it to the authority, as PEM.
    pub cert: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
}

/// The secrets with which forges sign, or show, their webhooks.
#[derive(Clone, Debug, Default)]
pub struct Hooks {
    /// GitHub: HMAC-SHA256 over the body in `X-Hub-Signature-256`.
    pub github: Option<Secret>,
    /// GitLab: the token itself in `X-Gitlab-Token`.
    pub gitlab: Option<Secret>,
    /// Gitea and Forgejo: HMAC-SHA256 over the body in `X-Gitea-Signature`.
    pub gitea: Option<Secret>,
}

/// Why the operator's file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Mistake {
    /// One sentence, with line and column where one place is meant.
    pub message: String,
    /// What to change.
    pub hint: Option<String>,
}

impl Mistake {
    fn new(message: impl Into<String>) -> Self {
        Mistake { message: message.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            listen: DEFAULT_LISTEN,
            tls: None,
            state: None,
            remote: None,
            resync: Duration::from_secs(30),
            tag_audit: Duration::from_secs(60),
            atoms_v1: true,
            json_logs: false,
            telemetry: None,
            read_tokens: BTreeMap::new(),
            hooks: Hooks::default(),
            outgoing: Outgoing::default(),
            targets: Vec::new(),
            models: BTreeMap::new(),
            keep_days: 30,
        }
    }
}

impl Settings {
    /// The settings in `text`. Secrets are read from where the file says they are, by `read`.
    pub fn parse(text: &str, read: &dyn Fn(&SecretSource) -> std::io::Result<String>) -> Result<Self, Mistake> {
        file::parse(text, read)
    }
}
