//! Branches: the default branch is `main` to PolyAI's tools whatever it is called, the others have an id made of their
//! name.

use serde_json::{Value, json};

use super::{record, the_agent};
use crate::api::answer::Answer;
use crate::api::call::Call;
use crate::domain::Digest;
use crate::ops::Problem;
use crate::ops::named_drafts::{self, NamedDraft};

/// What the id of the default branch is.
const MAIN: &str = "main";

/// `GET …/branches`
pub(super) fn list(call: &Call) -> Result<Answer, Problem> {
    let agent = the_agent(call)?;
    if let Some(unknown) = call.workspace.unknown_agent(&agent)? {
        return Err(unknown);
    }
    let drafts = named_drafts::list(&call.workspace, &[agent].into())?;
    let branches: Vec<Value> = drafts.iter().map(|draft| branch(call, draft)).collect();
    Answer::ok(&json!({ "branches": branches }))
}

fn branch(call: &Call, draft: &NamedDraft) -> Value {
    let id = id(draft);
    json!({
        "id": id,
        "name": if draft.is_default { MAIN } else { &draft.name },
        "accountId": record::account(call),
        "projectId": call.named("agent"),
        "branchId": id,
        "active": true,
        "updatedAt": record::iso(draft.updated_at),
        "updatedBy": draft.updated_by.email,
    })
}

fn id(draft: &NamedDraft) -> String {
    if draft.is_default {
        return MAIN.to_owned();
    }
    format!("BRANCH-{}", Digest::of(draft.name.as_bytes()).hex()[..8].to_ascii_uppercase())
}
