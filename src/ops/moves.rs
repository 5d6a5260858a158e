//! Promote, rollback, release, retire, hold, release-hold, revoke: one request, one pass.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Problem, Workspace, idempotency, inspect};
use crate::domain::record::{Action, Cause};
use crate::domain::{AgentId, DeploymentId, EnvironmentName, ObjectId, VersionNumber, VersionTag};
use crate::plan::{Answer, Intent, Plan, Request, Wait};
use crate::reconcile::{Decided, Order, dry_run, run};
use crate::store::Scope;

/// One agent that moved or stayed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MoveView {
    /// The agent.
    pub agent: AgentId,
    /// What was there.
    pub from: Option<VersionNumber>,
    /// What is there now.
    pub to: Option<VersionNumber>,
}

/// What a request came to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Moved {
    /// Where; nothing for `revoke`.
    pub environment: Option<EnvironmentName>,
    /// What was done; nothing where everything was as asked already.
    pub action: Option<Action>,
    /// Its id.
    pub deployment: Option<DeploymentId>,
    /// The commit on the environment branch.
    pub commit: Option<ObjectId>,
    /// Who moved.
    pub moves: Vec<MoveView>,
    /// Why nothing had to be done, or what else to know.
    pub note: Option<String>,
    /// What waits in the environments, about these agents.
    pub waits: Vec<Wait>,
    /// Whether this only says what would happen.
    pub dry_run: bool,
}

/// How a request is made.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// Why, in the caller's words.
    pub reason: String,
    /// Only say what would happen.
    pub dry_run: bool,
    /// Answers the same again when given again.
    pub idempotency_key: Option<String>,
}

/// Carries out `intent`, which is about `agents`.
pub fn carry_out(
    workspace: &Workspace,
    verb: &str,
    intent: Intent,
    agents: BTreeSet<AgentId>,
    manner: &Manner,
) -> Result<Moved, Problem> {
    let deepened = workspace.deepened()?;
    let workspace = deepened.as_ref().unwrap_or(workspace);
    let actor = workspace.identity()?;
    let asked = serde_json::json!({ "intent": format!("{intent:?}"), "reason": manner.reason });
    let key = idempotency::key(manner.idempotency_key.as_deref(), &actor, verb, &asked)?;
    let request = Request { intent, actor, cause: Cause::Cli, reason: manner.reason.clone() };
    let order = Order { scope: Scope::Agents(agents.clone()), request: Some(request), publish: None, key };
    let context = workspace.context();
    let mut memory = workspace.memory();
    if manner.dry_run {
        let (plan, _, _) = dry_run(&context, &order, &mut memory)?;
        let moved = moved(&plan, &agents).map_err(|problem| explained(workspace, &agents, problem))?;
        return Ok(Moved { dry_run: true, ..moved });
    }
    let remember = |answer: &Answer, _: &crate::plan::Observed| match view(answer) {
        Ok(moved) => serde_json::to_value(moved).expect("an answer is plain JSON"),
        Err(_) => serde_json::Value::Null,
    };
    match run(&context, &order, &mut memory, &remember)? {
        Decided::KeyReused => Err(idempotency::reused()),
        Decided::Overtaken { .. } => unreachable!("only a publish can be overtaken"),
        Decided::Replayed(answer) => replayed(&answer),
        Decided::Done(outcome) => {
            let mut moved = moved(&outcome.plan, &agents).map_err(|problem| explained(workspace, &agents, problem))?;
            moved.deployment = outcome.deployment;
            moved.commit = outcome
                .heads
                .iter()
                .find(|(name, _)| moved.action.is_some() && Some(name) == moved.environment.as_ref())
                .map(|(_, head)| *head);
            // A revocation may change what is newest: what follows from it is done before the answer.
            if matches!(outcome.plan.answer, Some(Answer::Revoked { already: false, .. })) {
                run(&context, &Order::look_at(Scope::Agents(agents)), &mut memory, &|_, _| serde_json::Value::Null)?;
            }
            Ok(moved)
        }
    }
}

/// Says of an agent without versions that it does not exist at all, where that is so. Asked only after a refusal: it
/// reads every agent's name.
fn explained(workspace: &Workspace, agents: &BTreeSet<AgentId>, problem: Problem) -> Problem {
    if problem.code != "no_published_version" {
        return problem;
    }
    let unknown = agents.iter().find_map(|agent| workspace.unknown_agent(agent).ok().flatten());
    unknown.unwrap_or(problem)
}

