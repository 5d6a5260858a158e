//! The id and the name that a PolyAI project gives itself in its `project.yaml`, so that its own tools find it by them.

use super::{Problem, Workspace, inspect};
use crate::compile::document::{Format, parse};
use crate::domain::{AgentId, ObjectId};
use crate::store::Ledger;

/// The file that says it.
const FILE: &str = "project.yaml";

/// The largest such file that is read, in bytes.
const LARGEST: u64 = 64 * 1024;

/// What a project says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Project {
    /// Its id on the platform.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
}

/// What each agent's newest version says of itself; the committed draft's folder, where there is no version yet. Agents
/// of other kinds say nothing and are not among them.
pub fn all(workspace: &Workspace) -> Result<Vec<(AgentId, Project)>, Problem> {
    let ledger = inspect::ledger(workspace)?;
    let mut found = Vec::new();
    let mut published = std::collections::BTreeSet::new();
    for (agent, folder) in ledger.agents()? {
        let Some(entry) = folder.versions().into_values().next_back() else { continue };
        published.insert(agent.clone());
        let source = ledger.content(entry)?.source;
        found.extend(read(workspace, source)?.map(|project| (agent, project)));
    }
    let Some(base) = workspace.base_commit()? else { return Ok(found) };
    let root = workspace.repository.commit(base)?.tree;
    let policy = workspace.draft_policy()?;
    for located in workspace.repository.discover(root, &policy)?.0.into_values() {
        if published.contains(&located.agent) {
            continue;
        }
        if let Some(content) = workspace.repository.content(root, &located)? {
            found.extend(read(workspace, content.source)?.map(|project| (located.agent, project)));
        }
    }
    Ok(found)
}

/// What the newest version of `agent` says of itself.
pub fn of(workspace: &Workspace, ledger: &Ledger<'_>, agent: &AgentId) -> Result<Option<Project>, Problem> {
    let newest = ledger.versions(agent)?.into_values().next_back();
    newest.map_or(Ok(None), |entry| read(workspace, ledger.content(entry)?.source))
}

/// The one agent that gives itself the id `id`, of those that `may_be` it. Two that claim one id are none.
pub fn named(workspace: &Workspace, id: &str, may_be: impl Fn(&AgentId) -> bool) -> Result<Option<AgentId>, Problem> {
    let mut agents = all(workspace)?.into_iter().filter(|(_, project)| project.id.as_deref() == Some(id));
    let (first, second) = (agents.next(), agents.next());
    let found = first.map(|(agent, _)| agent).filter(|agent| may_be(agent));
    match (found, second) {
        (Some(first), Some((second, _))) if may_be(&second) => {
            let message = format!("the agents `{first}` and `{second}` both give themselves the project id `{id}`");
            Err(Problem::refused("ambiguous_project", message)
                .hint(format!("name the agent by its id, or change `project_id` in the {FILE} of one")))
        }
        (_, Some(_)) => Ok(None),
        (found, None) => Ok(found),
    }
}

fn read(workspace: &Workspace, source: ObjectId) -> Result<Option<Project>, Problem> {
    let tree = workspace.repository.tree(source)?;
    let Some(blob) = tree.get(FILE).map(|entry| entry.id) else { return Ok(None) };
    if !workspace.repository.has(blob) || workspace.repository.blob_size(blob)? > LARGEST {
        return Ok(None);
    }
    let Ok(text) = String::from_utf8(workspace.repository.blob(blob)?) else { return Ok(None) };
    let Ok(document) = parse(Format::Yaml, &text) else { return Ok(None) };
    let said = |key| {
        let value = document.root().get(key)?.as_str()?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    Ok(Some(Project { id: said("project_id"), name: said("project_name") }))
}
