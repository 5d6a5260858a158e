//! Pointsman: GitOps for AI voice and chat agents.

pub mod compile;
pub mod domain;
pub mod policy;
pub mod store;
