//! The versions a plan may move to: those of the ledger and those accepted in this very pass, less what is revoked.

use std::collections::{BTreeMap, BTreeSet};

use super::{KnownVersion, Observed, ObservedAgent, Verdict};
use crate::domain::{AgentId, VersionNumber, VersionTag};

pub(super) struct Catalog<'a> {
    agents: &'a BTreeMap<AgentId, ObservedAgent>,
    fresh: BTreeMap<&'a AgentId, BTreeMap<VersionNumber, KnownVersion>>,
    /// Revoked by the request of this pass: nothing after it in the plan may move there.
    revoked: BTreeSet<VersionTag>,
}

impl<'a> Catalog<'a> {
    pub(super) fn of(observed: &'a Observed) -> Self {
        let mut fresh: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for candidate in &observed.candidates {
            if let Verdict::Accept(accepted) = &candidate.verdict {
                let known = KnownVersion { entry: accepted.entry, revoked: false };
                fresh.entry(&candidate.tag.agent).or_default().insert(candidate.tag.number, known);
            }
        }
        Catalog { agents: &observed.agents, fresh, revoked: BTreeSet::new() }
    }

    /// All agents that are looked at, in order.
    pub(super) fn agents(&self) -> BTreeSet<&'a AgentId> {
        self.agents.keys().chain(self.fresh.keys().copied()).collect()
    }

    fn all(&self, agent: &AgentId) -> impl DoubleEndedIterator<Item = (VersionNumber, KnownVersion)> {
        let known = self.agents.get(agent).into_iter().flat_map(|state| &state.versions);
        let fresh = self.fresh.get(agent).into_iter().flatten();
        known.chain(fresh).map(|(number, known)| (*number, *known))
    }

    pub(super) fn get(&self, agent: &AgentId, number: VersionNumber) -> Option<KnownVersion> {
        let known = self.agents.get(agent).and_then(|state| state.versions.get(&number));
        let known = *known.or_else(|| self.fresh.get(agent)?.get(&number))?;
        let revoked_now =
            !self.revoked.is_empty() && self.revoked.contains(&VersionTag { agent: agent.clone(), number });
        Some(KnownVersion { revoked: known.revoked || revoked_now, ..known })
    }

    pub(super) fn knows(&self, agent: &AgentId) -> bool {
        self.all(agent).next().is_some()
    }

    /// The newest version, revoked or not.
    pub(super) fn newest_at_all(&self, agent: &AgentId) -> Option<VersionNumber> {
        self.all(agent).map(|(number, _)| number).max()
    }

    /// The newest version that is not revoked and that `wanted` takes.
    pub(super) fn newest(
        &self,
        agent: &AgentId,
        wanted: impl Fn(VersionNumber) -> bool,
    ) -> Option<(VersionNumber, KnownVersion)> {
        // A tag that was pushed late may have a lower number than what is known, so both are asked.
        let usable =
            |number: &VersionNumber| wanted(*number) && self.get(agent, *number).is_some_and(|known| !known.revoked);
        let known = self.agents.get(agent).and_then(|state| state.versions.keys().rev().copied().find(usable));
        let fresh = self.fresh.get(agent).and_then(|fresh| fresh.keys().rev().copied().find(usable));
        let number = known.max(fresh)?;
        Some((number, self.get(agent, number)?))
    }

    pub(super) fn revoke(&mut self, version: &VersionTag) {
        self.revoked.insert(version.clone());
    }
}
