//! What the ledger's newest tree holds: versions and documents, each where it belongs, and nothing else.

use std::collections::BTreeMap;

use super::Verifying;
use crate::domain::ledger::{AcceptedHead, KeyRecord, Marks, Rejection};
use crate::domain::{AgentId, Digest, EnvironmentName, ObjectId, VersionNumber, VersionTag};
use crate::ops::Problem;
use crate::store::{EntryMode, TreeChange};

/// The ledger's tree, read.
#[derive(Default)]
pub(super) struct Layout {
    /// The trees of all versions.
    pub(super) versions: BTreeMap<VersionTag, ObjectId>,
    /// The accepted heads.
    pub(super) heads: BTreeMap<EnvironmentName, AcceptedHead>,
}

/// What a path of the ledger is.
pub(crate) enum Meaning {
    /// A folder on the way to something.
    Folder,
    /// A version's entry.
    Version(VersionTag),
    /// `marks.json` of an agent.
    Marks(AgentId),
    /// A refused tag.
    Rejection(VersionTag),
    /// The accepted head of an environment.
    Head(EnvironmentName),
    /// The answer to an idempotency key.
    Key,
    /// Test results and approvals, whatever they hold.
    Evidence,
    /// The README.
    Readme,
}

/// What stands at `path`; nothing if Pointsman never writes there.
pub(crate) fn meaning(path: &str, folder: bool) -> Option<Meaning> {
    if path == "README.md" && !folder {
        return Some(Meaning::Readme);
    }
    if let Some(name) = path.strip_prefix("environments/") {
        return Some(Meaning::Head(name.strip_suffix(".json").filter(|_| !folder)?.parse().ok()?));
    }
    if let Some(name) = path.strip_prefix("keys/") {
        if folder {
            return (name.len() == 2).then_some(Meaning::Folder);
        }
        let hex: String = name.strip_suffix(".json")?.split('/').collect();
        return format!("sha256:{hex}").parse::<Digest>().is_ok().then_some(Meaning::Key);
    }
    let Some(below) = path.strip_prefix("agents/") else {
        return (folder && matches!(path, "agents" | "environments" | "keys")).then_some(Meaning::Folder);
    };
    if folder && below.parse::<AgentId>().is_ok() {
        return Some(Meaning::Folder);
    }
    let (agent, name) = below.rsplit_once('/')?;
    if let (Some(agent), false) = (agent.strip_suffix("/rejected"), folder) {
        let number = name.strip_suffix(".json")?.strip_prefix('v')?.parse::<VersionNumber>().ok()?;
        return Some(Meaning::Rejection(VersionTag { agent: agent.parse().ok()?, number }));
    }
    let agent: AgentId = agent.parse().ok()?;
    match (name, folder) {
        ("marks.json", false) => Some(Meaning::Marks(agent)),
        ("rejected", true) => Some(Meaning::Folder),
        ("evidence", true) => Some(Meaning::Evidence),
        (name, true) => {
            let number = name.strip_prefix('v')?.parse().ok()?;
            Some(Meaning::Version(VersionTag { agent, number }))
        }
        _ => None,
    }
}

impl Verifying<'_> {
    /// Reads the ledger's tree `root`.
    pub(super) fn layout(&mut self, root: ObjectId) -> Result<Layout, Problem> {
        let mut layout = Layout::default();
        let mut documents = Vec::new();
        let mut strange = Vec::new();
        let walked = self.repository.changes(None, Some(root), &mut |change: &TreeChange| {
            let Some((mode, id)) = change.after else { return Ok(false) };
            match meaning(&change.path, mode == EntryMode::Tree) {
                Some(Meaning::Folder) => return Ok(true),
                Some(Meaning::Version(tag)) => drop(layout.versions.insert(tag, id)),
                Some(Meaning::Evidence | Meaning::Readme) => {}
                Some(document) => documents.push((change.path.clone(), id, document)),
                None => strange.push(change.path.clone()),
            }
            Ok(false)
        });
        self.read("pointsman/ledger", walked)?;
        for path in strange {
            let object = format!("pointsman/ledger:{path}");
            let hint = format!("git log --first-parent pointsman/ledger -- {path}");
            self.violation("strange_path", object, "nothing of this name is ever written there", hint);
        }
        for (path, id, document) in documents {
            self.document(&mut layout, &path, id, document)?;
        }
        let mut last: Option<&AgentId> = None;
        let mut agents = 0;
        let mut collisions = Vec::new();
        for tag in layout.versions.keys() {
            if last != Some(&tag.agent) {
                agents += 1;
                collisions.extend(last.filter(|last| last.collides_with(&tag.agent)).map(|last| (last.clone(), tag)));
                last = Some(&tag.agent);
            }
        }
        for (outer, inner) in collisions {
            let message = format!("no agent id begins another, but `{outer}` begins `{}`", inner.agent);
            let hint = format!("git log --first-parent pointsman/ledger -- agents/{}", inner.agent);
            self.violation("id_collision", format!("pointsman/ledger:agents/{outer}"), message, hint);
        }
        self.found.checked.agents = agents;
        self.found.checked.versions = layout.versions.len();
        self.found.checked.environments = layout.heads.len();
        self.entries = layout.versions.iter().map(|(tag, tree)| (*tree, tag.clone())).collect();
        Ok(layout)
    }

    fn document(&mut self, layout: &mut Layout, path: &str, id: ObjectId, document: Meaning) -> Result<(), Problem> {
        let object = format!("pointsman/ledger:{path}");
        let blob = self.repository.blob(id);
        let Some(bytes) = self.read(&object, blob)? else { return Ok(()) };
        let fault = match document {
            Meaning::Marks(_) => serde_json::from_slice::<Marks>(&bytes).err(),
            Meaning::Rejection(_) => serde_json::from_slice::<Rejection>(&bytes).err(),
            Meaning::Key => serde_json::from_slice::<KeyRecord>(&bytes).err(),
            Meaning::Head(name) => match serde_json::from_slice(&bytes) {
                Ok(head) => {
                    layout.heads.insert(name, head);
                    None
                }
                Err(error) => Some(error),
            },
            _ => None,
        };
        if let Some(error) = fault {
            let hint = format!("git log -p --first-parent pointsman/ledger -- {path}");
            self.violation("document", object, format!("it does not parse: {error}"), hint);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_pointsman_writes_has_a_meaning() {
        for (path, folder) in [
            ("agents", true),
            ("agents/emea", true),
            ("agents/emea/billing/v7", true),
            ("agents/emea/billing/marks.json", false),
            ("agents/emea/billing/rejected", true),
            ("agents/emea/billing/rejected/v7.json", false),
            ("environments/live.json", false),
            ("keys/ab", true),
            ("README.md", false),
        ] {
            assert!(meaning(path, folder).is_some(), "{path}");
        }
        for (path, folder) in [
            ("agents/v7", true),
            ("agents/support/v7", false),
            ("agents/support/v07", true),
            ("agents/support/notes.txt", false),
            ("agents/support/rejected/7.json", false),
            ("environments/live", true),
            ("environments/Live.json", false),
            ("keys/ab/cd.json", false),
            ("other", true),
        ] {
            assert!(meaning(path, folder).is_none(), "{path}");
        }
    }
}
