//! The control API from the other side: what the command line asks a controller for, typed by the same structs that it
//! prints when it does the work itself.

mod calls;
mod line;
mod refusal;

use crate::ops::Problem;
pub use calls::Verb;
use line::Line;

/// A controller at an address.
pub struct Client {
    line: Line,
}

impl Client {
    /// A client of the controller at `address`, `http://` or `https://`, that shows `token`.
    pub fn new(address: &str, token: &str) -> Result<Self, Problem> {
        Ok(Client { line: Line::new(address, token)? })
    }
}

/// Whether `address` leads to this machine and nowhere else, so that what is kept here may be shown there.
pub fn is_this_machine(address: &str) -> bool {
    line::is_this_machine(address)
}
