//! A surface: routes of one family, how its callers show who they are, and how it says yes and no. The native one and each
//! vendor's dialect are one of these; behind all of them stand the same operations and the same authorisation.

use axum::response::Response;
use http::HeaderMap;

use super::answer::{Answer, Refusal};
use super::call::{Asked, Call};
use super::route::Route;
use super::{atoms, langfuse, native, polyai};
use crate::domain::AgentId;
use crate::ops::Problem;

/// A family of routes.
pub struct Surface {
    /// Its name in messages and in the documentation.
    pub name: &'static str,
    /// What the paths of all its routes begin with.
    pub prefix: &'static str,
    /// Its routes.
    pub routes: &'static [Route],
    /// The token that a caller shows.
    pub(super) token: fn(&HeaderMap) -> Option<String>,
    /// How a caller shows one, for whoever did not.
    pub(super) hint: &'static str,
    /// The agent that a call is about, if its path names one.
    pub(super) agent: fn(&Call) -> Result<Option<AgentId>, Problem>,
    /// What an answer looks like on the wire.
    pub(super) accept: fn(Answer, &Asked) -> Response,
    /// What a refusal looks like on the wire.
    pub(super) refuse: fn(Refusal, &Asked) -> Response,
}

/// All of them.
pub static SURFACES: &[&Surface] =
    &[&native::SURFACE, &polyai::PUBLIC, &polyai::ADK, &atoms::SURFACE, &langfuse::SURFACE];
