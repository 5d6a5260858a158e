//! The ledger's line: it begins at the constant root, only ever adds, and keeps everything alive.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Verifying;
use super::layout::{Layout, Meaning, meaning};
use crate::domain::ledger::AcceptedHead;
use crate::domain::{EnvironmentName, ObjectId, VersionTag};
use crate::ops::Problem;
use crate::store::{EntryMode, TreeChange, root_commit};

/// A head as a ledger commit accepted it.
pub(super) struct Accepted {
    ledger: ObjectId,
    head: ObjectId,
    height: u64,
}

/// Heights on the first-parent line of each environment.
pub(super) type Lines = BTreeMap<EnvironmentName, HashMap<ObjectId, u64>>;

impl Verifying<'_> {
    /// Walks the ledger's line from `tip`, newest first.
    pub(super) fn ledger_line(&mut self, tip: ObjectId) -> Result<(), Problem> {
        let repository = self.repository;
        let root = root_commit(repository);
        let mut newer: Option<crate::store::Commit> = None;
        for commit in repository.first_parents(tip) {
            let Some(commit) = self.read("pointsman/ledger", commit)? else { break };
            self.found.checked.commits += 1;
            if let Some(newer) = &newer {
                if newer.time < commit.time {
                    let message =
                        format!("times never fall along the ledger, but this is before {}", commit.id.short());
                    self.violation("time", newer.id.to_string(), message, format!("git show {}", newer.id));
                }
                self.only_adds(commit.tree, newer)?;
            }
            newer = Some(commit);
        }
        match newer {
            Some(last) if last.id == root => {}
            Some(last) => {
                let message = format!("the ledger's first-parent line ends in {}, not in the root {root}", last.id);
                self.violation("root", "pointsman/ledger", message, "git log --first-parent pointsman/ledger");
            }
            None => {}
        }
        Ok(())
    }

    /// Between the tree `before` and that of its child nothing that was accepted changes or vanishes.
    fn only_adds(&mut self, before: ObjectId, child: &crate::store::Commit) -> Result<(), Problem> {
        let mut changed = Vec::new();
        let mut heads = Vec::new();
        let id = child.id;
        let walked = self.repository.changes(Some(before), Some(child.tree), &mut |change: &TreeChange| {
            let is = |place: crate::store::Place, folder: bool| {
                place.is_some_and(|(mode, _)| (mode == EntryMode::Tree) == folder)
            };
            // What something was decides; what is only there now is judged where the newest tree is read.
            let folder = is(change.before, true) || (change.before.is_none() && is(change.after, true));
            match meaning(&change.path, folder) {
                Some(Meaning::Folder) => return Ok(true),
                Some(Meaning::Version(tag)) if change.before.is_some() => changed.push((tag, change.after.is_none())),
                Some(Meaning::Head(name)) => heads.push((name, change.after)),
                _ => {}
            }
            Ok(false)
        });
        self.read(&id.to_string(), walked)?;
        for (tag, gone) in changed {
            let what = if gone { "vanishes" } else { "changes" };
            let message = format!("an accepted version stays as it is, but {tag} {what} here");
            self.violation("append_only", id.to_string(), message, format!("git show --stat {id}"));
        }
        for (name, place) in heads {
            let Some((EntryMode::Blob, blob)) = place else { continue };
            let bytes = self.repository.blob(blob);
            let Some(bytes) = self.read(&id.to_string(), bytes)? else { continue };
            match serde_json::from_slice::<AcceptedHead>(&bytes) {
                Ok(AcceptedHead { head, height, .. }) => {
                    self.heads.entry(name).or_default().push(Accepted { ledger: id, head, height });
                }
                Err(error) => {
                    let object = format!("{id}:environments/{name}.json");
                    self.violation("document", object, format!("it does not parse: {error}"), format!("git show {id}"));
                }
            }
        }
        Ok(())
    }

    /// Every head that was ever accepted stands on an environment's line, at the height that was said.
    pub(super) fn every_head_stood(&mut self, lines: &Lines) {
        for (name, heads) in std::mem::take(&mut self.heads) {
            // The line of an environment that was renamed is carried on by another one.
            let own = lines.get(&name);
            for Accepted { ledger, head, height } in heads {
                let there = |line: &HashMap<ObjectId, u64>| line.get(&head).copied();
                let found = own.and_then(there).or_else(|| lines.values().find_map(there));
                if found != Some(height) {
                    let object = format!("{ledger}:environments/{name}.json");
                    let message = match found {
                        None => format!("an accepted head stays on its branch, but {head} is not on that of {name}"),
                        Some(found) => format!("{head} has height {found}, not {height}"),
                    };
                    self.violation("head", object, message, format!("git log --first-parent {head}"));
                }
            }
        }
    }

    /// Tagged commits and heads are ancestors of the ledger's `tip`, so a clone of that branch has everything.
    pub(super) fn kept_alive(
        &mut self,
        tip: ObjectId,
        layout: &Layout,
        tagged: Vec<(VersionTag, ObjectId)>,
    ) -> Result<(), Problem> {
        let walked = self.repository.ancestors(tip);
        let Some(ancestors) = self.read("pointsman/ledger", walked)? else { return Ok(()) };
        let ancestors: HashSet<_> = ancestors.into_iter().collect();
        let mut lost = Vec::new();
        for (tag, commit) in tagged {
            lost.extend((!ancestors.contains(&commit)).then(|| (tag.to_string(), commit)));
        }
        for (name, head) in &layout.heads {
            lost.extend((!ancestors.contains(&head.head)).then(|| (format!("the head of {name}"), head.head)));
        }
        for (what, commit) in lost {
            let message = format!("the ledger keeps {what} alive, but {commit} is none of its ancestors");
            self.violation("kept_alive", commit.to_string(), message, format!("git branch --contains {commit}"));
        }
        Ok(())
    }
}
