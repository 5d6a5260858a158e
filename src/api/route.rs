//! What a route is: its method and path, what it needs, what it takes and answers, and the function behind it. The router,
//! the authorisation and the descriptions are made from tables of these.

use schemars::JsonSchema;

use super::answer::Answer;
use super::call::Call;
use crate::describe::{Parameter, Shape, Told, shape};
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
    /// More about it, for whoever reads the description.
    pub about: &'static str,
    /// What the query and the headers may say. A described route refuses any other word in its query.
    pub takes: &'static [Parameter],
    /// What the body says.
    pub body: Option<Body>,
    /// What it answers where it does what it was asked. A route is described if it says so.
    pub answers: &'static [Told],
    /// Statuses and codes of the problems of its own; those that any call may meet are not among them.
    pub refuses: &'static [(u16, &'static str)],
    pub(super) handler: Handler,
}

/// What a body says.
#[derive(Clone, Copy)]
pub struct Body {
    /// Its schema.
    pub shape: Shape,
    /// Whether a call must have one.
    pub required: bool,
}

/// One line of a table.
pub(super) const fn route(
    method: &'static str,
    path: &'static str,
    needs: Needs,
    summary: &'static str,
    handler: Handler,
) -> Route {
    let (about, takes, body, answers, refuses): (_, &[_], _, &[_], &[_]) = ("", &[], None, &[], &[]);
    Route { method, path, needs, summary, about, takes, body, answers, refuses, handler }
}

impl Route {
    /// Whether it says what it takes and answers.
    pub const fn is_described(&self) -> bool {
        !self.answers.is_empty()
    }

    /// The same with more about it.
    pub(super) const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// The same, taking these in its query and headers.
    pub(super) const fn takes(mut self, parameters: &'static [Parameter]) -> Self {
        self.takes = parameters;
        self
    }

    /// The same with a body that must be there.
    pub(super) const fn says<T: JsonSchema>(mut self) -> Self {
        self.body = Some(Body { shape: shape::<T>, required: true });
        self
    }

    /// The same with a body that may be left out.
    pub(super) const fn may_say<T: JsonSchema>(mut self) -> Self {
        self.body = Some(Body { shape: shape::<T>, required: false });
        self
    }

    /// The same with what it answers.
    pub(super) const fn answers(mut self, told: &'static [Told]) -> Self {
        self.answers = told;
        self
    }

    /// The same with problems of its own.
    pub(super) const fn refuses(mut self, problems: &'static [(u16, &'static str)]) -> Self {
        self.refuses = problems;
        self
    }
}
