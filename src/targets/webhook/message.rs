//! What a webhook is told: one message for each height, which says everything that is live, so that whoever missed
//! some needs only the newest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{AgentId, Digest, EnvironmentName, ObjectId, VersionNumber};
use crate::live::Environment;

/// One agent as a message names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Named {
    version: VersionNumber,
    digest: Digest,
}

/// What was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) commit: ObjectId,
    pub(super) height: u64,
    pub(super) agents: BTreeMap<AgentId, Named>,
}

/// The payload, in the form that Standard Webhooks recommends.
#[derive(Serialize)]
struct Payload<'t> {
    r#type: &'static str,
    timestamp: jiff::Timestamp,
    data: Data<'t>,
}

#[derive(Serialize)]
struct Data<'t> {
    environment: &'t EnvironmentName,
    commit: ObjectId,
    height: u64,
    agents: &'t BTreeMap<AgentId, Named>,
    /// Agents that are new, other or gone since the last message that was acknowledged.
    changed: Vec<&'t AgentId>,
}

impl Told {
    /// What is to be told of `environment`.
    pub(super) fn of(environment: &Environment) -> Self {
        let named = environment.agents.iter().filter_map(|(agent, served)| {
            // Drafts are in no environment.
            let version = served.version.number()?;
            Some((agent.clone(), Named { version, digest: served.digest }))
        });
        Told { commit: environment.head, height: environment.height, agents: named.collect() }
    }

    /// The message's id: the same on every attempt, after every restart and from every controller. It has no dots,
    /// which part the signed content.
    pub(super) fn id(&self, environment: &EnvironmentName) -> String {
        format!("{environment}_{}_{}", self.height, self.commit.short())
    }

    /// The message's body; `since` is what was acknowledged last.
    pub(super) fn body(
        &self,
        environment: &EnvironmentName,
        timestamp: jiff::Timestamp,
        since: Option<&Told>,
    ) -> Vec<u8> {
        let none = BTreeMap::new();
        let before = since.map_or(&none, |told| &told.agents);
        let gone = before.keys().filter(|agent| !self.agents.contains_key(*agent));
        let other = self.agents.iter().filter(|(agent, named)| before.get(*agent) != Some(named));
        let mut changed: Vec<_> = gone.chain(other.map(|(agent, _)| agent)).collect();
        changed.sort_unstable();
        let data = Data { environment, commit: self.commit, height: self.height, agents: &self.agents, changed };
        let payload = Payload { r#type: "environment.changed", timestamp, data };
        serde_json::to_vec(&payload).expect("a message has string keys only")
    }
}

/// The environment and the height in a message's id.
pub(super) fn subject_of(id: &str) -> Option<(EnvironmentName, u64)> {
    let (rest, _) = id.rsplit_once('_')?;
    let (environment, height) = rest.rsplit_once('_')?;
    Some((environment.parse().ok()?, height.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_says_which_environment_even_where_its_name_looks_like_one() {
        let told = Told { commit: ObjectId::from_bytes([0xab; 20]), height: 12, agents: BTreeMap::new() };
        for name in ["live", "live_2", "a_b_3"] {
            let name: EnvironmentName = name.parse().unwrap();
            let id = told.id(&name);
            assert_eq!(subject_of(&id), Some((name, 12)));
            assert!(!id.contains('.'));
        }
        assert_eq!(subject_of("../../x"), None);
    }

    #[test]
    fn what_changed_is_what_is_new_other_or_gone() {
        let named = |version| Named { version: VersionNumber::new(version).unwrap(), digest: Digest::of(b"x") };
        let told = |agents: &[(&str, u32)]| Told {
            commit: ObjectId::ZERO,
            height: 1,
            agents: agents.iter().map(|(agent, version)| (agent.parse().unwrap(), named(*version))).collect(),
        };
        let before = told(&[("gone", 1), ("other", 1), ("same", 1)]);
        let now = told(&[("new", 1), ("other", 2), ("same", 1)]);
        let body = now.body(&"live".parse().unwrap(), jiff::Timestamp::UNIX_EPOCH, Some(&before));
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["data"]["changed"], serde_json::json!(["gone", "new", "other"]));
        assert_eq!(body["data"]["agents"]["other"]["version"], 2);
    }
}
