//! Pointsman: GitOps for AI voice and chat agents.

pub mod cli;
pub mod compare;
pub mod compile;
pub mod domain;
pub mod ops;
pub mod plan;
pub mod policy;
pub mod present;
pub mod reconcile;
pub mod report;
pub mod store;
