//! Promote, rollback, release, retire, hold, release-hold, revoke, mark: one request, one pass.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::inspect::VersionView;
use super::{Problem, Workspace, idempotency, inspect};
use crate::domain::ledger::{AgentMarkChange, AgentMarks, MarkChange};
use crate::domain::record::Action;
use crate::domain::{AgentId, DeploymentId, EnvironmentName, ObjectId, VersionNumber, VersionTag};
use crate::plan::{Answer, Intent, Plan, Request, Wait};
use crate::reconcile::{Decided, Made, Order, dry_run, run};
use crate::store::Scope;

/// One agent that moved or stayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MoveView {
    /// The agent.
    pub agent: AgentId,
    /// What was there.
    pub from: Option<VersionNumber>,
    /// What is there now.
    pub to: Option<VersionNumber>,
}

/// What a request came to. As JSON it is also what an idempotency key keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Moved {
    /// Where; nothing for `revoke` and for marks.
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
    /// What waits in the environments, about these agents; a fact of the moment and not part of a kept answer.
    #[serde(default)]
    pub waits: Vec<Wait>,
    /// What is wrong with pointsman.toml, if anything; a fact of the moment too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Whether this only says what would happen.
    pub dry_run: bool,
}

/// What a request says, as the digest of an idempotency key sees it.
#[derive(Serialize)]
struct Call<'c> {
    intent: &'c Intent,
    reason: &'c str,
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
    super::words::must_fit("reason", &manner.reason)?;
    let deepened = workspace.deepened()?;
    let workspace = deepened.as_ref().unwrap_or(workspace);
    let actor = workspace.identity()?;
    let call = Call { intent: &intent, reason: &manner.reason };
    let key = idempotency::key(manner.idempotency_key.as_deref(), workspace, &actor, verb, &call)?;
    let request = Request { intent, actor, cause: workspace.cause(), reason: manner.reason.clone() };
    let order = Order { scope: Scope::Agents(agents.clone()), request: Some(request), publisher: None, key };
    let context = workspace.context();
    let mut memory = workspace.memory();
    if manner.dry_run {
        let (plan, _, policy) = dry_run(&context, &order, &mut memory)?;
        let moved = moved(&plan, None, &agents).map_err(|problem| explained(workspace, &agents, problem))?;
        return Ok(Moved { dry_run: true, policy, ..moved });
    }
    let remember = |answer: &Answer, made: Option<&Made>| match view(answer, made) {
        Ok(moved) => serde_json::to_value(moved).expect("an answer is plain JSON"),
        Err(_) => unreachable!("a refusal is not remembered"),
    };
    match run(&context, &order, &mut memory, &remember)? {
        Decided::KeyReused => Err(idempotency::reused()),
        Decided::Withdrawn => unreachable!("only a publisher withdraws"),
        Decided::Replayed(answer) => idempotency::kept(answer),
        Decided::Done(outcome) => {
            let moved = moved(&outcome.plan, outcome.made.as_ref(), &agents)
                .map_err(|problem| explained(workspace, &agents, problem))?;
            Ok(Moved { policy: outcome.policy_note, ..moved })
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

fn moved(plan: &Plan, made: Option<&Made>, agents: &BTreeSet<AgentId>) -> Result<Moved, Problem> {
    let answer = plan.answer.as_ref().expect("an order with a request is answered");
    let mut moved = view(answer, made)?;
    let about = |wait: &&Wait| match &wait.agent {
        Some(agent) => agents.contains(agent),
        // What is wrong with other environments is for `status` and `reconcile` to tell.
        None => moved.environment.as_ref() == Some(&wait.environment),
    };
    moved.waits = plan.waits.iter().filter(about).cloned().collect();
    Ok(moved)
}

fn view(answer: &Answer, made: Option<&Made>) -> Result<Moved, Problem> {
    let empty = Moved {
        environment: None,
        action: None,
        deployment: made.map(|made| made.deployment),
        commit: made.map(|made| made.commit),
        moves: Vec::new(),
        note: None,
        waits: Vec::new(),
        policy: None,
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
        Answer::Marked { what, already } => {
            let note = if *already { format!("{what} is marked so") } else { format!("{what} is marked") };
            Moved { note: Some(note), ..empty }
        }
        Answer::Published(tag) => Moved { note: Some(format!("published {tag}")), ..empty },
        Answer::Unchanged(tag) => Moved { note: Some(format!("unchanged: it is {tag}")), ..empty },
    })
}

/// The intent that undoes deployment `id`.
pub fn undo(workspace: &Workspace, id: DeploymentId) -> Result<(Intent, BTreeSet<AgentId>), Problem> {
    // Another clone may have made it.
    workspace.world()?.refresh(&workspace.repository, &Scope::Agents(BTreeSet::new()))?;
    let found = inspect::history(workspace, None, None, usize::MAX)?
        .into_iter()
        .find(|entry| entry.record.deployment() == Some(id));
    let record = found.map(|entry| entry.record).ok_or_else(|| {
        Problem::refused("unknown_deployment", format!("no deployment `{id}`")).hint("pointsman history")
    })?;
    if record.moves.iter().all(|made| made.from == made.to) {
        return Err(Problem::refused("moved_nothing", format!("deployment `{id}` moved nothing that could go back"))
            .hint("a hold ends with: pointsman release-hold <agent>"));
    }
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

/// Changes the marks of one version, and returns the version as it is then.
pub fn mark(workspace: &Workspace, version: VersionTag, change: MarkChange) -> Result<VersionView, Problem> {
    for (what, text) in [("label", &change.label), ("description", &change.description)] {
        super::words::must_fit(what, text.as_deref().unwrap_or_default())?;
    }
    let VersionTag { agent, number } = version.clone();
    let intent = Intent::Mark { version, change };
    carry_out(workspace, "mark", intent, [agent.clone()].into(), &Manner::default())?;
    VersionView::read(workspace, &inspect::ledger(workspace)?, &agent, number)
}

/// Changes the marks of an agent, and returns them as they are then.
pub fn mark_agent(workspace: &Workspace, agent: &AgentId, change: AgentMarkChange) -> Result<AgentMarks, Problem> {
    for (what, text) in [("name", &change.name), ("description", &change.description)] {
        super::words::must_fit(what, text.as_deref().unwrap_or_default())?;
    }
    let settings = serde_json::to_string(&change.settings).expect("settings are JSON");
    super::words::must_fit("settings", &settings)?;
    let intent = Intent::MarkAgent { agent: agent.clone(), change };
    carry_out(workspace, "mark", intent, [agent.clone()].into(), &Manner::default())?;
    marks_of(workspace, agent)
}

/// The marks of an agent.
pub fn marks_of(workspace: &Workspace, agent: &AgentId) -> Result<AgentMarks, Problem> {
    let marks = inspect::ledger(workspace)?.agent(agent)?.map(|folder| folder.marks()).transpose()?;
    Ok(marks.unwrap_or_default().agent)
}

/// Makes `version` the one of the published environment, and says that it is meant. One that was there before and is
/// older than what is there is gone back to, which no gate stops.
pub fn activate(workspace: &Workspace, version: &VersionTag) -> Result<Moved, Problem> {
    let policy = workspace.policy()?;
    let environment = policy.published().map(|environment| environment.name.clone()).ok_or_else(|| {
        Problem::refused("no_environment", "no environment is the published one").hint("say `published = true` in one")
    })?;
    let VersionTag { agent, number } = version;
    let views = inspect::versions(workspace, agent)?;
    let present = views.iter().find(|view| view.environments.contains(&environment)).map(|view| view.version);
    if present.is_some_and(|present| *number < present) {
        let intent =
            Intent::Rollback { environment: Some(environment.clone()), agent: agent.clone(), to: Some(*number) };
        match carry_out(workspace, "rollback", intent, [agent.clone()].into(), &Manner::default()) {
            Err(problem) if problem.code == "never_live" => {}
            other => return other,
        }
    }
    let (intent, agents) = promote(environment, [(agent.clone(), Some(*number))].into(), true);
    carry_out(workspace, "promote", intent, agents, &Manner::default())
}
