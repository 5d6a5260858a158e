//! Verify: every promise of the git layout, checked over a whole repository without changing anything but tracking
//! refs.
//!
//! Each commit and each tree is looked at once: neighbouring commits of a line differ by little, and what is equal is
//! never looked into.

mod entries;
mod environment;
mod layout;
mod ledger;

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::{Problem, Workspace};
use crate::domain::{EnvironmentName, ObjectId, VersionTag};
use crate::plan::Step;
use crate::reconcile::{Memory, Order, foresee};
use crate::store::{Error, Ledger, RefPlace, Repository, Scope, World};

pub(in crate::ops) use entries::prove;
pub(crate) use layout::{Meaning, meaning};

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// A stable word.
    pub code: &'static str,
    /// What it is about: a revision that plain git can show.
    pub object: String,
    /// What was expected and what was found.
    pub message: String,
    /// Something to type.
    pub hint: String,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Agents in the ledger.
    pub agents: usize,
    /// Versions in the ledger.
    pub versions: usize,
    /// Environments with an accepted head.
    pub environments: usize,
    /// Commits on the first-parent lines of ledger and environments.
    pub commits: usize,
}

/// What was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verified {
    /// Whether everything is as it must be and the next pass has nothing to do.
    pub ok: bool,
    /// What no pass mends.
    pub violations: Vec<Violation>,
    /// What the next pass does.
    pub pending: Vec<String>,
    /// What is wrong with the policy, if anything; the newest good one holds.
    pub policy: Option<String>,
    /// How much was looked at.
    pub checked: Checked,
}

/// Checks everything.
pub fn verify(workspace: &Workspace) -> Result<Verified, Problem> {
    crate::store::verify_hashes();
    let mut verifying = Verifying {
        repository: &workspace.repository,
        found: Verified::default(),
        entries: HashMap::new(),
        heads: BTreeMap::new(),
    };
    // Looking comes first: it brings the refs that everything else is read from.
    verifying.next_pass(workspace)?;
    let world = workspace.world()?;
    let ledger = verifying.ledger(&world, workspace.local)?;
    if let Some(tip) = ledger {
        verifying.check(tip)?;
    }
    let mut found = verifying.found;
    found.ok = found.violations.is_empty() && found.pending.is_empty();
    Ok(found)
}

struct Verifying<'r> {
    repository: &'r Repository,
    found: Verified,
    /// The versions in the ledger, by the tree that environments name.
    entries: HashMap<ObjectId, VersionTag>,
    /// Every head that the ledger ever accepted, by environment, newest first.
    heads: BTreeMap<EnvironmentName, Vec<ledger::Accepted>>,
}

impl Verifying<'_> {
    fn violation(
        &mut self,
        code: &'static str,
        object: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let (object, message, hint) = (object.into(), message.into(), hint.into());
        self.found.violations.push(Violation { code, object, message, hint });
    }

    /// The value of `result`, or a violation in its place. History that is only missing here proves nothing, so that
    /// error goes to the caller.
    fn read<T>(&mut self, object: &str, result: Result<T, Error>) -> Result<Option<T>, Problem> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error @ (Error::Shallow { .. } | Error::Io { .. })) => Err(error.into()),
            Err(error) => {
                let problem = Problem::from(error);
                self.violation("unreadable", object, problem.message, problem.hint.unwrap_or("git fsck".to_owned()));
                Ok(None)
            }
        }
    }

    /// What the next pass would mend.
    fn next_pass(&mut self, workspace: &Workspace) -> Result<(), Problem> {
        let order = Order::look_at(Scope::All);
        // Nothing that is remembered proves anything, so the memory is empty.
        match foresee(&workspace.context(), &order, &mut Memory::default()) {
            Ok(foreseen) => {
                self.found.pending.extend(foreseen.ledger);
                self.found.pending.extend(foreseen.plan.steps.iter().map(Step::to_string));
                self.found.policy = foreseen.policy_note;
            }
            // No pass decides on this; why is said once, and the rest is looked at all the same.
            Err(error @ (Error::Corrupt { .. } | Error::Diverged { .. } | Error::Git { .. })) => {
                let code = if matches!(error, Error::Diverged { .. }) { "diverged" } else { "undecidable" };
                let problem = Problem::from(error);
                self.violation(
                    code,
                    "pointsman/ledger",
                    problem.message,
                    problem.hint.unwrap_or("git fsck".to_owned()),
                );
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The tip of the ledger, wherever it is read from.
    fn ledger(&mut self, world: &World, local: bool) -> Result<Option<ObjectId>, Problem> {
        let tip = world.read(self.repository, &RefPlace::Ledger)?;
        if tip.is_some() || local {
            return Ok(tip);
        }
        // A remote that has none is given that of this clone by the next pass.
        Ok(world.seed(self.repository)?)
    }

    fn check(&mut self, tip: ObjectId) -> Result<(), Problem> {
        let Some(ledger) = self.read("pointsman/ledger", Ledger::at(self.repository, Some(tip)))? else {
            return Ok(());
        };
        self.ledger_line(tip)?;
        let Some(root) = ledger.root() else { return Ok(()) };
        let layout = self.layout(root)?;
        let commits = self.entries(&layout)?;
        let lines = self.environments(&layout)?;
        self.every_head_stood(&lines);
        self.kept_alive(tip, &layout, commits)
    }
}
