//! The layer map of ARCHITECTURE.md, held against the code: a module may import only what stands below it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Module → the modules of ours that it may import.
const MAY_IMPORT: [(&str, &[&str]); 20] = [
    (
        "cli",
        &[
            "telemetry",
            "controller",
            "client",
            "api",
            "tokens",
            "chat",
            "http",
            "targets",
            "live",
            "operator",
            "ops",
            "reconcile",
            "store",
            "plan",
            "report",
            "compare",
            "compile",
            "policy",
            "present",
            "watch",
            "domain",
        ],
    ),
    ("api", &["chat", "http", "ops", "live", "tokens", "plan", "compare", "compile", "describe", "domain"]),
    ("chat", &["targets", "operator", "ops", "report", "compile", "domain"]),
    ("client", &["api", "ops", "compile", "domain"]),
    ("tokens", &["domain"]),
    ("telemetry", &["targets", "operator", "domain"]),
    (
        "controller",
        &[
            "api",
            "chat",
            "tokens",
            "http",
            "targets",
            "live",
            "operator",
            "ops",
            "reconcile",
            "store",
            "plan",
            "policy",
            "watch",
            "domain",
        ],
    ),
    ("http", &["live", "operator", "describe", "domain"]),
    ("targets", &["live", "operator", "store", "domain"]),
    ("live", &["store", "plan", "policy", "domain"]),
    ("operator", &["domain"]),
    ("ops", &["reconcile", "store", "plan", "report", "compare", "compile", "policy", "domain"]),
    ("reconcile", &["store", "plan", "compile", "policy", "domain"]),
    ("store", &["compile", "policy", "domain"]),
    ("present", &["report", "compare", "compile", "domain"]),
    ("plan", &["policy", "domain"]),
    ("report", &["compare", "compile", "domain"]),
    ("compare", &["compile", "domain"]),
    ("policy", &["compile", "domain"]),
    ("compile", &["domain"]),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// The first word after each `crate::` of a file, tests and docs included.
fn imports(text: &str) -> Vec<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    code.match_indices("crate::")
        .filter(|(at, _)| !code[..*at].ends_with('$'))
        .map(|(at, found)| {
            let rest = &code[at + found.len()..];
            rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect()
        })
        .filter(|name: &String| !name.is_empty())
        .collect()
}

#[test]
fn imports_only_point_down() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_IMPORT.into_iter().collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 50, "the source tree was not found");
    let mut faults = Vec::new();
    for file in files {
        let place = file.strip_prefix(&root).unwrap();
        let module = place.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if matches!(module.as_str(), "lib" | "main") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        for import in imports(&text) {
            let fine =
                import == module || allowed.get(module.as_str()).is_some_and(|list| list.contains(&import.as_str()));
            // `domain`, `describe` and `watch` have no row: they import nothing of ours.
            if !fine {
                faults.push(format!("{} imports crate::{import}", place.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn only_the_store_names_libgit2_and_starts_git() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    for file in files.iter().filter(|file| !file.starts_with(root.join("store"))) {
        let text = std::fs::read_to_string(file).unwrap();
        let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        assert!(!code.contains("git2::"), "{} names libgit2", file.display());
        let starts = code.contains("Command::new(\"git\")") && !text.contains("#[cfg(test)]");
        assert!(!starts, "{} starts git", file.display());
    }
}

#[test]
fn every_story_is_part_of_the_binary() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = std::fs::read_to_string(dir.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(name == "main" || main.contains(&format!("mod {name};")), "{name} is not in main.rs");
    }
}

#[test]
fn the_map_in_the_document_is_the_one_held_here() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    for (module, list) in MAY_IMPORT {
        let row =
            format!("| `{module}` | {} |", list.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" "));
        assert!(text.contains(&row), "ARCHITECTURE.md lacks the row: {row}");
    }
}
