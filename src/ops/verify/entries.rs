//! Every version proves itself, and freezing it again gives the same bytes.

use super::Verifying;
use super::layout::Layout;
use crate::compile::COMPILER;
use crate::domain::{ObjectId, VersionTag};
use crate::ops::Problem;
use crate::plan::Verdict;
use crate::reconcile::{Judged, disproof, judge};
use crate::store::{Error, Repository};

impl Verifying<'_> {
    /// Checks all entries.
    pub(super) fn entries(&mut self, layout: &Layout) -> Result<(), Problem> {
        for (tag, tree) in &layout.versions {
            let fault = fault(self.repository, tag, *tree);
            // Whatever was staged for the proof is not to be written.
            self.repository.drop_staged();
            let object = format!("pointsman/ledger:agents/{tag}");
            if let Some(Some(fault)) = self.read(&object, fault)? {
                self.violation(
                    "entry",
                    object.clone(),
                    format!("a version proves itself, but {fault}"),
                    format!("git show {object}"),
                );
            }
        }
        Ok(())
    }
}

/// What is wrong with the entry `tree` as version `tag`.
fn fault(repository: &Repository, tag: &VersionTag, tree: ObjectId) -> Result<Option<String>, Error> {
    let entry = repository.read_entry(tree)?;
    if entry.record.compiler != COMPILER {
        return disproof(repository, &tag.agent, tag.number, &entry);
    }
    // The same compiler writes the same tree from the tag alone, which proves everything at once.
    let raw = repository.blob(entry.tag)?;
    let object = repository.stage_raw_tag(&raw);
    match judge(repository, tag, object, Some(tag.number), None)? {
        Judged::Verdict(Verdict::Accept(accepted)) if accepted.entry == tree => Ok(None),
        judged => {
            if let Some(fault) = disproof(repository, &tag.agent, tag.number, &entry)? {
                return Ok(Some(fault));
            }
            Ok(Some(match judged {
                Judged::Verdict(Verdict::Accept(accepted)) => {
                    format!("freezing it again gives {}, not {tree}", accepted.entry)
                }
                Judged::Verdict(Verdict::Refuse(rejection)) => {
                    format!("freezing it again is refused: {}", rejection.reason)
                }
                Judged::Verdict(Verdict::Gone) => "its tag is gone".to_owned(),
                Judged::NotOurs(reason) => reason,
            }))
        }
    }
}
