//! Which policy holds at a commit: the newest one that parses on the first-parent line below it.
//!
//! A repository may do without the file. That there never was one is only known at the end of the line, so what was
//! walked is remembered: a project of many commits pays for the walk once.

use super::{Repository, Result};
use crate::domain::ObjectId;
use crate::policy::Policy;

/// The hint with the newest commit that is known to have no policy, and none below it either.
const NEVER_BEFORE: &str = "no-policy-before";

/// A walk of fewer commits is made again rather than remembered.
const SHORT_WALK: usize = 16;

impl Repository {
    /// The policy text of commit `commit`.
    pub fn policy_text(&self, commit: ObjectId) -> Result<Option<String>> {
        let tree = self.commit(commit)?.tree;
        match self.blob_at(tree, crate::policy::FILE)? {
            Some(blob) => self.policy_blob(blob).map(Some),
            None => Ok(None),
        }
    }

    /// The text of a policy. One that is too long is refused for that alone, and is not read: blanks stand for it.
    fn policy_blob(&self, blob: ObjectId) -> Result<String> {
        if self.blob_size(blob)? > crate::policy::LARGEST as u64 {
            return Ok(" ".repeat(crate::policy::LARGEST + 1));
        }
        Ok(String::from_utf8_lossy(&self.blob(blob)?).into_owned())
    }

    /// The newest policy that parses on the first-parent line of `tip`, with what is wrong with the newest text.
    pub fn policy(&self, tip: ObjectId) -> Result<(Policy, Option<String>)> {
        if let Some((known, found)) = &*self.policy.borrow()
            && *known == tip
        {
            return Ok(found.clone());
        }
        let found = self.find_policy(tip)?;
        self.policy.replace(Some((tip, found.clone())));
        Ok(found)
    }

    fn find_policy(&self, tip: ObjectId) -> Result<(Policy, Option<String>)> {
        let mut trouble: Option<String> = None;
        let mut broken_now: Option<String> = None;
        let mut last_blob = None;
        let never_before = self.hint(NEVER_BEFORE).and_then(|id| std::str::from_utf8(&id).ok()?.trim().parse().ok());
        let mut walked = 0;
        for commit in self.first_parents(tip) {
            // Whether there was an older policy decides what holds now: a history that is cut off is not "none".
            let commit = commit?;
            if never_before == Some(commit.id) {
                break;
            }
            walked += 1;
            let blob = self.blob_at(commit.tree, crate::policy::FILE)?;
            let Some(blob) = blob else {
                if trouble.is_none() {
                    trouble = Some(format!(
                        "pointsman.toml is not on the default branch any more (commit {})",
                        commit.id.short()
                    ));
                }
                continue;
            };
            if last_blob == Some(blob) {
                continue;
            }
            last_blob = Some(blob);
            match Policy::parse(&self.policy_blob(blob)?) {
                Ok(policy) => {
                    let note =
                        trouble.map(|trouble| format!("{trouble}; the one of commit {} holds", commit.id.short()));
                    return Ok((policy, note));
                }
                Err(error) => {
                    let line = error.place.as_ref().map(|place| format!(" (line {})", place.line)).unwrap_or_default();
                    let hint = error.hint.as_ref().map(|hint| format!(", {hint}")).unwrap_or_default();
                    if trouble.is_none() {
                        broken_now = Some(format!("{error}{line}{hint}"));
                    }
                    trouble
                        .get_or_insert(format!("pointsman.toml on the default branch is broken: {error}{line}{hint}"));
                }
            }
        }
        if last_blob.is_none() && walked >= SHORT_WALK {
            self.leave_hint(NEVER_BEFORE, tip.to_string().as_bytes());
        }
        // A repository that never had the file has no trouble; one that only ever had broken ones does. While one is
        // there nothing enters: the defaults would ignore gates that its author asked for.
        if let (Some(reason), Some(trouble)) = (broken_now, &trouble) {
            return Ok((
                Policy::closed(&reason),
                Some(format!("{trouble}; nothing enters an environment until it is mended")),
            ));
        }
        let broken = last_blob.is_some();
        Ok((
            Policy::default(),
            trouble.filter(|_| broken).map(|trouble| format!("{trouble}; the embedded defaults hold")),
        ))
    }
}
