//! Whether a commit of an environment branch is what it says: its record fits the change of its tree.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::ledger::Hold;
use crate::domain::record::{Action, Record};
use crate::domain::{AgentId, ObjectId, VersionNumber, VersionTag};
use crate::store::{EntryMode, Recorded, Repository, Result, TreeChange};

/// Which version a tree is, if it is one.
pub type EntryOf<'a> = &'a mut dyn FnMut(ObjectId) -> Result<Option<VersionTag>>;

/// What is wrong with `recorded` as the successor of a commit with the tree `before`; nothing if its record tells
/// exactly what its tree changes.
pub fn misfit(
    repository: &Repository,
    before: ObjectId,
    recorded: &Recorded,
    entry_of: EntryOf<'_>,
) -> Result<Option<String>> {
    let Some(record) = &recorded.record else {
        return Ok(Some("it is no record of Pointsman's".to_owned()));
    };
    let foreign = matches!(record.action, Action::Accept | Action::Heal);
    let parents = recorded.commit.parents.len();
    if parents != 1 + usize::from(foreign) {
        let expected = if foreign { "the foreign tip as second parent" } else { "one parent" };
        return Ok(Some(format!("the action `{}` has {expected}, but there are {parents}", record.action.word())));
    }
    if let Some(first) = record.moves.first()
        && record.moves.iter().any(|made| made.deployment != first.deployment)
    {
        return Ok(Some("its moves belong to more than one deployment".to_owned()));
    }
    let mut reading = Reading { repository, record, entry_of, moved: BTreeMap::new(), fault: None };
    repository.changes(Some(before), Some(recorded.commit.tree), &mut |change| reading.change(change))?;
    if reading.fault.is_some() {
        return Ok(reading.fault);
    }
    reading.compare(recorded.commit.tree)
}

struct Reading<'a> {
    repository: &'a Repository,
    record: &'a Record,
    entry_of: EntryOf<'a>,
    /// What the tree changes, per agent.
    moved: BTreeMap<AgentId, (Option<VersionNumber>, Option<VersionNumber>)>,
    fault: Option<String>,
}

impl Reading<'_> {
    /// Takes one changed path; says whether to look below it.
    fn change(&mut self, change: &TreeChange) -> Result<bool> {
        if self.fault.is_some() {
            return Ok(false);
        }
        let path = change.path.as_str();
        if let Some(agent) = path.strip_prefix("agents/") {
            return self.served(agent, change);
        }
        if let Some(hold) = path.strip_prefix("holds/") {
            return self.hold(hold, change);
        }
        match path {
            "agents" | "holds" if change.only_folders() => return Ok(true),
            "routes.json" if self.record.action == Action::Routes => {}
            _ => self.fault = Some(format!("it changes `{path}`, which its record does not tell")),
        }
        Ok(false)
    }

    fn served(&mut self, agent: &str, change: &TreeChange) -> Result<bool> {
        let mut sides = [None, None];
        for (side, place) in sides.iter_mut().zip([change.before, change.after]) {
            if let Some((EntryMode::Tree, id)) = place {
                *side = (self.entry_of)(id)?;
            }
        }
        if sides == [None, None] && change.only_folders() {
            // A folder around agents. Longer than any id it can hold none.
            if agent.len() <= crate::domain::agent_id::LONGEST {
                return Ok(true);
            }
            self.fault = Some(format!("`{}` is no published version", change.path));
            return Ok(false);
        }
        for (side, place) in sides.iter().zip([change.before, change.after]) {
            let fits = side.as_ref().is_none_or(|tag| tag.agent.as_str() == agent);
            if place.is_some() != side.is_some() || !fits {
                self.fault = Some(format!("what stands at `{}` is no published version of it", change.path));
                return Ok(false);
            }
        }
        let [before, after] = sides;
        if let Some(tag) = before.as_ref().or(after.as_ref()) {
            let number = |tag: &Option<VersionTag>| tag.as_ref().map(|tag| tag.number);
            self.moved.insert(tag.agent.clone(), (number(&before), number(&after)));
        }
        Ok(false)
    }

    fn hold(&mut self, path: &str, change: &TreeChange) -> Result<bool> {
        if change.only_folders() && path.len() <= crate::domain::agent_id::LONGEST {
            return Ok(true);
        }
        let agent = path.strip_suffix(".json").and_then(|path| path.parse::<AgentId>().ok());
        let told = agent.is_some_and(|agent| self.record.moves.iter().any(|made| made.agent == agent));
        let reads = match change.after {
            Some((EntryMode::Blob, blob)) => serde_json::from_slice::<Hold>(&self.repository.blob(blob)?).is_ok(),
            other => other.is_none(),
        };
        if !told {
            self.fault = Some(format!("it changes `{}`, which its record does not tell", change.path));
        } else if !reads {
            self.fault = Some(format!("`{}` is no hold", change.path));
        }
        Ok(false)
    }

    /// Whether the record tells what the tree did.
    fn compare(mut self, tree: ObjectId) -> Result<Option<String>> {
        let shown = |version: Option<VersionNumber>| version.map_or_else(|| "-".to_owned(), |it| it.to_string());
        let record = self.record;
        let mut told = BTreeSet::new();
        for made in &record.moves {
            if !told.insert(&made.agent) {
                return Ok(Some(format!("it moves `{}` twice", made.agent)));
            }
            let (from, to) = match self.moved.remove(&made.agent) {
                Some(moved) => moved,
                // Nothing moved, as a hold says of what stays: then that is what stands there.
                None => {
                    let there = self.repository.tree_at(tree, &format!("agents/{}", made.agent))?;
                    let there = there.map_or(Ok(None), |tree| (self.entry_of)(tree))?.map(|tag| tag.number);
                    (there, there)
                }
            };
            if (made.from, made.to) != (from, to) {
                return Ok(Some(format!(
                    "it says that `{}` went from {} to {}, but its tree says from {} to {}",
                    made.agent,
                    shown(made.from),
                    shown(made.to),
                    shown(from),
                    shown(to)
                )));
            }
        }
        Ok(self.moved.into_iter().next().map(|(agent, (from, to))| {
            format!("it moves `{agent}` from {} to {}, which its record does not tell", shown(from), shown(to))
        }))
    }
}
