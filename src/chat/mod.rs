//! The sandbox: talking to an agent's draft, or to the version that an environment serves, over one frozen config that
//! stays the same for as long as the conversation lasts.
//!
//! Replies come from the model endpoint that the agent's `llm` block names and the operator's file describes, or from the
//! offline responder. What is said is kept in one SQLite file, from which usage is counted. Nothing here decides what is
//! live, and no skill is ever carried out.

mod agent;
mod exam;
mod model;
mod offline;
mod replies;
mod said;
mod sandbox;
mod store;

pub use agent::Agent;
pub use exam::{Exam, Outcome};
pub use model::Models;
pub use replies::{Spoken, Talk};
pub use said::Said;
pub use sandbox::{OFFLINE, Sandbox, Wish, unknown_session};
pub use store::{FILE, Kind, Line, Role, Session, Usage};
