//! Where a symbolic link leads, found in the map of files alone: nothing is opened, so nothing can be escaped from.

use std::collections::VecDeque;

use super::super::{FileMode, Finding, Severity, Source, SourceFile};

/// The longest way a link may go, in path segments over all links on the way. Real ones take ten.
const LONGEST_WAY: usize = 128;

/// What is wrong with a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It leads out of the folder, to this path in the repository (`None`: out of the repository) that is not included.
    Outside(Option<String>),
    /// It leads to itself or to a folder around it.
    Loop,
    /// It leads to nothing; this is the path in the repository.
    Dangling(String),
}

/// What stands at the end of a link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End<'a> {
    /// A file.
    File(&'a SourceFile),
    /// A folder.
    Folder,
}

/// The finding about the link at `shown`, a path in the repository, if something is wrong with it.
pub fn check(source: &Source, shown: &str) -> Option<Finding> {
    let finding = |message: String| Finding::new(Severity::Error, "link", shown, message);
    match resolve(source, shown).err()? {
        Fault::Outside(Some(path)) => Some(
            finding(format!("this link leads out of the agent's folder, to `{path}`"))
                .hint(format!("copy the file, or add `{path}` to `include` in pointsman.toml")),
        ),
        Fault::Outside(None) => {
            Some(finding("this link leads out of the repository".to_owned()).hint("replace it by a copy of the file"))
        }
        Fault::Loop => Some(finding("this link leads back to itself".to_owned()).hint("remove it")),
        Fault::Dangling(path) => {
            Some(finding(format!("this link leads to `{path}`, which does not exist")).hint("correct or remove it"))
        }
    }
}

/// Follows the path `shown` (seen from the repository's root) through every link on the way.
pub fn resolve<'a>(source: &'a Source, shown: &str) -> Result<End<'a>, Fault> {
    let mut rest: VecDeque<String> = shown.split('/').map(str::to_owned).collect();
    let mut at = String::new();
    for _ in 0..LONGEST_WAY {
        let Some(segment) = rest.pop_front() else { return arrived(source, shown, &at) };
        match segment.as_str() {
            "" | "." => continue,
            ".." if at.is_empty() => return Err(Fault::Outside(None)),
            ".." => at.truncate(at.rfind('/').unwrap_or(0)),
            _ => {
                if !at.is_empty() {
                    at.push('/');
                }
                at.push_str(&segment);
            }
        }
        let Some(link) = file_at(source, &at).filter(|file| file.mode == FileMode::Symlink) else { continue };
        let target = String::from_utf8_lossy(link.bytes().unwrap_or_default()).into_owned();
        if target.starts_with('/') {
            return Err(Fault::Outside(None));
        }
        if target.is_empty() || target.len() > 4096 {
            return Err(Fault::Dangling(at));
        }
        at.truncate(at.rfind('/').unwrap_or(0));
        for segment in target.rsplit('/').take(LONGEST_WAY) {
            rest.push_front(segment.to_owned());
        }
    }
    Err(Fault::Loop)
}

fn arrived<'a>(source: &'a Source, shown: &str, at: &str) -> Result<End<'a>, Fault> {
    if let Some(file) = file_at(source, at) {
        return Ok(End::File(file));
    }
    let around = |folder: &str| folder.is_empty() || shown.starts_with(&format!("{folder}/"));
    let inside = source.folder.is_empty() || at == source.folder || at.starts_with(&format!("{}/", source.folder));
    if inside && around(at) {
        return Err(Fault::Loop);
    }
    if holds_files(source, at) {
        return Ok(End::Folder);
    }
    Err(if inside { Fault::Dangling(at.to_owned()) } else { Fault::Outside(Some(at.to_owned())) })
}

/// The path inside the agent's folder of a path in the repository.
fn inner<'p>(source: &Source, path: &'p str) -> Option<&'p str> {
    if source.folder.is_empty() {
        return Some(path);
    }
    path.strip_prefix(source.folder.as_str())?.strip_prefix('/')
}

fn file_at<'a>(source: &'a Source, path: &str) -> Option<&'a SourceFile> {
    inner(source, path).and_then(|inner| source.files.get(inner)).or_else(|| source.included.get(path))
}

fn holds_files(source: &Source, path: &str) -> bool {
    let below = |files: &std::collections::BTreeMap<String, SourceFile>, folder: &str| {
        let folder = format!("{folder}/");
        files.range(folder.clone()..).next().is_some_and(|(path, _)| path.starts_with(&folder))
    };
    inner(source, path).is_some_and(|inner| below(&source.files, inner)) || below(&source.included, path)
}
