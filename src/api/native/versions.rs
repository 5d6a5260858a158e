//! Versions: publish, list, compare, revoke, mark.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::deployments::Reason;
use crate::api::answer::Answer;
use crate::api::call::Call;
use crate::compare::Comparison;
use crate::domain::ledger::MarkChange;
use crate::domain::{AgentId, Digest, VersionTag};
use crate::ops::diff::diff as compare;
use crate::ops::inspect::VersionView;
use crate::ops::publish::{PublishCall, publish as publish_draft};
use crate::ops::side::SideName;
use crate::ops::{Problem, inspect, moves, side};
use crate::plan::Intent;
use crate::tokens::Right;

/// How many versions a page has unless asked for otherwise, and at most.
const PAGE: usize = 20;
const LARGEST_PAGE: usize = 100;

/// The body of a publish.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Publish {
    note: Option<String>,
    label: Option<String>,
    description: Option<String>,
    draft: Option<String>,
    over: bool,
    activate: Option<bool>,
    confirm: bool,
}

/// `POST /agents/{agent}/publish`: 201 and the version; 200 where it was there already.
pub(super) fn publish(call: &Call) -> Result<Answer, Problem> {
    let agent = call.agent()?;
    let said: Publish = call.said()?;
    must_match(call, &agent, said.draft.as_deref())?;
    let published = publish_draft(
        &call.workspace,
        &agent,
        &PublishCall {
            note: said.note,
            label: said.label,
            description: said.description,
            draft: said.draft,
            over: said.over,
            idempotency_key: call.header("idempotency-key").map(str::to_owned),
        },
    )?;
    let version = published.version.version;
    let policy = call.workspace.policy()?;
    let activate = said.activate.unwrap_or(policy.environments.len() == 1);
    let activation = match policy.published().filter(|_| activate) {
        None => json!(null),
        Some(environment) => {
            let to = environment.name.clone();
            let (intent, agents) = moves::promote(to.clone(), [(agent.clone(), Some(version))].into(), said.confirm);
            let tried = call
                .authorise(Right::Deploy(to), Some(&agent))
                .and_then(|()| moves::carry_out(&call.workspace, "promote", intent, agents, &moves::Manner::default()));
            match tried {
                Ok(moved) => json!(moved),
                // The version is there whatever the gates say.
                Err(problem) => json!({ "refused": [problem] }),
            }
        }
    };
    let created = published.created;
    let mut data = serde_json::to_value(&published.version).expect("a view has string keys only");
    data["created"] = json!(created);
    data["deployed"] = json!(published.deployed);
    data["waits"] = json!(published.waits);
    data["findings"] = json!(published.findings);
    data["activation"] = activation;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(Answer::ok(&data)?.status(status).moved())
}

/// `If-Match` is the digest of the draft that was reviewed: another draft by now is not what the caller means.
fn must_match(call: &Call, agent: &AgentId, named: Option<&str>) -> Result<(), Problem> {
    let Some(wanted) = call.header("if-match") else { return Ok(()) };
    let found = side::draft(&call.workspace, agent, named)?;
    let digest = side::compiled(&call.workspace, &found)?.frozen.map(|frozen| frozen.digest());
    let fits = |digest: Digest| wanted == "*" || wanted.trim_matches('"') == digest.to_string();
    if digest.is_some_and(fits) {
        return Ok(());
    }
    let message = format!("the draft of `{agent}` is not the one that was reviewed");
    Err(Problem::refused("version_mismatch", message)
        .hint("GET …/draft again, review it, and send its ETag as If-Match")
        .details(json!({ "expected": wanted, "actual": digest })))
}

/// A page of versions.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    versions: Vec<VersionView>,
    total: usize,
    next_cursor: Option<String>,
}

