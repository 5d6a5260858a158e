//! What goes wrong around a controller: nothing acknowledged is lost, nothing is doubled, and recovery needs nobody.

mod history;
mod hostile;
mod kills;
mod lines;
mod machine;
mod races;
pub mod shop;
