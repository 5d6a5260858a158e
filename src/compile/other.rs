//! A folder of any layout, frozen as it is: parsed where the format is known, else text, else a digest of the bytes.
//!
//! Nothing is interpreted beyond its format. JSON that is one string holding more JSON stays that string.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::document::{self, Document, Format, Markdown};
use super::{FileMode, Finding, Severity, Source, SourceFile};
use crate::domain::Digest;

/// Compiles a folder of a kind that Pointsman has no rules for.
pub fn compile(source: &Source, findings: &mut Vec<Finding>) -> Option<Value> {
    let files = freeze_files(&source.files, |path| source.repository_path(path), findings);
    let included = freeze_files(&source.included, str::to_owned, findings);
    Some(json!({"format": 1, "kind": source.kind.to_string(), "files": files, "included": included}))
}

/// Freezes each of `files`; `shown` makes the path for findings. Files that cannot be frozen are left out, and a
/// finding says why.
pub fn freeze_files(
    files: &BTreeMap<String, SourceFile>,
    shown: impl Fn(&str) -> String,
    findings: &mut Vec<Finding>,
) -> Map<String, Value> {
    files.iter().filter_map(|(path, file)| Some((path.clone(), freeze_file(&shown(path), file, findings)?))).collect()
}

/// The frozen form of one file. `path`, seen from the repository's root, goes into findings and gives the format.
///
/// `None` means an error, of which a finding tells here or in [`super::limits`].
pub fn freeze_file(path: &str, file: &SourceFile, findings: &mut Vec<Finding>) -> Option<Value> {
    let bytes = match file.mode {
        FileMode::Submodule => return None,
        FileMode::Symlink => {
            let target = String::from_utf8_lossy(file.bytes()?);
            return Some(json!({"format": "symlink", "target": target}));
        }
        FileMode::Regular | FileMode::Executable => file.bytes()?,
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        if Format::of_path(path).is_some() {
            findings.push(not_utf8(path));
            return None;
        }
        return Some(json!({"format": "bytes", "digest": Digest::of(bytes).to_string(), "size": bytes.len()}));
    };
    if let Some(format) = Format::of_path(path) {
        return parse_file(path, format, text, findings).map(|document| freeze_document(format, &document));
    }
    if is_markdown(path) {
        return split_file(path, text, findings).map(|markdown| freeze_markdown(text, &markdown));
    }
    // Letta's agent files are JSON, but nothing keeps others from using the extension.
    if document::extension(path).is_some_and(|extension| extension.eq_ignore_ascii_case("af"))
        && let Ok(document) = document::parse(Format::Json, text)
    {
        return Some(freeze_document(Format::Json, &document));
    }
    Some(json!({"format": "text", "text": text}))
}

/// Whether `path` ends as Markdown files do.
pub fn is_markdown(path: &str) -> bool {
    document::extension(path)
        .is_some_and(|extension| extension.eq_ignore_ascii_case("md") || extension.eq_ignore_ascii_case("markdown"))
}

/// Parses `text`, the content of `path`, and turns what is wrong with it into findings.
pub fn parse_file(path: &str, format: Format, text: &str, findings: &mut Vec<Finding>) -> Option<Document> {
    match document::parse(format, text) {
        Ok(document) => {
            findings.extend(document.remarks.iter().map(|remark| remark.to_finding(path, text)));
            Some(document)
        }
        Err(error) => {
            findings.push(error.to_finding(path, text));
            None
        }
    }
}

/// Splits `text`, the Markdown file `path`, and turns what is wrong with its front matter into findings.
pub fn split_file(path: &str, text: &str, findings: &mut Vec<Finding>) -> Option<Markdown> {
    match document::markdown(text) {
        Ok(markdown) => {
            let remarks = markdown.front_matter.iter().flat_map(|(_, document)| &document.remarks);
            findings.extend(remarks.map(|remark| remark.to_finding(path, text)));
            Some(markdown)
        }
        Err(error) => {
            findings.push(error.to_finding(path, text));
            None
        }
    }
}

/// The error for a file that must be text and is not.
pub fn not_utf8(path: &str) -> Finding {
    Finding::new(Severity::Error, "not-utf8", path, "the file is not UTF-8 text").hint("save it as UTF-8")
}

/// A parsed file in its frozen form.
pub fn freeze_document(format: Format, document: &Document) -> Value {
    match document.roots.as_slice() {
        [root] => json!({"format": format.word(), "value": root.to_json()}),
        roots => {
            let values: Vec<_> = roots.iter().map(document::Node::to_json).collect();
            json!({"format": format.word(), "value": values, "documents": roots.len()})
        }
    }
}

