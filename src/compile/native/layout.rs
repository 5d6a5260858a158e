//! Which file of a native folder is what.

use crate::compile::document::{Format, extension};
use crate::compile::other::is_markdown;
use crate::domain::nearest::nearest;

/// The blocks: one file each at the root of the folder.
pub const BLOCKS: [&str; 11] = [
    "graph",
    "llm",
    "voice",
    "language",
    "call_handling",
    "detection",
    "analytics",
    "timeouts",
    "audio",
    "privacy",
    "widget",
];

/// The folders that hold one file per item.
pub const FOLDERS: [&str; 5] = ["knowledge", "skills", "guardrails", "playbooks", "tests"];

/// What a path in the folder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// `agent.toml`.
    Manifest,
    /// `persona.md`.
    Persona,
    /// One of [`BLOCKS`].
    Block(&'static str, Format),
    /// An item of one of [`FOLDERS`] and its name, the file's stem; knowledge has no format, it is Markdown.
    Item(&'static str, &'a str, Option<Format>),
    /// `atoms.json`: settings of the Atoms API that no other file can hold.
    Atoms,
    /// For people or git, not for the agent.
    Silent,
    /// Nothing we know, and what it may have been meant as.
    Stray(Option<String>),
}

/// What `path` is.
pub fn part(path: &str) -> Part<'_> {
    let (folder, name) = path.rsplit_once('/').map_or((None, path), |(folder, name)| (Some(folder), name));
    if is_silent(folder, name) {
        return Part::Silent;
    }
    let format = Format::of_path(name);
    let stem = extension(name).map_or(name, |extension| &name[..name.len() - extension.len() - 1]);
    match folder {
        None if name == "agent.toml" => Part::Manifest,
        None if name == "atoms.json" => Part::Atoms,
        None if stem == "persona" && is_markdown(name) => Part::Persona,
        None => match (BLOCKS.into_iter().find(|block| *block == stem), format) {
            (Some(block), Some(format)) => Part::Block(block, format),
            _ => Part::Stray(meant_at_root(stem, format.is_some())),
        },
        Some(folder) => match (FOLDERS.into_iter().find(|known| *known == folder), format) {
            (Some("knowledge"), _) if is_markdown(name) => Part::Item("knowledge", stem, None),
            (Some("knowledge"), _) => Part::Stray(Some(format!("articles are Markdown: `knowledge/{stem}.md`"))),
            (Some(folder), Some(format)) => Part::Item(folder, stem, Some(format)),
            (Some(folder), None) => {
                Part::Stray(Some(format!("files in `{folder}/` end in `.toml`, `.yaml`, `.yml` or `.json`")))
            }
            (None, _) => Part::Stray(meant_in_folder(folder)),
        },
    }
}

/// Whether a file is for people or git. In the folders of items only the bare words count: a skill may well be called
/// `licence-check`.
fn is_silent(folder: Option<&str>, name: &str) -> bool {
    if matches!(name, ".gitignore" | ".gitattributes" | ".gitkeep" | ".editorconfig") {
        return true;
    }
    if folder.is_some_and(|folder| FOLDERS.contains(&folder)) {
        let word = name.split('.').next().unwrap_or_default();
        return word.eq_ignore_ascii_case("README") || matches!(word, "LICENSE" | "LICENCE");
    }
    let upper = name.to_ascii_uppercase();
    ["README", "LICENSE", "LICENCE"].iter().any(|word| upper.starts_with(word))
}

fn meant_at_root(stem: &str, structured: bool) -> Option<String> {
    if stem == "agent" {
        return Some("the manifest is `agent.toml`".to_owned());
    }
    let known = BLOCKS.into_iter().chain(["persona", "agent"]);
    match nearest(stem, known)? {
        "persona" => Some("did you mean `persona.md`?".to_owned()),
        "agent" => Some("did you mean `agent.toml`?".to_owned()),
        block if structured => Some(format!("did you mean `{block}`?")),
        block => Some(format!("did you mean `{block}.toml`?")),
    }
}

fn meant_in_folder(folder: &str) -> Option<String> {
    match folder.split_once('/') {
        Some((top, _)) if FOLDERS.contains(&top) => {
            Some(format!("move it up into `{top}/`; folders inside it are not read"))
        }
        Some(_) => None,
        None => nearest(folder, FOLDERS).map(|known| format!("did you mean the folder `{known}/`?")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_is_one_part() {
        for (path, expected) in [
            ("agent.toml", Part::Manifest),
            ("persona.MD", Part::Persona),
            ("llm.YAML", Part::Block("llm", Format::Yaml)),
            ("graph.json", Part::Block("graph", Format::Json)),
            ("knowledge/opening.hours.md", Part::Item("knowledge", "opening.hours", None)),
            ("skills/book.yml", Part::Item("skills", "book", Some(Format::Yaml))),
            ("atoms.json", Part::Atoms),
            ("README", Part::Silent),
            ("skills/readme.md", Part::Silent),
            ("tests/.gitkeep", Part::Silent),
            ("LICENSE-MIT", Part::Silent),
            ("skills/licence-check.toml", Part::Item("skills", "licence-check", Some(Format::Toml))),
            ("knowledge/license.md", Part::Item("knowledge", "license", None)),
        ] {
            assert_eq!(part(path), expected, "{path}");
        }
    }

    #[test]
    fn strays_are_told_where_they_belong() {
        for (path, hint) in [
            ("agent.yaml", Some("the manifest is `agent.toml`")),
            ("persona.txt", Some("did you mean `persona.md`?")),
            ("voise.toml", Some("did you mean `voice`?")),
            ("voice.txt", Some("did you mean `voice.toml`?")),
            ("skill/book.toml", Some("did you mean the folder `skills/`?")),
            ("skills/old/book.toml", Some("move it up into `skills/`; folders inside it are not read")),
            ("knowledge/prices.pdf", Some("articles are Markdown: `knowledge/prices.md`")),
            ("skills/book.py", Some("files in `skills/` end in `.toml`, `.yaml`, `.yml` or `.json`")),
            ("notes/todo.txt", None),
            ("skills", None),
        ] {
            assert_eq!(part(path), Part::Stray(hint.map(str::to_owned)), "{path}");
        }
    }
}
