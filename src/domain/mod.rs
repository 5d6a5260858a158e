//! The words of the product as types: parsed once at the edge, never checked again.
//!
//! Nothing here reads a disk, a clock or a repository; every other layer may import this one and this one imports
//! none of ours.

pub mod agent_id;
mod as_text;
pub mod deployment;
pub mod environment;
pub mod identity;
pub mod ledger;
pub mod nearest;
pub mod object_id;
pub mod record;
mod schema;
pub mod toml_error;
pub mod version;

pub use agent_id::AgentId;
pub(crate) use as_text::as_text;
pub use deployment::{DeploymentId, Stay};
pub use environment::EnvironmentName;
pub use identity::Identity;
pub use object_id::ObjectId;
pub use version::{Digest, VersionNumber, VersionTag};
