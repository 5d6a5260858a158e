//! Stories: the program as people use it, on real repositories, with real git.

mod env;
mod layers;
mod reading;
mod release;
