//! Editing a draft: what is said becomes files, and the files a commit on the draft's branch.

use serde_json::{Map, Value, json};

use super::config::{Config, changes, files, is_config};
use super::diff::diffs;
use super::seen::Seen;
use crate::compile::{Content, FileMode, Source, SourceFile, compile};
use crate::ops::Problem;
use crate::ops::lines::{self, Files, Line};
use crate::ops::side::{self, Found};

/// Edits the draft of the line `id` so that its config is what it was with `said` merged in. `expected` is the revision of
/// the draft that the caller saw.
pub(super) fn edit(
    seen: &Seen<'_>,
    id: &str,
    said: &Map<String, Value>,
    expected: Option<u32>,
) -> Result<Line, Problem> {
    if !said.keys().any(|key| is_config(key)) {
        return Err(Problem::usage("bad_request", "nothing of the config is said")
            .hint("send at least one key of the config, such as globalPrompt"));
    }
    let change = |line: &Line, found: &Found| -> Result<Files, Problem> {
        let (frozen, before) = seen.config(found)?;
        if frozen["kind"] != "native" {
            let message =
                format!("`{}` is a folder of kind {}, which only its own files say", seen.agent, frozen["kind"]);
            return Err(Problem::usage("not_native", message).hint("edit its files and publish them"));
        }
        let source = side::source(seen.workspace(), found)?;
        let atoms = before.after(said);
        if let Some(expected) = expected {
            not_overtaken(seen, line, expected, &before, &Config { atoms: atoms.clone(), own: before.own.clone() })?;
        }
        let files = files(&source, &frozen, &atoms)?;
        must_compile(seen, source, &files)?;
        Ok(files)
    };
    lines::edit(seen.workspace(), &seen.agent, id, &change)
}

/// Refuses an edit of what somebody else changed since the revision that its author saw.
fn not_overtaken(seen: &Seen<'_>, line: &Line, expected: u32, now: &Config, wanted: &Config) -> Result<(), Problem> {
    let latest = line.edits.last().map_or(0, |edit| edit.number);
    if expected == latest {
        return Ok(());
    }
    let gone = || {
        let errors = json!({ "errors": ["base_revision_unavailable"] });
        Problem::refused(
            "base_revision_unavailable",
            format!("the draft has no revision {expected}; it is at {latest}"),
        )
        .hint("read the draft again")
        .details(errors)
    };
    let base = line.at_edit(expected).ok_or_else(gone)?;
    let (_, base) = seen.config(&lines::at(seen.workspace(), &seen.agent, base)?)?;
    let theirs = changes(&base, now);
    let ours = changes(now, wanted);
    let mut fields = Vec::new();
    for (section, changed) in &ours {
        let others = theirs.get(section).into_iter().flatten();
        let touched: Vec<&str> = others.map(|(path, ..)| path.as_str()).collect();
        fields.extend(
            changed
                .iter()
                .filter(|(path, ..)| touched.contains(&path.as_str()))
                .map(|(path, ..)| format!("{section}.{path}")),
        );
    }
    if fields.is_empty() {
        return Ok(());
    }
    let conflict = json!({ "expectedRevision": expected, "latestRevision": latest, "diffs": diffs(&base, now) });
    Err(Problem::refused("draft_conflict", format!("somebody changed {} since revision {expected}", fields.join(", ")))
        .hint("read the draft again, or send it without expectedRevision")
        .details(json!({ "errors": fields, "data": { "conflict": conflict } })))
}

/// Refuses files that could not be published.
fn must_compile(seen: &Seen<'_>, mut source: Source, files: &Files) -> Result<(), Problem> {
    for (path, bytes) in files {
        match bytes {
            Some(bytes) => {
                let file = SourceFile { mode: FileMode::Regular, content: Content::Bytes(bytes.clone()) };
                source.files.insert(path.clone(), file);
            }
            None => drop(source.files.remove(path)),
        }
    }
    source.file_count = source.files.len();
    let compiled = compile(&source);
    match compiled.frozen {
        Some(_) => Ok(()),
        None => Err(side::findings_problem(&seen.agent, &compiled.findings, "the draft stays as it is")),
    }
}
