//! One world: refs live in `origin` where there is one, else in this repository; only the draft is local.
//!
//! Reading means fetching into tracking refs first. Writing means one atomic push that names every expected value;
//! local refs follow after the remote took it. With `--local`, or without an origin, the same calls work on the
//! repository's own refs, the ledger first: it is the commit point, and what follows it can be finished by anyone.
//!
//! `carry_out.rs` moves refs, `remote.rs` talks with the origin, `follow.rs` lets this clone's refs follow it, `divergence.rs` says when the two
//! do not belong together.

use std::collections::{BTreeMap, BTreeSet};

use super::{Error, Repository, Result};
use crate::domain::{AgentId, EnvironmentName, ObjectId, VersionTag};
use crate::policy::Policy;

/// The remote that decides.
pub(super) const REMOTE: &str = "origin";

/// Tracking refs of the remote's tags; `refs/tags` itself holds what was accepted.
pub(super) const TRACKED_TAGS: &str = "refs/pointsman/origin/tags/";

/// The newest ledger commit that this clone has seen.
pub const SEEN_LEDGER: &str = "refs/pointsman/seen/ledger";

/// The ledger's branch.
pub(super) const LEDGER: &str = "pointsman/ledger";

/// The configuration key under which `init` records the default branch.
pub const DEFAULT_BRANCH_KEY: &str = "pointsman.defaultBranch";

/// Which agents a pass looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every agent.
    All,
    /// These.
    Agents(BTreeSet<AgentId>),
}

impl Scope {
    /// Whether `agent` is looked at.
    pub fn covers(&self, agent: &AgentId) -> bool {
        match self {
            Scope::All => true,
            Scope::Agents(agents) => agents.contains(agent),
        }
    }
}

/// A ref by what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefPlace {
    /// The ledger.
    Ledger,
    /// The branch of an environment.
    Environment(EnvironmentName),
    /// The tag of a version.
    Tag(VersionTag),
}

/// A ref that is to move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub place: RefPlace,
    /// What must stand there; nothing if it must not exist.
    pub expected: Option<ObjectId>,
    /// What stands there afterwards.
    pub new: ObjectId,
}

/// Where refs are read and written.
#[derive(Clone, Debug)]
pub struct World {
    remote: bool,
    /// What environment branches start with.
    pub branch_prefix: String,
    /// Whether a remote's tags are taken as they were fetched last, as long as its branches stand where they stood.
    pub tags_as_fetched: bool,
}

impl World {
    /// The world of `repository`: its origin's, unless there is none or `local` is asked for.
    pub fn of(repository: &Repository, local: bool) -> Self {
        World {
            remote: !local && repository.has_remote(REMOTE),
            branch_prefix: "env/".to_owned(),
            tags_as_fetched: false,
        }
    }

    /// Whether decisions are pushed to a remote.
    pub fn is_remote(&self) -> bool {
        self.remote
    }

    /// The name of the ref as the deciding repository has it.
    pub fn published_name(&self, place: &RefPlace) -> String {
        match place {
            RefPlace::Ledger => format!("refs/heads/{LEDGER}"),
            RefPlace::Environment(name) => format!("refs/heads/{}{name}", self.branch_prefix),
            RefPlace::Tag(tag) => tag.ref_name(),
        }
    }

    /// The name of the ref in this repository that says what the deciding repository has.
    pub fn tracking_name(&self, place: &RefPlace) -> String {
        let name = self.published_name(place);
        match (self.remote, place) {
            (false, _) => name,
            (true, RefPlace::Tag(tag)) => format!("{TRACKED_TAGS}{tag}"),
            (true, _) => name.replacen("refs/heads/", &format!("refs/remotes/{REMOTE}/"), 1),
        }
    }

    /// What `place` points at.
    pub fn read(&self, repository: &Repository, place: &RefPlace) -> Result<Option<ObjectId>> {
        repository.read_ref(&self.tracking_name(place))
    }

    /// All branches that have the name of an environment, whosever they are.
    pub fn environments(&self, repository: &Repository) -> Result<Vec<(EnvironmentName, ObjectId)>> {
        let heads = if self.remote { format!("refs/remotes/{REMOTE}/") } else { "refs/heads/".to_owned() };
        let prefix = format!("{heads}{}", self.branch_prefix);
        let refs = repository.list_refs(&prefix)?;
        let named = refs.into_iter().filter_map(|(name, tip)| Some((name.strip_prefix(&prefix)?.parse().ok()?, tip)));
        Ok(named.collect())
    }

    /// The default branch's short name and tip: `origin/HEAD`, else the branch that `init` recorded, else HEAD.
    pub fn default_branch(&self, repository: &Repository) -> Result<(String, Option<ObjectId>)> {
        let short = |name: String, prefix: &str| name.strip_prefix(prefix).map(str::to_owned);
        let remote_head = repository
            .read_symbolic(&format!("refs/remotes/{REMOTE}/HEAD"))
            .and_then(|name| short(name, &format!("refs/remotes/{REMOTE}/")));
        let recorded = || repository.config(DEFAULT_BRANCH_KEY);
        // The main working tree's HEAD: linked ones are made for work on the side.
        let head = || std::fs::read_to_string(repository.common_dir().join("HEAD")).ok();
        let head = || head().and_then(|text| short(text.trim().to_owned(), "ref: refs/heads/"));
        let chosen = if self.remote {
            remote_head.or_else(recorded).or_else(head)
        } else {
            recorded().or(remote_head).or_else(head)
        };
        let chosen = match chosen {
            Some(name) => Some(name),
            None => self.only_branch(repository)?,
        };
        let name = chosen.ok_or_else(|| Error::Unsupported {
            what: "it is not known which branch is the default one".to_owned(),
            hint: format!("git config {DEFAULT_BRANCH_KEY} main"),
        })?;
        let tracking = if self.remote { format!("refs/remotes/{REMOTE}/{name}") } else { format!("refs/heads/{name}") };
        let tip = repository.read_ref(&tracking)?;
        Ok((name, tip))
    }

