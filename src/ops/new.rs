//! Beginning an agent: a small folder that compiles without a finding.

use std::path::Path;

use serde::Serialize;

use super::embedded::{Folder, NEW_POLYAI, NEW_SINGLE_PROMPT, NEW_WORKFLOW_GRAPH};
use super::{Problem, Workspace, inspect};
use crate::domain::AgentId;

/// What stands in the templates where the agent's name goes.
const NAME: &str = "{{name}}";

/// Which folder is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// Native, one prompt.
    SinglePrompt,
    /// Native, a graph of steps.
    WorkflowGraph,
    /// A PolyAI project.
    PolyAi,
}

impl Template {
    fn files(self) -> Folder {
        match self {
            Template::SinglePrompt => NEW_SINGLE_PROMPT,
            Template::WorkflowGraph => NEW_WORKFLOW_GRAPH,
            Template::PolyAi => NEW_POLYAI,
        }
    }
}

/// A folder that was written.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Begun {
    /// The agent.
    pub agent: AgentId,
    /// Its folder.
    pub folder: String,
    /// Its files, seen from the folder.
    pub files: Vec<String>,
}

/// Writes `agents/<agent>` from a template.
pub fn begin(workspace: &Workspace, agent: &AgentId, template: Template) -> Result<Begun, Problem> {
    let root = workspace.work_dir()?;
    let folder = format!("agents/{agent}");
    free(workspace, root, agent, &folder)?;

    let target = root.join(&folder);
    let parent = target.parent().expect("a folder below agents/ has a parent");
    let io = |error: std::io::Error| Problem::refused("io", format!("cannot write `{folder}`: {error}"));
    std::fs::create_dir_all(parent).map_err(io)?;
    // Written aside and renamed: a folder with half of its files would be an agent with errors.
    let aside = tempfile::Builder::new().prefix(".new-").tempdir_in(parent).map_err(io)?;
    let whole = aside.path().join("agent");
    let files = template.files();
    for (path, bytes) in files {
        let path = whole.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(&whole)).map_err(io)?;
        std::fs::write(path, filled(bytes, agent)).map_err(io)?;
    }
    std::fs::rename(&whole, &target).map_err(io)?;
    let files = files.iter().map(|(path, _)| (*path).to_owned()).collect();
    Ok(Begun { agent: agent.clone(), folder, files })
}

fn filled(bytes: &[u8], agent: &AgentId) -> String {
    String::from_utf8_lossy(bytes).replace(NAME, &title(agent))
}

/// A name for people: `emea/front-desk` becomes `Front desk`.
fn title(agent: &AgentId) -> String {
    let last = agent.as_str().rsplit('/').next().unwrap_or_default().replace(['-', '_', '.'], " ");
    let mut letters = last.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Refuses an id or a folder that is taken.
fn free(workspace: &Workspace, root: &Path, agent: &AgentId, folder: &str) -> Result<(), Problem> {
    let taken = |message: String, hint: String| Err(Problem::refused("taken", message).hint(hint));
    let another = || "pointsman new <another id>".to_owned();
    for located in workspace.draft_agents()? {
        if located.folder.is_empty() {
            let message = format!("`{}` is the whole repository, so no other agent can be in it", located.agent);
            return taken(message, "move it into a folder of its own and change `path` in pointsman.toml".to_owned());
        }
        if located.agent == *agent {
            return taken(format!("agent `{agent}` is there already, in `{}`", located.folder), another());
        }
        if located.agent.collides_with(agent) {
            let message = format!("`{agent}` collides with agent `{}`: one id must not begin the other", located.agent);
            return taken(message, another());
        }
    }
    if root.join(folder).symlink_metadata().is_ok() {
        return taken(format!("folder `{folder}` exists already"), format!("{}, or move it away", another()));
    }
    let mut above = root.to_owned();
    for part in Path::new(folder).parent().into_iter().flat_map(Path::iter) {
        above.push(part);
        if above.symlink_metadata().is_ok_and(|meta| !meta.is_dir()) {
            let message = format!("`{}` is not a folder", above.strip_prefix(root).unwrap_or(&above).display());
            return taken(message, another());
        }
    }
    // What was published once keeps its id for ever, also where its folder is gone.
    // The remote is not asked: a clash that only it knows is told by `publish`.
    let ledger = inspect::ledger(workspace)?;
    if let Some(other) = ledger.collision(agent)? {
        let message =
            format!("`{agent}` collides with `{other}`, which was published: one id must not begin the other");
        return taken(message, another());
    }
    if !ledger.versions(agent)?.is_empty() {
        let message = format!("`{agent}` was published before, though its folder is gone");
        return taken(message, format!("pointsman discard {agent} brings its newest version back"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::compile::{Content, FileMode, Kind, Source, SourceFile, compile};

    #[test]
    fn every_template_compiles_without_a_finding() {
        for template in [Template::SinglePrompt, Template::WorkflowGraph, Template::PolyAi] {
            let agent: AgentId = "emea/front-desk".parse().unwrap();
            let files: BTreeMap<_, _> = template
                .files()
                .iter()
                .map(|(path, bytes)| {
                    let content = Content::Bytes(filled(bytes, &agent).into_bytes());
                    ((*path).to_owned(), SourceFile { mode: FileMode::Regular, content })
                })
                .collect();
            let kind = if template == Template::PolyAi { Kind::PolyAi } else { Kind::Native };
            let source = Source {
                agent: agent.clone(),
                kind,
                folder: format!("agents/{agent}"),
                file_count: files.len(),
                files,
                included: BTreeMap::new(),
                filtered: BTreeSet::new(),
                conflicted: BTreeSet::new(),
            };
            let compiled = compile(&source);
            assert!(compiled.findings.is_empty(), "{template:?}: {:#?}", compiled.findings);
            let config = String::from_utf8(compiled.frozen.unwrap().bytes().to_vec()).unwrap();
            assert!(config.contains("Front desk") && !config.contains(NAME), "{template:?}: {config}");
        }
    }
}
