//! Init: what a repository needs before its first version.
//!
//! Agents of kinds without a manifest are listed in `pointsman.toml`, the default branch is written down, and branches
//! of other people under our names are told before anything is written. The policy itself is for a person to commit.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use toml_edit::{DocumentMut, Item, Table, value};

use super::{Problem, Workspace};
use crate::compile::detect::{Proposal, propose, suggested_id};
use crate::domain::{AgentId, ObjectId};
use crate::policy::{FILE, Policy};
use crate::reconcile::{Decided, Order, is_ours, run};
use crate::store::{DEFAULT_BRANCH_KEY, Ledger, RefPlace, Scope, World, manifest_on_disk};

/// The policy that a repository without one is given.
const EXAMPLE: &str = include_str!("policy_example.toml");

/// An agent that was found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundAgent {
    /// Its id.
    pub agent: AgentId,
    /// Its folder; empty for the root.
    pub folder: String,
    /// How it is read.
    pub kind: String,
    /// What gave it away; nothing for agents that were listed before.
    pub why: Option<String>,
    /// Whether it was listed by this call.
    pub added: bool,
}

/// What `init` found and did.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Initialised {
    /// The default branch.
    pub default_branch: String,
    /// Whether `pointsman.toml` was written.
    pub wrote_policy: bool,
    /// Whether the default branch has the policy that is on disk.
    pub committed: bool,
    /// Whether decisions are made on a remote.
    pub remote: bool,
    /// The agents.
    pub agents: Vec<FoundAgent>,
    /// Environments that were begun now.
    pub begun: Vec<String>,
    /// What else to know.
    pub notes: Vec<String>,
}

/// Sets up the repository as far as it is not.
pub fn init(workspace: &Workspace) -> Result<Initialised, Problem> {
    let repository = &workspace.repository;
    let root = workspace.work_dir()?;
    let path = root.join(FILE);
    let before = read(&path)?;
    let policy = Policy::parse(before.as_deref().unwrap_or_default())?;
    let mut world = World::of(repository, workspace.local);
    world.branch_prefix.clone_from(&policy.branch_prefix);
    let mut notes = Vec::new();
    if let Err(error) = world.refresh(repository, &Scope::Agents(Default::default())) {
        let problem = Problem::from(error);
        notes.push(format!("origin could not be asked, so its branches were not looked at: {}", problem.message));
    }
    no_foreign_branches(workspace, &world, &policy, before.is_some())?;

    let default_branch = default_branch(workspace, &world, &mut notes)?;
    let files = repository.work_files()?;
    let proposals = propose(files.iter().map(String::as_str));
    let (agents, additions) = listings(workspace, &world, root, &policy, proposals)?;
    let text = match &before {
        None => Some(with_listings(EXAMPLE, &additions)?),
        Some(text) if !additions.is_empty() => Some(with_listings(text, &additions)?),
        Some(_) => None,
    };
    if let Some(text) = &text {
        Policy::parse(text)?;
        write(&path, text)?;
    }
    if repository.config(DEFAULT_BRANCH_KEY).as_deref() != Some(&default_branch) {
        repository.set_config(DEFAULT_BRANCH_KEY, &default_branch)?;
    }
    let (_, tip) = world.default_branch(repository)?;
    let on_disk = text.as_ref().or(before.as_ref()).map(|text| text.replace("\r\n", "\n"));
    let committed = match tip {
        Some(tip) => repository.policy_text(tip)?.map(|text| text.replace("\r\n", "\n")) == on_disk,
        None => false,
    };
    let begun = if committed { begin(workspace, &mut notes)? } else { Vec::new() };
    Ok(Initialised {
        default_branch,
        wrote_policy: text.is_some(),
        committed,
        remote: world.is_remote(),
        agents,
        begun,
        notes,
    })
}

/// The branch that policy is read from. Who sets this up on a branch of their own means the main one.
fn default_branch(workspace: &Workspace, world: &World, notes: &mut Vec<String>) -> Result<String, Problem> {
    let repository = &workspace.repository;
    let (name, _) = world.default_branch(repository)?;
    if world.is_remote() || repository.config(DEFAULT_BRANCH_KEY).is_some() || MAIN.contains(&name.as_str()) {
        return Ok(name);
    }
    let mut found = Vec::new();
    for main in MAIN {
        if repository.read_ref(&format!("refs/heads/{main}"))?.is_some() {
            found.push(main);
        }
    }
    let [main] = found[..] else { return Ok(name) };
    notes.push(format!(
        "policy is read from `{main}`, not from `{name}`; if that is wrong: git config {DEFAULT_BRANCH_KEY} {name}"
    ));
    Ok(main.to_owned())
}

/// What default branches are called unless somebody decided otherwise.
const MAIN: [&str; 2] = ["main", "master"];

