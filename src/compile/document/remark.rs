//! What reading a file has to say: one error that stops it, or remarks on values that did not survive as written.

use std::ops::Range;

use super::{Finding, Severity};

/// Why a text could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// One sentence, lower case.
    pub message: String,
    /// What to change, if that is known.
    pub hint: Option<String>,
    /// Where, in bytes.
    pub span: Range<usize>,
}

impl SyntaxError {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        SyntaxError { message: message.into(), hint: None, span }
    }

    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same as a finding about the file `path`, whose content is `text`.
    pub fn to_finding(&self, path: impl Into<String>, text: &str) -> Finding {
        let mut finding = Finding::new(Severity::Error, "syntax", path, &*self.message).at(text, self.span.clone());
        finding.hint.clone_from(&self.hint);
        finding
    }
}

/// Something about a file that was read that its author may not have meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// A stable word for scripts.
    pub code: &'static str,
    /// One sentence, lower case.
    pub message: String,
    /// What to change, if that is known.
    pub hint: Option<String>,
    /// Where, in bytes.
    pub span: Range<usize>,
}

impl Remark {
    /// The same as a warning about the file `path`, whose content is `text`.
    pub fn to_finding(&self, path: impl Into<String>, text: &str) -> Finding {
        let mut finding = Finding::new(Severity::Warning, self.code, path, &*self.message).at(text, self.span.clone());
        finding.hint.clone_from(&self.hint);
        finding
    }
}

/// How many remarks of a file are kept: finding the line of each costs a walk through the file.
const MOST: usize = 20;

/// Collects remarks up to [`MOST`].
#[derive(Default)]
pub(super) struct Remarks {
    kept: Vec<Remark>,
    more: usize,
}

impl Remarks {
    pub(super) fn push(&mut self, code: &'static str, span: Range<usize>, message: String, hint: impl Into<String>) {
        if self.kept.len() < MOST {
            self.kept.push(Remark { code, message, hint: Some(hint.into()), span });
        } else {
            self.more += 1;
        }
    }

    /// The remarks, the last of which says how many were left out.
    pub(super) fn finish(mut self) -> Vec<Remark> {
        if let (Some(last), 1..) = (self.kept.last_mut(), self.more) {
            last.message.push_str(&format!(" (and {} more like this in the file)", self.more));
        }
        self.kept
    }
}

/// `text` for a message, cut after 60 characters.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(60).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
