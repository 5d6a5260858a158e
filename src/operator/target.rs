//! Targets: where what is live is delivered to.

use std::path::PathBuf;

use super::address::{Called, called, git_called};
use super::{Secret, SigningSecrets};
use crate::domain::EnvironmentName;

/// One target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name in logs, metrics and commands.
    pub name: String,
    /// The environments it is given; all where none is named.
    pub environments: Vec<EnvironmentName>,
    /// What kind of place it is.
    pub destination: Destination,
}

/// Where a target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A folder on this machine; below it, a symlink per environment.
    Directory {
        /// The folder.
        path: PathBuf,
    },
    /// A branch per environment in another git repository.
    Git {
        /// Its address, as git takes it.
        url: String,
        /// What the branches' names begin with.
        branch_prefix: String,
    },
    /// A web address that is told.
    Webhook {
        /// The address.
        url: String,
        /// What messages are signed with.
        secret: SigningSecrets,
    },
    /// A JetStream key-value bucket per environment.
    Nats {
        /// The servers' addresses, as in `nats://host:4222`, with commas between them.
        url: String,
        /// What the buckets' names begin with.
        bucket_prefix: String,
        /// A credentials file's text, `user:password`, or a token, if one is needed.
        credentials: Option<Secret>,
    },
}

impl Destination {
    /// The hosts that are called for it. The error completes "`targets.<name>.url` …".
    pub fn called(&self) -> Result<Vec<Called>, String> {
        match self {
            Destination::Directory { .. } => Ok(Vec::new()),
            Destination::Git { url, .. } => Ok(git_called(url)?.into_iter().collect()),
            Destination::Webhook { url, .. } => Ok(vec![called(url, &[("https", 443), ("http", 80)])?]),
            Destination::Nats { url, .. } => {
                url.split(',').map(|url| called(url.trim(), &[("nats", 4222), ("tls", 4222)])).collect()
            }
        }
    }

    /// The word for its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Destination::Directory { .. } => "directory",
            Destination::Git { .. } => "git",
            Destination::Webhook { .. } => "webhook",
            Destination::Nats { .. } => "nats",
        }
    }
}

impl Target {
    /// Whether it is given `environment`.
    pub fn takes(&self, environment: &EnvironmentName) -> bool {
        self.environments.is_empty() || self.environments.contains(environment)
    }
}
