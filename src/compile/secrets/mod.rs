//! Secrets that look live, in every text file of an agent: publishing is refused, because a version is kept for ever.
//!
//! No finding shows what it found. The scan runs last in the compiler and also covers what earlier findings quote, so
//! that a secret at a misspelt key does not leave through the excerpt of another message.
//!
//! A line that says `pointsman:allow-secret`, or follows one that does, is taken at its word. JSON has no comments,
//! so there a secret can only be replaced by a reference.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{FileMode, Finding, Severity, Source, SourceFile};

mod assignment;
mod context;
mod escapes;
mod masking;
mod plausible;
mod shapes;

use masking::{Masked, line_of};

/// The comment that says of its line, or of the next one, that what stands there is no secret.
pub const ALLOW: &str = "pointsman:allow-secret";

/// Findings per file: each costs a walk to its line, and nobody reads more.
const MOST_PER_FILE: usize = 20;

/// Names of findings that give way to a better one for the same bytes.
const GENERAL: [&str; 4] = ["secret value", "password", "bearer token", "password in a URL"];

/// Something that looks like a live secret.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hit {
    /// The bytes that must not be shown.
    span: Range<usize>,
    /// What it is, for a sentence.
    what: &'static str,
}

/// Makes the patterns, which takes longer than most scans.
pub(super) fn get_ready() {
    shapes::get_ready();
    assignment::get_ready();
}

/// Adds an error for every secret in `source` that looks live, and covers the secrets that `findings` quote.
pub fn scan(source: &Source, findings: &mut Vec<Finding>) {
    let mut earlier: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, finding) in findings.iter().enumerate() {
        earlier.entry(finding.path.clone()).or_default().push(index);
    }
    let own = source.files.iter().map(|(path, file)| (source.repository_path(path), file));
    let included = source.included.iter().map(|(path, file)| (path.clone(), file));
    for (path, file) in own.chain(included) {
        if let Some(text) = scannable(file) {
            let about = earlier.get(&path).map(Vec::as_slice).unwrap_or_default();
            scan_file(&path, &text, about, findings);
        }
    }
}

/// `text` with every secret in it that looks live cut to its first characters, for anything that is shown or logged.
pub fn mask(text: &str) -> String {
    masking::cover(text, &hits(text))
}

/// Where in `text`, the content of the file `path`, the secrets are that [`scan`] refuses, in order.
pub fn refused(path: &str, text: &str) -> Vec<Range<usize>> {
    let mut hits = hits(text);
    if !hits.is_empty() {
        retain_refused(&mut hits, text, is_json(path), &line_starts(text));
    }
    hits.into_iter().map(|hit| hit.span).collect()
}

/// How much of the secret `text` may be shown.
pub fn shown_part(text: &str) -> &str {
    let end = text.char_indices().nth(masking::shown(text)).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

/// Drops what a comment allows.
fn retain_refused(hits: &mut Vec<Hit>, text: &str, json: bool, starts: &[usize]) {
    if json {
        return;
    }
    let marked: BTreeSet<usize> = text.match_indices(ALLOW).map(|(at, _)| line_of(starts, at)).collect();
    let allowed =
        |line: usize| marked.contains(&line) || line.checked_sub(1).is_some_and(|line| marked.contains(&line));
    hits.retain(|hit| !allowed(line_of(starts, hit.span.start)));
}

/// The text of a file, with replacement characters where it is not quite UTF-8. Nothing for binary files.
fn scannable(file: &SourceFile) -> Option<std::borrow::Cow<'_, str>> {
    let readable = matches!(file.mode, FileMode::Regular | FileMode::Executable);
    let bytes = file.bytes().filter(|bytes| readable && !bytes.iter().take(8_000).any(|c| *c == 0))?;
    Some(String::from_utf8_lossy(bytes))
}

/// What looks live in `text`, in order, none touching another.
fn hits(text: &str) -> Vec<Hit> {
    let mut found = Vec::new();
    shapes::find(text, &mut found);
    assignment::find(text, &mut found);
    if let Some(plain) = escapes::unescaped(text) {
        let mut hidden = Vec::new();
        shapes::find(&plain.text, &mut hidden);
        assignment::find(&plain.text, &mut hidden);
        found.extend(hidden.into_iter().map(|hit| Hit { span: plain.place(&hit.span), ..hit }));
    }
    found.sort_by_key(|hit| (hit.span.start, hit.span.end));
    let mut merged: Vec<Hit> = Vec::new();
    for hit in found {
        match merged.last_mut() {
            Some(last) if hit.span.start < last.span.end => {
                // `Bearer` and a key's name say less than the shape of the token behind them.
                if GENERAL.contains(&last.what) {
                    last.what = hit.what;
                }
                last.span.end = last.span.end.max(hit.span.end);
            }
            _ => merged.push(hit),
        }
    }
    merged
}

/// Scans one file; `about` are the places in `findings` of those about this file.
fn scan_file(path: &str, text: &str, about: &[usize], findings: &mut Vec<Finding>) {
    let mut hits = hits(text);
    if hits.is_empty() {
        return;
    }
    let json = is_json(path);
    let starts = line_starts(text);
    retain_refused(&mut hits, text, json, &starts);
    let masked = Masked::new(text, &starts, &hits);
    about.iter().for_each(|index| masked.cover(&mut findings[*index]));
    for hit in hits.iter().take(MOST_PER_FILE) {
        let message = format!("this looks like a live secret ({}), and a version is kept for ever", hit.what);
        let mut finding = Finding::new(Severity::Error, "live-secret", path, message).hint(hint(json));
        finding.place = Some(masked.place(hit));
        findings.push(finding);
    }
    if let Some(more) = hits.len().checked_sub(MOST_PER_FILE).filter(|more| *more > 0) {
        let message = format!("{more} more values in this file look like live secrets");
        findings.push(Finding::new(Severity::Error, "live-secret", path, message).hint(hint(json)));
    }
}

fn is_json(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    [".json", ".jsonl", ".ndjson", ".af"].iter().any(|ending| path.ends_with(ending))
}

fn hint(json: bool) -> String {
    let replace = "revoke it, keep the new one in a secret store and write a reference such as `${API_KEY}` here";
    if json { replace.to_owned() } else { format!("{replace}; if it is none, add the comment `{ALLOW}` to the line") }
}

#[cfg(test)]
mod tests;