fn moved(plan: &Plan, agents: &BTreeSet<AgentId>) -> Result<Moved, Problem> {
    let answer = plan.answer.as_ref().expect("an order with a request is answered");
    let mut moved = view(answer)?;
    let about = |wait: &&Wait| wait.agent.as_ref().is_none_or(|agent| agents.contains(agent));
    moved.waits = plan.waits.iter().filter(about).cloned().collect();
    Ok(moved)
}

fn view(answer: &Answer) -> Result<Moved, Problem> {
    let empty = Moved {
        environment: None,
        action: None,
        deployment: None,
        commit: None,
        moves: Vec::new(),
        note: None,
        waits: Vec::new(),
        dry_run: false,
    };
    Ok(match answer {
        Answer::Refused(refusal) => return Err(refusal.clone().into()),
        Answer::Moved { environment, action, moves } => Moved {
            environment: Some(environment.clone()),
            action: Some(*action),
            moves: moves
                .iter()
                .map(|made| MoveView { agent: made.agent.clone(), from: made.from, to: made.to })
                .collect(),
            ..empty
        },
        Answer::Already { environment, serves, because } => Moved {
            environment: Some(environment.clone()),
            moves: serves
                .iter()
                .map(|(agent, version)| MoveView { agent: agent.clone(), from: *version, to: *version })
                .collect(),
            note: Some(because.clone()),
            ..empty
        },
        Answer::Revoked { version, served_in, already } => {
            let mut note =
                if *already { format!("{version} was revoked already") } else { format!("{version} is revoked") };
            if !served_in.is_empty() {
                let names: Vec<_> = served_in.iter().map(ToString::to_string).collect();
                note.push_str(&format!("; it is still served in {}", names.join(", ")));
            }
            Moved { note: Some(note), ..empty }
        }
        Answer::Published(tag) => Moved { note: Some(format!("published {tag}")), ..empty },
    })
}

fn replayed(answer: &serde_json::Value) -> Result<Moved, Problem> {
    let corrupt = || Problem::refused("corrupt", "the answer kept for this idempotency key does not parse");
    let text = |name: &str| answer.get(name).and_then(serde_json::Value::as_str);
    let number =
        |value: &serde_json::Value| value.as_u64().and_then(|n| u32::try_from(n).ok()).and_then(VersionNumber::new);
    let moves = answer.get("moves").and_then(serde_json::Value::as_array).ok_or_else(corrupt)?;
    let moves = moves.iter().map(|made| {
        let agent = made.get("agent").and_then(serde_json::Value::as_str).and_then(|agent| agent.parse().ok());
        Some(MoveView { agent: agent?, from: made.get("from").and_then(number), to: made.get("to").and_then(number) })
    });
    Ok(Moved {
        environment: text("environment").and_then(|name| name.parse().ok()),
        action: text("action").and_then(|word| word.parse().ok()),
        deployment: None,
        commit: None,
        moves: moves.collect::<Option<_>>().ok_or_else(corrupt)?,
        note: Some("answered before under this idempotency key".to_owned()),
        waits: Vec::new(),
        dry_run: false,
    })
}

/// The intent that undoes deployment `id`.
pub fn undo(workspace: &Workspace, id: DeploymentId) -> Result<(Intent, BTreeSet<AgentId>), Problem> {
    let found = inspect::history(workspace, None, None, usize::MAX)?
        .into_iter()
        .find(|entry| entry.record.deployment() == Some(id));
    let record = found.map(|entry| entry.record).ok_or_else(|| {
        Problem::refused("unknown_deployment", format!("no deployment `{id}`")).hint("pointsman history")
    })?;
    let agents = record.moves.iter().map(|made| made.agent.clone()).collect();
    let moves = record.moves.into_iter().map(|made| (made.agent, made.to, made.from)).collect();
    Ok((Intent::Undo { environment: record.environment, deployment: id, moves }, agents))
}

/// The intent of a release: `versions` name what goes where they are given.
pub fn promote(
    to: EnvironmentName,
    versions: BTreeMap<AgentId, Option<VersionNumber>>,
    confirm: bool,
) -> (Intent, BTreeSet<AgentId>) {
    let agents = versions.keys().cloned().collect();
    (Intent::Promote { to, versions, confirm }, agents)
}

/// The intent to revoke one version.
pub fn revoke(version: VersionTag) -> (Intent, BTreeSet<AgentId>) {
    let agents = [version.agent.clone()].into();
    (Intent::Revoke { version }, agents)
}
