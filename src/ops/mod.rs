//! Operations: one function per verb, used by the command line now and by every transport later.
//!
//! An operation takes typed arguments, runs passes and reads, and returns a struct; rendering is its caller's.

pub mod check;
pub mod deployments;
pub mod diff;
pub mod discard;
pub mod embedded;
pub mod hook;
pub mod idempotency;
pub mod import;
pub mod init;
pub mod inspect;
pub mod lines;
pub mod moves;
pub mod named_drafts;
pub mod new;
pub mod pinned;
pub mod problem;
pub mod projects;
pub mod protect;
pub mod publish;
pub mod report;
pub mod side;
pub mod status;
pub mod verify;
mod words;
pub mod workspace;

pub use problem::{Kind, Problem};
pub use workspace::{Caller, Workspace};
