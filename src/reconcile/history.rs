//! The planner's questions, answered from git.

use std::collections::BTreeMap;

use crate::domain::{AgentId, EnvironmentName, ObjectId, Stay, VersionNumber};
use crate::plan::History;
use crate::policy::Policy;
use crate::store::{Error, Repository};

/// Answers from the accepted heads and the default branch.
pub(super) struct GitHistory<'r> {
    pub(super) repository: &'r Repository,
    pub(super) heads: BTreeMap<EnvironmentName, ObjectId>,
    pub(super) default_tip: Option<ObjectId>,
    pub(super) policy: Policy,
    /// Entries by agent and number, those of this pass included.
    pub(super) entries: BTreeMap<(AgentId, VersionNumber), ObjectId>,
}

impl History for GitHistory<'_> {
    type Error = Error;

    fn stays(
        &self,
        environment: &EnvironmentName,
        agent: &AgentId,
        version: VersionNumber,
    ) -> Result<Vec<Stay>, Error> {
        match self.heads.get(environment) {
            Some(head) => self.repository.stays(*head, agent, version),
            None => Ok(Vec::new()),
        }
    }

    fn earlier(
        &self,
        environment: &EnvironmentName,
        agent: &AgentId,
        wanted: &mut dyn FnMut(VersionNumber) -> bool,
    ) -> Result<Option<VersionNumber>, Error> {
        match self.heads.get(environment) {
            Some(head) => self.repository.earlier_versions(*head, agent, wanted),
            None => Ok(None),
        }
    }

    fn merged(&self, agent: &AgentId, version: VersionNumber) -> Result<bool, Error> {
        let Some(tip) = self.default_tip else { return Ok(false) };
        let Some(entry) = self.entries.get(&(agent.clone(), version)) else { return Ok(false) };
        let entry = self.repository.read_entry(*entry)?;
        let root = self.repository.commit(entry.record.commit)?.tree;
        // The tagged commit says which files belong to the agent, not today's default branch.
        let policy = match self.repository.policy_text(entry.record.commit)?.map(|text| Policy::parse(&text)) {
            Some(Ok(policy)) => policy,
            _ => self.policy.clone(),
        };
        match self.repository.locate(root, &policy, agent)? {
            Ok(located) => self.repository.was_merged(tip, &located, entry.content),
            Err(_) => Ok(false),
        }
    }
}
