//! Stories: the program as people use it, on real repositories, with real git.

mod bad_input;
mod corpus;
mod crash;
mod durability;
mod env;
mod healing;
mod layers;
mod promises;
mod reading;
mod release;
mod repositories;
mod world;
