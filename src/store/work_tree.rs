//! What may differ between the working tree, the index and HEAD.

use std::collections::BTreeSet;
use std::path::Path;
use std::thread::JoinHandle;

use super::content::matcher;
use super::differences::Differences;
use super::index::{self, IndexFile};
use super::{Git, Located, Repository, Result};
use crate::domain::ObjectId;

/// A look at the working tree that goes on while other things are read.
pub struct WorkTreeChanges(JoinHandle<Result<Touched>>);

/// Paths that may differ from HEAD, seen from the repository's root; folders end in a slash. All that do are in here, and
/// few that do not: files that were written and are as before, and files that git ignores.
#[derive(Clone, Debug, Default)]
pub struct Touched(BTreeSet<String>);

impl Repository {
    /// Starts looking; nothing in a bare repository.
    pub fn start_work_tree_changes(&self) -> Result<Option<WorkTreeChanges>> {
        let Some(work_dir) = self.work_dir().map(Path::to_owned) else { return Ok(None) };
        let (index, head) = (self.index_file(), self.head_tree()?);
        let look = move || match Touched::seen(&work_dir, &index, head) {
            Some(touched) => Ok(touched),
            None => Touched::told_by_git(&work_dir),
        };
        Ok(Some(WorkTreeChanges(std::thread::spawn(look))))
    }
}

impl WorkTreeChanges {
    /// Waits for what was found.
    pub fn finish(self) -> Result<Touched> {
        self.0.join().unwrap_or_else(|_| Ok(Touched::default()))
    }
}

impl Touched {
    /// What a look at the files tells, if the plain index is that of the tree `head` and few files look different.
    fn seen(work_dir: &Path, index: &Path, head: Option<ObjectId>) -> Option<Self> {
        let (bytes, written) = index::read(index)?;
        let index = IndexFile::read(&bytes)?;
        if index.has_submodules() || index.tree(&mut Vec::new()) != Some(head?) {
            return None;
        }
        let Differences { changed, others } = Differences::of(work_dir, "", index.below(""), written)?;
        let changed = changed.into_iter().map(|row| String::from_utf8_lossy(row.path).into_owned());
        Some(Touched(changed.chain(others).collect()))
    }

    fn told_by_git(work_dir: &Path) -> Result<Self> {
        let args =
            ["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--ignore-submodules=none"];
        let out = Git::in_dir(work_dir).run(&args)?;
        // Each row is two letters, a space and a path; with --no-renames nothing follows it.
        let rows = out.split(|&c| c == 0).filter(|row| row.len() > 3);
        Ok(Touched(rows.map(|row| String::from_utf8_lossy(&row[3..]).into_owned()).collect()))
    }

    /// Whether one of the paths is in `folder`, or is a folder around it.
    pub fn inside(&self, folder: &str) -> bool {
        let prefix = format!("{folder}/");
        self.0.range(prefix.clone()..).next().is_some_and(|path| path.starts_with(&prefix))
            || folder.match_indices('/').any(|(slash, _)| self.0.contains(&folder[..=slash]))
    }

    /// Whether one of the paths may belong to `agent`.
    pub fn touch(&self, agent: &Located) -> bool {
        if agent.folder.is_empty() {
            return !self.0.is_empty();
        }
        let included = |globs: globset::GlobSet| self.0.iter().any(|path| path.ends_with('/') || globs.is_match(path));
        self.inside(&agent.folder) || (!agent.include.is_empty() && matcher(&agent.include).is_ok_and(included))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_stand_for_all_that_is_in_them() {
        let touched = |paths: &[&str]| Touched(paths.iter().map(|path| (*path).to_owned()).collect());
        for (path, inside) in [
            ("agents/support/persona.md", true),
            ("agents/support/knowledge/", true),
            ("agents/support/", true),
            ("agents/", true),
            ("agents/supporter/persona.md", false),
            ("agents/supporter/", false),
            ("agents/support", false),
            ("prompts/", false),
        ] {
            assert_eq!(touched(&[path]).inside("agents/support"), inside, "{path}");
        }
        let include = vec!["prompts/**/*.md".to_owned()];
        let (folder, kind) = ("agents/support".to_owned(), crate::compile::Kind::Native);
        let agent = Located { agent: "support".parse().unwrap(), folder, kind, include };
        for (path, touches) in
            [("prompts/a.md", true), ("prompts/a.txt", false), ("prompts/new/", true), ("agents/support/a.txt", true)]
        {
            assert_eq!(touched(&[path]).touch(&agent), touches, "{path}");
        }
        let root = Located { folder: String::new(), include: Vec::new(), ..agent };
        assert!(touched(&["anything"]).touch(&root) && !touched(&[]).touch(&root));
    }
}