/// `GET /agents/{agent}/versions?limit=&cursor=&archived=`: newest first; the cursor is the last version of the page
/// before. Archived ones are left out unless asked for.
pub(super) fn list(call: &Call) -> Result<Answer, Problem> {
    let mut all = inspect::versions(&call.workspace, &call.agent()?)?;
    all.retain(|version| !version.archived || call.query.get("archived").is_some_and(|said| said == "true"));
    let total = all.len();
    let limit = match call.query.get("limit").map(|text| text.parse::<usize>()) {
        None => PAGE,
        Some(Ok(limit)) if (1..=LARGEST_PAGE).contains(&limit) => limit,
        Some(_) => {
            return Err(Problem::usage("bad_request", format!("`limit` is a number from 1 to {LARGEST_PAGE}"))
                .hint(format!("?limit={PAGE}")));
        }
    };
    let before = match call.query.get("cursor") {
        None => None,
        Some(text) => Some(text.parse::<crate::domain::VersionNumber>().map_err(|error| {
            Problem::usage("bad_request", error.to_string()).hint("send the nextCursor of the page before")
        })?),
    };
    let mut rest = all.into_iter().filter(|version| before.is_none_or(|before| version.version < before)).peekable();
    let versions: Vec<_> = rest.by_ref().take(limit).collect();
    let next_cursor = rest.peek().and(versions.last()).map(|last| last.version.to_string());
    Answer::ok(&Page { versions, total, next_cursor })
}

/// A version with its frozen config.
pub(super) fn one(call: &Call) -> Result<Answer, Problem> {
    let agent = call.agent()?;
    let number = call.version(&agent)?;
    let ledger = inspect::ledger(&call.workspace)?;
    let view = VersionView::read(&call.workspace, &ledger, &agent, number)?;
    let found = side::find(&call.workspace, &agent, &SideName::Version(number))?;
    let digest = view.digest;
    let mut data = serde_json::to_value(&view).expect("a view has string keys only");
    data["compiledConfig"] = json!(side::config(&call.workspace, &found)?.0);
    Ok(Answer::ok(&data)?.etag(&digest))
}

/// What differs: field by field and file by file, and as a unified diff where that is asked for.
#[derive(Serialize)]
struct Differs {
    #[serde(flatten)]
    comparison: Comparison,
    #[serde(skip_serializing_if = "Option::is_none")]
    unified: Option<String>,
}

/// `GET …/versions/{version}/diff?against=draft`: from the version to what it is held against.
pub(super) fn diff(call: &Call) -> Result<Answer, Problem> {
    let agent = call.agent()?;
    let before = SideName::Version(call.version(&agent)?);
    let after = call.query.get("against").map_or(Ok(SideName::Draft), |text| text.parse())?;
    let compared = compare(&call.workspace, &agent, Some(&before), Some(&after))?;
    let unified = call.query.get("format").filter(|format| *format == "unified").map(|_| compared.unified());
    Answer::ok(&Differs { comparison: compared.comparison, unified })
}

/// The body of a change of marks; a null label or description takes it away.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Marks {
    #[serde(deserialize_with = "or_taken_away")]
    label: Option<String>,
    #[serde(deserialize_with = "or_taken_away")]
    description: Option<String>,
    starred: Option<bool>,
    archived: Option<bool>,
}

fn or_taken_away<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|said| Some(said.unwrap_or_default()))
}

/// `PATCH …/versions/{version}`: label, description, star and archive, which are not part of what was published.
pub(super) fn mark(call: &Call) -> Result<Answer, Problem> {
    let agent = call.agent()?;
    let number = call.version(&agent)?;
    let Marks { label, description, starred, archived } = call.said()?;
    let change = MarkChange { label, description, starred, archived };
    if change == MarkChange::default() {
        return Err(Problem::usage("bad_request", "nothing is to be changed")
            .hint("say label, description, starred or archived"));
    }
    Answer::ok(&moves::mark(&call.workspace, VersionTag { agent, number }, change)?)
}

/// `POST …/versions/{version}/revoke`
pub(super) fn revoke(call: &Call) -> Result<Answer, Problem> {
    let agent = call.agent()?;
    let number = call.version(&agent)?;
    let Reason { reason, .. } = call.said()?;
    let (intent, agents): (Intent, _) = moves::revoke(VersionTag { agent, number });
    let manner = moves::Manner { reason, ..moves::Manner::default() };
    Ok(Answer::ok(&moves::carry_out(&call.workspace, "revoke", intent, agents, &manner)?)?.moved())
}
