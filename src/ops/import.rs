//! Import: first versions from what is live before Pointsman knows of it.
//!
//! Each agent of the named commit is tagged there and promoted into its environment by way of the environments below
//! it, with `confirm` given: no gate is passed over, and the audit trail says of each step that it was an import. An
//! environment on the way is entered only where it serves nothing of the agent yet. Nothing ever goes backward, so a
//! second run finds everything done, also after the environments have moved on.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Serialize;

use super::moves::{Manner, carry_out, promote};
use super::publish::{PublishCall, tag_message};
use super::{Problem, Workspace, inspect};
use crate::domain::nearest::nearest;
use crate::domain::record::Cause;
use crate::domain::{AgentId, EnvironmentName, ObjectId, VersionNumber};
use crate::plan::{Answer, Intent, Request};
use crate::policy::{FILE, Policy};
use crate::reconcile::{Decided, NewVersion, Order, Publish, Publisher, run};
use crate::store::{AgentContent, Ledger, Located, Scope};

/// `live=<commit>`: what an environment serves at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Where.
    pub environment: EnvironmentName,
    /// Any spelling that git knows.
    pub revision: String,
}

impl FromStr for Import {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (environment, revision) = text
            .split_once('=')
            .filter(|(_, revision)| !revision.is_empty())
            .ok_or_else(|| "write it as <environment>=<commit>, such as live=v2.3".to_owned())?;
        let environment = environment.parse().map_err(|error| format!("{error}"))?;
        Ok(Import { environment, revision: revision.to_owned() })
    }
}

/// What became of one agent in one environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    /// It is served now.
    Imported,
    /// It was served already.
    Already,
    /// The environment has moved on since.
    LeftAlone,
    /// It could not be done.
    Refused,
}

/// One agent in one environment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// Where.
    pub environment: EnvironmentName,
    /// The agent.
    pub agent: AgentId,
    /// Its version, if there is one.
    pub version: Option<VersionNumber>,
    /// What became of it.
    pub became: Became,
    /// Why, where that needs saying.
    pub reason: Option<String>,
}

/// A commit to import, read.
struct Source<'p> {
    environment: &'p EnvironmentName,
    revision: &'p str,
    commit: ObjectId,
    time: jiff::Timestamp,
    agents: Vec<(Located, AgentContent)>,
}

/// Imports all of `imports`. Whatever can be known before is checked before anything is written.
pub fn import(workspace: &Workspace, imports: &[Import]) -> Result<Vec<Imported>, Problem> {
    workspace.identity()?;
    let (_, tip) = workspace.world()?.default_branch(&workspace.repository)?;
    let policy = match tip {
        Some(tip) => workspace.repository.policy(tip)?.0,
        None => Policy::default(),
    };
    let mut sources = Vec::new();
    for import in imports {
        sources.push(read(workspace, &policy, import)?);
    }
    // Older content first, so that numbers rise with time; of one commit, what is nearest to customers first.
    let place = |name: &EnvironmentName| policy.environments.iter().position(|environment| environment.name == *name);
    sources.sort_by_key(|source| (source.time, std::cmp::Reverse(place(source.environment))));
    let mut done = Vec::new();
    for source in &sources {
        done.extend(carry(workspace, &policy, source)?);
    }
    Ok(done)
}

fn read<'p>(workspace: &Workspace, policy: &Policy, import: &'p Import) -> Result<Source<'p>, Problem> {
    let repository = &workspace.repository;
    if policy.environment(&import.environment).is_none() {
        let known: Vec<_> = policy.environments.iter().map(|environment| environment.name.as_str()).collect();
        let problem = Problem::refused("unknown_environment", format!("no environment `{}`", import.environment));
        return Err(match nearest(import.environment.as_str(), known.iter().copied()) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem.hint(format!("there are: {}", known.join(", "))),
        });
    }
    let revision = &import.revision;
    let commit = repository.resolve_commit(revision).ok_or_else(|| {
        Problem::refused("unknown_commit", format!("`{revision}` is no commit of this repository"))
            .hint("git log --oneline --all; git fetch --unshallow where history is cut off")
    })?;
    let commit = repository.commit(commit)?;
    let own = repository.policy_text(commit.id)?.map(|text| Policy::parse(&text)).transpose()?.unwrap_or_default();
    let (found, _) = repository.discover(commit.tree, &own)?;
    let mut agents = Vec::new();
    for located in found.into_values() {
        if let Some(content) = repository.content(commit.tree, &located)? {
            agents.push((located, content));
        }
    }
    // A version is read by every controller from the tagged commit alone, so that one must say how.
    let mut unlisted = Vec::new();
    for (agent, listing) in workspace.draft_policy()?.agents {
        let known = agents.iter().any(|(located, _)| located.folder == listing.path);
        if !known && repository.tree_at(commit.tree, &listing.path)?.is_some() {
            unlisted.push(agent.to_string());
        }
    }
    if !unlisted.is_empty() {
        let names = unlisted.join(", ");
        return Err(Problem::refused(
            "not_listed_there",
            format!("`{revision}` does not say how to read {names}: the listing in {FILE} is newer, and a version is read from the commit that is tagged"),
        )
        .hint(format!(
            "put the listing on top of it: git switch -c imported {revision} && git checkout - -- {FILE} && git commit -m \"List agents\" && git switch - && pointsman init --import {}=imported",
            import.environment
        )));
    }
    if agents.is_empty() {
        return Err(Problem::refused("no_agents", format!("there are no agents in `{revision}`"))
            .hint(format!("git ls-tree -r --name-only {revision}")));
    }
    let (environment, time) = (&import.environment, commit.time);
    Ok(Source { environment, revision, commit: commit.id, time, agents })
}