    /// Where HEAD is detached and nothing is recorded: the one branch that people work on.
    fn only_branch(&self, repository: &Repository) -> Result<Option<String>> {
        let own = |name: &str| name.starts_with("pointsman/") || name.starts_with(&self.branch_prefix);
        let heads = repository.list_refs("refs/heads/")?;
        let mut names = heads.iter().filter_map(|(name, _)| name.strip_prefix("refs/heads/")).filter(|name| !own(name));
        Ok(match (names.next(), names.next()) {
            (Some(only), None) => Some(only.to_owned()),
            _ => None,
        })
    }

    /// The policy that holds at the default branch's tip, with what is wrong with the newest text. What a shallow clone
    /// lacks to know it is fetched.
    pub fn policy(&self, repository: &Repository) -> Result<(Policy, Option<String>)> {
        let (branch, tip) = self.default_branch(repository)?;
        let Some(tip) = tip else { return Ok((Policy::default(), None)) };
        match repository.policy(tip) {
            Err(Error::Shallow { .. }) if self.is_remote() => {
                self.deepen(repository, &branch)?;
                // A handle of its own: the other one remembers where history ended.
                Repository::open(repository.git_dir())?.policy(tip)
            }
            found => found,
        }
    }

    /// Version tags of `agent`, whatever they point at. Tags whose name is not exactly `v` and a number are told
    /// apart by the caller.
    pub fn tags_of(&self, repository: &Repository, agent: &AgentId) -> Result<BTreeMap<String, ObjectId>> {
        let prefix = self.tag_prefix();
        let refs = repository.list_refs(&format!("{prefix}{agent}/"))?;
        let names = refs.into_iter().filter_map(|(name, id)| Some((name.strip_prefix(prefix)?.to_owned(), id)));
        // Agents never lie inside one another, so anything deeper is not this agent's.
        Ok(names.filter(|(name, _)| name[agent.as_str().len() + 1..].starts_with('v')).collect())
    }

    /// All tags whose last part starts with `v`, by name without `refs/tags/`.
    pub fn all_tags(&self, repository: &Repository) -> Result<BTreeMap<String, ObjectId>> {
        let prefix = self.tag_prefix();
        let refs = repository.list_refs(prefix)?;
        let names = refs.into_iter().map(|(mut name, id)| {
            name.drain(..prefix.len());
            (name, id)
        });
        Ok(names.filter(|(name, _)| name.rsplit_once('/').is_some_and(|(_, last)| last.starts_with('v'))).collect())
    }

    /// The tags of `scope`.
    pub fn tags(&self, repository: &Repository, scope: &Scope) -> Result<BTreeMap<String, ObjectId>> {
        let Scope::Agents(agents) = scope else { return self.all_tags(repository) };
        let mut tags = BTreeMap::new();
        for agent in agents {
            tags.extend(self.tags_of(repository, agent)?);
        }
        Ok(tags)
    }

    fn tag_prefix(&self) -> &'static str {
        if self.remote { TRACKED_TAGS } else { "refs/tags/" }
    }

    /// The same names, in this repository alone.
    #[must_use]
    pub fn local(self) -> Self {
        World { remote: false, ..self }
    }

    /// The ledger of this clone, if the remote has none: the newest one seen, or the local branch.
    pub fn seed(&self, repository: &Repository) -> Result<Option<ObjectId>> {
        if !self.remote || self.read(repository, &RefPlace::Ledger)?.is_some() {
            return Ok(None);
        }
        let Some(ours) = repository.read_ref(&format!("refs/heads/{LEDGER}"))? else { return Ok(None) };
        match repository.read_ref(SEEN_LEDGER)? {
            Some(seen) if repository.is_ancestor(ours, seen)? => Ok(Some(seen)),
            _ => Ok(Some(ours)),
        }
    }

    /// Full names of branches under which `place` would stand or that would stand in its way, where they exist: here
    /// and, as last fetched, in the remote. Git cannot hold both `env` and `env/live`.
    pub fn in_the_way(&self, repository: &Repository, place: &RefPlace) -> Result<Vec<(String, ObjectId)>> {
        let name = self.published_name(place);
        let short = name.trim_start_matches("refs/heads/");
        let mut found = Vec::new();
        for home in ["refs/heads/".to_owned(), format!("refs/remotes/{REMOTE}/")] {
            let parents = short.match_indices('/').map(|(at, _)| &short[..at]);
            for candidate in parents.chain([short]) {
                let name = format!("{home}{candidate}");
                if let Some(id) = repository.read_ref(&name)? {
                    found.push((name, id));
                }
            }
        }
        Ok(found)
    }
}
