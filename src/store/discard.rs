//! Going back to the newest version: the discarded bytes stay reachable for a while under a ref of ours.

use super::error::Doing as _;
use super::{Draft, Error, Git, Located, Repository, Result};
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
        self.stage_from_draft(draft, draft.root)?;
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

    /// Puts the folder in the working tree and the index back to what tree `source` holds.
    ///
    /// Git does it, from a commit made for the purpose, so that line endings and file modes come out as in any
    /// checkout; new files that git does not ignore go.
    pub fn restore_folder(
        &self,
        located: &Located,
        source: ObjectId,
        who: &Identity,
        now: jiff::Timestamp,
    ) -> Result<()> {
        let work_dir = self.work_dir().ok_or_else(|| Error::Unsupported {
            what: "a bare repository has no working tree".to_owned(),
            hint: "run this in a clone".to_owned(),
        })?;
        let mut edits = super::TreeEdits::default();
        let tree = if located.folder.is_empty() {
            source
        } else {
            edits.put(&located.folder, super::EntryMode::Tree, source);
            self.edit_tree(None, &edits)?
        };
        let commit = self.stage_commit(tree, &[], who, now, "restore\n");
        self.flush()?;
        let pathspec = located.pathspec();
        let git = Git::in_dir(work_dir).setting("core.fsmonitor=false");
        std::fs::create_dir_all(work_dir.join(&located.folder))
            .doing(|| format!("make folder `{}`", located.folder))?;
        // Added first, or new files would be left behind by the restore.
        git.run(&["add", "-A", "--sparse", "--", &pathspec])?;
        git.run(&["restore", &format!("--source={commit}"), "--staged", "--worktree", "--", &pathspec])?;
        Ok(())
    }
}
