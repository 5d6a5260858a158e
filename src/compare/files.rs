//! The files of two sides: which differ, and how their text does.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::Side;
use super::lines::{Hunk, hunks};
use super::readable::{is_unreadable, readable};
use super::words::Part;
use crate::compile::document;
use crate::compile::{Content, FileMode, SourceFile};
use crate::domain::Digest;

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileChangeKind {
    /// It was not there before.
    Added,
    /// It is no longer there.
    Removed,
    /// Its bytes differ.
    Changed,
    /// Only its mode differs.
    Mode,
    /// The same bytes stand under another path.
    Renamed,
}

/// One file that differs.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileChange {
    /// Where it is, or was if it is gone.
    pub path: String,
    /// What became of it.
    pub kind: FileChangeKind,
    /// Where it was, if it was renamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_path: Option<String>,
    /// Git's mode before, if there was a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_mode: Option<Cow<'static, str>>,
    /// Git's mode after, if there is a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_mode: Option<Cow<'static, str>>,
    /// Whether the bytes differ but parse to the same. Only a label: a version is its bytes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub same_meaning: bool,
    /// How the content differs; absent where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentChange>,
}

/// How the content of a file differs.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum ContentChange {
    /// By lines.
    Text {
        /// The parts that differ.
        sections: Vec<Section>,
    },
    /// Not text, or too large to have been read.
    Binary {
        /// What was there.
        #[serde(skip_serializing_if = "Option::is_none")]
        before: Option<Blob>,
        /// What is there.
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<Blob>,
    },
}

/// Bytes that are not shown.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
pub struct Blob {
    /// How many.
    pub size: u64,
    /// Their digest, where they were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// A part of a file that differs.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "FileSection")]
pub struct Section {
    /// Which part, or which form of it.
    pub form: Form,
    /// The lines that differ. None in the readable form means that only the formatting does.
    pub hunks: Vec<Hunk>,
    /// How many lines were left out of `hunks`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_lines: usize,
}

/// What the lines of a section are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SectionForm")]
pub enum Form {
    /// The file's own lines.
    Lines,
    /// The lines between the marks at the start of a Markdown file, numbered as in the file.
    FrontMatter,
    /// The lines below, numbered as in the file.
    Body,
    /// Not the file's lines but a form made for reading: keys sorted, long texts unfolded.
    Readable,
}

/// Lines shown of one file.
const MOST_LINES: usize = 5_000;

/// A file above this size has no readable form: the form can be several times as large.
const READABLE_UP_TO: usize = 4_000_000;

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The files that differ, in the order of their paths.
pub(super) fn files(before: &Side, after: &Side) -> Vec<FileChange> {
    let renamed = renames(&before.files, &after.files);
    let moved_away: BTreeSet<&str> = renamed.values().copied().collect();
    let paths: BTreeSet<&String> = before.files.keys().chain(after.files.keys()).collect();
    let mut changes = Vec::new();
    for path in paths {
        let (old, new) = (before.files.get(path), after.files.get(path));
        let from = renamed.get(path.as_str()).copied();
        let kind = match (old, new) {
            (_, Some(_)) if from.is_some() => FileChangeKind::Renamed,
            (Some(_), None) if moved_away.contains(path.as_str()) => continue,
            (Some(old), Some(new)) if old == new => continue,
            (Some(old), Some(new)) if old.content == new.content => FileChangeKind::Mode,
            (Some(_), Some(_)) => FileChangeKind::Changed,
            (None, _) => FileChangeKind::Added,
            (_, None) => FileChangeKind::Removed,
        };
        let old = from.map_or(old, |from| before.files.get(from));
        let same = matches!(kind, FileChangeKind::Renamed | FileChangeKind::Mode);
        changes.push(FileChange {
            path: path.clone(),
            kind,
            before_path: from.map(str::to_owned),
            before_mode: old.map(|file| mode(file.mode).into()),
            after_mode: new.map(|file| mode(file.mode).into()),
            same_meaning: kind == FileChangeKind::Changed && same_meaning(path, old, new),
            content: (!same).then(|| content(path, (before, old), (after, new))),
        });
    }
    changes
}

/// Git's word for a mode.
pub(super) fn mode(mode: FileMode) -> &'static str {
    match mode {
        FileMode::Regular => "100644",
        FileMode::Executable => "100755",
        FileMode::Symlink => "120000",
        FileMode::Submodule => "160000",
    }
}

/// The text of a file as git would show it: UTF-8 without a zero byte.
pub(super) fn shown_text(file: Option<&SourceFile>) -> Option<&str> {
    file.map_or(Some(""), |file| file.text().filter(|text| !text.contains('\0')))
}

