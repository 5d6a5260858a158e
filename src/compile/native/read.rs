//! The files of a native folder, each read into the struct of its section.

use super::folder::{Folder, Knowledge, Read};
use super::layout::{self, Part};
use super::section::{Analytics, Article, Audio, Detection, Llm, Privacy, Timeouts, Voice, Widget};
use super::shape::{self, Section};
use super::{explain, freeze};
use crate::compile::document::{Format, Node, Value};
use crate::compile::limits::links::{self, End};
use crate::compile::{Content, FileMode, Finding, Severity, Source, other};

/// Reads every file of `source`.
pub fn read<'a>(source: &'a Source, findings: &mut Vec<Finding>) -> Folder<'a> {
    let mut folder = Folder::default();
    for path in source.files.keys() {
        let shown = source.repository_path(path);
        let part = layout::part(path);
        let key = match &part {
            Part::Silent => continue,
            Part::Stray(hint) => {
                let message = "not part of the native layout; kept in the version but not in its config";
                let mut finding = Finding::new(Severity::Warning, "stray-file", shown, message);
                finding.hint.clone_from(hint);
                findings.push(finding);
                continue;
            }
            Part::Manifest => ("agent", ""),
            Part::Persona => ("persona", ""),
            Part::Atoms => ("atoms", ""),
            Part::Block(block, _) => (*block, ""),
            Part::Item(folder, name, _) => (*folder, *name),
        };
        if let Some(first) = folder.names.get(&key) {
            let message = format!("`{first}` already has this name, and one name is one file");
            findings.push(
                Finding::new(Severity::Error, "duplicate-name", shown, message).hint("remove or rename one of them"),
            );
            continue;
        }
        folder.names.insert(key, path);
        let mut reader = Reader { source, path, shown, findings };
        if !reader.read_part(part, &mut folder) {
            folder.incomplete = true;
        }
    }
    folder
}

struct Reader<'a, 'f> {
    source: &'a Source,
    path: &'a str,
    shown: String,
    findings: &'f mut Vec<Finding>,
}

