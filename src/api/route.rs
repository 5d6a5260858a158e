//! What a route is: its method and path, what it needs, and the function behind it. The router, the authorisation and the
//! descriptions are made from tables of these.

use super::answer::Answer;
use super::call::Call;
use crate::ops::Problem;

/// The right that a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// `agents:read`.
    Read,
    /// `agents:write`.
    Write,
    /// `deploy:<env>` for the environment that the call names or that the policy gives it; asked again by the one
    /// function that carries out moves, which knows it.
    Deploy,
    /// `chat:write`; asked again for the agent where the body or the session names it.
    Chat,
}

/// What a route runs, on a thread that may block.
pub type Handler = fn(&Call) -> Result<Answer, Problem>;

/// One route.
pub struct Route {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// The path below the prefix of its surface; an `{agent}` is an id with its slashes percent-encoded.
    pub path: &'static str,
    /// Who may call it.
    pub needs: Needs,
    /// What it does, in a few words.
    pub summary: &'static str,
    pub(super) handler: Handler,
}

/// One line of a table.
pub(super) const fn route(
    method: &'static str,
    path: &'static str,
    needs: Needs,
    summary: &'static str,
    handler: Handler,
) -> Route {
    Route { method, path, needs, summary, handler }
}
