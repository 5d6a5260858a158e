//! Every version proves itself, and freezing it again gives the same bytes.

use super::Verifying;
use super::layout::Layout;
use crate::compile::COMPILER;
use crate::domain::{ObjectId, VersionTag};
use crate::ops::Problem;
use crate::plan::Verdict;
use crate::reconcile::{Judged, disproof, judge};
use crate::store::{Error, Repository};

/// Fewer versions than this are not worth another thread, which opens the repository for itself.
const WORTH_A_THREAD: usize = 200;

/// The tagged commit of an entry, and what is wrong with the entry.
pub(in crate::ops) type Proof = Result<(ObjectId, Option<String>), Error>;

impl Verifying<'_> {
    /// Checks all entries and returns the commits that they were tagged at.
    pub(super) fn entries(&mut self, layout: &Layout) -> Result<Vec<(VersionTag, ObjectId)>, Problem> {
        let versions: Vec<_> = layout.versions.iter().collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        let share = versions.len().div_ceil(threads).max(WORTH_A_THREAD);
        let proofs: Vec<Proof> = std::thread::scope(|scope| {
            let proving = versions.chunks(share).map(|share| {
                let dir = self.repository.git_dir();
                scope.spawn(move || {
                    let repository = Repository::open(dir)?;
                    Ok(share.iter().map(|(tag, tree)| prove(&repository, tag, **tree)).collect::<Vec<_>>())
                })
            });
            let proving: Vec<_> = proving.collect();
            let joined = proving.into_iter().map(|share| share.join().expect("a panic in a thread is one here"));
            joined.collect::<Result<Vec<_>, Error>>().map(|shares| shares.into_iter().flatten().collect())
        })?;
        let mut commits = Vec::new();
        for ((tag, _), proof) in versions.into_iter().zip(proofs) {
            let object = format!("pointsman/ledger:agents/{tag}");
            let Some((commit, fault)) = self.read(&object, proof)? else { continue };
            commits.push((tag.clone(), commit));
            if let Some(fault) = fault {
                let message = format!("a version proves itself, but {fault}");
                self.violation("entry", object.clone(), message, format!("git show {object}"));
            }
        }
        Ok(commits)
    }
}

/// Whether the entry `tree` proves itself as the version `tag`.
pub(in crate::ops) fn prove(repository: &Repository, tag: &VersionTag, tree: ObjectId) -> Proof {
    let entry = repository.read_entry(tree)?;
    let fault = if entry.record.compiler == COMPILER {
        frozen_again(repository, tag, tree, &entry)
    } else {
        disproof(repository, &tag.agent, tag.number, &entry)
    };
    // Whatever was staged for the proof is not to be written.
    repository.drop_staged();
    Ok((entry.record.commit, fault?))
}

/// The same compiler writes the same tree from the tag alone, which proves everything at once.
fn frozen_again(
    repository: &Repository,
    tag: &VersionTag,
    tree: ObjectId,
    entry: &crate::store::Entry,
) -> Result<Option<String>, Error> {
    let object = repository.stage_raw_tag(&repository.blob(entry.tag)?);
    let again = match judge(repository, tag, object, Some(tag.number), None)? {
        Judged::Verdict(Verdict::Accept(accepted)) if accepted.entry == tree => return Ok(None),
        Judged::Verdict(Verdict::Accept(accepted)) => format!("freezing it again gives {}, not {tree}", accepted.entry),
        Judged::Verdict(Verdict::Refuse(rejection)) => format!("freezing it again is refused: {}", rejection.reason),
        Judged::Verdict(Verdict::Gone) => "its tag is gone".to_owned(),
        Judged::NotOurs(reason) => reason,
    };
    // What is wrong in particular says more than that something is.
    Ok(disproof(repository, &tag.agent, tag.number, entry)?.or(Some(again)))
}
