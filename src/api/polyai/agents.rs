//! Agents, which PolyAI's development kit calls projects, and the one account that there is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{ACCOUNT, UNKNOWN, record, the_agent};
use crate::api::answer::Answer;
use crate::api::call::Call;
use crate::domain::{AgentId, ObjectId};
use crate::ops::projects::{self, Project};
use crate::ops::{Problem, inspect, named_drafts};

/// An agent as both halves need it.
struct Listed {
    /// The id that its project gives itself, unless another agent claims the same one; else its own.
    id: String,
    name: String,
    created_at: jiff::Timestamp,
    created_by: String,
    updated_at: jiff::Timestamp,
    agent: AgentId,
}

/// All that the caller may read.
fn all(call: &Call) -> Result<Vec<Listed>, Problem> {
    let projects: BTreeMap<AgentId, Project> = projects::all(&call.workspace)?.into_iter().collect();
    let mut claims: BTreeMap<&str, usize> = BTreeMap::new();
    for id in projects.values().filter_map(|project| project.id.as_deref()) {
        *claims.entry(id).or_default() += 1;
    }
    let ledger = inspect::ledger(&call.workspace)?;
    let published = ledger.agents()?;
    let drafted = call.workspace.draft_agents()?.into_iter().map(|located| located.agent);
    let agents: BTreeSet<AgentId> = published.keys().cloned().chain(drafted).collect();
    // A draft has no moment of its own: it is as old as the commit that it rests on.
    let base = call.workspace.base_commit()?.map(|base| call.workspace.repository.commit(base)).transpose()?;
    let base = base.map_or(call.workspace.now, |commit| commit.time);
    let mut listed = Vec::new();
    for agent in agents.into_iter().filter(|agent| call.may_read(agent)) {
        let versions = published.get(&agent).map(|folder| folder.versions()).unwrap_or_default();
        let record = |entry: Option<&ObjectId>| entry.map(|entry| ledger.entry(*entry)).transpose();
        let first = record(versions.values().next())?.map(|entry| entry.record);
        let newest = record(versions.values().next_back())?.map(|entry| entry.record);
        let project = projects.get(&agent);
        let id = project.and_then(|project| project.id.clone()).filter(|id| claims.get(id.as_str()) == Some(&1));
        let name = project.and_then(|project| project.name.clone());
        listed.push(Listed {
            id: id.unwrap_or_else(|| agent.to_string()),
            name: name.unwrap_or_else(|| agent.to_string()),
            created_at: first.as_ref().map_or(base, |version| version.time),
            created_by: first.map(|version| version.publisher.email).unwrap_or_default(),
            updated_at: newest.map_or(base, |version| version.time),
            agent,
        });
    }
    Ok(listed)
}

/// `GET /accounts/{accountId}/agents`
pub(super) fn list(call: &Call) -> Result<Answer, Problem> {
    let listed = all(call)?;
    let agents: BTreeSet<AgentId> = listed.iter().map(|listed| listed.agent.clone()).collect();
    let drafts = named_drafts::list(&call.workspace, &agents)?;
    let agents = listed.iter().map(|listed| {
        let branches = drafts.iter().filter(|draft| draft.is_default || draft.agents.contains(&listed.agent)).count();
        json!({
            "accountId": record::account(call),
            "agentId": listed.id,
            "agentName": listed.name,
            "createdAt": record::iso(listed.created_at),
            "updatedAt": record::iso(listed.updated_at),
            "branchCount": branches,
        })
    });
    Answer::ok(&agents.collect::<Vec<_>>())
}

/// `GET /accounts`
pub(super) fn accounts(_: &Call) -> Result<Answer, Problem> {
    Answer::ok(&json!([{ "id": ACCOUNT, "name": "Pointsman", "active": true }]))
}

/// `GET /accounts/{accountId}/projects`
pub(super) fn projects(call: &Call) -> Result<Answer, Problem> {
    let projects: Vec<Value> = all(call)?.iter().map(|listed| adk(call, listed)).collect();
    Answer::ok(&json!({ "projects": projects }))
}

/// `GET /accounts/{accountId}/projects/{projectId}`
pub(super) fn project(call: &Call) -> Result<Answer, Problem> {
    let agent = the_agent(call)?;
    let found = all(call)?.into_iter().find(|listed| listed.agent == agent);
    let found = found.ok_or_else(|| Problem::refused("unknown_agent", format!("no agent `{agent}`")).hint(UNKNOWN))?;
    let mut project = adk(call, &found);
    // Three environments in a row; the other mode of the platform has two.
    project["config"] = json!({ "deployment_mode": "releases" });
    project["parent_template_ref_id"] = Value::Null;
    Answer::ok(&project)
}

fn adk(call: &Call, listed: &Listed) -> Value {
    json!({
        "id": listed.id,
        "name": listed.name,
        "active": true,
        "created_at": record::http_date(listed.created_at),
        "created_by": listed.created_by,
        "genai_account_id": record::account(call),
        "is_draft": null,
        "is_template": false,
        "last_updated": record::http_date(listed.updated_at),
        "parent_template_id": null,
        "phone_number": null,
        "phone_numbers": [],
        "type": "genai",
    })
}
