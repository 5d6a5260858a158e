//! Real agent folders for tests: a directory beside the checkout that not every machine has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Content, FileMode, Kind, Source, SourceFile};

/// Where the projects are, if they are here. A test that gets nothing returns early; the reason is printed once here.
pub(crate) fn root() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let root = std::env::var_os("POINTSMAN_CORPUS").map_or(beside, PathBuf::from);
    if root.is_dir() {
        return Some(root);
    }
    println!("skipped: no agent folders at {}; set POINTSMAN_CORPUS", root.display());
    None
}

/// The files of one project by their path in it.
pub(crate) fn project(name: &str) -> Option<BTreeMap<String, SourceFile>> {
    let path = root()?.join(name).join("files");
    if path.is_dir() {
        return Some(folder(&path));
    }
    println!("skipped: {} is not there", path.display());
    None
}

/// The files below `folder` by their path in it.
pub(crate) fn folder(folder: &Path) -> BTreeMap<String, SourceFile> {
    let mut files = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).expect("the folder can be read") {
            let path = entry.expect("the entry can be read").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("it is below").to_string_lossy().replace('\\', "/");
                let content = Content::Bytes(std::fs::read(&path).expect("the file can be read"));
                files.insert(name, SourceFile { mode: FileMode::Regular, content });
            }
        }
    }
    files
}

/// A compiler input of these files.
pub(crate) fn source(kind: Kind, files: BTreeMap<String, SourceFile>) -> Source {
    Source {
        agent: "test".parse().expect("a good id"),
        kind,
        folder: "agents/test".to_owned(),
        file_count: files.len(),
        files,
        included: BTreeMap::new(),
        filtered: Default::default(),
        conflicted: Default::default(),
    }
}

/// A compiler input of written files.
pub(crate) fn written(kind: Kind, files: &[(&str, &str)]) -> Source {
    let file = |text: &str| SourceFile { mode: FileMode::Regular, content: Content::Bytes(text.as_bytes().to_vec()) };
    source(kind, files.iter().map(|(path, text)| ((*path).to_owned(), file(text))).collect())
}
