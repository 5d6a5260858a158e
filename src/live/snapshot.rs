//! The snapshot: what every environment serves, immutable, swapped whole.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;

use super::Routes;
use crate::domain::{AgentId, Digest, EnvironmentName, ObjectId, VersionNumber};

/// What is served: a version, or the draft as it is saved at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServedVersion {
    /// A published version.
    Number(VersionNumber),
    /// The working tree. It is served by a controller that works in it, to whoever develops there, and goes nowhere
    /// else.
    Draft,
}

impl ServedVersion {
    /// The number, where it is a published version.
    pub fn number(self) -> Option<VersionNumber> {
        match self {
            ServedVersion::Number(number) => Some(number),
            ServedVersion::Draft => None,
        }
    }
}

impl fmt::Display for ServedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServedVersion::Number(number) => number.fmt(f),
            ServedVersion::Draft => f.write_str(DRAFT),
        }
    }
}

impl serde::Serialize for ServedVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ServedVersion::Number(number) => number.serialize(serializer),
            ServedVersion::Draft => serializer.serialize_str(DRAFT),
        }
    }
}

/// The name under which drafts are served, where no environment has it.
pub const DRAFT: &str = "draft";

/// One version as it is served. Shared by all environments that serve it.
#[derive(Debug)]
pub struct Served {
    /// The agent.
    pub agent: AgentId,
    /// Its version.
    pub version: ServedVersion,
    /// Digest of `config`.
    pub digest: Digest,
    /// The ledger's entry: the very tree that the environment branch holds.
    pub entry: ObjectId,
    /// The frozen config, canonical JSON.
    pub config: Bytes,
    /// `version.json`.
    pub record: Bytes,
    /// The digest in quotes, as `ETag` wants it; made once so that no answer allocates.
    pub etag: HeaderValue,
    /// The version as a header writes it: `v7`.
    pub version_header: HeaderValue,
}

/// What one environment serves.
#[derive(Debug)]
pub struct Environment {
    /// Its name.
    pub name: EnvironmentName,
    /// The accepted head.
    pub head: ObjectId,
    /// The head's height: how many commits its first-parent line has. It only grows.
    pub height: u64,
    /// What is served, by agent.
    pub agents: HashMap<AgentId, Arc<Served>>,
    /// Agents that were taken out and held out.
    pub retired: BTreeSet<AgentId>,
    /// Which agent answers which number.
    pub routes: Routes,
}

/// What there is at an environment's place for an agent.
#[derive(Debug)]
pub enum Found<'s> {
    /// It is served.
    Served(&'s Arc<Served>),
    /// It was retired.
    Retired,
    /// It is not served here.
    Nothing,
}

impl Environment {
    /// What is served for `agent`.
    pub fn agent(&self, agent: &str) -> Found<'_> {
        match self.agents.get(agent) {
            Some(served) => Found::Served(served),
            None if self.retired.contains(agent) => Found::Retired,
            None => Found::Nothing,
        }
    }

    /// What is served, in the order of agent ids.
    pub fn in_order(&self) -> Vec<&Arc<Served>> {
        let mut all: Vec<_> = self.agents.values().collect();
        all.sort_unstable_by(|a, b| a.agent.cmp(&b.agent));
        all
    }
}

/// What all environments serve at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The ledger commit it was read from; nothing before there is one.
    pub ledger: Option<ObjectId>,
    /// By name.
    pub environments: BTreeMap<EnvironmentName, Arc<Environment>>,
    /// The drafts of the working tree, shaped as an environment: its head is made of their content, and its height
    /// grows with each change.
    pub drafts: Option<Arc<Environment>>,
}

impl Snapshot {
    /// The environment called `name`; drafts stand behind the name [`DRAFT`] unless an environment has it.
    pub fn environment(&self, name: &str) -> Option<&Arc<Environment>> {
        self.environments.get(name).or_else(|| self.drafts.as_ref().filter(|_| name == DRAFT))
    }

    /// `config` of `agent`, shared with whatever is served here with the same bytes. A draft that was published, and a
    /// version that an environment is yet to reach, would otherwise be held twice.
    pub(crate) fn share(&self, agent: &AgentId, digest: Digest, config: Bytes) -> Bytes {
        let served = self.environments.values().chain(&self.drafts).filter_map(|shown| shown.agents.get(agent));
        let mut same = served.filter(|served| served.digest == digest && served.config == config);
        same.next().map_or(config, |served| served.config.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_served_already_are_not_held_twice() {
        let agent: AgentId = "support".parse().expect("an id");
        let config = Bytes::from_static(b"{\"name\":\"Support\"}");
        let digest = Digest::of(&config);
        let served = Served {
            agent: agent.clone(),
            version: ServedVersion::Draft,
            digest,
            entry: ObjectId::ZERO,
            config: config.clone(),
            record: Bytes::new(),
            etag: HeaderValue::from_static("\"\""),
            version_header: HeaderValue::from_static(DRAFT),
        };
        let drafts = Environment {
            name: DRAFT.parse().expect("a name"),
            head: ObjectId::ZERO,
            height: 1,
            agents: HashMap::from([(agent.clone(), Arc::new(served))]),
            retired: BTreeSet::new(),
            routes: Routes::default(),
        };
        let snapshot = Snapshot { drafts: Some(Arc::new(drafts)), ..Snapshot::default() };
        let shared = snapshot.share(&agent, digest, Bytes::copy_from_slice(&config));
        assert_eq!(shared.as_ptr(), config.as_ptr());
        // Who claims a digest that the bytes do not have is not believed.
        let other = Bytes::from_static(b"{}");
        assert_eq!(snapshot.share(&agent, digest, other.clone()).as_ptr(), other.as_ptr());
    }
}
