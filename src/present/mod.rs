//! How results look to people: in a terminal, in a pull request, in a GitHub log.
//!
//! Nothing here prints or asks what the terminal can do; the caller passes a [`Style`] and writes the text. Every
//! string that comes from a repository is hostile and goes through `escape` or the Markdown renderer's own quoting.

pub mod comparison;
pub mod environments;
pub mod escape;
pub mod findings;
pub mod github;
pub mod markdown;
mod outline;
pub mod quoting;
pub mod report;
mod rows;
mod side_by_side;
pub mod terminal;
mod values;
mod width;

pub use terminal::Style;
