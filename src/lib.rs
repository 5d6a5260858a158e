//! Pointsman: GitOps for AI voice and chat agents.

pub mod compile;
pub mod domain;
pub mod plan;
pub mod policy;
pub mod reconcile;
pub mod store;
