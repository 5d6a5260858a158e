//! Versions: publish, list, compare, revoke, mark.

use http::StatusCode;

use super::agents::must_match;
use super::page;
use super::wire::{Activation, Difference, Marks, Publish, PublishAnswer, Reason, VersionDetail, Versions};
use crate::api::answer::Answer;
use crate::api::call::Call;
use crate::domain::ledger::MarkChange;
use crate::domain::{AgentId, VersionNumber, VersionTag};
use crate::ops::diff::diff as compare;
use crate::ops::inspect::VersionView;
use crate::ops::publish::{PublishCall, publish as publish_draft};
use crate::ops::side::SideName;
use crate::ops::{Problem, inspect, moves, side};
use crate::plan::Intent;
use crate::tokens::Right;

/// How many versions a page has unless asked for otherwise, and at most.
pub(super) const PAGE: usize = 20;
pub(super) const LARGEST_PAGE: usize = 100;

/// `POST /agents/{agent}/publish`: 201 and the version; 200 where it was there already.
pub(super) fn publish(call: &Call) -> Result<Answer, Problem> {
    let agent = call.agent()?;
    let said: Publish = call.said()?;
    must_match(call, &agent, said.draft.as_deref())?;
    let (confirm, activate) = (said.confirm, said.activate);
    let published = publish_draft(
        &call.workspace,
        &agent,
        &PublishCall {
            note: said.note,
            label: said.label,
            description: said.description,
            draft: said.draft,
            over: said.over,
            idempotency_key: call.idempotency_key()?,
        },
    )?;
    let activation = activate_too(call, &agent, published.version.version, activate, confirm)?;
    let status = if published.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(Answer::ok(&PublishAnswer::of(published, activation))?.status(status).moved())
}

/// Promotes what was published to the published environment, where that is asked for or there is no other.
fn activate_too(
    call: &Call,
    agent: &AgentId,
    version: VersionNumber,
    asked: Option<bool>,
    confirm: bool,
) -> Result<Option<Activation>, Problem> {
    let policy = call.workspace.policy()?;
    if !asked.unwrap_or(policy.environments.len() == 1) {
        return Ok(None);
    }
    let Some(environment) = policy.published() else { return Ok(None) };
    let to = environment.name.clone();
    let (intent, agents) = moves::promote(to.clone(), [(agent.clone(), Some(version))].into(), confirm);
    let tried = call
        .authorise(Right::Deploy(to), Some(agent))
        .and_then(|()| moves::carry_out(&call.workspace, "promote", intent, agents, &moves::Manner::default()));
    Ok(Some(match tried {
        Ok(moved) => Activation::Moved(moved),
        // The version is there whatever the gates say.
        Err(problem) => Activation::Refused { refused: vec![problem.into()] },
    }))
}

/// `GET /agents/{agent}/versions?limit=&cursor=&archived=`: newest first; the cursor is the last version of the page
/// before. Archived ones are left out unless asked for.
pub(super) fn list(call: &Call) -> Result<Answer, Problem> {
    let limit = page::limit::<PAGE, LARGEST_PAGE>(call)?;
    let before = match call.query.get("cursor") {
        None => None,
        Some(text) => Some(text.parse::<VersionNumber>().map_err(|error| {
            Problem::usage("bad_request", error.to_string()).hint("send the nextCursor of the page before")
        })?),
    };
    let archived = match call.query.get("archived").map(String::as_str) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::usage("bad_request", "`archived` is true or false").hint("?archived=true")),
    };
    let mut all = inspect::versions(&call.workspace, &call.agent()?)?;
    all.retain(|version| archived || !version.archived);
    let total = all.len();
    let rest = all.into_iter().filter(|version| before.is_none_or(|before| version.version < before));
    let (versions, more) = page::cut(rest, limit);
    let next_cursor = versions.last().filter(|_| more).map(|last| last.version.to_string());
    Answer::ok(&Versions { versions, total, next_cursor })
}

/// `GET /agents/{agent}/versions/{version}`: with its frozen config.
pub(super) fn one(call: &Call) -> Result<Answer, Problem> {
    let agent = call.agent()?;
    let number = call.version(&agent)?;
    let ledger = inspect::ledger(&call.workspace)?;
    let view = VersionView::read(&call.workspace, &ledger, &agent, number)?;
    let found = side::find(&call.workspace, &agent, &SideName::Version(number))?;
    let digest = view.digest;
    let compiled_config = side::config(&call.workspace, &found)?.0;
    Ok(Answer::ok(&VersionDetail { version: view, compiled_config })?.etag(&digest))
}

/// `GET …/versions/{version}/diff?against=draft`: from the version to what it is held against.
pub(super) fn diff(call: &Call) -> Result<Answer, Problem> {
    let agent = call.agent()?;
    let after = call.query.get("against").map_or(Ok(SideName::Draft), |text| text.parse())?;
    let before = SideName::Version(call.version(&agent)?);
    difference(call, &agent, Some(&before), Some(&after))
}

/// `GET /agents/{agent}/diff?from=&to=`: any side against any other; by default the newest version against the draft.
pub(super) fn sides(call: &Call) -> Result<Answer, Problem> {
    let side = |name: &str| call.query.get(name).map(|text| text.parse::<SideName>()).transpose();
    let (before, after) = (side("from")?, side("to")?);
    difference(call, &call.agent()?, before.as_ref(), after.as_ref())
}

fn difference(
    call: &Call,
    agent: &AgentId,
    before: Option<&SideName>,
    after: Option<&SideName>,
) -> Result<Answer, Problem> {
    let patch = match call.query.get("format").map(String::as_str) {
        None | Some("fields") => false,
        Some("unified") => true,
        Some(_) => {
            return Err(Problem::usage("bad_request", "`format` is `fields` or `unified`").hint("?format=unified"));
        }
    };
    let compared = compare(&call.workspace, agent, before, after)?;
    let unified = patch.then(|| compared.unified());
    Answer::ok(&Difference { comparison: compared.comparison, broken: compared.broken, unified })
}

/// `PATCH …/versions/{version}`: label, description, star and archive, which are not part of what was published.
pub(super) fn mark(call: &Call) -> Result<Answer, Problem> {
    let agent = call.agent()?;
    let number = call.version(&agent)?;
    let Marks { label, description, starred, archived } = call.said()?;
    let change = MarkChange { label, description, starred, archived };
    Answer::ok(&moves::mark(&call.workspace, VersionTag { agent, number }, change)?)
}

/// `POST …/versions/{version}/revoke`
pub(super) fn revoke(call: &Call) -> Result<Answer, Problem> {
    let agent = call.agent()?;
    let number = call.version(&agent)?;
    let Reason { reason, dry_run } = call.said()?;
    let (intent, agents): (Intent, _) = moves::revoke(VersionTag { agent, number });
    let idempotency_key = call.idempotency_key()?;
    let manner = moves::Manner { reason, dry_run, idempotency_key };
    Ok(Answer::ok(&moves::carry_out(&call.workspace, "revoke", intent, agents, &manner)?)?.moved())
}