/// A Markdown file, whose content is `text`, in its frozen form.
pub fn freeze_markdown(text: &str, markdown: &Markdown) -> Value {
    match &markdown.front_matter {
        Some((_, settings)) => {
            let body = text.get(markdown.body.clone()).unwrap_or_default();
            json!({"format": "markdown", "front_matter": settings.root().to_json(), "body": body})
        }
        None => json!({"format": "text", "text": text}),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::compile::{self, Content, Kind};

    fn frozen(path: &str, bytes: &[u8]) -> (Option<Value>, Vec<Finding>) {
        let file = SourceFile { mode: FileMode::Regular, content: Content::Bytes(bytes.to_vec()) };
        let mut findings = Vec::new();
        (freeze_file(path, &file, &mut findings), findings)
    }

    #[test]
    fn each_format_has_its_frozen_form() {
        for (path, bytes, expected) in [
            ("a.JSON", &b"{\"b\": 1}"[..], json!({"format": "json", "value": {"b": 1}})),
            ("a.json", b"\"{\\\"b\\\": 1}\"", json!({"format": "json", "value": "{\"b\": 1}"})),
            ("a.yml", b"--- 1\n--- 2\n", json!({"format": "yaml", "value": [1, 2], "documents": 2})),
            ("a.toml", b"b = 1", json!({"format": "toml", "value": {"b": 1}})),
            ("a.MD", b"---\nb: 1\n---\nx", json!({"format": "markdown", "front_matter": {"b": 1}, "body": "x"})),
            ("a.md", b"# x\r\n", json!({"format": "text", "text": "# x\r\n"})),
            ("data", b"kind: x", json!({"format": "text", "text": "kind: x"})),
            (".json", b"not json", json!({"format": "text", "text": "not json"})),
            ("a.af", b"{}", json!({"format": "json", "value": {}})),
            ("a.af", b"dictionary", json!({"format": "text", "text": "dictionary"})),
        ] {
            assert_eq!(frozen(path, bytes), (Some(expected), vec![]), "{path}");
        }
        let (value, _) = frozen("a.blob", &[0xff, 0]);
        assert_eq!(value.unwrap()["size"], 2);
    }

    #[test]
    fn broken_files_are_errors_with_a_place() {
        let (value, findings) = frozen("a/b.json", b"{\n  \"a\": ,\n}");
        assert_eq!((value, findings.len()), (None, 1));
        let place = findings[0].place.as_ref().unwrap();
        assert_eq!((findings[0].path.as_str(), place.line), ("a/b.json", 2));
        assert_eq!(frozen("b.yaml", &[0xff, 0xfe]).1[0].code, "not-utf8");
    }

    #[test]
    fn a_symlink_is_its_target_and_a_submodule_is_nothing() {
        let mut findings = Vec::new();
        let link = SourceFile { mode: FileMode::Symlink, content: Content::Bytes(b"../a.json".to_vec()) };
        let expected = json!({"format": "symlink", "target": "../a.json"});
        assert_eq!(freeze_file("l.json", &link, &mut findings), Some(expected));
        let module = SourceFile { mode: FileMode::Submodule, content: Content::Bytes(vec![]) };
        assert_eq!(freeze_file("m", &module, &mut findings), None);
    }

    /// Every file below `root`, by its path from there.
    fn files_below(root: &Path) -> BTreeMap<String, SourceFile> {
        let (mut files, mut open) = (BTreeMap::new(), vec![root.to_owned()]);
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    let content = Content::Bytes(std::fs::read(&path).unwrap());
                    let inside = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                    files.insert(inside, SourceFile { mode: FileMode::Regular, content });
                }
            }
        }
        files
    }

    #[test]
    fn real_agents_of_other_platforms_compile() {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
        let corpus = std::env::var_os("POINTSMAN_CORPUS").map_or(beside, PathBuf::from);
        let Ok(agents) = std::fs::read_dir(&corpus) else {
            println!("skipped: there are no agents in {}; set POINTSMAN_CORPUS to their folder", corpus.display());
            return;
        };
        let mut seen = 0;
        for folder in agents.map(|agent| agent.unwrap().path().join("files")).filter(|folder| folder.is_dir()) {
            seen += 1;
            let files = files_below(&folder);
            let source = Source {
                agent: "agent".parse().unwrap(),
                kind: Kind::Other("plain".to_owned()),
                folder: String::new(),
                file_count: files.len(),
                files,
                included: BTreeMap::new(),
                filtered: BTreeSet::new(),
                conflicted: BTreeSet::new(),
            };
            let compilation = compile::compile(&source);
            let errors: Vec<_> = compilation.errors().collect();
            assert!(errors.is_empty(), "{}: {errors:#?}", folder.display());
            for finding in &compilation.findings {
                println!("{}: {} {:?} {}", folder.display(), finding.path, finding.place, finding.message);
            }
        }
        assert!(seen > 0, "{} holds no agents", corpus.display());
    }
}
