//! Two environments side by side: which agents differ between what is live here and what is live there.

use std::collections::{BTreeMap, BTreeSet};

use super::{Comparison, Side, compare};
use crate::domain::AgentId;

/// How one agent stands in two environments.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct AgentDifference {
    /// The agent.
    pub agent: String,
    /// In short.
    pub kind: AgentDifferenceKind,
    /// What is served in the first environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What is served in the second environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The details, where both serve it and the bytes differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
}

/// How one agent stands in two environments, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentDifferenceKind {
    /// Only the second serves it.
    Added,
    /// Only the first serves it.
    Removed,
    /// The bytes differ.
    Changed,
    /// The bytes differ and mean the same.
    SameMeaning,
    /// The same bytes.
    Identical,
}

/// Compares two environments, agent by agent, in the order of their ids.
pub fn environments(before: &BTreeMap<AgentId, Side>, after: &BTreeMap<AgentId, Side>) -> Vec<AgentDifference> {
    let agents: BTreeSet<&AgentId> = before.keys().chain(after.keys()).collect();
    let difference = |agent: &AgentId| {
        let (old, new) = (before.get(agent), after.get(agent));
        let comparison = old.zip(new).map(|(old, new)| compare(old, new));
        let kind = match (&comparison, old) {
            (Some(found), _) if found.identical => AgentDifferenceKind::Identical,
            (Some(found), _) if found.same_meaning => AgentDifferenceKind::SameMeaning,
            (Some(_), _) => AgentDifferenceKind::Changed,
            (None, Some(_)) => AgentDifferenceKind::Removed,
            (None, None) => AgentDifferenceKind::Added,
        };
        let label = |side: Option<&Side>| side.map(|side| side.label.clone());
        AgentDifference {
            agent: agent.to_string(),
            kind,
            before: label(old),
            after: label(new),
            comparison: comparison.filter(|found| !found.identical),
        }
    };
    agents.into_iter().map(difference).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::side;
    use super::*;

    #[test]
    fn every_agent_of_either_environment_is_told() {
        let of = |agents: &[(&str, &str)]| -> BTreeMap<AgentId, Side> {
            agents.iter().map(|(id, text)| (id.parse().unwrap(), side(&[("persona.md", text)]))).collect()
        };
        let live = of(&[("billing", "a"), ("sales", "a"), ("support", "a")]);
        let sandbox = of(&[("emea/hotel", "a"), ("sales", "b"), ("support", "a")]);
        let found: Vec<_> = environments(&live, &sandbox).into_iter().map(|agent| (agent.agent, agent.kind)).collect();
        let expected = [
            ("billing", AgentDifferenceKind::Removed),
            ("emea/hotel", AgentDifferenceKind::Added),
            ("sales", AgentDifferenceKind::Changed),
            ("support", AgentDifferenceKind::Identical),
        ];
        assert_eq!(found, expected.map(|(agent, kind)| (agent.to_owned(), kind)));
    }
}