/// Runs the pass that begins ledger and environments, and returns the environments that it began.
fn begin(workspace: &Workspace, notes: &mut Vec<String>) -> Result<Vec<String>, Problem> {
    let order = Order::look_at(Scope::All);
    let decided = run(&workspace.context(), &order, &mut workspace.memory(), &|_, _| serde_json::Value::Null)?;
    let Decided::Done(outcome) = decided else { return Ok(Vec::new()) };
    notes.extend(outcome.policy_note);
    notes.extend(outcome.plan.waits.into_iter().map(|wait| wait.reason));
    let begun = outcome.plan.steps.into_iter().filter_map(|step| match step {
        crate::plan::Step::Begin { environment, .. } => Some(environment.to_string()),
        _ => None,
    });
    Ok(begun.collect())
}

fn read(path: &Path) -> Result<Option<String>, Problem> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Problem::refused("io", format!("cannot read `{FILE}`: {error}"))),
    }
}

/// Replaces the file in one step, with the permissions it had.
fn write(path: &Path, text: &str) -> Result<(), Problem> {
    let io = |error: std::io::Error| Problem::refused("io", format!("cannot write `{FILE}`: {error}"));
    let folder = path.parent().unwrap_or(Path::new("."));
    let aside = tempfile::Builder::new().prefix(".pointsman-").tempdir_in(folder).map_err(io)?;
    let fresh = aside.path().join(FILE);
    std::fs::write(&fresh, text).map_err(io)?;
    if let Ok(meta) = path.metadata() {
        std::fs::set_permissions(&fresh, meta.permissions()).map_err(io)?;
    }
    std::fs::rename(&fresh, path).map_err(io)
}

/// Refuses branches of other people where ours will stand.
fn no_foreign_branches(workspace: &Workspace, world: &World, policy: &Policy, has_policy: bool) -> Result<(), Problem> {
    let repository = &workspace.repository;
    let foreign = |place: &RefPlace| -> Result<Option<(String, ObjectId)>, Problem> {
        for (name, tip) in world.in_the_way(repository, place)? {
            let ours = name.ends_with(world.published_name(place).trim_start_matches("refs/heads/"));
            if !ours || !is_ours(repository, tip)? {
                return Ok(Some((name.trim_start_matches("refs/heads/").replace("refs/remotes/", ""), tip)));
            }
        }
        Ok(None)
    };
    if let Some((name, _)) = foreign(&RefPlace::Ledger)? {
        return Err(Problem::refused(
            "foreign_branch",
            format!("branch `{name}` is not Pointsman's, and the ledger must stand at `pointsman/ledger`"),
        )
        .hint("rename that branch: `branch_prefix` moves environment branches only"));
    }
    // What the ledger accepted is ours, however its branch looks now: the next pass heals it.
    let heads = Ledger::at(repository, world.read(repository, &RefPlace::Ledger)?)?.heads()?;
    for environment in policy.environments.iter().filter(|environment| !heads.contains_key(&environment.name)) {
        if let Some((name, _)) = foreign(&RefPlace::Environment(environment.name.clone()))? {
            let hint = if has_policy {
                format!("write another `branch_prefix`, such as \"deploy/\", at the top of {FILE}")
            } else {
                format!("printf 'branch_prefix = \"deploy/\"\\n' > {FILE} && pointsman init")
            };
            return Err(Problem::refused(
                "foreign_branch",
                format!("branch `{name}` is not Pointsman's, and environment `{}` would stand there", environment.name),
            )
            .hint(hint));
        }
    }
    Ok(())
}

/// Every agent, and what has to be added to `pointsman.toml` for those that no manifest announces.
fn listings(
    workspace: &Workspace,
    world: &World,
    root: &Path,
    policy: &Policy,
    proposals: Vec<Proposal>,
) -> Result<(Vec<FoundAgent>, BTreeMap<AgentId, Proposal>), Problem> {
    let ledger = Ledger::at(&workspace.repository, world.read(&workspace.repository, &RefPlace::Ledger)?)?;
    let mut agents: Vec<FoundAgent> = policy
        .agents
        .iter()
        .map(|(agent, listing)| FoundAgent {
            agent: agent.clone(),
            folder: listing.path.clone(),
            kind: listing.kind.to_string(),
            why: None,
            added: false,
        })
        .collect();
    let mut additions = BTreeMap::new();
    for proposal in proposals {
        // A folder that is listed, or lies in or around a listed one, was decided on by a person.
        let touches = |listed: &str| within(listed, &proposal.folder) || within(&proposal.folder, listed);
        if policy.agents.values().any(|listing| touches(&listing.path)) {
            continue;
        }
        let by_manifest = manifest_on_disk(&root.join(&proposal.folder)).is_some() && !proposal.folder.is_empty();
        let own_id = AgentId::of_folder(&proposal.folder).ok();
        let added = !by_manifest || own_id.as_ref() != Some(&proposal.id);
        let id = if added { free_id(root, &proposal, &agents, &ledger)? } else { proposal.id.clone() };
        agents.push(FoundAgent {
            agent: id.clone(),
            folder: proposal.folder.clone(),
            kind: proposal.detected.kind.to_owned(),
            why: Some(proposal.detected.why.to_owned()),
            added,
        });
        if added {
            additions.insert(id, proposal);
        }
    }
    agents.sort_by(|a, b| a.agent.cmp(&b.agent));
    Ok((agents, additions))
}

