//! Publish, promote, roll back. Each is safe to repeat: what is there already is answered with the deployment that put it
//! there, as PolyAI's 6002 has it.
//!
//! PolyAI has no word for "I mean it": its tools ask their user before they call. So a call is taken as confirmed.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::deployments::named;
use super::ladder::{Ladder, Rung};
use super::{UNKNOWN, agent, record, the_agent};
use crate::api::answer::Answer;
use crate::api::call::Call;
use crate::domain::{AgentId, VersionNumber};
use crate::ops::deployments::{self, Deployment};
use crate::ops::moves::{self, Manner, Moved};
use crate::ops::publish::{PublishCall, publish as publish_draft};
use crate::ops::{Problem, inspect};
use crate::plan::Intent;
use crate::tokens::{Need, Right};

/// The body of a publish. Words that are not PolyAI's are none of ours: its schema is open.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Publish {
    deployment_message: Option<String>,
    environment: Option<String>,
}

/// The body of a promotion.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Promotion {
    target_environment: Option<String>,
    deployment_message: Option<String>,
}

/// The body of a rollback.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Rollback {
    deployment_message: Option<String>,
}

/// `POST /agents/{agentId}/deployments/publish`: 201 where it deployed something, 200 where all was there. The id of the
/// deployment stands at the top too: the vendor's Python sample reads it there.
pub(super) fn publish(call: &Call) -> Result<Answer, Problem> {
    let agent = the_agent(call)?;
    let said: Publish = call.said()?;
    let ladder = Ladder::of(call)?;
    let rung = ladder.must_have(said.environment.as_deref().unwrap_or("sandbox"))?;
    // Whoever may publish may do what publishing does by itself.
    if !rung.takes_latest {
        call.authorise(Right::Deploy(rung.environment.clone()), Some(&agent))?;
    }
    if rung.has_before {
        let message = format!("nothing is published straight to {}: it comes from the environment before", rung.name);
        return Err(Problem::refused("gate_unmet", message).hint("publish to sandbox and promote from there"));
    }
    let note = said.deployment_message.filter(|message| !message.is_empty());
    let key = call.idempotency_key()?;
    let wanted = PublishCall { note: note.clone(), idempotency_key: key, ..PublishCall::default() };
    let published = publish_draft(&call.workspace, &agent, &wanted)?;
    let version = published.version.version;
    let there = deployments::active(&call.workspace, &agent, &rung.environment)?;
    let there = there.filter(|active| active.version.number == version);
    let (deployment, is_new) = match there {
        Some(active) => (active, published.created),
        // Held since a rollback, or nothing goes there by itself.
        None => {
            let went = call
                .authorise(Right::Deploy(rung.environment.clone()), Some(&agent))
                .and_then(|()| go(call, "promote", promotion(rung, &agent, version), rung, &agent, note));
            let but = |problem: Problem| {
                let message = format!("`{agent}` {version} is published, but not deployed: {}", problem.message);
                Problem { message, ..problem }
            };
            (went.map_err(but)?, true)
        }
    };
    let deployment = record::public(call, &deployment, rung);
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let data = json!({ "id": deployment["id"], "deployment": deployment, "testRunIds": [] });
    Ok(Answer::ok(&data)?.status(status).moved())
}

/// `POST /agents/{agentId}/deployments/{deploymentId}/promote`: by default to the next environment.
pub(super) fn promote(call: &Call) -> Result<Answer, Problem> {
    let agent = may_move(call)?;
    let said: Promotion = call.said()?;
    let ladder = Ladder::of(call)?;
    let target = match said.target_environment.as_deref() {
        Some("sandbox") => {
            let message = "`targetEnvironment` is pre-release or live; a version comes to sandbox by being published";
            return Err(Problem::usage("unknown_environment", message).hint("POST …/deployments/publish"));
        }
        Some(name) => Some(ladder.must_have(name)?),
        None => None,
    };
    let (promoted, rung) = named(call, &agent, &ladder, call.named("deployment"))?;
    let target = target.or_else(|| ladder.after(rung)).ok_or_else(|| {
        Problem::usage("unknown_environment", format!("there is no environment after {}", rung.name))
            .hint("{\"targetEnvironment\": \"live\"}")
    })?;
    call.authorise(Right::Deploy(target.environment.clone()), Some(&agent))?;
    let intent = promotion(target, &agent, promoted.version.number);
    let deployment = go(call, "promote", intent, target, &agent, said.deployment_message)?;
    moved(call, &deployment, target)
}