/// Publishes what `source` holds as far as it is new, and promotes it.
fn carry(workspace: &Workspace, policy: &Policy, source: &Source<'_>) -> Result<Vec<Imported>, Problem> {
    let environment = source.environment;
    let outcome = |agent: &AgentId, version, became, reason: Option<String>| Imported {
        environment: environment.clone(),
        agent: agent.clone(),
        version,
        became,
        reason,
    };
    let mut done = Vec::new();
    let mut wanted = BTreeMap::new();
    for (located, content) in &source.agents {
        let agent = &located.agent;
        let ledger = inspect::ledger(workspace)?;
        let known = known_version(&ledger, agent, *content)?;
        match standing(workspace, &ledger, environment, agent, known)? {
            Standing::Served(version) => done.push(outcome(agent, Some(version), Became::Already, None)),
            Standing::MovedOn(why) => done.push(outcome(agent, known, Became::LeftAlone, Some(why))),
            Standing::Open => match known.map_or_else(|| publish(workspace, agent, source), Ok) {
                Ok(version) => drop(wanted.insert(agent.clone(), version)),
                Err(problem) => done.push(outcome(agent, None, Became::Refused, Some(told(&problem)))),
            },
        }
    }
    let mut refused = BTreeMap::new();
    bring(workspace, policy, environment, wanted.clone(), source, &mut refused)?;
    for (agent, version) in wanted {
        let why = refused.remove(&agent);
        let became = if why.is_some() { Became::Refused } else { Became::Imported };
        done.push(outcome(&agent, Some(version), became, why));
    }
    done.sort_by(|a, b| a.agent.cmp(&b.agent));
    Ok(done)
}

fn told(problem: &Problem) -> String {
    // Findings are told one by one: there is no draft on which `check` could be called.
    let findings = problem.details.get("findings").and_then(|findings| findings.as_array()).into_iter().flatten();
    let errors = findings.filter(|finding| finding["severity"] == "error");
    let told: Vec<_> = errors.filter_map(|finding| finding["message"].as_str()).take(3).collect();
    if told.is_empty() { problem.message.clone() } else { format!("{}: {}", problem.message, told.join("; ")) }
}

