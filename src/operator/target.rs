//! Targets: where what is live is delivered to.

use std::path::PathBuf;

use super::Secret;
use crate::domain::EnvironmentName;

/// One target.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name in logs, metrics and commands.
    pub name: String,
    /// The environments it is given; all where none is named.
    pub environments: Vec<EnvironmentName>,
    /// What kind of place it is.
    pub destination: Destination,
}

/// Where a target is.
#[derive(Clone, Debug)]
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
        /// The signing secret, `whsec_…` as Standard Webhooks writes it.
        secret: Secret,
    },
    /// A JetStream key-value bucket per environment.
    Nats {
        /// The servers' addresses, as in `nats://host:4222`.
        url: String,
        /// What the buckets' names begin with.
        bucket_prefix: String,
        /// A credentials file's text, if one is needed.
        credentials: Option<Secret>,
    },
}

impl Target {
    /// Whether it is given `environment`.
    pub fn takes(&self, environment: &EnvironmentName) -> bool {
        self.environments.is_empty() || self.environments.contains(environment)
    }
}
