//! v1: drafts. A draft is a branch that is gone once it was published.

use http::StatusCode;
use serde_json::{Value, json};

use super::branches::body;
use super::seen::{Seen, number, text, truth};
use super::{diff, draft, ids};
use crate::api::answer::Answer;
use crate::api::call::Call;
use crate::ops::Problem;
use crate::ops::lines::{self, Line, LineKind, LineName};

/// The draft of the path: of v1, or what is open on a branch.
fn named(seen: &Seen<'_>, id: &str) -> Result<Line, Problem> {
    let found = seen.lines.lines.iter().find(|line| ids::of_draft(line) == id && line.has_draft());
    found.cloned().ok_or_else(|| {
        Problem::refused("unknown_draft", format!("no draft `{id}` of this agent")).hint("GET …/drafts lists them")
    })
}

fn of_path(seen: &Seen<'_>) -> Result<Line, Problem> {
    named(seen, seen.call.named("draft"))
}

/// `GET /agent/{id}/drafts`
pub(super) fn list(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of_v1(call)?;
    let open = seen.lines.lines.iter().filter(|line| line.has_draft());
    let drafts = open.map(|line| seen.draft_json(line)).collect::<Result<Vec<_>, _>>()?;
    Answer::ok(&drafts)
}

/// `POST /agent/{id}/drafts`
pub(super) fn create(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of_v1(call)?;
    let (commit, version) = match (text(call, "sourceDraftId", 100)?, text(call, "sourceVersionId", 100)?) {
        (Some(id), _) => {
            let line = named(&seen, &id)?;
            (line.tip, line.head().map(|head| head.version))
        }
        (None, Some(id)) => {
            let version = seen.version(&id)?;
            (Some(version.commit), Some(version.version))
        }
        (None, None) => {
            return Err(
                Problem::usage("bad_request", "a draft needs a source").hint("send sourceVersionId or sourceDraftId")
            );
        }
    };
    let commit =
        commit.ok_or_else(|| Problem::usage("bad_request", "the source holds nothing").hint("name another"))?;
    let name = match text(call, "draftName", 100)? {
        Some(name) => LineName::new(&name)?,
        None => free_name(&seen)?,
    };
    let line = lines::open(&call.workspace, &seen.agent, &name, LineKind::Draft, commit, version)?;
    Ok(Answer::ok(&seen.again()?.draft_json(&line)?)?.status(StatusCode::CREATED))
}

fn free_name(seen: &Seen<'_>) -> Result<LineName, Problem> {
    let mut number = 1;
    loop {
        let name = format!("Draft {number}");
        if seen.lines.lines.iter().all(|line| line.name != name) {
            return LineName::new(&name);
        }
        number += 1;
    }
}

/// `GET /agent/{id}/drafts/{draft}`
pub(super) fn one(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of_v1(call)?;
    let line = of_path(&seen)?;
    Answer::ok(&json!({
        "latest": seen.draft_json(&line)?,
        "editHistory": seen.edit_history(&line, number(call, "limit", 20, 1, 100)?)?,
        "editCount": line.edits.len(),
    }))
}

/// `PATCH /agent/{id}/drafts/{draft}`
pub(super) fn rename(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of_v1(call)?;
    let name = LineName::new(&text(call, "draftName", 100)?.unwrap_or_default())?;
    let line = lines::rename(&call.workspace, &seen.agent, &of_path(&seen)?.id, &name)?;
    Answer::ok(&json!({ "draftName": line.name }))
}

/// `DELETE /agent/{id}/drafts/{draft}`
pub(super) fn discard(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of_v1(call)?;
    let line = of_path(&seen)?;
    if line.kind == LineKind::Draft {
        lines::archive(&call.workspace, &seen.agent, &line.id)?;
    } else {
        lines::discard(&call.workspace, &seen.agent, &line.id)?;
    }
    Answer::ok(&json!({ "discarded": true, "draftId": call.named("draft") }))
}

/// `PATCH /agent/{id}/drafts/{draft}/config`
pub(super) fn update(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of_v1(call)?;
    let line = of_path(&seen)?;
    let line = draft::edit(&seen, &line.id, &body(call)?, None)?;
    Answer::ok(&seen.again()?.draft_json(&line)?)
}

/// `GET /agent/{id}/drafts/{draft}/diff?compareTo=`
pub(super) fn compare(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of_v1(call)?;
    let line = of_path(&seen)?;
    let before = match call.query.get("compareTo") {
        Some(id) => Some(seen.version(id)?),
        None => line.head(),
    };
    let before = before.map(|version| seen.config_of(version)).transpose()?.map(|(_, config)| config);
    let told: Value = diff::by_section(&before.unwrap_or_default(), &seen.config_on(&line)?.1);
    Answer::ok(&told)
}

/// `POST /agent/{id}/drafts/{draft}/publish`: 201 and the version; active too, where that is asked for and may be.
pub(super) fn publish(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of_v1(call)?;
    let (label, description) = (text(call, "label", 200)?, text(call, "description", 2000)?);
    let activate = truth(call, "activate")?.unwrap_or(false);
    let id = call.named("draft");
    let line = match named(&seen, id) {
        Ok(line) => line.id,
        // Gone with an earlier publish, perhaps this very one.
        Err(unknown) => {
            let gone = seen.lines.archived(&call.workspace, &seen.agent, &|line| ids::of_draft_on(line) == id)?;
            gone.ok_or(unknown)?.id
        }
    };
    let version = lines::publish(&call.workspace, &seen.agent, &line, label, description)?;
    let refused = activate.then(|| seen.activate(&version).err()).flatten();
    let seen = seen.again()?;
    let mut data = seen.version_json(seen.version(&version.id)?)?;
    data["draftId"] = json!(id);
    if let Some(problem) = refused {
        data["activation"] = json!({ "refused": [problem] });
    }
    Ok(Answer::ok(&data)?.status(StatusCode::CREATED).moved())
}