/// `POST /agents/{agentId}/deployments/{deploymentId}/rollback`: back to what that deployment put into its environment.
///
/// PolyAI's users undo a rollback by another one, to the newer deployment, and then promote that. With us nothing goes
/// on from what was rolled back from, so that way around is a promotion into the environment.
pub(super) fn rollback(call: &Call) -> Result<Answer, Problem> {
    let agent = may_move(call)?;
    let said: Rollback = call.said()?;
    let ladder = Ladder::of(call)?;
    let (target, rung) = named(call, &agent, &ladder, call.named("deployment"))?;
    call.authorise(Right::Deploy(rung.environment.clone()), Some(&agent))?;
    let version = target.version.number;
    let ledger = inspect::ledger(&call.workspace)?;
    let head = ledger.heads()?.remove(&rung.environment);
    let was_left =
        head.and_then(|head| head.rolled_back.get(&agent).cloned()).is_some_and(|left| left.contains(&version));
    let (verb, intent) = if was_left {
        ("promote", promotion(rung, &agent, version))
    } else {
        let environment = Some(rung.environment.clone());
        ("rollback", Intent::Rollback { environment, agent: agent.clone(), to: Some(version) })
    };
    let deployment = go(call, verb, intent, rung, &agent, said.deployment_message)?;
    moved(call, &deployment, rung)
}

fn moved(call: &Call, deployment: &Deployment, rung: &Rung) -> Result<Answer, Problem> {
    let deployment = record::public(call, deployment, rung);
    Ok(Answer::ok(&json!({ "deployment": deployment, "testRunIds": [] }))?.moved())
}

fn promotion(rung: &Rung, agent: &AgentId, version: VersionNumber) -> Intent {
    moves::promote(rung.environment.clone(), [(agent.clone(), Some(version))].into(), true).0
}

/// The agent of the path, for whoever may move it somewhere. Others learn nothing of it or of its deployments.
fn may_move(call: &Call) -> Result<AgentId, Problem> {
    let environments = call.workspace.policy()?.environments;
    let rights = environments.iter().map(|environment| Right::Deploy(environment.name.clone()));
    let any = rights.clone().next_back().unwrap_or(Right::Admin);
    let agent = match agent(call) {
        Ok(found) => found.ok_or_else(|| Problem::refused("unknown_agent", "no agent is named").hint(UNKNOWN))?,
        Err(unknown) => {
            let told = rights.into_iter().find(|right| call.token.allows_everywhere(right)).unwrap_or(any);
            return Err(call.unknown(told, unknown));
        }
    };
    let allowed = |right| call.token.allows(&Need { right, agent: Some(&agent) });
    if rights.into_iter().any(allowed) { Ok(agent) } else { Err(call.authorise(any, Some(&agent)).expect_err("asked")) }
}

/// Carries out what was allowed and says which deployment it came to: the one that was made, else the one that stands.
fn go(
    call: &Call,
    verb: &str,
    intent: Intent,
    rung: &Rung,
    agent: &AgentId,
    reason: Option<String>,
) -> Result<Deployment, Problem> {
    let key = call.idempotency_key()?;
    let manner = Manner { reason: reason.unwrap_or_default(), idempotency_key: key, ..Manner::default() };
    let moved: Moved = moves::carry_out(&call.workspace, verb, intent, [agent.clone()].into(), &manner)?;
    let all = deployments::list(&call.workspace, agent, &rung.environment)?;
    let made = all.iter().find(|deployment| Some(deployment.id) == moved.deployment);
    made.or(all.first()).cloned().ok_or_else(|| {
        Problem::refused("unknown_deployment", format!("`{agent}` is not in {} any more", rung.name))
            .hint("somebody took it out meanwhile")
    })
}
