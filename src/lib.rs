//! Pointsman: GitOps for AI voice and chat agents.

pub mod api;
pub mod chat;
pub mod cli;
pub mod client;
pub mod compare;
pub mod compile;
pub mod controller;
pub mod describe;
pub mod domain;
pub mod http;
pub mod live;
pub mod operator;
pub mod ops;
pub mod plan;
pub mod policy;
pub mod present;
pub mod reconcile;
pub mod report;
pub mod store;
pub mod targets;
pub mod telemetry;
pub mod tokens;
pub mod watch;
