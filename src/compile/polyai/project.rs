//! The files of a project, each read once: what is frozen and what is checked come from the same parse.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde_json::{Map, Value};

use super::GENERATED;
use crate::compile::document::{Document, Format, Node};
use crate::compile::{FileMode, Finding, Source, other};

/// A text file of the project.
pub(super) struct ProjectFile<'a> {
    /// Its path from the repository's root.
    pub(super) shown: String,
    /// Its content.
    pub(super) text: &'a str,
    /// What it holds, where its format has structure and it could be read.
    pub(super) document: Option<Document>,
}

impl ProjectFile<'_> {
    /// The value at the top, where the file has structure.
    pub(super) fn root(&self) -> Option<&Node> {
        self.document.as_ref().map(Document::root)
    }
}

/// The project's text files by their path in its folder, without the generated ones.
pub(super) struct Project<'a> {
    pub(super) files: BTreeMap<&'a str, ProjectFile<'a>>,
}

impl<'a> Project<'a> {
    /// Reads and freezes the files of `source`.
    pub(super) fn read(source: &'a Source, findings: &mut Vec<Finding>) -> (Self, Map<String, Value>) {
        let mut files = BTreeMap::new();
        let mut frozen = Map::new();
        for (path, file) in source.files.iter().filter(|(path, _)| !path.starts_with(GENERATED)) {
            let shown = source.repository_path(path);
            let plain = matches!(file.mode, FileMode::Regular | FileMode::Executable);
            let text = file.text().filter(|_| plain);
            let mut document = None;
            let value = match (text, Format::of_path(path)) {
                (Some(text), Some(format)) => {
                    document = other::parse_file(&shown, format, text, findings);
                    document.as_ref().map(|document| other::freeze_document(format, document))
                }
                _ => other::freeze_file(&shown, file, findings),
            };
            frozen.extend(value.map(|value| (path.clone(), value)));
            if let Some(text) = text {
                files.insert(path.as_str(), ProjectFile { shown, text, document });
            }
        }
        (Project { files }, frozen)
    }

    /// The files right below `folder` that end in `ending`, by their name without it.
    pub(super) fn below<'p>(
        &'p self,
        folder: &'p str,
        ending: &'p str,
    ) -> impl Iterator<Item = (&'a str, &'p ProjectFile<'a>)> {
        self.files
            .range::<str, _>((Bound::Included(folder), Bound::Unbounded))
            .take_while(move |(path, _)| path.starts_with(folder))
            .filter_map(move |(path, file)| Some((path.strip_prefix(folder)?.strip_suffix(ending)?, file)))
            .filter(|(name, _)| !name.is_empty() && !name.contains('/'))
    }

    /// The names of the folders right below `flows/`.
    pub(super) fn flows(&self) -> Vec<&'a str> {
        let below = self
            .files
            .range::<str, _>((Bound::Included("flows/"), Bound::Unbounded))
            .take_while(|(path, _)| path.starts_with("flows/"));
        let mut flows: Vec<&str> =
            below.filter_map(|(path, _)| Some(path.strip_prefix("flows/")?.split_once('/')?.0)).collect();
        flows.dedup();
        flows
    }
}
