//! Reading a snapshot from git: the ledger says which heads were accepted, their trees say what is served.
//!
//! Only accepted heads count, never the tip of a branch: what somebody pushed there is served once it was accepted.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;

use super::{Environment, Routes, Served, ServedVersion, Snapshot};
use crate::domain::ledger::{AcceptedHead, VersionRecord};
use crate::domain::{AgentId, EnvironmentName, ObjectId};
use crate::store::{EnvironmentTree, Error, Ledger, Repository, Result};

/// What the ledger `tip` says is live. What has not changed since `previous` is shared with it, not read again.
pub fn read(repository: &Repository, tip: Option<ObjectId>, previous: &Snapshot) -> Result<Snapshot> {
    if tip.is_some() && tip == previous.ledger {
        return Ok(previous.clone());
    }
    let mut known: HashMap<ObjectId, Arc<Served>> = HashMap::new();
    for environment in previous.environments.values() {
        known.extend(environment.agents.values().map(|served| (served.entry, Arc::clone(served))));
    }
    let mut snapshot = Snapshot { ledger: tip, drafts: previous.drafts.clone(), ..Snapshot::default() };
    for (name, head) in Ledger::at(repository, tip)?.heads()? {
        let environment = match previous.environments.get(&name) {
            Some(unchanged) if unchanged.head == head.head && unchanged.height == head.height => Arc::clone(unchanged),
            _ => Arc::new(environment(repository, name.clone(), &head, &mut known, previous)?),
        };
        snapshot.environments.insert(name, environment);
    }
    Ok(snapshot)
}

fn environment(
    repository: &Repository,
    name: EnvironmentName,
    head: &AcceptedHead,
    known: &mut HashMap<ObjectId, Arc<Served>>,
    previous: &Snapshot,
) -> Result<Environment> {
    let tree = EnvironmentTree::new(repository, repository.commit(head.head)?.tree);
    let mut agents = HashMap::new();
    for (agent, entry) in tree.entries(|id| known.contains_key(&id))? {
        let served = match known.get(&entry) {
            Some(served) => Arc::clone(served),
            None => {
                let served = Arc::new(served(repository, &agent, entry, previous)?);
                known.insert(entry, Arc::clone(&served));
                served
            }
        };
        agents.insert(agent, served);
    }
    let held = tree.holds()?.into_keys();
    let retired: BTreeSet<AgentId> = held.filter(|agent| !agents.contains_key(agent)).collect();
    let routes = match tree.routes()? {
        Some(blob) => Routes::parse(&repository.blob(blob)?).ok_or_else(|| Error::Corrupt {
            what: format!("the routes.json of `{name}` does not parse"),
            hint: "pointsman reconcile --once".to_owned(),
        })?,
        None => Routes::default(),
    };
    Ok(Environment { name, head: head.head, height: head.height, agents, retired, routes })
}

fn served(repository: &Repository, agent: &AgentId, entry: ObjectId, previous: &Snapshot) -> Result<Served> {
    let file = |name: &str| -> Result<Bytes> {
        let blob = repository.blob_at(entry, name)?.ok_or_else(|| Error::Corrupt {
            what: format!("what is served for `{agent}` has no {name}"),
            hint: "pointsman verify".to_owned(),
        })?;
        repository.blob(blob).map(Bytes::from)
    };
    let (config, record) = (file("config.json")?, file("version.json")?);
    let version: VersionRecord = serde_json::from_slice(&record).map_err(|error| Error::Corrupt {
        what: format!("the version.json served for `{agent}` does not parse: {error}"),
        hint: "pointsman verify".to_owned(),
    })?;
    let header = |text: String| HeaderValue::from_str(&text).expect("digests and versions are plain ASCII");
    Ok(Served {
        agent: agent.clone(),
        version: ServedVersion::Number(version.number),
        digest: version.digest,
        entry,
        config: previous.share(agent, version.digest, config),
        record,
        etag: header(format!("\"{}\"", version.digest)),
        version_header: header(version.number.to_string()),
    })
}
