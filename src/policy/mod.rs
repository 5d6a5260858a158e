//! `pointsman.toml`: where agents are, which environments there are, and what may enter them.
//!
//! `[agents.*]` is read from the commit that is being published; everything else from a commit of the default branch
//! (never from the working tree). This module parses text; which commit the text comes from is the store's business.

mod file;
pub mod freeze;
pub mod routes;

use std::collections::BTreeMap;

use crate::compile::Kind;
use crate::domain::{AgentId, EnvironmentName, VersionNumber};

pub use file::{PolicyError, schema};
pub use freeze::Freeze;
pub use routes::NumberRoute;

/// The name of the file, at the root of the repository.
pub const FILE: &str = "pointsman.toml";

/// The longest text that is read, in bytes.
pub const LARGEST: usize = 1_000_000;

/// What `[agents.<id>]` says about one folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentListing {
    /// The folder, slash-separated, without a leading or trailing slash; empty for the repository's root.
    pub path: String,
    /// How it is read.
    pub kind: Kind,
    /// Globs of files outside the folder that belong to each version.
    pub include: Vec<String>,
}

/// When versions are cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PublishOn {
    /// By tags alone.
    #[default]
    Tag,
    /// Also whenever the default branch moves and an agent's folder differs from its newest version.
    Merge,
}

/// Conditions that a version must meet before it may enter an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gates {
    /// Its folder is, or was, the folder on the default branch.
    pub merged: bool,
    /// How long it must have been in the environment before.
    pub soak: Option<jiff::SignedDuration>,
    /// Nothing enters at all, and why: the only policies that there ever were cannot be read.
    pub closed: Option<String>,
}

/// One environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// Its name.
    pub name: EnvironmentName,
    /// Every accepted version goes here by itself.
    pub deploy_latest: bool,
    /// Only versions that are or were there may enter.
    pub from: Option<EnvironmentName>,
    /// Whether this is the environment that vendors call published, active or live.
    pub published: bool,
    /// A promotion must say that it means it.
    pub confirm: bool,
    /// Further conditions.
    pub gates: Gates,
    /// When nothing enters.
    pub freeze: Vec<Freeze>,
    /// Versions fixed by pull request.
    pub pins: BTreeMap<AgentId, VersionNumber>,
    /// Numbers and SIP headers that reach its agents.
    pub numbers: Vec<NumberRoute>,
    /// The name it had before; its history carries on.
    pub renamed_from: Option<EnvironmentName>,
}

impl Environment {
    /// The freezes that hold at `now`, taken together.
    pub fn frozen(&self, now: jiff::Timestamp) -> Option<Frozen> {
        let first = self.freeze.iter().find(|freeze| freeze.active(now))?;
        let a_year_ahead = now + jiff::SignedDuration::from_hours(24 * 366);
        let mut until = first.ends(now);
        // Where one freeze ends another may hold.
        while let Some(end) = until.filter(|end| *end < a_year_ahead) {
            match self.freeze.iter().find(|freeze| freeze.active(end)) {
                Some(next) => until = next.ends(end),
                None => return Some(Frozen { until, reason: first.reason.clone() }),
            }
        }
        Some(Frozen { until: None, reason: first.reason.clone() })
    }
}

/// That nothing may enter an environment now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// When it ends; nothing if that is not within a year.
    pub until: Option<jiff::Timestamp>,
    /// What the policy says about it.
    pub reason: Option<String>,
}

/// The whole policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// When versions are cut.
    pub publish_on: PublishOn,
    /// What environment branches start with; `env/` unless that is taken.
    pub branch_prefix: String,
    /// In the order of promotion.
    pub environments: Vec<Environment>,
    /// Folders that are listed by hand.
    pub agents: BTreeMap<AgentId, AgentListing>,
}

impl Default for Policy {
    /// What holds where there is no file: sandbox takes the latest, live asks for confirmation.
    fn default() -> Self {
        Policy::parse("").expect("an empty policy is valid")
    }
}

impl Policy {
    /// Parses the text of a `pointsman.toml`.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > LARGEST {
            return Err(PolicyError::new(format!("{FILE} is longer than {LARGEST} bytes")));
        }
        file::parse(text)
    }

    /// The environments that hold without a file, into which nothing enters: what the only files that there ever were
    /// ask for is not known, so it cannot be met.
    pub fn closed(reason: &str) -> Self {
        let mut policy = Policy::default();
        for environment in &mut policy.environments {
            environment.gates.closed = Some(reason.to_owned());
        }
        policy
    }

    /// The environment `name`.
    pub fn environment(&self, name: &EnvironmentName) -> Option<&Environment> {
        self.environments.iter().find(|environment| environment.name == *name)
    }

    /// The environment that vendors call published.
    pub fn published(&self) -> Option<&Environment> {
        self.environments.iter().find(|environment| environment.published)
    }

    /// Where a version in `name` goes next.
    pub fn after(&self, name: &EnvironmentName) -> Option<&Environment> {
        self.environments.iter().find(|environment| environment.from.as_ref() == Some(name))
    }
}
