//! Stories: the program as people use it, on real repositories, with real git.

mod corpus;
mod demo;
mod env;
mod healing;
mod layers;
mod promises;
mod release;
mod setup;
