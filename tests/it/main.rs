//! Stories: the program as people use it, on real repositories, with real git.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are part of it")]

mod bad_input;
mod corpus;
mod crash;
mod demo;
mod durability;
mod env;
mod healing;
mod idempotency;
mod layers;
mod policy;
mod promises;
mod reading;
mod release;
mod repositories;
mod setup;
mod world;
