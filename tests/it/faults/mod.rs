//! What goes wrong around a controller: nothing acknowledged is lost, nothing is doubled, and recovery needs nobody.

mod history;
mod kills;
mod lines;
mod races;
pub mod shop;