impl<'a> Reader<'a, '_> {
    /// Whether the file could be read.
    fn read_part(&mut self, part: Part<'a>, folder: &mut Folder<'a>) -> bool {
        match part {
            Part::Silent | Part::Stray(_) => true,
            Part::Manifest => put(&mut folder.agent, self.section("", Format::Toml)),
            Part::Persona => put(&mut folder.persona, self.persona()),
            Part::Atoms => put(&mut folder.atoms, self.atoms()),
            Part::Item("knowledge", name, _) => add(&mut folder.knowledge, self.knowledge(name)),
            Part::Item(in_folder, name, format) => {
                let format = format.unwrap_or(Format::Toml);
                match in_folder {
                    "skills" => add(&mut folder.skills, self.section(name, format)),
                    "guardrails" => add(&mut folder.guardrails, self.section(name, format)),
                    "playbooks" => add(&mut folder.playbooks, self.section(name, format)),
                    _ => add(&mut folder.tests, self.section(name, format)),
                }
            }
            Part::Block(block, format) => {
                let value = match block {
                    "graph" => return put(&mut folder.graph, self.section("", format)),
                    "language" => {
                        let read = self.section("", format);
                        let value = read.as_ref().map(|read| freeze::pruned(&read.value));
                        put(&mut folder.language, read);
                        value
                    }
                    "call_handling" => {
                        let read = self.section("", format);
                        let value = read.as_ref().map(|read| freeze::pruned(&read.value));
                        put(&mut folder.call_handling, read);
                        value
                    }
                    "llm" => self.block::<Llm>(format),
                    "voice" => self.block::<Voice>(format),
                    "detection" => self.block::<Detection>(format),
                    "analytics" => self.block::<Analytics>(format),
                    "timeouts" => self.block::<Timeouts>(format),
                    "audio" => self.block::<Audio>(format),
                    "privacy" => self.block::<Privacy>(format),
                    _ => self.block::<Widget>(format),
                };
                let read = value.is_some();
                folder.blocks.extend(value.map(|value| (block, value)));
                read
            }
        }
    }

    fn block<T: Section + serde::Serialize>(&mut self, format: Format) -> Option<serde_json::Value> {
        self.section::<T>("", format).map(|read| freeze::pruned(&read.value))
    }

    /// The text of the file, through a link if it is one.
    fn text(&mut self) -> Option<&'a str> {
        let file = self.source.files.get(self.path)?;
        let file = if file.mode == FileMode::Symlink {
            // What is wrong with the link has been told with the limits.
            match links::resolve(self.source, &self.shown).ok()? {
                End::File(file) => file,
                End::Folder => {
                    let message = "this link leads to a folder, and a file belongs here";
                    self.findings.push(Finding::new(Severity::Error, "link", &self.shown, message));
                    return None;
                }
            }
        } else {
            file
        };
        if file.mode == FileMode::Submodule || matches!(file.content, Content::TooLarge { .. }) {
            return None;
        }
        let text = file.text();
        if text.is_none() {
            self.findings.push(other::not_utf8(&self.shown));
        }
        text
    }

    fn section<T: Section>(&mut self, name: &'a str, format: Format) -> Option<Read<'a, T>> {
        let text = self.text()?;
        let mut document = other::parse_file(&self.shown, format, text, self.findings)?;
        if let [_, second, ..] = document.roots.as_slice() {
            let message = "one file is one document, and a second one starts here";
            let finding = Finding::new(Severity::Error, "several-documents", &self.shown, message);
            self.findings.push(finding.at(text, second.span.clone()).hint("move it to a file of its own"));
            return None;
        }
        let mut node = document.roots.pop()?;
        match &mut node.value {
            // Editors look for the schema of a JSON file in the file.
            Value::Object(entries) => entries.retain(|entry| entry.key != "$schema"),
            // A YAML file of nothing but comments.
            Value::Null => node.value = Value::Object(Vec::new()),
            _ => {}
        }
        let value = self.typed(text, &node)?;
        Some(Read { name, path: self.shown.clone(), text, node, value })
    }

    fn typed<T: Section>(&mut self, text: &str, node: &Node) -> Option<T> {
        if !explain::check(shape::of::<T>(), &self.shown, text, node, self.findings) {
            return None;
        }
        match serde_json::from_value(node.to_json()) {
            Ok(value) => Some(value),
            Err(error) => {
                let message = format!("the file does not fit its format: {error}");
                self.findings.push(Finding::new(Severity::Error, "wrong-value", &self.shown, message));
                None
            }
        }
    }

    /// What another platform calls its settings is not ours to check; only that it is a table.
    fn atoms(&mut self) -> Option<serde_json::Value> {
        let text = self.text()?;
        let document = other::parse_file(&self.shown, Format::Json, text, self.findings)?;
        let value = document.root().to_json();
        if !value.is_object() {
            let finding = Finding::new(Severity::Error, "wrong-value", &self.shown, "the settings are not an object");
            self.findings.push(finding.hint("write `{}` around them"));
            return None;
        }
        Some(value)
    }

    fn persona(&mut self) -> Option<String> {
        let persona = self.text().map(freeze::prose)?;
        self.check_says_something(&persona, "the persona is empty", "write the prompt here, or remove the file");
        Some(persona)
    }

    fn check_says_something(&mut self, text: &str, message: &str, hint: &str) {
        if text.trim().is_empty() {
            self.findings.push(Finding::new(Severity::Warning, "empty", &self.shown, message).hint(hint));
        }
    }

    fn knowledge(&mut self, name: &str) -> Option<Knowledge> {
        let text = self.text()?;
        let markdown = other::split_file(&self.shown, text, self.findings)?;
        let article = match &markdown.front_matter {
            Some((_, settings)) if settings.root().value != Value::Null => self.typed(text, settings.root())?,
            _ => Article::default(),
        };
        let body = freeze::prose(text.get(markdown.body.clone()).unwrap_or_default());
        self.check_says_something(&body, "this article says nothing", "write the answer below the front matter");
        Some(Knowledge { name: name.to_owned(), article, body })
    }
}

fn put<T>(slot: &mut Option<T>, read: Option<T>) -> bool {
    *slot = read;
    slot.is_some()
}

fn add<T>(list: &mut Vec<T>, read: Option<T>) -> bool {
    let before = list.len();
    list.extend(read);
    list.len() > before
}
