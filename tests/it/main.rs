//! Stories: the program as people use it, on real repositories, with real git.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails")]

mod api;
mod atoms;
mod bad_input;
mod chat;
mod chat_cli;
mod corpus;
mod crash;
mod daemon;
mod demo;
mod deploy;
mod drafts_without_git;
mod durability;
mod env;
mod events;
mod faults;
mod healing;
mod hook;
mod idempotency;
mod langfuse;
mod layers;
mod load;
mod model_server;
mod nats;
mod openapi;
mod outgoing;
mod policy;
mod polyai;
mod promises;
mod reading;
mod release;
mod remote_verbs;
mod remotes;
mod repositories;
mod serve;
mod servers;
mod serving;
mod setup;
mod stage;
mod targets;
mod telemetry;
mod tls;
mod world;
