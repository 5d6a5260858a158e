//! The pre-publish report: what a draft or a version will do, and what of it is new compared with what is live.

use serde::{Deserialize, Serialize};

use super::diff::label;
use super::side::{self, SideName};
use super::{Problem, Workspace};
use crate::domain::{AgentId, EnvironmentName, VersionNumber};
use crate::report::{Report, report as make};

/// The report of one side of an agent.
#[derive(Debug, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrePublish {
    /// The agent.
    pub agent: AgentId,
    /// What is reported: `draft`, `draft:<branch>` or `v3`.
    pub side: String,
    /// The published environment, whose version the report compares with.
    pub environment: Option<EnvironmentName>,
    /// The version that is live there.
    pub live: Option<VersionNumber>,
    /// The report.
    #[serde(flatten)]
    pub report: Report,
}

/// Reports on `name` of `agent`.
pub fn report(workspace: &Workspace, agent: &AgentId, name: &SideName) -> Result<PrePublish, Problem> {
    let found = side::find(workspace, agent, name)?;
    let compiled = side::compiled(workspace, &found)?;
    let config = match found.config {
        Some(_) => side::config(workspace, &found)?.0,
        None => compiled.frozen.as_ref().map(|frozen| frozen.value()),
    };
    let Some(config) = config else {
        return Err(side::findings_problem(agent, &compiled.findings, "there is no report"));
    };
    let policy = workspace.policy()?;
    let environment = policy.published().map(|environment| environment.name.clone());
    let live = match &environment {
        Some(name) => side::served(workspace, agent, name)?,
        None => None,
    };
    let live_config =
        live.as_ref().map(|live| side::config(workspace, live)).transpose()?.and_then(|(config, _)| config);
    Ok(PrePublish {
        agent: agent.clone(),
        side: label(name, &found),
        environment,
        live: live.and_then(|live| live.version),
        report: make(&config, live_config.as_ref(), &compiled.findings),
    })
}
