//! v1: published versions.

use serde_json::json;

use super::diff;
use super::seen::{Seen, number, text, truth};
use crate::api::answer::Answer;
use crate::api::call::Call;
use crate::domain::VersionTag;
use crate::domain::ledger::MarkChange;
use crate::ops::{Problem, moves};

/// `GET /agent/{id}/versions?limit=&skip=&isPinned=`: newest first; `total` counts all that are not archived.
pub(super) fn list(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of_v1(call)?;
    let (limit, skip) = (number(call, "limit", 20, 1, 100)?, number(call, "skip", 0, 0, 1_000_000)?);
    let pinned = call.query.get("isPinned").map(|said| said == "true");
    let all: Vec<_> = seen.lines.versions.iter().filter(|version| !version.archived).collect();
    let page =
        all.iter().filter(|version| pinned.is_none_or(|pinned| version.starred == pinned)).skip(skip).take(limit);
    let versions = page.map(|version| seen.version_json(version)).collect::<Result<Vec<_>, _>>()?;
    Answer::ok(&json!({ "versions": versions, "total": all.len() }))
}

/// `GET /agent/{id}/versions/diff?versionA=&versionB=`
pub(super) fn compare(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of_v1(call)?;
    let side = |name: &str| {
        let id = call.query.get(name).ok_or_else(|| {
            Problem::usage("bad_request", format!("`{name}` is not given")).hint("?versionA=<id>&versionB=<id>")
        })?;
        seen.config_of(seen.version(id)?).map(|(_, config)| config)
    };
    Answer::ok(&diff::json_of(&side("versionA")?, &side("versionB")?))
}

/// `GET /agent/{id}/versions/{version}`
pub(super) fn one(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of_v1(call)?;
    let version = seen.version(call.named("version"))?;
    let (_, config) = seen.config_of(version)?;
    Answer::ok(&json!({ "version": seen.version_json(version)?, "resolvedConfig": config.resolved() }))
}

/// `PATCH /agent/{id}/versions/{version}`: label, description, pin.
pub(super) fn mark(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of_v1(call)?;
    let version = seen.version(call.named("version"))?;
    let taken_away = |name: &str| call.body.get(name).is_some_and(serde_json::Value::is_null).then(String::new);
    let change = MarkChange {
        label: text(call, "label", 200)?.or_else(|| taken_away("label")),
        description: text(call, "description", 2000)?.or_else(|| taken_away("description")),
        starred: truth(call, "isPinned")?,
        archived: None,
    };
    if change == MarkChange::default() {
        return Err(
            Problem::usage("bad_request", "nothing is to be changed").hint("say label, description or isPinned")
        );
    }
    let tag = VersionTag { agent: seen.agent.clone(), number: version.version };
    let marked = moves::mark(&call.workspace, tag, change)?;
    Answer::ok(&seen.again()?.version_json(&marked)?)
}

/// `PATCH /agent/{id}/versions/{version}/activate`
pub(super) fn activate(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of_v1(call)?;
    let version = seen.version(call.named("version"))?;
    seen.activate(version)?;
    let again = seen.again()?;
    Ok(Answer::ok(&again.version_json(again.version(&version.id)?)?)?.moved())
}
