//! Going back to the newest version: the discarded bytes stay reachable for a while under a ref of ours.

use std::collections::BTreeSet;

use super::{AgentContent, Draft, EntryMode, Error, Git, Located, Repository, Result, TreeEdits};
use crate::domain::{Identity, ObjectId};

/// Where discarded drafts are kept.
pub const DISCARDED: &str = "refs/pointsman/discarded/";

/// How long, in days.
pub const KEPT_DAYS: i64 = 30;

impl Repository {
    /// Keeps the tree of `draft` in a commit under [`DISCARDED`] and returns the ref's name.
    pub fn keep_discarded(
        &self,
        located: &Located,
        draft: &Draft,
        who: &Identity,
        now: jiff::Timestamp,
    ) -> Result<String> {
        self.stage_from_draft(draft)?;
        let parents: Vec<ObjectId> = self.read_ref("HEAD")?.into_iter().collect();
        let message = format!("Discarded draft of {}\n", located.agent);
        let commit = self.stage_commit(draft.root, &parents, who, now, &message);
        self.flush()?;
        let name = format!("{DISCARDED}{}/{}", located.agent, now.as_millisecond());
        self.move_ref(&name, None, commit, "pointsman: discard")?;
        Ok(name)
    }

    /// Drops kept drafts older than [`KEPT_DAYS`].
    pub fn forget_discarded(&self, now: jiff::Timestamp) -> Result<()> {
        for (name, id) in self.list_refs(DISCARDED)? {
            let kept = name.rsplit('/').next().and_then(|time| time.parse::<i64>().ok());
            let oldest = now.as_millisecond() - KEPT_DAYS * 24 * 60 * 60 * 1_000;
            if kept.is_some_and(|time| time < oldest) {
                self.move_refs(&[super::RefUpdate { name, expected: Some(id), new: None }])?;
            }
        }
        Ok(())
    }

    /// Puts folder and included files in the working tree and the index back to `content`, starting from `draft`.
    /// Returns the paths that were given to git: the folder, and the included files outside it.
    ///
    /// Git does it, from a commit made for the purpose, so that line endings and file modes come out as in any
    /// checkout; new files that git does not ignore go.
    pub fn restore_content(
        &self,
        located: &Located,
        draft: &Draft,
        content: AgentContent,
        who: &Identity,
        now: jiff::Timestamp,
    ) -> Result<()> {
        let work_dir = self.work_dir().ok_or_else(|| Error::Unsupported {
            what: "a bare repository has no working tree".to_owned(),
            hint: "run this in a clone".to_owned(),
        })?;
        let included = self.included_paths(located, draft, content)?;
        let mut edits = TreeEdits::default();
        if !located.folder.is_empty() {
            edits.put(&located.folder, EntryMode::Tree, content.source);
        }
        if let Some(include) = content.include {
            self.walk(include, "", &mut |path, mode, id| {
                edits.put(path, mode, id);
                true
            })?;
        }
        let base = located.folder.is_empty().then_some(content.source);
        let tree = if edits.is_empty() { content.source } else { self.edit_tree(base, &edits)? };
        let commit = self.stage_commit(tree, &[], who, now, "restore\n");
        self.flush()?;

        let git = Git::in_dir(work_dir).setting("core.safecrlf=false").setting("core.fsmonitor=false");
        let mut paths = vec![located.pathspec()];
        paths.extend(included.iter().map(|path| format!(":(top,literal){path}")));
        // What is known to git after this is what the restore replaces or removes: new files would be left behind.
        let mut known = Vec::new();
        for path in &paths {
            if !git.run(&["ls-files", "-z", "-c", "-o", "--exclude-standard", "--", path])?.is_empty() {
                known.push(path.clone());
            }
        }
        if !known.is_empty() {
            git.run(&[&["add", "-A", "--sparse", "--"].map(str::to_owned)[..], &known[..]].concat())?;
        }
        let source = format!("--source={commit}");
        git.run(&[&["restore", &source, "--staged", "--worktree", "--"].map(str::to_owned)[..], &paths[..]].concat())?;
        Ok(())
    }

    /// Pathspecs of what the kept tree of `draft` holds of the agent. Git fails on one that matches nothing, so the
    /// folder of an agent that was deleted is left out.
    pub fn kept_pathspecs(&self, located: &Located, draft: &Draft) -> Result<Vec<String>> {
        let mut specs = Vec::new();
        if self.tree_at(draft.root, &located.folder)?.is_some() {
            specs.push(format!(":/{}", located.folder));
        }
        for glob in &located.include {
            let one = Located { include: vec![glob.clone()], ..located.clone() };
            if !self.included_files(draft.root, &one)?.is_empty() {
                specs.push(format!(":(top,glob){glob}"));
            }
        }
        Ok(specs)
    }

    /// Paths of included files, as the draft has them and as `content` does.
    fn included_paths(&self, located: &Located, draft: &Draft, content: AgentContent) -> Result<BTreeSet<String>> {
        let mut paths = BTreeSet::new();
        if !located.include.is_empty() {
            paths.extend(self.included_files(draft.root, located)?.into_iter().map(|(path, ..)| path));
        }
        if let Some(include) = content.include {
            self.walk(include, "", &mut |path, _, _| {
                paths.insert(path.to_owned());
                true
            })?;
        }
        Ok(paths)
    }
}
