//! What people say about a version or a move, which is kept for good.

use super::Problem;
use crate::domain::record::LONGEST_TEXT;

/// Refuses `text` if it would be cut.
pub(super) fn must_fit(what: &str, text: &str) -> Result<(), Problem> {
    if text.len() <= LONGEST_TEXT {
        return Ok(());
    }
    let (length, most) = (text.len(), LONGEST_TEXT / 1024);
    Err(Problem::usage("too_long", format!("the {what} has {length} bytes, more than the {most} KiB that are kept"))
        .hint(format!("make the {what} shorter; what is longer belongs into a file of the agent's folder")))
}
