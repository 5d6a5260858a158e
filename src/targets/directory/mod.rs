//! A folder on this machine. `<path>/<environment>` is a symlink to `<environment>.d/<commit>`, which holds
//!
//! ```text
//! agents/<agent>/config.json   the frozen config
//! agents/<agent>/version.json  the version's record
//! routes.json                  which agent answers which number
//! environment.json             which deployment this is: commit and height
//! ```
//!
//! A reader that resolves the symlink once and goes on from there sees one deployment, whole. Deployments are never
//! changed in place: also what was edited by hand is delivered anew beside it, as `<commit>.1`, and the symlink flips.
//! Files are copies, never hard links between deployments, or an edit in one would change all three that are kept.

mod compare;
mod write;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::decide::{Decision, Held, Wanted, decide};
use super::mark::Mark;
use super::place::{Blocking, Failure};
use crate::domain::{EnvironmentName, ObjectId};
use crate::live::Environment;
use compare::Prints;

/// How long one look or one delivery may take.
const LIMIT: Duration = Duration::from_secs(300);

/// Every so many looks the bytes are compared, whatever sizes and times say.
const COMPARED_EVERY: u32 = 10;

/// The largest mark that is read.
const LARGEST_MARK: u64 = 4096;

/// The name of the mark.
const MARK: &str = "environment.json";

/// One environment's folder.
pub(super) struct Directory {
    at: Arc<At>,
    blocking: Blocking,
    verified: Option<Verified>,
    looks: u32,
}

/// Where it is.
pub(super) struct At {
    root: PathBuf,
    environment: EnvironmentName,
}

/// A deployment whose bytes were compared, and how its files looked then.
#[derive(Clone)]
struct Verified {
    name: String,
    prints: Arc<Prints>,
}

impl Directory {
    /// The folder of `environment` below `root`.
    pub(super) fn new(root: PathBuf, environment: EnvironmentName) -> Self {
        let at = Arc::new(At { root, environment });
        Directory { at, blocking: Blocking::new(LIMIT), verified: None, looks: 0 }
    }

    pub(super) async fn held(&mut self, wanted: &Arc<Environment>) -> Result<Held, Failure> {
        let (at, wanted) = (Arc::clone(&self.at), Arc::clone(wanted));
        self.looks = (self.looks + 1) % COMPARED_EVERY;
        let verified = self.verified.take().filter(|_| self.looks != 0);
        let (held, verified) = self.blocking.run(move || at.held(&wanted, verified)).await?;
        self.verified = verified;
        Ok(held)
    }

    pub(super) async fn deliver(&mut self, wanted: &Arc<Environment>) -> Result<(), Failure> {
        let (at, wanted) = (Arc::clone(&self.at), Arc::clone(wanted));
        self.verified = None;
        self.blocking.run(move || at.deliver(&wanted)).await
    }
}

impl At {
    /// The folder with the deployments.
    fn deployments(&self) -> PathBuf {
        self.root.join(format!("{}.d", self.environment))
    }

    /// The symlink.
    fn link(&self) -> PathBuf {
        self.root.join(self.environment.as_str())
    }

    /// Looks without a lock: deployments are complete before they are linked, and never change.
    fn held(&self, wanted: &Environment, verified: Option<Verified>) -> Result<(Held, Option<Verified>), Failure> {
        let link = self.link();
        let target = match std::fs::read_link(&link) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Held::Nothing, None)),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return Err(Failure::new(format!("`{}` is no symlink, so it is not ours to replace", link.display()))
                    .hint(format!("move it away: mv {0} {0}.old", link.display())));
            }
            Err(error) => return Err(cannot("read", &link, &error)),
        };
        let garbage = |what: &str| Ok((Held::Garbage(what.to_owned()), None));
        let Some((name, commit)) = self.deployment(&target) else {
            return garbage("the symlink does not lead to a deployment");
        };
        let folder = self.deployments().join(&name);
        for folder in [&self.deployments(), &folder] {
            match folder.symlink_metadata() {
                Ok(found) if found.is_dir() => {}
                Ok(_) => return garbage("there is no folder where the deployment should be"),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return garbage("the deployment is gone"),
                Err(error) => return Err(cannot("read", folder, &error)),
            }
        }
        let mark = compare::read_file(&folder.join(MARK), LARGEST_MARK)
            .ok()
            .and_then(|bytes| Mark::parse(&bytes, &self.environment))
            .filter(|mark| mark.commit == commit);
        let Some(Mark { commit, height, .. }) = mark else {
            return garbage("`environment.json` is not as it was delivered");
        };
        let deployment = |changed| Held::Deployment { commit, height, changed };
        if (commit, height) != (wanted.head, wanted.height) {
            return Ok((deployment(None), None));
        }
        if let Some(verified) = verified.filter(|verified| verified.name == name)
            && compare::looks_the_same(&folder, &verified.prints)
        {
            return Ok((deployment(None), Some(verified)));
        }
        match compare::compare(&folder, &files(wanted)).map_err(|error| cannot("compare", &folder, &error))? {
            Ok(prints) => Ok((deployment(None), Some(Verified { name, prints: Arc::new(prints) }))),
            Err(what) => Ok((deployment(Some(what)), None)),
        }
    }

    /// The deployment that a symlink's text leads to: `<environment>.d/<commit>`, or `<commit>.<n>` where it had to be
    /// delivered again.
    fn deployment(&self, target: &Path) -> Option<(String, ObjectId)> {
        let name = target.to_str()?.strip_prefix(self.environment.as_str())?.strip_prefix(".d/")?;
        Some((name.to_owned(), commit_of(name)?.0))
    }

    fn deliver(&self, wanted: &Environment) -> Result<(), Failure> {
        let _lock = write::lock(&self.deployments())?;
        // Another controller may have been here between the look and the lock.
        let (held, _) = self.held(wanted, None)?;
        match decide(&held, Wanted { commit: wanted.head, height: wanted.height }, true) {
            Decision::Keep => Ok(()),
            Decision::Refuse { height } => Err(newer(height, wanted.height)),
            Decision::Deliver(_) | Decision::LookAgain(_) => self.write(wanted.head, &files(wanted)),
        }
    }
}

/// The failure of somebody who is late.
pub(super) fn newer(there: u64, here: u64) -> Failure {
    Failure::new(format!("it holds height {there}, which is newer than {here}, the newest known here"))
        .hint("it is kept; if the repository was begun anew, empty the target by hand")
        .passing()
}

/// The commit in a deployment's name, and how often it was delivered again.
fn commit_of(name: &str) -> Option<(ObjectId, u32)> {
    let (commit, again) = match name.split_once('.') {
        Some((commit, again)) => (commit, again.parse().ok()?),
        None => (name, 0),
    };
    Some((commit.parse().ok()?, again))
}

/// The files of a deployment, by path.
fn files(wanted: &Environment) -> BTreeMap<String, Bytes> {
    let mut files = BTreeMap::new();
    for (agent, served) in &wanted.agents {
        files.insert(format!("agents/{agent}/config.json"), served.config.clone());
        files.insert(format!("agents/{agent}/version.json"), served.record.clone());
    }
    files.insert("routes.json".to_owned(), wanted.routes.document().into());
    let mark = Mark::of(&wanted.name, Wanted { commit: wanted.head, height: wanted.height });
    files.insert(MARK.to_owned(), mark.bytes().into());
    files
}

fn cannot(doing: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot {doing} `{}`: {error}", path.display()))
}
