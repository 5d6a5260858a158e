//! One side of a comparison or the thing to publish: the draft, a named draft, a version, or what is live somewhere.

use std::rc::Rc;
use std::str::FromStr;

use super::{Problem, Workspace};
use crate::compile::{Compilation, Finding, Kind, Severity, Source, compile};
use crate::domain::nearest::nearest;
use crate::domain::{AgentId, EnvironmentName, ObjectId, VersionNumber};
use crate::policy::Policy;
use crate::store::{AgentContent, Draft, DraftUnderWay, EnvironmentTree, Ledger, Located, RefPlace, Scope};

/// How a side is spelled: `draft`, `draft:<branch>`, `v3`, `env:live`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SideName {
    /// The working tree.
    Draft,
    /// The tip of a branch, or of a pull request (`pr/<n>`).
    NamedDraft(String),
    /// A published version.
    Version(VersionNumber),
    /// What is live in an environment.
    Environment(EnvironmentName),
}

impl FromStr for SideName {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        if text == "draft" {
            return Ok(SideName::Draft);
        }
        if let Some(branch) = text.strip_prefix("draft:") {
            return Ok(SideName::NamedDraft(branch.to_owned()));
        }
        if let Some(name) = text.strip_prefix("env:") {
            let name = name.parse().map_err(|error| Problem::usage("unknown_side", format!("{error}")))?;
            return Ok(SideName::Environment(name));
        }
        text.parse().map(SideName::Version).map_err(|_| {
            Problem::usage("unknown_side", format!("`{text}` is not a side of a comparison"))
                .hint("write `draft`, `draft:<branch>`, `v3` or `env:live`")
        })
    }
}

impl std::fmt::Display for SideName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SideName::Draft => f.write_str("draft"),
            SideName::NamedDraft(branch) => write!(f, "draft:{branch}"),
            SideName::Version(version) => write!(f, "{version}"),
            SideName::Environment(name) => write!(f, "env:{name}"),
        }
    }
}

/// A side that was found.
pub struct Found {
    /// Where the agent is in it.
    pub located: Located,
    /// Folder and included files.
    pub content: AgentContent,
    /// The commit it rests on; nothing on an unborn branch.
    pub commit: Option<ObjectId>,
    /// Keeps the objects of a working tree's draft readable.
    pub draft: Option<Rc<Draft>>,
    /// The version's number, where it is one.
    pub version: Option<VersionNumber>,
    /// The version's frozen config, where it is one.
    pub config: Option<ObjectId>,
}

/// A draft that is being read.
pub(super) enum Reading<'w> {
    /// Of the working tree: git is at it.
    WorkTree(Located, Box<DraftUnderWay<'w>>),
    /// A branch, or what a bare repository has instead of a draft: read when it is asked for.
    Tip(Option<String>),
}

/// Begins to read the draft of `agent`: of the working tree, or of the branch `named`. A bare repository's draft is the
/// tip of its default branch.
pub(super) fn begin<'w>(
    workspace: &'w Workspace,
    agent: &AgentId,
    named: Option<&str>,
) -> Result<Reading<'w>, Problem> {
    if named.is_some() || workspace.repository.work_dir().is_none() {
        return Ok(Reading::Tip(named.map(str::to_owned)));
    }
    let located = workspace.locate_draft(agent)?;
    let draft = workspace.repository.begin_draft(&[&located])?;
    Ok(Reading::WorkTree(located, Box::new(draft)))
}

impl Reading<'_> {
    /// The draft of `agent`, once it is read.
    pub(super) fn finish(self, workspace: &Workspace, agent: &AgentId) -> Result<Found, Problem> {
        let repository = &workspace.repository;
        let (located, draft) = match self {
            Reading::WorkTree(located, draft) => (located, draft.finish()?),
            Reading::Tip(Some(name)) => return at_commit(workspace, agent, named_tip(workspace, &name)?),
            Reading::Tip(None) => {
                // The tip that the remote has now, not the one of the last fetch.
                workspace.world()?.refresh(repository, &Scope::Agents([agent.clone()].into()))?;
                let tip = workspace.base_commit()?.ok_or_else(|| {
                    Problem::refused("unborn_branch", "the default branch has no commit yet")
                        .hint("push a commit first")
                })?;
                return at_commit(workspace, agent, tip);
            }
        };
        let content = repository.content(draft.root, &located)?.ok_or_else(|| {
            Problem::refused(
                "empty_folder",
                format!("folder `{}` of agent `{agent}` holds nothing that git would add", located.folder),
            )
            .hint("is it ignored? git check-ignore -v <file>")
        })?;
        let commit = repository.read_ref("HEAD")?;
        Ok(Found { located, content, commit, draft: Some(Rc::new(draft)), version: None, config: None })
    }
}

/// The draft of `agent`, read from the working tree to its end; a publish begins the reading and finishes it later.
pub fn draft(workspace: &Workspace, agent: &AgentId, named: Option<&str>) -> Result<Found, Problem> {
    begin(workspace, agent, named)?.finish(workspace, agent)
}

pub(super) fn at_commit(workspace: &Workspace, agent: &AgentId, tip: ObjectId) -> Result<Found, Problem> {
    let repository = &workspace.repository;
    let root = repository.commit(tip)?.tree;
    let policy = repository.policy_text(tip)?.map(|text| Policy::parse(&text)).transpose()?.unwrap_or_default();
    let located = repository.locate(root, &policy, agent)??;
    let content = repository.content(root, &located)?.ok_or_else(|| {
        Problem::refused("empty_folder", format!("folder `{}` is not in commit {}", located.folder, tip.short()))
    })?;
    Ok(Found { located, content, commit: Some(tip), draft: None, version: None, config: None })
}

