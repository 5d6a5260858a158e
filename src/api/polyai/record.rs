//! A deployment as either half writes it.
//!
//! The version hash is the beginning of the tag object's id, so it is the same wherever the version is. The moment of the
//! publish stands for PolyAI's `artifact_version`, which is such a moment too.

use serde_json::{Value, json};

use super::ACCOUNT;
use super::ladder::Rung;
use crate::api::call::Call;
use crate::domain::ledger::VersionRecord;
use crate::ops::deployments::{Came, Deployment};
use crate::ops::publish::NO_NOTE;
use crate::tokens::HOST;

/// How many hexadecimal digits a version hash has.
const HASH: usize = 32;

pub(super) fn hash(version: &VersionRecord) -> String {
    version.tag.to_string()[..HASH].to_owned()
}

pub(super) fn iso(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

pub(super) fn http_date(time: jiff::Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The account of the path; there is one, whatever it is called.
pub(super) fn account(call: &Call) -> &str {
    call.path.get("account").map_or(ACCOUNT, String::as_str)
}

fn metadata(deployment: &Deployment) -> Value {
    let kind = match deployment.came {
        Came::Published => "publish",
        Came::Promoted => "promotion",
        Came::RolledBack => "rollback",
    };
    let message = match deployment.came {
        Came::Published if deployment.reason.is_empty() => deployment.version.note.as_str(),
        _ => deployment.reason.as_str(),
    };
    let message = if message == NO_NOTE { "" } else { message };
    json!({ "deployment_message": message, "deployment_type": kind })
}

/// The address in `Name <address>`; the name where it is a token, which has no address that anybody reads.
fn by(actor: &str) -> &str {
    match actor.rsplit_once('<').map(|(name, rest)| (name.trim(), rest.trim_end_matches('>'))) {
        Some((name, address)) if address.ends_with(HOST) => name,
        Some((_, address)) => address,
        None => actor,
    }
}

/// As the public half writes it.
pub(super) fn public(call: &Call, deployment: &Deployment, rung: &Rung) -> Value {
    json!({
        "id": deployment.id.to_string(),
        "accountId": account(call),
        "agentId": call.named("agent"),
        "environment": rung.name,
        "artifactVersion": iso(deployment.version.time),
        "version": hash(&deployment.version),
        "createdBy": by(&deployment.actor),
        "createdAt": iso(deployment.time),
        "metadata": metadata(deployment),
    })
}

/// As the development kit's half writes it. There is no code to deploy beside a version, so it says of none.
pub(super) fn adk(call: &Call, deployment: &Deployment, rung: &Rung) -> Value {
    let hash = hash(&deployment.version);
    let snapshot = uuid::Uuid::try_parse(&hash).expect("32 hexadecimal digits are a UUID");
    json!({
        "id": deployment.id.to_string(),
        "artifact_version": iso(deployment.version.time),
        "client_env": rung.name,
        "created_at": http_date(deployment.time),
        "created_by": by(&deployment.actor),
        "deleted": false,
        "deployment_metadata": metadata(deployment),
        "function_deployment": null,
        "function_deployment_version": null,
        "genai_account_id": account(call),
        "genai_project_id": call.named("agent"),
        "rag_kb_version": iso(deployment.version.time),
        "snapshot_id": snapshot.to_string(),
        "version_hash": hash,
    })
}
