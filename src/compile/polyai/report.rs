//! Collects findings of one project, within bounds that a hostile folder cannot stretch.

use std::collections::BTreeMap;
use std::ops::Range;

use super::project::ProjectFile;
use crate::compile::{Finding, Severity};
use crate::domain::nearest::nearest;

/// Findings with a place, per file and severity: each costs a walk to its line.
const MOST_PER_FILE: usize = 50;

/// How often a nearest name is looked for in one project, among how many names, and how long these may be.
const MOST_LOOKUPS: usize = 200;
const MOST_NAMES: usize = 1_000;
const LONGEST_NAME: usize = 64;

/// The findings of one project.
pub(super) struct Report<'a> {
    findings: &'a mut Vec<Finding>,
    counts: BTreeMap<(String, Severity), usize>,
    lookups: usize,
    /// References to code in a folder that has none.
    pub(super) unchecked_code: usize,
}

impl<'a> Report<'a> {
    pub(super) fn new(findings: &'a mut Vec<Finding>) -> Self {
        Report { findings, counts: BTreeMap::new(), lookups: 0, unchecked_code: 0 }
    }

    /// A note about a whole file or folder.
    pub(super) fn note(&mut self, code: &'static str, path: &str, message: String) {
        self.findings.push(Finding::new(Severity::Note, code, path, message));
    }

    /// A warning about a whole file or folder.
    pub(super) fn warn(&mut self, code: &'static str, path: &str, message: String, hint: &str) {
        self.findings.push(Finding::new(Severity::Warning, code, path, message).hint(hint));
    }

    /// A finding at the bytes `span` of `file`. Past a number of them a file only says that there are more.
    pub(super) fn at(
        &mut self,
        severity: Severity,
        code: &'static str,
        file: &ProjectFile,
        span: Range<usize>,
        message: String,
        hint: Option<String>,
    ) {
        let count = self.counts.entry((file.shown.clone(), severity)).or_default();
        *count += 1;
        let mut finding = match *count {
            ..=MOST_PER_FILE => Finding::new(severity, code, &file.shown, message).at(file.text, span),
            n if n == MOST_PER_FILE + 1 => {
                Finding::new(severity, code, &file.shown, "there is more of this kind in the file")
            }
            _ => return,
        };
        finding.hint = hint.filter(|_| *count <= MOST_PER_FILE);
        self.findings.push(finding);
    }

    /// Takes one of the project's look-ups, if there is one left.
    pub(super) fn may_look_up(&mut self) -> bool {
        self.lookups += 1;
        self.lookups <= MOST_LOOKUPS
    }

    /// The name in `known` that `typed` was probably meant to be.
    pub(super) fn nearest<'n>(&mut self, typed: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
        if typed.len() > LONGEST_NAME || !self.may_look_up() {
            return None;
        }
        nearest(typed, known.into_iter().filter(|name| name.len() <= LONGEST_NAME).take(MOST_NAMES))
    }
}

/// `text` for a message, cut after 60 characters.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