pub(super) fn named_tip(workspace: &Workspace, name: &str) -> Result<ObjectId, Problem> {
    workspace.world()?.named_draft(&workspace.repository, name)?.ok_or_else(|| {
        Problem::refused("unknown_draft", format!("no branch or pull request `{name}`"))
            .hint("git fetch, then git branch -a lists the branches")
    })
}

/// The side `name` of `agent`.
pub fn find(workspace: &Workspace, agent: &AgentId, name: &SideName) -> Result<Found, Problem> {
    let repository = &workspace.repository;
    let world = workspace.world()?;
    let ledger = Ledger::at(repository, world.read(repository, &RefPlace::Ledger)?)?;
    let entry = match name {
        SideName::Draft => return draft(workspace, agent, None),
        SideName::NamedDraft(branch) => return draft(workspace, agent, Some(branch)),
        SideName::Version(number) => ledger.versions(agent)?.get(number).copied().ok_or_else(|| {
            Problem::refused("unknown_version", format!("`{agent}` has no version {number}"))
                .hint(format!("pointsman versions {agent}"))
        })?,
        SideName::Environment(environment) => {
            let tree = environment_tree(workspace, &ledger, environment)?;
            tree.serves(agent)?.ok_or_else(|| {
                Problem::refused("not_served", format!("`{agent}` is not in `{environment}`"))
                    .hint(format!("pointsman promote {agent} --to {environment}"))
            })?
        }
    };
    of_entry(&ledger, agent, entry)
}

/// A version by its tree in the ledger.
pub(super) fn of_entry(ledger: &Ledger<'_>, agent: &AgentId, entry: ObjectId) -> Result<Found, Problem> {
    let entry = ledger.entry(entry)?;
    let located = Located {
        agent: agent.clone(),
        folder: entry.record.folder.clone(),
        kind: Kind::named(&entry.record.kind),
        include: Vec::new(),
    };
    Ok(Found {
        located,
        content: entry.content,
        commit: Some(entry.record.commit),
        draft: None,
        version: Some(entry.record.number),
        config: Some(entry.config),
    })
}

/// What `environment` serves of `agent`, if anything was ever served there.
pub(super) fn served(
    workspace: &Workspace,
    agent: &AgentId,
    environment: &EnvironmentName,
) -> Result<Option<Found>, Problem> {
    let repository = &workspace.repository;
    let ledger = Ledger::at(repository, workspace.world()?.read(repository, &RefPlace::Ledger)?)?;
    let Some(head) = ledger.heads()?.remove(environment) else { return Ok(None) };
    let tree = EnvironmentTree::new(repository, repository.commit(head.head)?.tree);
    tree.serves(agent)?.map(|entry| of_entry(&ledger, agent, entry)).transpose()
}

/// What `environment` holds at its accepted head.
pub(super) fn environment_tree<'w>(
    workspace: &'w Workspace,
    ledger: &Ledger<'_>,
    environment: &EnvironmentName,
) -> Result<EnvironmentTree<'w>, Problem> {
    let repository = &workspace.repository;
    let heads = ledger.heads()?;
    if let Some(head) = heads.get(environment) {
        return Ok(EnvironmentTree::new(repository, repository.commit(head.head)?.tree));
    }
    let policy = workspace.policy()?;
    let named: Vec<_> = policy.environments.iter().map(|environment| &environment.name).collect();
    if named.contains(&environment) {
        return Err(Problem::refused("not_served", format!("nothing was ever served in `{environment}`"))
            .hint(format!("pointsman promote <agent> --to {environment}")));
    }
    let known: Vec<_> = named.into_iter().chain(heads.keys()).map(EnvironmentName::as_str).collect();
    let problem = Problem::refused("unknown_environment", format!("no environment `{environment}`"));
    Err(match nearest(environment.as_str(), known.iter().copied()) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint(format!("there are: {}", known.join(", "))),
    })
}

/// The files of a side.
pub fn source(workspace: &Workspace, found: &Found) -> Result<Source, Problem> {
    let mut source = workspace.repository.source(&found.located, found.content)?;
    if let Some(draft) = &found.draft {
        source.conflicted = draft.conflicts_in(&found.located)?;
    }
    Ok(source)
}

/// What today's compiler says about a side.
pub fn compiled(workspace: &Workspace, found: &Found) -> Result<Compilation, Problem> {
    Ok(compile(&source(workspace, found)?))
}

/// The frozen config of a side, as JSON, with the compiler's findings where it had to be compiled.
pub fn config(workspace: &Workspace, found: &Found) -> Result<(Option<serde_json::Value>, Vec<Finding>), Problem> {
    if let Some(blob) = found.config {
        let value = serde_json::from_slice(&workspace.repository.blob(blob)?).map_err(|error| {
            Problem::refused("corrupt", format!("a frozen config does not parse: {error}")).hint("pointsman verify")
        })?;
        return Ok((Some(value), Vec::new()));
    }
    let Compilation { frozen, findings } = compiled(workspace, found)?;
    Ok((frozen.map(|frozen| frozen.value()), findings))
}

/// The refusal that a folder with errors meets; `so` says what was not done.
pub fn findings_problem(agent: &AgentId, findings: &[Finding], so: &str) -> Problem {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let s = if errors == 1 { "" } else { "s" };
    Problem::refused("findings", format!("`{agent}` has {errors} error{s}, so {so}"))
        .hint(format!("pointsman check {agent}"))
        .details(serde_json::json!({ "findings": findings }))
        .findings(findings)
}