/// The version that has this very content.
fn known_version(
    ledger: &Ledger<'_>,
    agent: &AgentId,
    content: AgentContent,
) -> Result<Option<VersionNumber>, Problem> {
    for (number, entry) in ledger.versions(agent)? {
        if ledger.content(entry)? == content {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

/// How an environment stands to what is to be imported into it.
enum Standing {
    Open,
    Served(VersionNumber),
    MovedOn(String),
}

fn standing(
    workspace: &Workspace,
    ledger: &Ledger<'_>,
    environment: &EnvironmentName,
    agent: &AgentId,
    known: Option<VersionNumber>,
) -> Result<Standing, Problem> {
    let Some(head) = ledger.heads()?.remove(environment) else { return Ok(Standing::Open) };
    let (serving, holds) = inspect::serving(workspace, ledger, environment)?;
    let serves = serving.get(agent).copied();
    if let (Some(known), Some(serves)) = (known, serves)
        && known == serves
    {
        return Ok(Standing::Served(serves));
    }
    if holds.contains_key(agent) {
        return Ok(Standing::MovedOn(format!("it is held in {environment}")));
    }
    if known.is_some_and(|known| head.rolled_back.get(agent).is_some_and(|versions| versions.contains(&known))) {
        return Ok(Standing::MovedOn(format!("it was rolled back in {environment}")));
    }
    let moved_on = match (serves, known) {
        (Some(serves), Some(known)) => serves > known,
        // Content that no version has goes only where nothing but an import was before.
        (Some(serves), None) => !imported(ledger, agent, serves)?,
        (None, _) => false,
    };
    let Some(serves) = serves.filter(|_| moved_on) else { return Ok(Standing::Open) };
    Ok(Standing::MovedOn(format!("{environment} serves {serves}")))
}

/// What begins the note of imported versions.
const NOTE: &str = "Imported from ";

fn imported(ledger: &Ledger<'_>, agent: &AgentId, number: VersionNumber) -> Result<bool, Problem> {
    match ledger.versions(agent)?.get(&number) {
        Some(entry) => Ok(ledger.entry(*entry)?.record.note.starts_with(NOTE)),
        None => Ok(false),
    }
}

/// Tags the commit as the agent's next version.
fn publish(workspace: &Workspace, agent: &AgentId, source: &Source<'_>) -> Result<VersionNumber, Problem> {
    let who = workspace.identity()?;
    let note = format!("{NOTE}{}, which {} served", source.revision, source.environment);
    let call = PublishCall { note: Some(note), ..PublishCall::default() };
    let decide = |standing: &crate::reconcile::Standing<'_>| {
        let parent = standing.newest.as_ref().map(|(number, _)| *number);
        let message = tag_message(&call, parent, None, None);
        let (agent, tagger) = (agent.clone(), who.clone());
        let request = Request {
            intent: Intent::Publish { agent: agent.clone(), unchanged: None },
            actor: who.clone(),
            cause: Cause::Cli,
            reason: String::new(),
        };
        let version = NewVersion { agent, commit: source.commit, tagger, message, draft: None };
        Ok(Some(Publish { request, version: Some(version) }))
    };
    let order = Order {
        publisher: Some(Publisher { agent, decide: &decide }),
        ..Order::look_at(Scope::Agents([agent.clone()].into()))
    };
    match run(&workspace.context(), &order, &mut workspace.memory(), &|_, _| serde_json::Value::Null)? {
        Decided::Done(outcome) => match outcome.plan.answer {
            Some(Answer::Published(tag)) => Ok(tag.number),
            Some(Answer::Refused(refusal)) => Err(refusal.into()),
            _ => Err(Problem::refused("refused", format!("`{agent}` was not published"))),
        },
        _ => Err(Problem::refused("refused", "the pass ended without an answer")),
    }
}

/// Promotes `versions` into `environment`, first into those before it that serve nothing of an agent yet. One commit
/// moves all agents; those that a gate keeps out go into `refused`, and the others move without them.
fn bring(
    workspace: &Workspace,
    policy: &Policy,
    environment: &EnvironmentName,
    mut versions: BTreeMap<AgentId, VersionNumber>,
    source: &Source<'_>,
    refused: &mut BTreeMap<AgentId, String>,
) -> Result<(), Problem> {
    let before = policy.environment(environment).and_then(|environment| environment.from.as_ref());
    if let Some(before) = before {
        let ledger = inspect::ledger(workspace)?;
        let serving = match ledger.heads()?.contains_key(before) {
            true => inspect::serving(workspace, &ledger, before)?.0,
            false => BTreeMap::new(),
        };
        let first = versions.clone().into_iter().filter(|(agent, _)| !serving.contains_key(agent)).collect();
        bring(workspace, policy, before, first, source, refused)?;
        versions.retain(|agent, _| !refused.contains_key(agent));
    }
    while !versions.is_empty() {
        let named = versions.iter().map(|(agent, version)| (agent.clone(), Some(*version))).collect();
        let (intent, agents) = promote(environment.clone(), named, true);
        let reason = format!("Import: {} served what is in {}", source.environment, source.revision);
        let manner = Manner { reason, ..Manner::default() };
        let Err(problem) = carry_out(workspace, "promote", intent, agents, &manner) else { return Ok(()) };
        let unmet = unmet(&problem);
        if unmet.is_empty() {
            return Err(problem);
        }
        for (agent, why) in unmet {
            versions.remove(&agent);
            refused.insert(agent, format!("`{environment}` may not be entered: {why}"));
        }
    }
    Ok(())
}

/// The agents that a refused promotion names, and why; only those that stood in the way.
fn unmet(problem: &Problem) -> Vec<(AgentId, String)> {
    let unmet = problem.details.get("unmet").and_then(|unmet| unmet.as_array()).into_iter().flatten();
    let told =
        unmet.filter_map(|gate| Some((gate["agent"].as_str()?.parse().ok()?, gate["reason"].as_str()?.to_owned())));
    told.collect()
}
