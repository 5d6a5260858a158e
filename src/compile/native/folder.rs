//! What was read of a native folder.

use std::collections::BTreeMap;
use std::ops::Range;

use super::section::{Agent, Article, CallHandling, Graph, Guardrail, Language, Playbook, Skill, Test};
use crate::compile::document::Node;

/// A file that holds what its section asks for.
pub struct Read<'a, T> {
    /// The file's stem, by which others refer to it.
    pub name: &'a str,
    /// The path in the repository.
    pub path: String,
    /// The content.
    pub text: &'a str,
    /// The content with places.
    pub node: Node,
    /// The content as a struct.
    pub value: T,
}

/// One step on the way to a value.
#[derive(Clone, Copy)]
pub enum Step {
    /// To the value of a key.
    Key(&'static str),
    /// To an item of a list.
    Item(usize),
}

impl<T> Read<'_, T> {
    /// The bytes of the value at the end of `way`, or of the last value on it that exists.
    pub fn span(&self, way: &[Step]) -> Range<usize> {
        let mut node = &self.node;
        for step in way {
            let next = match step {
                Step::Key(key) => node.get(key),
                Step::Item(index) => node.items().get(*index),
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node.span.clone()
    }
}

/// An article and its text.
pub struct Knowledge {
    /// Its name, the file's stem.
    pub name: String,
    /// Its front matter.
    pub article: Article,
    /// What follows it.
    pub body: String,
}

/// All that was read. A file with errors is missing here and known by name only.
#[derive(Default)]
pub struct Folder<'a> {
    /// `agent.toml`.
    pub agent: Option<Read<'a, Agent>>,
    /// `persona.md`.
    pub persona: Option<String>,
    /// `atoms.json`.
    pub atoms: Option<serde_json::Value>,
    /// `knowledge/`.
    pub knowledge: Vec<Knowledge>,
    /// `skills/`.
    pub skills: Vec<Read<'a, Skill>>,
    /// `guardrails/`.
    pub guardrails: Vec<Read<'a, Guardrail>>,
    /// `playbooks/`.
    pub playbooks: Vec<Read<'a, Playbook>>,
    /// `tests/`.
    pub tests: Vec<Read<'a, Test>>,
    /// `graph.*`.
    pub graph: Option<Read<'a, Graph>>,
    /// `language.*`.
    pub language: Option<Read<'a, Language>>,
    /// `call_handling.*`.
    pub call_handling: Option<Read<'a, CallHandling>>,
    /// The frozen form of every block but the graph.
    pub blocks: BTreeMap<&'static str, serde_json::Value>,
    /// Every item's name by its folder and every block by itself, with the first path that has it; files with errors
    /// included, so that a reference to one is not called dangling.
    pub names: BTreeMap<(&'static str, &'a str), &'a str>,
    /// Whether a file that others lean on had errors, so that what is missing may stand in there.
    pub incomplete: bool,
}

impl<'a> Folder<'a> {
    /// The names in `folder`.
    pub fn names_in(&self, folder: &'static str) -> impl Iterator<Item = &'a str> + use<'a, '_> {
        self.names.range((folder, "")..).take_while(move |((of, _), _)| *of == folder).map(|((_, name), _)| *name)
    }

    /// Whether `folder` has an item of this name.
    pub fn has(&self, folder: &'static str, name: &str) -> bool {
        self.names.contains_key(&(folder, name))
    }
}
