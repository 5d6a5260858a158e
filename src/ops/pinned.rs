//! What a conversation is held with: one frozen config that stays the same while the world moves on.

use serde::Serialize;

use super::side::{self, SideName};
use super::{Problem, Workspace};
use crate::compile::Frozen;
use crate::domain::{AgentId, Digest, EnvironmentName, VersionNumber};

/// A frozen config and where it came from.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pinned {
    /// The agent.
    pub agent: AgentId,
    /// Its version; nothing for a draft.
    pub version: Option<VersionNumber>,
    /// The environment that served it when it was looked for; nothing where a draft or a version was named.
    pub environment: Option<EnvironmentName>,
    /// Digest of `config`.
    pub digest: Digest,
    /// The frozen config.
    #[serde(skip)]
    pub config: serde_json::Value,
}

/// What `environment` serves of `agent` at this moment; of the published environment where none is named.
pub fn live(workspace: &Workspace, agent: &AgentId, environment: Option<&EnvironmentName>) -> Result<Pinned, Problem> {
    let named = match environment {
        Some(named) => Some(named.clone()),
        None => workspace.policy()?.published().map(|environment| environment.name.clone()),
    };
    let Some(named) = named else {
        return Err(Problem::usage("which_environment", "no environment is the published one")
            .hint("name one, or set `published = true` at one in pointsman.toml"));
    };
    match pin(workspace, agent, &SideName::Environment(named.clone())) {
        Err(problem) if problem.code == "not_served" => {
            let unknown = workspace.unknown_agent(agent)?;
            Err(unknown.unwrap_or_else(|| {
                let message = format!("`{agent}` has no published version: `{named}` serves none");
                Problem::refused("no_published_version", message)
                    .hint(format!("pointsman promote {agent} --to {named}, or talk to the draft"))
            }))
        }
        other => other,
    }
}

/// The side `name` of `agent`. A draft is compiled at this moment; with errors in it, it is refused with them.
pub fn pin(workspace: &Workspace, agent: &AgentId, name: &SideName) -> Result<Pinned, Problem> {
    let found = side::find(workspace, agent, name)?;
    let environment = match name {
        SideName::Environment(environment) => Some(environment.clone()),
        _ => None,
    };
    let (config, findings) = side::config(workspace, &found)?;
    let config = config.ok_or_else(|| side::findings_problem(agent, &findings, "it cannot be tried"))?;
    let digest = Frozen::new(&config).digest();
    Ok(Pinned { agent: agent.clone(), version: found.version, environment, digest, config })
}