/// New paths and the old paths that the same bytes stood under.
pub(super) fn renames<'a>(
    before: &'a BTreeMap<String, SourceFile>,
    after: &'a BTreeMap<String, SourceFile>,
) -> BTreeMap<&'a str, &'a str> {
    let mut gone: HashMap<&[u8], Vec<&str>> = HashMap::new();
    for (path, file) in before.iter().rev().filter(|(path, _)| !after.contains_key(*path)) {
        if let Some(bytes) = file.bytes().filter(|bytes| !bytes.is_empty()) {
            gone.entry(bytes).or_default().push(path);
        }
    }
    let come = after.iter().filter(|(path, _)| !before.contains_key(*path));
    come.filter_map(|(path, file)| Some((path.as_str(), gone.get_mut(file.bytes()?)?.pop()?))).collect()
}

fn content(path: &str, before: (&Side, Option<&SourceFile>), after: (&Side, Option<&SourceFile>)) -> ContentChange {
    let (Some(old), Some(new)) = (shown_text(before.1), shown_text(after.1)) else {
        return ContentChange::Binary { before: before.1.map(blob), after: after.1.map(blob) };
    };
    if is_markdown(path) {
        let (old, new) = (halves(old), halves(new));
        if !old.0.is_empty() || !new.0.is_empty() {
            let front = section(Form::FrontMatter, hunks(old.0, new.0));
            let mut body = section(Form::Body, hunks(old.1, new.1));
            for hunk in &mut body.hunks {
                hunk.before_start += old.0.matches('\n').count();
                hunk.after_start += new.0.matches('\n').count();
            }
            let sections = [front, body].into_iter().filter(|section| !section.hunks.is_empty()).collect();
            return ContentChange::Text { sections };
        }
    }
    if let Some(section) = readable_section(path, (before.0, old), (after.0, new)) {
        return ContentChange::Text { sections: vec![section] };
    }
    ContentChange::Text { sections: vec![section(Form::Lines, hunks(old, new))] }
}

/// Whether two texts of a structured file parse to the same.
fn same_meaning(path: &str, before: Option<&SourceFile>, after: Option<&SourceFile>) -> bool {
    let parsed = |file: Option<&SourceFile>| {
        let text = file?.text().filter(|text| text.len() <= READABLE_UP_TO)?;
        let document = document::parse(document::Format::of_path(path)?, text).ok()?;
        Some(document.roots.iter().map(document::Node::to_json).collect::<Vec<_>>())
    };
    parsed(before).is_some_and(|before| Some(before) == parsed(after))
}

fn blob(file: &SourceFile) -> Blob {
    match &file.content {
        Content::Bytes(bytes) => Blob { size: bytes.len() as u64, digest: Some(Digest::of(bytes)) },
        Content::TooLarge { size } => Blob { size: *size, digest: None },
    }
}

fn section(form: Form, mut hunks: Vec<Hunk>) -> Section {
    let (mut room, mut more_lines) = (MOST_LINES, 0);
    for hunk in &mut hunks {
        let differing = |lines: &[super::Line]| lines.iter().filter(|line| line.kind != Part::Equal).count();
        let kept = hunk.lines.len().min(room);
        more_lines += differing(&hunk.lines[kept..]);
        hunk.lines.truncate(kept);
        room -= kept;
    }
    hunks.retain(|hunk| !hunk.lines.is_empty());
    Section { form, hunks, more_lines }
}

fn is_markdown(path: &str) -> bool {
    let extension = path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| ["md", "markdown", "mdx"].contains(&extension.as_str()))
}

/// Front matter with its marks, and what comes below it.
fn halves(text: &str) -> (&str, &str) {
    let mut lines = text.split_inclusive('\n');
    let mark = lines.next().map(str::trim_end).filter(|first| ["---", "+++"].contains(first));
    let mut end = text.split_inclusive('\n').next().map_or(0, str::len);
    for line in lines {
        end += line.len();
        if mark == Some(line.trim_end()) {
            return text.split_at(end);
        }
    }
    ("", text)
}

/// The readable form of a file that has lines no person reads, where its value is known.
fn readable_section(path: &str, before: (&Side, &str), after: (&Side, &str)) -> Option<Section> {
    let small = before.1.len().max(after.1.len()) <= READABLE_UP_TO;
    if !small || !(is_unreadable(before.1) || is_unreadable(after.1)) {
        return None;
    }
    let form = |(side, text): (&Side, &str)| match text {
        "" => Some(String::new()),
        text => value(side, path, text).as_ref().map(readable),
    };
    let (old, new) = (form(before)?, form(after)?);
    let json = is_json(before.1) && is_json(after.1);
    // Outside JSON the form drops comments, which authors do use, so a difference it cannot show needs the lines.
    (json || old != new).then(|| section(Form::Readable, hunks(&old, &new)))
}

fn is_json(text: &str) -> bool {
    text.is_empty() || serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

fn value(side: &Side, path: &str, text: &str) -> Option<Value> {
    let frozen = || {
        let config = side.config.as_ref()?;
        let file = ["files", "included"].iter().find_map(|map| config.get(map)?.get(path))?;
        file.get("value").cloned()
    };
    serde_json::from_str(text).ok().or_else(frozen)
}
