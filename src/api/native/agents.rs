//! Agents and their drafts.

use super::page;
use super::wire::{Agents, Draft};
use crate::api::answer::Answer;
use crate::api::call::Call;
use crate::compile::Compilation;
use crate::domain::{AgentId, Digest};
use crate::ops::side::SideName;
use crate::ops::status::{AgentStatus, DraftState, Status};
use crate::ops::{Problem, discard as discarding, report as reporting, side, status};

/// How many agents a page has unless asked for otherwise, and at most.
pub(super) const PAGE: usize = 100;
pub(super) const LARGEST_PAGE: usize = 500;

/// `GET /agents?limit=&cursor=&group=&search=&draft=&environment=`: by id; the cursor is the last id of the page before.
pub(super) fn list(call: &Call) -> Result<Answer, Problem> {
    let limit = page::limit::<PAGE, LARGEST_PAGE>(call)?;
    let fits = filter(call)?;
    let after = call.query.get("cursor").map(|text| text.parse::<AgentId>()).transpose()?;
    let mut agents = readable(call)?.agents;
    agents.retain(fits);
    let total = agents.len();
    let rest = agents.into_iter().filter(|status| after.as_ref().is_none_or(|after| status.agent > *after));
    let (agents, more) = page::cut(rest, limit);
    let next_cursor = agents.last().filter(|_| more).map(|last| last.agent.clone());
    Answer::ok(&Agents { agents, total, next_cursor })
}

/// What of all agents the query asks for.
fn filter(call: &Call) -> Result<impl Fn(&AgentStatus) -> bool + use<>, Problem> {
    let group = call.query.get("group").map(|group| group.parse::<AgentId>()).transpose()?;
    let group = group.map(|group| format!("{group}/"));
    let search = call.query.get("search").map(|text| text.to_lowercase());
    let environment = call.query.get("environment").map(|name| Call::environment(name)).transpose()?;
    let draft = match call.query.get("draft") {
        None => None,
        Some(word) => Some(serde_json::from_value::<DraftState>(word.as_str().into()).map_err(|_| {
            Problem::usage("bad_request", "`draft` is none of the states of a draft")
                .hint("?draft=published, changed, unpublished or no-folder")
        })?),
    };
    Ok(move |status: &AgentStatus| {
        group.as_ref().is_none_or(|group| status.agent.as_str().starts_with(group.as_str()))
            && search.as_ref().is_none_or(|text| status.agent.as_str().contains(text.as_str()))
            && environment.as_ref().is_none_or(|name| status.serves.contains_key(name))
            && draft.is_none_or(|draft| status.draft == draft)
    })
}

/// Where everything stands that the caller may read.
fn readable(call: &Call) -> Result<Status, Problem> {
    let mut found = status::status(&call.workspace, false)?;
    found.agents.retain(|status| call.may_read(&status.agent));
    found.agents.sort_by(|one, other| one.agent.cmp(&other.agent));
    Ok(found)
}

/// `GET /status`: what `pointsman status` says. Notes, tags and what waits name agents, so whoever may not read all of
/// them is not told.
pub(super) fn standing(call: &Call) -> Result<Answer, Problem> {
    let mut found = readable(call)?;
    if !call.may_read_all() {
        (found.pending_tags, found.notes, found.controller) = (Vec::new(), Vec::new(), None);
    }
    Answer::ok(&found)
}

/// `GET /agents/{agent}`
pub(super) fn one(call: &Call) -> Result<Answer, Problem> {
    let agent = call.agent()?;
    Answer::ok(&found(call, &agent)?)
}

fn found(call: &Call, agent: &AgentId) -> Result<AgentStatus, Problem> {
    let agents = status::status(&call.workspace, false)?.agents;
    match agents.into_iter().find(|status| status.agent == *agent) {
        Some(found) => Ok(found),
        None => Err(call.workspace.unknown_agent(agent)?.unwrap_or_else(|| {
            Problem::refused("unknown_agent", format!("no agent `{agent}`")).hint("GET /api/v1/agents lists them")
        })),
    }
}

/// `GET /agents/{agent}/draft`: its `ETag` is what a publish or a discard names in `If-Match`.
pub(super) fn draft(call: &Call) -> Result<Answer, Problem> {
    let agent = call.agent()?;
    let found = side::draft(&call.workspace, &agent, call.query.get("draft").map(String::as_str))?;
    let Compilation { frozen, findings } = side::compiled(&call.workspace, &found)?;
    let digest = frozen.as_ref().map(|frozen| frozen.digest());
    let draft = Draft { agent, digest, config: frozen.map(|frozen| frozen.value()), findings };
    let answer = Answer::ok(&draft)?;
    Ok(match digest {
        Some(digest) => answer.etag(&digest),
        None => answer,
    })
}

/// `DELETE /agents/{agent}/draft`
pub(super) fn discard(call: &Call) -> Result<Answer, Problem> {
    let agent = call.agent()?;
    must_match(call, &agent, None)?;
    Answer::ok(&discarding::discard(&call.workspace, &agent)?)
}

/// `If-Match` is the digest of the draft that was reviewed: another draft by now is not what the caller means.
pub(super) fn must_match(call: &Call, agent: &AgentId, named: Option<&str>) -> Result<(), Problem> {
    let Some(wanted) = call.header("if-match") else { return Ok(()) };
    let found = side::draft(&call.workspace, agent, named)?;
    let digest = side::compiled(&call.workspace, &found)?.frozen.map(|frozen| frozen.digest());
    let is = |digest: Digest| lists(wanted, &digest.to_string());
    if wanted.trim() == "*" || digest.is_some_and(is) {
        return Ok(());
    }
    let message = format!("the draft of `{agent}` is not the one that was reviewed");
    Err(Problem::refused("version_mismatch", message)
        .hint("GET …/draft again, review it, and send its ETag as If-Match")
        .details(serde_json::json!({ "actual": digest })))
}

/// Whether `tag` is one of a list of strong entity tags (RFC 9110, section 13.1.1); quotes may be left out.
fn lists(list: &str, tag: &str) -> bool {
    list.split(',').any(|one| one.trim().trim_matches('"') == tag)
}

/// `GET /agents/{agent}/prepublish-report`
pub(super) fn report(call: &Call) -> Result<Answer, Problem> {
    let of = call.query.get("of").map_or(Ok(SideName::Draft), |text| text.parse())?;
    Answer::ok(&reporting::report(&call.workspace, &call.agent()?, &of)?)
}
