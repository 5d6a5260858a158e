//! Stories: the program as people use it, on real repositories, with real git.

mod corpus;
mod env;
mod idempotency;
mod layers;
mod policy;
mod release;
