//! The one error that leaves the program: a sentence, a hint that can be typed, and a stable code.
//!
//! The dictionary from inner errors to hints stands here and nowhere else.

use serde::Serialize;

use crate::compile::Finding;
use crate::domain::agent_id::InvalidAgentId;
use crate::plan::{Refusal, UnmetGate};
use crate::policy::PolicyError;
use crate::store::{Error, Misplaced};

/// What kind of trouble it is; decides the exit code and, later, the HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Not allowed, not possible now, or errors were found: exit code 1.
    Refused,
    /// The call itself is wrong: exit code 2.
    Usage,
    /// It took too long: exit code 3.
    Waited,
}

/// An error for people and programs.
#[derive(Clone, Debug, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// What kind it is.
    #[serde(skip)]
    pub kind: Kind,
    /// A stable word, such as `gate_unmet`.
    pub code: String,
    /// One sentence without a full stop.
    pub message: String,
    /// Something to type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What the compiler found, where that is the problem; programs find it in `details`.
    #[serde(skip)]
    pub findings: Option<Box<Vec<Finding>>>,
    /// Facts for programs.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    pub details: serde_json::Value,
}

impl Problem {
    /// A refusal.
    pub fn refused(code: &str, message: impl Into<String>) -> Self {
        Problem {
            kind: Kind::Refused,
            code: code.to_owned(),
            message: message.into(),
            hint: None,
            findings: None,
            details: serde_json::Value::Null,
        }
    }

    /// A call that is wrong in itself.
    pub fn usage(code: &str, message: impl Into<String>) -> Self {
        Problem { kind: Kind::Usage, ..Problem::refused(code, message) }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with facts for programs.
    #[must_use]
    pub fn details(mut self, details: serde_json::Value) -> Self {
        self.details = details;
        self
    }

    /// The same with what the compiler found.
    #[must_use]
    pub fn findings(mut self, findings: &[Finding]) -> Self {
        self.findings = Some(Box::new(findings.to_vec()));
        self
    }

    /// The exit code of a command that ends in it.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Refused => 1,
            Kind::Usage => 2,
            Kind::Waited => 3,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let message = error.sentence();
        let problem = |code: &str| Problem::refused(code, message.clone());
        match &error {
            Error::NotARepository { .. } => {
                problem("not_a_repository").hint("git init, or -C <folder of a repository>")
            }
            Error::Unsupported { hint, .. } => problem("unsupported").hint(hint),
            Error::Corrupt { hint, .. } => problem("corrupt").hint(hint),
            Error::Diverged { hint, .. } => problem("diverged").hint(hint),
            Error::Shallow { hint, .. } => problem("shallow").hint(hint),
            Error::RefMoved { .. } => problem("publish_race").hint("somebody else keeps moving it: try again"),
            Error::DraftMoved => problem(Error::DRAFT_MOVED).hint("run it again"),
            Error::Locked { path, .. } => {
                problem("locked").hint(format!("if no git program is at work here, remove it: rm '{}'", path.display()))
            }
            Error::Git { .. } | Error::Io { .. } | Error::GitProgram { .. } => {
                system_hint(&error, problem(error_code(&error)))
            }
            Error::Remote { .. } => problem("remote_unreachable")
                .hint("git ls-remote origin shows whether it can be reached; --local decides in this repository alone"),
            Error::PushRefused { remote, refs, .. } => problem("push_refused")
                .hint(format!(
                    "ask whoever runs `{remote}` for the right to push there; pointsman protect prints the rules it needs"
                ))
                .details(serde_json::json!({ "refs": refs })),
            Error::GitTimeout { .. } => Problem { kind: Kind::Waited, ..problem("git_timeout") }
                .hint("is the remote reachable? try: git ls-remote origin"),
        }
    }
}

fn error_code(error: &Error) -> &'static str {
    match error {
        Error::Io { .. } => "io",
        Error::GitProgram { .. } => "git_program",
        _ => "git",
    }
}

/// What helps where the system, git or libgit2 refused something that they should not.
fn system_hint(error: &Error, problem: Problem) -> Problem {
    use std::io::ErrorKind::{NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.refused_by_system() {
        Some(StorageFull | QuotaExceeded) => {
            problem.hint("free some space (df -h shows where), then run the same again: nothing is half done")
        }
        Some(ReadOnlyFilesystem) => {
            problem.hint("the file system is mounted read-only: run it where the repository can be written")
        }
        Some(PermissionDenied) => problem.hint("check who owns the files: ls -ld .git"),
        Some(NotFound) if error.to_string().contains("start `git`") => problem.hint("install git, 2.40 or newer"),
        _ => problem.hint("git fsck tells whether the repository is whole; then run the same again"),
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let unmet: Vec<_> = refusal
            .unmet
            .iter()
            .map(|UnmetGate { agent, version, gate }| {
                serde_json::json!({"agent": agent, "version": version, "gate": gate.code(), "reason": gate.to_string(), "until": gate.until()})
            })
            .collect();
        let mut problem = Problem::refused(refusal.code, refusal.message);
        problem.hint = refusal.hint;
        if !unmet.is_empty() {
            problem.details = serde_json::json!({ "unmet": unmet });
        }
        problem
    }
}

impl From<Misplaced> for Problem {
    fn from(fault: Misplaced) -> Self {
        let unknown = matches!(fault, Misplaced::Unknown { .. });
        let problem = Problem::refused(if unknown { "unknown_agent" } else { "misplaced" }, fault.to_string());
        match fault {
            Misplaced::Unknown { nearest: Some(near), .. } => problem.hint(format!("did you mean `{near}`?")),
            Misplaced::Unknown { .. } => {
                problem.hint("pointsman status lists the agents; pointsman new <agent> makes one")
            }
            Misplaced::Twice { .. } => {
                problem.hint("rename one of the folders, or list one in pointsman.toml under another id")
            }
            Misplaced::BadPath { folder, .. } => problem
                .hint(format!("rename the folder, or list it in pointsman.toml: [agents.<id>] path = \"{folder}\"")),
            Misplaced::Nested { .. } => problem.hint("move one of the folders out of the other"),
        }
    }
}

impl From<PolicyError> for Problem {
    fn from(error: PolicyError) -> Self {
        let place = error.place.as_ref().map(|place| format!(" (line {}, column {})", place.line, place.column));
        let mut problem = Problem::refused("policy", format!("pointsman.toml: {error}{}", place.unwrap_or_default()));
        let mend = || "mend it, or take the committed one: git restore pointsman.toml".to_owned();
        problem.hint = Some(error.hint.unwrap_or_else(mend));
        problem
    }
}

impl From<InvalidAgentId> for Problem {
    fn from(error: InvalidAgentId) -> Self {
        Problem::usage("invalid_agent_id", error.to_string()).hint("write it as in `support` or `emea/billing`")
    }
}
