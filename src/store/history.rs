//! Questions to history: first-parent lines, ancestry, and whether content was ever there.

use super::error::Doing as _;
use super::objects::oid;
use super::{AgentContent, Commit, Error, Located, Repository, Result};
use crate::domain::record::Record;
use crate::domain::{AgentId, ObjectId, Stay, VersionNumber};

/// A commit of an environment branch and what it says about itself.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The commit.
    pub commit: Commit,
    /// Its record; absent on the root and on commits that are not ours.
    pub record: Option<Record>,
}

/// The commits on the first-parent line from a tip down, newest first.
pub struct FirstParents<'r> {
    repository: &'r Repository,
    next: Option<ObjectId>,
    /// The last commit that a shallow clone has of the line.
    cut_at: Option<ObjectId>,
}

impl Iterator for FirstParents<'_> {
    type Item = Result<Commit>;

    fn next(&mut self) -> Option<Self::Item> {
        // A cut-off history must not look like the beginning of one.
        if let Some(id) = self.cut_at.take() {
            return Some(Err(Error::Shallow {
                what: format!("history ends at {} in this shallow clone", id.short()),
                hint: "git fetch --unshallow".to_owned(),
            }));
        }
        let id = self.next.take()?;
        let commit = match self.repository.commit(id) {
            Ok(commit) => commit,
            Err(error) => return Some(Err(error)),
        };
        self.next = commit.parents.first().copied();
        if self.next.is_none() && self.repository.is_cut_off(id) {
            self.cut_at = Some(id);
        }
        Some(Ok(commit))
    }
}

impl Repository {
    /// The first-parent line from `tip` down.
    pub fn first_parents(&self, tip: ObjectId) -> FirstParents<'_> {
        FirstParents { repository: self, next: Some(tip), cut_at: None }
    }

    /// Whether history before commit `id` is missing here. As read when first asked: libgit2 remembers commits without
    /// the parents that a fetch may bring meanwhile.
    fn is_cut_off(&self, id: ObjectId) -> bool {
        let read = || {
            let ids = std::fs::read_to_string(self.common_dir().join("shallow")).unwrap_or_default();
            ids.lines().filter_map(|line| line.parse().ok()).collect()
        };
        self.cut_off.get_or_init(read).contains(&id)
    }

    /// Whether `ancestor` is `descendant` or one of its ancestors.
    pub fn is_ancestor(&self, ancestor: ObjectId, descendant: ObjectId) -> Result<bool> {
        if ancestor == descendant {
            return Ok(true);
        }
        if !self.has(ancestor) || !self.has(descendant) {
            return Ok(false);
        }
        self.git
            .graph_descendant_of(oid(descendant), oid(ancestor))
            .doing(|| format!("compare the histories of {} and {}", ancestor.short(), descendant.short()))
    }

    /// `tip` and all its ancestors that are here (a shallow clone lacks some), children before parents.
    pub fn ancestors(&self, tip: ObjectId) -> Result<Vec<ObjectId>> {
        let doing = || format!("walk the history of {}", tip.short());
        let mut walk = self.git.revwalk().doing(doing)?;
        walk.set_sorting(git2::Sort::TOPOLOGICAL).doing(doing)?;
        walk.push(oid(tip)).doing(doing)?;
        walk.map(|found| Ok(super::objects::id(found.doing(doing)?))).collect()
    }

    /// Whether `ancestor` stands on the first-parent line of `tip`.
    pub fn is_on_line(&self, ancestor: ObjectId, tip: ObjectId) -> Result<bool> {
        for commit in self.first_parents(tip) {
            if commit?.id == ancestor {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The commits of an environment from its accepted head down, with their records, newest first.
    pub fn records(&self, head: ObjectId) -> impl Iterator<Item = Result<Recorded>> + '_ {
        self.first_parents(head).map(|commit| {
            let commit = commit?;
            let record = Record::parse(&commit.message);
            Ok(Recorded { commit, record })
        })
    }

    /// The versions of `agent` that were live below `head`, newest first, each time it changed; `until` says when to
    /// stop looking.
    pub fn earlier_versions(
        &self,
        head: ObjectId,
        agent: &AgentId,
        mut until: impl FnMut(VersionNumber) -> bool,
    ) -> Result<Option<VersionNumber>> {
        for recorded in self.records(head) {
            let Some(record) = recorded?.record else { continue };
            for made in record.moves.iter().filter(|made| made.agent == *agent) {
                if made.from != made.to
                    && let Some(from) = made.from
                    && until(from)
                {
                    return Ok(Some(from));
                }
            }
        }
        Ok(None)
    }

    /// Every stay of `version` of `agent` in the environment with accepted head `head`, newest first.
    pub fn stays(&self, head: ObjectId, agent: &AgentId, version: VersionNumber) -> Result<Vec<Stay>> {
        let mut stays = Vec::new();
        let mut until = None;
        for recorded in self.records(head) {
            let Recorded { commit, record } = recorded?;
            let Some(record) = record else { continue };
            for made in record.moves.iter().filter(|made| made.agent == *agent && made.from != made.to) {
                if made.to == Some(version) {
                    stays.push(Stay { since: commit.time, until });
                }
                until = Some(commit.time);
            }
        }
        Ok(stays)
    }

    /// Whether `content` is, or was, the agent's content on the first-parent line of `tip` (trees, not ancestry, so
    /// squashed and rebased merges count).
    pub fn was_merged(&self, tip: ObjectId, located: &Located, content: AgentContent) -> Result<bool> {
        for commit in self.first_parents(tip) {
            if self.content(commit?.tree, located)? == Some(content) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether `tip` or any of its ancestors has `content` in one of `folders`, its included files at their paths.
    /// Which files an agent includes may have changed since; those that the content names are asked for.
    pub fn is_in_history(
        &self,
        tip: ObjectId,
        agent: &AgentId,
        folders: &[&str],
        content: AgentContent,
    ) -> Result<bool> {
        let doing = || format!("walk the history of {}", tip.short());
        let mut walk = self.git.revwalk().doing(doing)?;
        walk.push(oid(tip)).doing(doing)?;
        let mut seen = std::collections::HashSet::new();
        let mut cut_off = false;
        for id in walk {
            let id = super::objects::id(id.doing(doing)?);
            let tree = self.commit(id)?.tree;
            cut_off |= self.is_cut_off(id);
            // Most commits of a large repository do not touch this agent: equal roots are looked at once.
            if !seen.insert(tree) {
                continue;
            }
            for folder in folders {
                if self.tree_at(tree, folder)? == Some(content.source)
                    && content.include.map_or(Ok(true), |include| self.is_part_of(include, tree))?
                {
                    return Ok(true);
                }
            }
        }
        if cut_off {
            return Err(Error::Shallow {
                what: format!(
                    "whether the newest version of `{agent}` is part of this history cannot be seen in a shallow clone"
                ),
                hint: "git fetch --unshallow".to_owned(),
            });
        }
        Ok(false)
    }
}
