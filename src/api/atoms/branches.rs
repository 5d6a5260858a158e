//! v2: branches, their drafts, and making one live.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::draft;
use super::seen::{Seen, number, text};
use crate::api::answer::Answer;
use crate::api::call::Call;
use crate::ops::Problem;
use crate::ops::lines::{self, Line, LineKind, LineName};

/// `GET /agent/{id}/branches`
pub(super) fn list(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of(call)?;
    let shown = seen.lines.lines.iter().filter(|line| line.kind != LineKind::Draft);
    let branches: Vec<_> = shown.map(|line| seen.summary_json(line)).collect();
    Answer::ok(&json!({ "branches": branches }))
}

/// `POST /agent/{id}/branches`
pub(super) fn create(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of(call)?;
    let name = LineName::new(&text(call, "name", 1000)?.unwrap_or_default())?;
    let source = match text(call, "sourceBranchId", 100)? {
        Some(id) => seen.line(&id)?,
        None => seen.lines.main().clone(),
    };
    let head = source.head().ok_or_else(|| {
        Problem::usage("no_revision", "the source branch has no committed revision").hint("publish its draft first")
    })?;
    let line = lines::open(&call.workspace, &seen.agent, &name, LineKind::Branch, head.commit, Some(head.version))?;
    Answer::ok(&seen.again()?.branch_json(&line))
}

/// `GET /agent/{id}/branches/{branch}`
pub(super) fn one(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of(call)?;
    Answer::ok(&seen.summary_json(&seen.branch()?))
}

/// `PATCH /agent/{id}/branches/{branch}`
pub(super) fn rename(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of(call)?;
    let name = LineName::new(&text(call, "name", 1000)?.unwrap_or_default())?;
    let line = lines::rename(&call.workspace, &seen.agent, &standing(&seen)?.id, &name)?;
    Answer::ok(&seen.branch_json(&line))
}

/// The branch of the path, unless it was archived.
fn standing(seen: &Seen<'_>) -> Result<Line, Problem> {
    let line = seen.branch()?;
    if line.archived {
        return Err(Problem::usage("archived", format!("the branch `{}` is archived", line.name)).hint("make another"));
    }
    Ok(line)
}

/// `POST /agent/{id}/branches/{branch}/archive`
pub(super) fn archive(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of(call)?;
    let line = seen.branch()?;
    if seen.is_live(&line) && !line.archived {
        return Err(
            Problem::usage("live_branch", "the live branch cannot be archived").hint("make another branch live first")
        );
    }
    if !line.archived {
        lines::archive(&call.workspace, &seen.agent, &line.id)?;
    }
    Answer::ok(&json!({ "archived": true }))
}

/// `POST /agent/{id}/branches/{branch}/live`
pub(super) fn live(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of(call)?;
    let line = standing(&seen)?;
    let head = line.versions.first().ok_or_else(|| {
        Problem::usage("no_revision", format!("the branch `{}` has no committed revision", line.name))
            .hint("publish its draft first")
    })?;
    seen.activate(head)?;
    let seen = seen.again()?;
    Ok(Answer::ok(&seen.summary_json(&seen.line(&line.id)?))?.moved())
}

fn no_draft(line: &Line) -> Problem {
    Problem::refused("unknown_draft", format!("no draft is open on `{}`", line.name)).hint("PUT …/draft opens one")
}

/// `GET /agent/{id}/branches/{branch}/draft`
pub(super) fn draft(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of(call)?;
    let line = seen.branch()?;
    if !line.has_draft() {
        return Err(no_draft(&line));
    }
    Answer::ok(&json!({
        "latest": seen.draft_json(&line)?,
        "editCount": line.edits.len(),
        "editHistory": seen.edit_history(&line, number(call, "limit", 20, 1, 100)?)?,
    }))
}

/// The body as a table.
pub(super) fn body(call: &Call) -> Result<Map<String, Value>, Problem> {
    call.body.as_object().cloned().ok_or_else(|| {
        Problem::usage("bad_request", "the body is not an object").hint("send a part of the config as JSON")
    })
}

/// `PUT /agent/{id}/branches/{branch}/draft`
pub(super) fn update(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of(call)?;
    let line = standing(&seen)?;
    let said = body(call)?;
    let expected = match said.get("expectedRevision") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_u64().and_then(|number| u32::try_from(number).ok()).ok_or_else(|| {
            Problem::usage("bad_request", "`expectedRevision` is a whole number")
                .hint("send the draftRevision you read")
        })?),
    };
    let line = draft::edit(&seen, &line.id, &said, expected)?;
    let seen = seen.again()?;
    Answer::ok(&seen.draft_json(&line)?)
}

/// `DELETE /agent/{id}/branches/{branch}/draft`
pub(super) fn discard(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of(call)?;
    let line = standing(&seen)?;
    lines::discard(&call.workspace, &seen.agent, &line.id)?;
    Answer::ok(&json!({ "discarded": true }))
}

/// `POST /agent/{id}/branches/{branch}/draft/publish`: always committed at once. On the live branch it goes live too.
pub(super) fn publish(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of(call)?;
    let line = standing(&seen)?;
    let (label, description) = (text(call, "label", 200)?, text(call, "description", 2000)?);
    let live = seen.is_live(&line);
    let version = lines::publish(&call.workspace, &seen.agent, &line.id, label, description)?;
    committed(&seen, &version, live)
}

/// The answer of what committed a revision.
pub(super) fn committed(
    seen: &Seen<'_>,
    version: &crate::ops::inspect::VersionView,
    live: bool,
) -> Result<Answer, Problem> {
    // The revision is there whatever the gates say.
    let refused = live.then(|| seen.activate(version).err()).flatten();
    let seen = seen.again()?;
    let revision = seen.version_json(seen.version(&version.id)?)?;
    let mut data = json!({ "state": "committed", "revision": revision });
    if let Some(problem) = refused {
        data["activation"] = json!({ "refused": [problem] });
    }
    Ok(Answer::ok(&data)?.status(StatusCode::OK).moved())
}

/// `POST /agent/{id}/branches/{branch}/draft/publish/cancel`: a publish is over when it is answered.
pub(super) fn cancel(call: &Call) -> Result<Answer, Problem> {
    Seen::of(call)?.branch()?;
    Answer::ok(&json!({ "cancelled": false }))
}

/// `POST …/test-call`: nothing here makes calls.
pub(super) fn test_call(call: &Call) -> Result<Answer, Problem> {
    let _ = Seen::of(call)?;
    if call.body.get("includeDraft") == Some(&Value::Bool(true)) && call.body.get("revisionId").is_some() {
        return Err(
            Problem::usage("bad_request", "`includeDraft` and `revisionId` exclude one another").hint("send one")
        );
    }
    Err(Problem::usage("not_supported", "this controller releases agents and places no calls")
        .hint("POST /api/v1/chat/sessions talks with a draft or a version"))
}
