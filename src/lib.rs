//! Pointsman: GitOps for AI voice and chat agents.

pub mod compare;
pub mod compile;
pub mod domain;
pub mod present;
pub mod report;