/// Whether `path` is `folder` or lies in it.
fn within(folder: &str, path: &str) -> bool {
    folder.is_empty() || path == folder || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// An id for a folder that is to be listed: the proposed one, numbered where it is taken. The root is called as the
/// folder that holds the repository.
fn free_id(root: &Path, proposal: &Proposal, taken: &[FoundAgent], ledger: &Ledger<'_>) -> Result<AgentId, Problem> {
    let first = if proposal.folder.is_empty() {
        let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        suggested_id(&name)
    } else {
        proposal.id.clone()
    };
    for number in 1..1_000 {
        let id = if number == 1 { Ok(first.clone()) } else { format!("{first}-{number}").parse() };
        let Ok(id) = id else { break };
        let clash = |other: &FoundAgent| other.agent == id || other.agent.collides_with(&id);
        if !taken.iter().any(clash) && ledger.collision(&id)?.is_none() {
            return Ok(id);
        }
    }
    Err(Problem::refused("no_free_id", format!("no id is free for folder `{}`", proposal.folder))
        .hint(format!("write one into {FILE}: [agents.<id>] path = \"{}\"", proposal.folder)))
}

/// `text` with one table per agent behind what a person wrote.
fn with_listings(text: &str, additions: &BTreeMap<AgentId, Proposal>) -> Result<String, Problem> {
    if additions.is_empty() {
        return Ok(text.to_owned());
    }
    let unreadable = |error: toml_edit::TomlError| Problem::refused("policy", format!("{FILE}: {error}"));
    let mut document: DocumentMut = text.parse().map_err(unreadable)?;
    // Comments at the end belong to what stands above them, so they stay there.
    let mut above = document.trailing().as_str().unwrap_or_default().to_owned();
    document.set_trailing("");
    let agents = document.entry("agents").or_insert_with(|| {
        let mut table = Table::new();
        // `[agents]` itself needs no line of its own.
        table.set_implicit(true);
        Item::Table(table)
    });
    let agents = agents.as_table_like_mut().ok_or_else(|| {
        Problem::refused("policy", format!("{FILE}: `agents` is not a table")).hint("write [agents.<id>] tables")
    })?;
    for (id, proposal) in additions {
        let mut table = Table::new();
        let path = if proposal.folder.is_empty() { "." } else { &proposal.folder };
        table.insert("path", value(path));
        table.insert("kind", value(proposal.detected.kind));
        let above = std::mem::take(&mut above);
        table.decor_mut().set_prefix(format!("{above}\n# found by {}\n", proposal.detected.why));
        agents.insert(id.as_str(), Item::Table(table));
    }
    let written = document.to_string();
    // toml_edit writes `\n`; a file whose every line ends in `\r\n` goes on doing so.
    let windows = text.matches('\n').count() == text.matches("\r\n").count();
    Ok(if windows { written.replace("\r\n", "\n").replace('\n', "\r\n") } else { written })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_says_what_holds_without_a_file() {
        assert_eq!(Policy::parse(EXAMPLE).unwrap(), Policy::default());
    }

    #[test]
    fn what_a_person_wrote_stays_as_it_is() {
        let written =
            "# ours\n[publish] # when\non   =  'merge'\n\n[agents]\nbot = { path = \"b\" } # inline\n# the end\n";
        let additions = propose(["rasa/domain.yml", "rasa/config.yml"]);
        let additions = additions.into_iter().map(|proposal| (proposal.id.clone(), proposal)).collect();
        for written in [written.to_owned(), written.replace('\n', "\r\n")] {
            let text = with_listings(&written, &additions).unwrap();
            assert!(text.starts_with(&written), "{text:?}");
            assert_eq!(text.contains("path = \"rasa\"\r\n"), written.contains('\r'), "{text:?}");
            assert_eq!(Policy::parse(&text).unwrap().agents.len(), 2);
        }
    }

    #[test]
    fn agents_written_inline_are_added_to() {
        let additions = propose(["rasa/domain.yml", "rasa/config.yml"]);
        let additions = additions.into_iter().map(|proposal| (proposal.id.clone(), proposal)).collect();
        let text = with_listings("agents = { bot = { path = \"b\" } }\n", &additions).unwrap();
        assert_eq!(Policy::parse(&text).unwrap().agents.len(), 2, "{text}");
    }
}
