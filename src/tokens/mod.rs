//! Tokens of the control API: who may do what to which agents. A token is shown once; its hash is kept.

mod scope;
mod store;

pub use scope::{InvalidScope, Need, Right, Scope};
pub use store::{Issued, NewToken, Token, TokenError, Tokens};
