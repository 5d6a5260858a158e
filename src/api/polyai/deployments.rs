//! What is and was deployed.

use serde_json::{Map, Value, json};

use super::ladder::{Ladder, Rung};
use super::{record, the_agent};
use crate::api::answer::Answer;
use crate::api::call::Call;
use crate::domain::{AgentId, DeploymentId};
use crate::ops::Problem;
use crate::ops::deployments::{self, Deployment};
use crate::ops::diff::diff;
use crate::ops::side::SideName;

/// `GET /agents/{agentId}/deployments?environment=&limit=`
pub(super) fn list(call: &Call) -> Result<Answer, Problem> {
    let agent = the_agent(call)?;
    let name = call.query.get("environment").map(String::as_str).unwrap_or_default();
    let limit = limit(call)?;
    let mut listed = of(call, &agent, Ladder::of(call)?.named(name)?, record::public)?;
    listed.truncate(limit);
    Answer::ok(&json!({ "deployments": listed }))
}

/// `GET …/projects/{projectId}/deployments?client_env=`; all of them, newest first, where none is named.
pub(super) fn list_adk(call: &Call) -> Result<Answer, Problem> {
    let agent = the_agent(call)?;
    let ladder = Ladder::of(call)?;
    let listed = match call.query.get("client_env") {
        Some(name) => of(call, &agent, ladder.named(name)?, record::adk)?,
        None => everywhere(call, &agent, &ladder, record::adk)?,
    };
    Answer::ok(&json!({ "deployments": listed }))
}

/// `GET /agents/{agentId}/deployments/history?limit=`: those of all environments in one line.
pub(super) fn history(call: &Call) -> Result<Answer, Problem> {
    let agent = the_agent(call)?;
    let limit = limit(call)?;
    let mut listed = everywhere(call, &agent, &Ladder::of(call)?, record::public)?;
    listed.truncate(limit);
    Answer::ok(&json!({ "deployments": listed }))
}

type Written = fn(&Call, &Deployment, &Rung) -> Value;

fn of(call: &Call, agent: &AgentId, rung: Option<&Rung>, write: Written) -> Result<Vec<Value>, Problem> {
    let Some(rung) = rung else { return Ok(Vec::new()) };
    let listed = deployments::list(&call.workspace, agent, &rung.environment)?;
    Ok(listed.iter().map(|deployment| write(call, deployment, rung)).collect())
}

fn everywhere(call: &Call, agent: &AgentId, ladder: &Ladder, write: Written) -> Result<Vec<Value>, Problem> {
    let mut all = Vec::new();
    for rung in ladder.all().filter_map(|(_, rung)| rung) {
        let listed = deployments::list(&call.workspace, agent, &rung.environment)?;
        all.extend(listed.into_iter().map(|deployment| (rung, deployment)));
    }
    // The ids sort by the moment, which is finer than the second of a commit.
    all.sort_by_key(|(_, deployment)| std::cmp::Reverse((deployment.time, deployment.id)));
    Ok(all.iter().map(|(rung, deployment)| write(call, deployment, rung)).collect())
}

fn limit(call: &Call) -> Result<usize, Problem> {
    match call.query.get("limit").map(|text| text.parse::<usize>()) {
        None => Ok(usize::MAX),
        Some(Ok(limit)) if limit > 0 => Ok(limit),
        Some(_) => Err(Problem::usage("bad_request", "`limit` is a number from 1 on").hint("?limit=10")),
    }
}

/// `GET /agents/{agentId}/deployments/active`: null where nothing is.
pub(super) fn active(call: &Call) -> Result<Answer, Problem> {
    let active = by_environment(call, |found| match found {
        Some((deployment, rung)) => record::public(call, deployment, rung),
        None => Value::Null,
    })?;
    Answer::ok(&json!({ "activeDeployments": active }))
}

/// `GET …/projects/{projectId}/deployments/active`: empty strings where nothing is.
pub(super) fn active_adk(call: &Call) -> Result<Answer, Problem> {
    Answer::ok(&by_environment(call, |found| match found {
        Some((deployment, _)) => {
            json!({ "deployment_id": deployment.id.to_string(), "version": record::hash(&deployment.version) })
        }
        None => json!({ "deployment_id": "", "version": "" }),
    })?)
}

fn by_environment(
    call: &Call,
    write: impl Fn(Option<(&Deployment, &Rung)>) -> Value,
) -> Result<Map<String, Value>, Problem> {
    let agent = the_agent(call)?;
    let ladder = Ladder::of(call)?;
    let mut active = Map::new();
    for (name, rung) in ladder.all() {
        let found = match rung {
            Some(rung) => deployments::active(&call.workspace, &agent, &rung.environment)?.map(|found| (found, rung)),
            None => None,
        };
        active.insert(name.to_owned(), write(found.as_ref().map(|(deployment, rung)| (deployment, *rung))));
    }
    Ok(active)
}

/// `GET /agents/{agentId}/deployments/{deploymentId}/compare?with=`: from the deployment that is named to the other one,
/// which is a deployment's id or the name of an environment, whose active one is meant; by default what is live.
pub(super) fn compare(call: &Call) -> Result<Answer, Problem> {
    let agent = the_agent(call)?;
    let ladder = Ladder::of(call)?;
    let (before, before_rung) = named(call, &agent, &ladder, call.named("deployment"))?;
    let with = call.query.get("with").map_or("live", String::as_str);
    let (after, after_rung) = match with.parse::<DeploymentId>() {
        Ok(_) => named(call, &agent, &ladder, with)?,
        Err(_) => {
            let rung = ladder.must_have(with)?;
            let active = deployments::active(&call.workspace, &agent, &rung.environment)?;
            let none = || {
                Problem::refused("unknown_deployment", format!("nothing of `{agent}` is deployed in {with}"))
                    .hint("?with=<deployment id>")
            };
            (active.ok_or_else(none)?, rung)
        }
    };
    let side = |deployment: &Deployment| SideName::Version(deployment.version.number);
    let compared = diff(&call.workspace, &agent, Some(&side(&before)), Some(&side(&after)))?;
    Answer::ok(&json!({
        "before": record::public(call, &before, before_rung),
        "after": record::public(call, &after, after_rung),
        "identical": compared.comparison.identical,
        "changes": compared.comparison.changes,
        "files": compared.comparison.files,
    }))
}

/// The deployment of `agent` that has the id `text`, and where it is.
pub(super) fn named<'l>(
    call: &Call,
    agent: &AgentId,
    ladder: &'l Ladder,
    text: &str,
) -> Result<(Deployment, &'l Rung), Problem> {
    let unknown = |message: String| {
        Problem::refused("unknown_deployment", message).hint("GET /v1/agents/{agentId}/deployments lists them")
    };
    let id = text.parse::<DeploymentId>().map_err(|error| unknown(error.to_string()))?;
    let found = deployments::find(&call.workspace, agent, id)?;
    let rung = ladder.of_environment(&found.environment).ok_or_else(|| {
        unknown(format!("deployment `{id}` is in `{}`, which is none of PolyAI's environments", found.environment))
    })?;
    Ok((found, rung))
}
