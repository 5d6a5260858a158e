//! Idempotency keys: the same key answers the same again, also from another clone.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Caller, Problem, Workspace};
use crate::domain::{Digest, Identity};
use crate::reconcile::Key;

/// Refuses what is no key.
pub fn must_be_a_key(given: &str) -> Result<(), Problem> {
    if (1..=255).contains(&given.len()) && given.bytes().all(|c| (b'!'..=b'~').contains(&c)) {
        return Ok(());
    }
    let said = "an idempotency key has 1 to 255 printable ASCII characters without spaces";
    Err(Problem::usage("invalid_idempotency_key", said).hint("--idempotency-key \"$(uuidgen)\""))
}

/// The key that the caller gave for `verb`, under the scope of whoever calls. `request` is
/// everything that the call says, agent included.
pub fn key(
    given: Option<&str>,
    workspace: &Workspace,
    actor: &Identity,
    verb: &str,
    request: &impl Serialize,
) -> Result<Option<Key>, Problem> {
    let Some(given) = given else { return Ok(None) };
    must_be_a_key(given)?;
    let scope = match &workspace.caller {
        Caller::CommandLine => format!("cli:{}", actor.email),
        Caller::Api(token) => token.clone(),
    };
    let name = Digest::of(format!("{scope}\n{verb}\n{given}").as_bytes());
    let bytes = serde_json_canonicalizer::to_vec(request).expect("a request is plain JSON");
    Ok(Some(Key { name, request: Digest::of(&bytes) }))
}

/// The answer that was kept for a key.
pub fn kept<T: DeserializeOwned>(answer: serde_json::Value) -> Result<T, Problem> {
    serde_json::from_value(answer).map_err(|error| {
        Problem::refused("corrupt", format!("the answer kept for this idempotency key does not parse: {error}"))
            .hint("use a new key")
    })
}

/// The refusal of a key that came with another request before.
pub fn reused() -> Problem {
    Problem::refused("idempotency_key_reused", "this idempotency key was used for another request")
        .hint("use a new key for a new request")
}
