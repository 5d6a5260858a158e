//! The native kind: Pointsman's own layout, `agent.toml` and what stands beside it.
//!
//! Files are read into structs ([`section`]) after a check against the JSON Schema made from the same structs, so that
//! all mistakes of a file are told at once and in place. Then follow the checks across files, then the config.

mod call_check;
mod explain;
mod folder;
mod freeze;
mod graph_check;
pub mod layout;
mod read;
mod references;
pub mod section;
mod shape;

pub use shape::schemas;

use super::{Finding, Severity, Source, other};

/// Makes the validators of the files that nearly every agent has; the first of them takes longest.
pub(super) fn get_ready() {
    shape::of::<section::Agent>();
    shape::of::<section::Article>();
}

/// Compiles a native folder. `None` where the manifest is missing or broken.
pub fn compile(source: &Source, findings: &mut Vec<Finding>) -> Option<serde_json::Value> {
    if !source.files.contains_key("agent.toml") {
        let message = "a native agent needs an `agent.toml`";
        findings.push(
            Finding::new(Severity::Error, "no-manifest", source.repository_path("agent.toml"), message)
                .hint("create it with one line: `name = \"…\"`"),
        );
    }
    let folder = read::read(source, findings);
    references::check(&folder, findings);
    freeze::config(&folder, other::freeze_files(&source.included, str::to_owned, findings))
}

#[cfg(test)]
mod tests;
