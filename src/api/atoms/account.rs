//! Who calls: what the command line and the MCP server ask before anything else.

use serde_json::json;

use super::ids;
use crate::api::answer::Answer;
use crate::api::call::Call;
use crate::ops::Problem;

/// `GET /user`
pub(super) fn user(call: &Call) -> Result<Answer, Problem> {
    let who = call.workspace.identity()?;
    Answer::ok(&json!({
        "_id": call.token.id,
        "firstName": who.name,
        "lastName": "",
        "userEmail": who.email,
        "organizationId": ids::organization(),
    }))
}

/// `GET /account/get-account-details`, which has no envelope.
pub(super) fn details(call: &Call) -> Result<Answer, Problem> {
    let who = call.workspace.identity()?;
    Answer::ok(&json!({
        "userId": call.token.id,
        "email": who.email,
        "firstName": who.name,
        "lastName": "",
        "organizations": [{ "orgId": ids::organization(), "name": "Pointsman", "roleId": "member" }],
    }))
}
