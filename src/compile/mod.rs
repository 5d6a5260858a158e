//! From the files of an agent's folder to one frozen, canonical config and a list of findings.
//!
//! [`compile()`] is pure and deterministic: the same bytes give the same digest on every machine. It never opens a
//! file; whoever calls it has read git objects, so a symlink cannot be followed and nothing of a folder is executed.

#[cfg(test)]
pub(crate) mod corpus;
pub mod detect;
pub mod document;
pub mod finding;
pub mod frozen;
pub mod limits;
pub mod native;
pub mod other;
pub mod polyai;
pub mod prompt;
pub mod secrets;
pub mod source;

use std::sync::Once;

pub use finding::{Finding, Place, Severity};
pub use frozen::Frozen;
pub use source::{Content, FileMode, Kind, Source, SourceFile};

/// The compiler's own version, part of every `version.json`. It moves when the same files would freeze differently.
pub const COMPILER: &str = "pointsman/1";

/// What compiling a folder gave.
#[derive(Debug)]
pub struct Compilation {
    /// The frozen config; absent when a finding is an error.
    pub frozen: Option<Frozen>,
    /// Everything worth telling, in the order of files and lines.
    pub findings: Vec<Finding>,
}

impl Compilation {
    /// The findings that make a publish refuse.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error)
    }
}

/// Begins to make what every compilation takes, beside whatever the caller does meanwhile: the validators of the schemas
/// and the patterns of the secret scan. The first compilation of a process waits for it, or makes them itself.
pub fn get_ready() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        std::thread::spawn(|| {
            secrets::get_ready();
            native::get_ready();
        });
    });
}

/// Compiles the files of one agent.
pub fn compile(source: &Source) -> Compilation {
    let mut findings = Vec::new();
    limits::check(source, &mut findings);
    let value = if limits::is_too_large(source) { None } else { compile_kind(source, &mut findings) };
    let broken = findings.iter().any(|finding| finding.severity == Severity::Error);
    keep_the_worst(source, &mut findings);
    findings.sort_by(Finding::reading_order);
    let frozen = match value {
        Some(value) if !broken => Some(Frozen::new(&value)),
        _ => None,
    };
    Compilation { frozen, findings }
}

fn compile_kind(source: &Source, findings: &mut Vec<Finding>) -> Option<serde_json::Value> {
    let value = match &source.kind {
        Kind::Native => native::compile(source, findings),
        Kind::PolyAi => polyai::compile(source, findings),
        Kind::Other(_) => other::compile(source, findings),
    };
    // Last, because it also covers the secrets that the findings so far quote.
    secrets::scan(source, findings);
    value
}

/// More findings than this help nobody, and would flood a pull request.
const MOST_FINDINGS: usize = 1_000;

fn keep_the_worst(source: &Source, findings: &mut Vec<Finding>) {
    if findings.len() <= MOST_FINDINGS {
        return;
    }
    findings.sort_by(|a, b| a.severity.cmp(&b.severity).then_with(|| a.reading_order(b)));
    let more = findings.len() - MOST_FINDINGS;
    findings.truncate(MOST_FINDINGS);
    let folder = if source.folder.is_empty() { "." } else { &source.folder };
    let message = format!("{more} more findings are not shown; errors are shown first");
    findings.push(Finding::new(Severity::Note, "more-findings", folder, message));
}
