//! Sizes and kinds of files that an agent may hold, whatever its kind.
//!
//! A version is the bytes that git holds. So whatever would make those bytes mean something else where they are read
//! (a link out of the folder, a filter, an unresolved merge) stops a publish, and so does what nobody could review.

use std::collections::BTreeMap;

use super::{Content, FileMode, Finding, Severity, Source, SourceFile};

pub mod links;

/// Past this a file is not even read: 10 MB.
pub const LARGEST_FILE: u64 = 10_000_000;
/// Past this an agent is refused: 20 MB.
pub const LARGEST_AGENT: u64 = 20_000_000;
/// Past this many files reading stops.
pub const MOST_FILES: usize = 5_000;
/// Past this a file is worth a warning: 1 MB.
pub const LARGE_FILE: u64 = 1_000_000;
/// Past this an agent is worth a warning: 2 MB.
pub const LARGE_AGENT: u64 = 2_000_000;

/// Adds a finding for everything that breaks a limit.
pub fn check(source: &Source, findings: &mut Vec<Finding>) {
    check_whole(source, findings);
    // The folder is kept as git's own tree, whatever its names; included files are put together by theirs.
    let own = source.files.iter().map(|(path, file)| (path, source.repository_path(path), file, Severity::Warning));
    let included = source.included.iter().map(|(path, file)| (path, path.clone(), file, Severity::Error));
    for (path, shown, file, odd_name) in own.chain(included) {
        check_name(path, &shown, odd_name, findings);
        check_size(&shown, file, findings);
        match file.mode {
            FileMode::Submodule => findings.push(
                Finding::new(Severity::Error, "submodule", &shown, "a submodule cannot be part of a version")
                    .hint("copy the files into the folder"),
            ),
            FileMode::Symlink => findings.extend(links::check(source, &shown)),
            FileMode::Regular | FileMode::Executable => findings.extend(check_conflict_markers(&shown, file)),
        }
    }
    check_listed(source, findings);
    check_nested(source, findings);
    check_spelling(source, findings);
}

/// Whether the agent is so large that nothing more than [`check`] should look at it.
pub fn is_too_large(source: &Source) -> bool {
    total_size(source) > LARGEST_AGENT || file_count(source) > MOST_FILES
}

fn file_count(source: &Source) -> usize {
    source.file_count.max(source.files.len())
}

fn size(file: &SourceFile) -> u64 {
    match &file.content {
        Content::Bytes(bytes) => bytes.len() as u64,
        Content::TooLarge { size } => *size,
    }
}

/// The size of all that was read. A file that is too large has its own error.
fn total_size(source: &Source) -> u64 {
    let read = |file: &SourceFile| file.bytes().map_or(0, |bytes| bytes.len() as u64);
    source.files.values().chain(source.included.values()).map(read).sum()
}

fn megabytes(size: u64) -> String {
    format!("{}.{} MB", size / 1_000_000, size % 1_000_000 / 100_000)
}

fn check_whole(source: &Source, findings: &mut Vec<Finding>) {
    let folder = if source.folder.is_empty() { "." } else { &source.folder };
    let count = file_count(source);
    if count > MOST_FILES {
        let message = format!("the agent has {count} files, and {MOST_FILES} is the limit");
        findings.push(Finding::new(Severity::Error, "too-many-files", folder, message));
    }
    let total = total_size(source);
    let message =
        |limit| format!("the agent is {} large, and {} is {limit}", megabytes(total), megabytes(LARGEST_AGENT));
    if total > LARGEST_AGENT {
        findings.push(Finding::new(Severity::Error, "agent-too-large", folder, message("the limit")));
    } else if total > LARGE_AGENT {
        findings.push(Finding::new(Severity::Warning, "agent-large", folder, message("the limit")));
    }
}

fn check_size(shown: &str, file: &SourceFile, findings: &mut Vec<Finding>) {
    let size = size(file);
    let message = || format!("the file is {} large, and {} is the limit", megabytes(size), megabytes(LARGEST_FILE));
    if size > LARGEST_FILE {
        findings.push(Finding::new(Severity::Error, "file-too-large", shown, message()));
    } else if size > LARGE_FILE {
        findings.push(Finding::new(Severity::Warning, "file-large", shown, message()));
    }
}

fn check_name(path: &str, shown: &str, severity: Severity, findings: &mut Vec<Finding>) {
    let wrong = if path.contains('\u{fffd}') {
        "the name of this file is not UTF-8"
    } else if path.chars().any(char::is_control) {
        "the name of this file holds control characters"
    } else {
        return;
    };
    findings.push(Finding::new(severity, "file-name", shown, wrong).hint("rename it with `git mv`"));
}

/// The paths that git's own machinery would change or has not finished.
fn check_listed(source: &Source, findings: &mut Vec<Finding>) {
    for path in &source.filtered {
        let message = "a `filter=` attribute (as Git LFS sets) rewrites this file, so git does not hold its content";
        findings.push(
            Finding::new(Severity::Error, "filtered", source.repository_path(path), message)
                .hint("take the attribute off this path in `.gitattributes` and commit the content itself"),
        );
    }
    for path in &source.conflicted {
        let message = "the file has an unresolved merge conflict";
        findings
            .push(Finding::new(Severity::Error, "conflict", path, message).hint("resolve it and `git add` the file"));
    }
}

/// Text that still carries both sides of a merge, each side's marker at the start of a line.
fn check_conflict_markers(shown: &str, file: &SourceFile) -> Option<Finding> {
    let text = file.text()?;
    let line_at = |from: usize, marker: &str| {
        let rest = text.get(from..)?;
        if from == 0 && rest.starts_with(marker) {
            return Some(0);
        }
        let newline = rest.match_indices(marker).find(|(at, _)| rest[..*at].ends_with('\n'));
        newline.map(|(at, _)| from + at)
    };
    let ours = line_at(0, "<<<<<<< ")?;
    let between = line_at(ours, "=======")?;
    line_at(between, ">>>>>>> ")?;
    let finding = Finding::new(Severity::Error, "conflict", shown, "the file holds both sides of a merge conflict")
        .at(text, ours..ours + 7)
        .hint("keep one side and remove the lines `<<<<<<<`, `=======` and `>>>>>>>`");
    Some(finding)
}

/// An agent is released as a whole, so none may hold another.
fn check_nested(source: &Source, findings: &mut Vec<Finding>) {
    for path in source.files.keys() {
        let Some((folder, name)) = path.rsplit_once('/') else { continue };
        let polyai = || {
            let settings = format!("{folder}/agent_settings/");
            source.files.range(settings.clone()..).next().is_some_and(|(path, _)| path.starts_with(&settings))
        };
        if name == "agent.toml" || (name == "project.yaml" && polyai()) {
            let message = format!("`{folder}` is an agent inside an agent");
            findings.push(
                Finding::new(Severity::Error, "nested-agent", source.repository_path(path), message)
                    .hint("move that folder out, beside this one"),
            );
        }
    }
}

/// Names that differ in case only overwrite one another where the file system ignores case.
fn check_spelling(source: &Source, findings: &mut Vec<Finding>) {
    let mut spellings = BTreeMap::<String, &str>::new();
    for path in source.files.keys() {
        if let Some(other) = spellings.insert(path.to_lowercase(), path) {
            let message = format!("on macOS and Windows this is the same file as `{other}`");
            findings.push(
                Finding::new(Severity::Warning, "same-name", source.repository_path(path), message)
                    .hint("rename one of them with `git mv`"),
            );
        }
    }
}

#[cfg(test)]
mod tests;
