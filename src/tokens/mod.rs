//! Tokens of the control API: who may do what to which agents. A token is shown once; its hash is kept.

mod scope;
mod store;

pub use scope::{InvalidScope, Need, Right, Scope};
pub use store::{Issued, NewToken, Token, TokenError, Tokens};

/// The host in the address under which what a token did is recorded; nobody reads mail there.
pub const HOST: &str = "pointsman.localhost";
