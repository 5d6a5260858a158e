//! Looking at a change of an environment branch that Pointsman did not make.

use super::environments::served_version;
use crate::domain::{AgentId, ObjectId};
use crate::plan::{Observed, Proposal, ProposedChange, Served};
use crate::store::{EntryMode, Error, Repository, Result, TreeChange};

/// The most changes of one proposal that are judged; with more it is put back unread.
const MOST_PROPOSED: usize = 20_000;

/// What `tip` changes below `agents/`, seen from the accepted tree `base`.
pub(super) fn proposal(
    repository: &Repository,
    observed: &Observed,
    base: ObjectId,
    tip: ObjectId,
) -> Result<Proposal> {
    let commit = repository.commit(tip)?;
    let below = |root| repository.entry_at(root, "agents");
    let mut changes = Vec::new();
    match (below(base)?, below(commit.tree)?) {
        (_, Some((mode, id))) if mode != EntryMode::Tree => {
            changes.push(ProposedChange { agent: Err("agents".to_owned()), to: Some(Served::Unknown(id)) });
        }
        (before, after) => {
            let id = |place: Option<(EntryMode, ObjectId)>| place.map(|(_, id)| id);
            let compared = repository.changes(id(before), id(after), &mut |change| {
                let descend = proposed(repository, observed, change, &mut changes)?;
                Ok(descend && changes.len() <= MOST_PROPOSED)
            });
            match compared {
                Err(Error::Corrupt { what, .. }) => changes.push(ProposedChange { agent: Err(what), to: None }),
                other => other?,
            }
        }
    }
    if changes.len() > MOST_PROPOSED {
        changes.truncate(MOST_PROPOSED);
        let too_many = format!("agents/… (more than {MOST_PROPOSED} changes)");
        changes.push(ProposedChange { agent: Err(too_many), to: None });
    }
    changes.sort_by(|a, b| path(a).cmp(path(b)));
    let subject = crate::domain::record::one_line(commit.message.lines().next().unwrap_or_default());
    Ok(Proposal { tip, author: commit.author, subject, changes })
}

fn path(change: &ProposedChange) -> &str {
    change.agent.as_ref().map_or_else(String::as_str, AgentId::as_str)
}

/// Takes one differing path below `agents/`; says whether it is a folder around agents, to be looked into.
fn proposed(
    repository: &Repository,
    observed: &Observed,
    change: &TreeChange,
    changes: &mut Vec<ProposedChange>,
) -> Result<bool> {
    if change.only_folders() && change.path.len() <= crate::domain::agent_id::LONGEST {
        let mut entry = false;
        for (_, tree) in [change.before, change.after].into_iter().flatten() {
            entry |= repository.tree(tree)?.get("version.json").is_some();
        }
        if !entry {
            return Ok(true);
        }
    }
    let agent = change.path.parse::<AgentId>().map_err(|_| change.path.clone());
    let to = change.after.map(|(mode, id)| match &agent {
        Ok(agent) if mode == EntryMode::Tree => served_version(observed, agent, id),
        _ => Served::Unknown(id),
    });
    changes.push(ProposedChange { agent, to });
    Ok(false)
}
