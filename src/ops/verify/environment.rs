//! Environment branches: every commit is a record that fits its tree, and the accepted head says what history says.

use std::collections::{BTreeMap, HashMap};

use super::Verifying;
use super::layout::Layout;
use super::ledger::Lines;
use crate::domain::ledger::AcceptedHead;
use crate::domain::{EnvironmentName, ObjectId};
use crate::ops::Problem;
use crate::reconcile::{fold, misfit};
use crate::store::{Recorded, root_commit};

impl Verifying<'_> {
    /// Checks all environments and returns their lines.
    pub(super) fn environments(&mut self, layout: &Layout) -> Result<Lines, Problem> {
        let mut lines = Lines::new();
        for (name, head) in &layout.heads {
            let line = self.line(name, head)?;
            lines.insert(name.clone(), line);
        }
        Ok(lines)
    }

    fn line(&mut self, name: &EnvironmentName, head: &AcceptedHead) -> Result<HashMap<ObjectId, u64>, Problem> {
        let object = format!("pointsman/ledger:environments/{name}.json");
        let mut commits = Vec::new();
        for recorded in self.repository.records(head.head) {
            let Some(recorded) = self.read(&object, recorded)? else { return Ok(HashMap::new()) };
            commits.push(recorded);
        }
        commits.reverse();
        self.found.checked.commits += commits.len();
        let log = format!("git log --first-parent {}", head.head);
        let root = root_commit(self.repository);
        let first = commits.first().map(|first| first.commit.id);
        if first != Some(root) {
            let first = first.map_or_else(|| "nothing".to_owned(), |first| first.to_string());
            let message = format!("the line of {name} begins with {first}, not with the root {root}");
            self.violation("root", object.clone(), message, log.clone());
        }
        if commits.len() as u64 != head.height {
            let message =
                format!("the line of {name} has {} commits, but its height says {}", commits.len(), head.height);
            self.violation("height", object.clone(), message, log.clone());
        }
        let mut rolled_back = BTreeMap::new();
        for pair in commits.windows(2) {
            self.step(name, &pair[0], &pair[1])?;
            if let Some(record) = &pair[1].record {
                fold(&mut rolled_back, record);
            }
        }
        self.one_name_at_a_time(name, &commits);
        rolled_back.retain(|_, versions: &mut Vec<_>| !versions.is_empty());
        let mut said = head.rolled_back.clone();
        said.retain(|_, versions| !versions.is_empty());
        if rolled_back != said {
            let message =
                format!("what was rolled back from in {name} is {rolled_back:?} by its history, not {said:?}");
            self.violation("rolled_back", object, message, log);
        }
        self.routes(name, &commits)?;
        Ok(commits.iter().zip(1..).map(|(recorded, height)| (recorded.commit.id, height)).collect())
    }

    /// One commit after the one before it.
    fn step(&mut self, name: &EnvironmentName, before: &Recorded, after: &Recorded) -> Result<(), Problem> {
        let id = after.commit.id.to_string();
        let show = format!("git show {id}");
        if after.commit.time < before.commit.time {
            let message = format!("times never fall along {name}, but this is before {}", before.commit.id.short());
            self.violation("time", id.clone(), message, show.clone());
        }
        let entries = &self.entries;
        let fault = misfit(self.repository, before.commit.tree, after, &mut |tree| Ok(entries.get(&tree).cloned()));
        if let Some(Some(fault)) = self.read(&id, fault)? {
            self.violation("record", id, format!("a commit of {name} says what it does, but {fault}"), show);
        }
        Ok(())
    }

    /// A renamed environment has its old name up to some commit and never again.
    fn one_name_at_a_time(&mut self, name: &EnvironmentName, commits: &[Recorded]) {
        let mut newer = name.clone();
        let mut used = vec![newer.clone()];
        for recorded in commits.iter().rev() {
            let Some(record) = recorded.record.as_ref().filter(|record| record.environment != newer) else { continue };
            if used.contains(&record.environment) {
                let id = recorded.commit.id.to_string();
                let message = format!("it is a move in {}, but stands on the line of {name}", record.environment);
                self.violation("other_environment", id.clone(), message, format!("git show {id}"));
                return;
            }
            newer = record.environment.clone();
            used.push(newer.clone());
        }
    }

    /// `routes.json` is canonical; that it is the policy's is the next pass's business.
    fn routes(&mut self, name: &EnvironmentName, commits: &[Recorded]) -> Result<(), Problem> {
        let Some(last) = commits.last() else { return Ok(()) };
        let object = format!("{}:routes.json", last.commit.id);
        let blob = self.repository.blob_at(last.commit.tree, "routes.json");
        let Some(Some(blob)) = self.read(&object, blob)? else { return Ok(()) };
        let bytes = self.repository.blob(blob);
        let Some(bytes) = self.read(&object, bytes)? else { return Ok(()) };
        let canonical = crate::policy::routes::canonical(&bytes);
        if canonical.as_ref() != Some(&bytes) {
            let message = format!("the routes of {name} are canonical JSON, but these bytes are not");
            self.violation("routes", object.clone(), message, format!("git show {object}"));
        }
        Ok(())
    }
}
