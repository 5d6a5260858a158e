//! One world: refs live in `origin` where there is one, else in this repository; only the draft is local.
//!
//! Reading means fetching into tracking refs first. Writing means one atomic push that names every expected value;
//! local refs follow after the remote took it. With `--local`, or without an origin, the same calls work on the
//! repository's own refs, the ledger first: it is the commit point, and what follows it can be finished by anyone.

use std::collections::{BTreeMap, BTreeSet};

use super::git_program::NETWORK_LIMIT;
use super::refs::RefUpdate;
use super::{Error, Git, Repository, Result, crash_point};
use crate::domain::{AgentId, EnvironmentName, ObjectId, VersionTag};

/// The remote that decides.
const REMOTE: &str = "origin";

/// Tracking refs of the remote's tags; `refs/tags` itself holds what was accepted.
const TRACKED_TAGS: &str = "refs/pointsman/origin/tags/";

/// The newest ledger commit that this clone has seen.
pub const SEEN_LEDGER: &str = "refs/pointsman/seen/ledger";

/// Where foreign objects are kept that were found in place of an accepted tag.
const FOREIGN: &str = "refs/pointsman/foreign/";

const LEDGER: &str = "pointsman/ledger";

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
}

impl World {
    /// The world of `repository`: its origin's, unless there is none or `local` is asked for.
    pub fn of(repository: &Repository, local: bool) -> Self {
        World { remote: !local && repository.has_remote(REMOTE), branch_prefix: "env/".to_owned() }
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
        let head = || repository.read_symbolic("HEAD").and_then(|name| short(name, "refs/heads/"));
        let chosen = if self.remote {
            remote_head.or_else(recorded).or_else(head)
        } else {
            recorded().or(remote_head).or_else(head)
        };
        let name = chosen.ok_or_else(|| Error::Unsupported {
            what: "it is not known which branch is the default one".to_owned(),
            hint: format!("git config {DEFAULT_BRANCH_KEY} main"),
        })?;
        let tracking = if self.remote { format!("refs/remotes/{REMOTE}/{name}") } else { format!("refs/heads/{name}") };
        let tip = repository.read_ref(&tracking)?;
        Ok((name, tip))
    }

    /// The tip of the branch `name`, or of the pull or merge request `pr/<n>`, which is fetched.
    pub fn named_draft(&self, repository: &Repository, name: &str) -> Result<Option<ObjectId>> {
        let request =
            name.strip_prefix("pr/").filter(|number| !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()));
        if let (Some(number), true) = (request, self.remote) {
            let kept = format!("refs/pointsman/origin/pull/{number}");
            for place in ["pull", "merge-requests"] {
                let spec = format!("+refs/{place}/{number}/head:{kept}");
                match self.fetch(repository, &[spec]) {
                    Ok(()) => return repository.read_ref(&kept),
                    Err(Error::GitProgram { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            return Ok(None);
        }
        for prefix in [format!("refs/remotes/{REMOTE}/"), "refs/heads/".to_owned()] {
            if let Some(tip) = repository.read_ref(&format!("{prefix}{name}"))? {
                return Ok(Some(tip));
            }
        }
        Ok(None)
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
        let names = refs.into_iter().filter_map(|(name, id)| Some((name.strip_prefix(prefix)?.to_owned(), id)));
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

    /// Reads the remote again: what a pass over `scope` decides on.
    pub fn refresh(&self, repository: &Repository, scope: &Scope) -> Result<()> {
        if !self.remote {
            return Ok(());
        }
        self.find_default_branch(repository)?;
        let mut specs = vec![
            format!("+refs/heads/pointsman/*:refs/remotes/{REMOTE}/pointsman/*"),
            format!("+refs/heads/{0}*:refs/remotes/{REMOTE}/{0}*", self.branch_prefix),
        ];
        match scope {
            Scope::All => specs.push(format!("+refs/tags/*:{TRACKED_TAGS}*")),
            Scope::Agents(agents) => {
                specs.extend(agents.iter().map(|agent| format!("+refs/tags/{agent}/*:{TRACKED_TAGS}{agent}/*")));
            }
        }
        let (branch, known) = self.default_branch(repository)?;
        let default = format!("+refs/heads/{branch}:refs/remotes/{REMOTE}/{branch}");
        let with_default: Vec<_> = specs.iter().cloned().chain([default]).collect();
        match self.fetch(repository, &with_default) {
            Ok(()) => Ok(()),
            // An empty remote has no default branch, and git fails on an exact name that is not there.
            Err(Error::GitProgram { .. }) if known.is_none() => self.fetch(repository, &specs),
            Err(error) => Err(error),
        }
    }

    fn fetch(&self, repository: &Repository, specs: &[String]) -> Result<()> {
        let mut args: Vec<String> =
            ["fetch", "--quiet", "--no-tags", "--prune", "--no-write-fetch-head", "--refmap=", REMOTE]
                .map(str::to_owned)
                .to_vec();
        args.extend(specs.iter().cloned());
        self.network(repository).run(&args).map(drop)
    }

    fn network(&self, repository: &Repository) -> Git {
        let dir = repository.work_dir().unwrap_or_else(|| repository.git_dir());
        Git::in_dir(dir).limit(NETWORK_LIMIT).setting("core.fsync=all")
    }

    /// A remote added by hand has no `origin/HEAD`; it is asked for once.
    fn find_default_branch(&self, repository: &Repository) -> Result<()> {
        let head = format!("refs/remotes/{REMOTE}/HEAD");
        if repository.read_symbolic(&head).is_some() {
            return Ok(());
        }
        let out = self.network(repository).run(&["ls-remote", "--symref", REMOTE, "HEAD"])?;
        let text = String::from_utf8_lossy(&out);
        let branch = text.lines().find_map(|line| line.strip_prefix("ref: refs/heads/")?.strip_suffix("\tHEAD"));
        if let Some(branch) = branch {
            let target = format!("refs/remotes/{REMOTE}/{branch}");
            Git::in_dir(repository.common_dir()).run(&["symbolic-ref", &head, &target])?;
        }
        Ok(())
    }

    /// Moves all of `changes` or, on a remote, none. In this repository alone the ledger goes before the environments
    /// that it speaks of, and a lost race on it moves nothing after it.
    pub fn commit(&self, repository: &Repository, changes: &[Change]) -> Result<()> {
        if self.remote {
            self.push(repository, changes)?;
            crash_point("pushed");
            self.track(repository, changes)?;
            crash_point("tracking refs set");
            return self.follow(repository);
        }
        let order = |change: &Change| match change.place {
            RefPlace::Tag(_) => 0,
            RefPlace::Ledger => 1,
            RefPlace::Environment(_) => 2,
        };
        let mut ordered: Vec<_> = changes.iter().collect();
        ordered.sort_by_key(|change| order(change));
        for change in ordered {
            let name = self.published_name(&change.place);
            let moved = repository.move_ref(&name, change.expected, change.new, "pointsman");
            // Past the ledger the decision stands: a branch that could not follow now follows in the next pass.
            if let Err(error) = moved {
                match change.place {
                    RefPlace::Environment(_) if error.is_lost_race() => {
                        tracing::debug!(%name, "branch will follow later")
                    }
                    _ => return Err(error),
                }
            }
            crash_point(&format!("{name} moved"));
        }
        self.remember(repository)
    }

    /// Refuses before anything is written what would stop one of `changes` for good: a lock left by a dead process, or
    /// a ref of somebody else's in the way.
    pub fn check_moves(&self, repository: &Repository, changes: &[Change]) -> Result<()> {
        if self.remote {
            return Ok(());
        }
        let names: Vec<_> = changes.iter().map(|change| self.published_name(&change.place)).collect();
        repository.wait_for_locks(names.iter().map(String::as_str), false)?;
        for (change, name) in changes.iter().zip(&names) {
            let folder = repository.common_dir().join(name);
            let new = change.expected.is_none() && folder.parent().is_some_and(|parent| !parent.is_dir());
            if new && let Some(obstacle) = repository.obstacle_above(name)? {
                return Err(obstacle);
            }
        }
        Ok(())
    }

    fn push(&self, repository: &Repository, changes: &[Change]) -> Result<()> {
        let mut args: Vec<String> =
            ["push", "--porcelain", "--quiet", "--atomic", "--no-verify"].map(str::to_owned).to_vec();
        for change in changes {
            let expected = change.expected.map(|id| id.to_string()).unwrap_or_default();
            args.push(format!("--force-with-lease={}:{expected}", self.published_name(&change.place)));
        }
        args.push(REMOTE.to_owned());
        args.extend(changes.iter().map(|change| format!("{}:{}", change.new, self.published_name(&change.place))));
        let refused = match self.network(repository).run(&args) {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        // Whether somebody was faster is read from the remote, never from git's words.
        let agents = changes.iter().filter_map(|change| match &change.place {
            RefPlace::Tag(tag) => Some(tag.agent.clone()),
            _ => None,
        });
        self.refresh(repository, &Scope::Agents(agents.collect()))?;
        for change in changes {
            let actual = self.read(repository, &change.place)?;
            if actual != change.expected {
                let name = self.published_name(&change.place);
                return Err(Error::RefMoved { name, expected: change.expected, actual });
            }
        }
        Err(refused)
    }

    /// Lets the tracking refs and the local tags say what `changes` made of the remote, without asking it again.
    fn track(&self, repository: &Repository, changes: &[Change]) -> Result<()> {
        let tags = changes.iter().filter(|change| matches!(change.place, RefPlace::Tag(_)));
        let local = tags.map(|change| (self.published_name(&change.place), change.new));
        let tracking = changes.iter().map(|change| (self.tracking_name(&change.place), change.new));
        set_refs(repository, tracking.chain(local))
    }

    /// Local branches and tags follow the remote's, forward only; what does not fit stays and is told by
    /// [`World::check`].
    pub fn follow(&self, repository: &Repository) -> Result<()> {
        if !self.remote {
            return self.remember(repository);
        }
        let mut updates = Vec::new();
        let checked_out = repository.read_symbolic("HEAD");
        for (tracking, id) in self.tracked_branches(repository)? {
            let local = tracking.replacen(&format!("refs/remotes/{REMOTE}/"), "refs/heads/", 1);
            let forward = match repository.read_ref(&local)? {
                None => true,
                Some(old) => old != id && repository.is_ancestor(old, id)?,
            };
            if forward && checked_out.as_ref() != Some(&local) {
                updates.push((local, id));
            }
        }
        set_refs(repository, updates)?;
        self.remember(repository)
    }

    /// Local version tags are made where only the remote has them.
    pub fn follow_tags(&self, repository: &Repository, tags: &[(VersionTag, ObjectId)]) -> Result<()> {
        let mut updates = Vec::new();
        for (tag, id) in tags {
            if self.remote && repository.read_ref(&tag.ref_name())?.is_none() {
                updates.push((tag.ref_name(), *id));
            }
        }
        set_refs(repository, updates)
    }

    fn tracked_branches(&self, repository: &Repository) -> Result<Vec<(String, ObjectId)>> {
        let mut refs = repository.list_refs(&format!("refs/remotes/{REMOTE}/pointsman/"))?;
        refs.extend(repository.list_refs(&format!("refs/remotes/{REMOTE}/{}", self.branch_prefix))?);
        Ok(refs)
    }

    /// Keeps the ledger's tip as the newest one seen here.
    fn remember(&self, repository: &Repository) -> Result<()> {
        match self.read(repository, &RefPlace::Ledger)? {
            Some(tip) => set_refs(repository, [(SEEN_LEDGER.to_owned(), tip)]),
            None => Ok(()),
        }
    }

    /// Keeps `foreign`, found in place of an accepted tag, for whoever wants to look at it.
    pub fn keep_foreign(&self, repository: &Repository, tag: &VersionTag, foreign: ObjectId) -> Result<String> {
        let name = format!("{FOREIGN}{tag}/{foreign}");
        set_refs(repository, [(name.clone(), foreign)])?;
        Ok(name)
    }

    /// Refuses to decide on a ledger that does not continue the one seen before, or beside local branches that the
    /// remote does not have.
    pub fn check(&self, repository: &Repository) -> Result<()> {
        let ledger = self.read(repository, &RefPlace::Ledger)?;
        let seen = repository.read_ref(SEEN_LEDGER)?;
        if let (Some(ledger), Some(seen)) = (ledger, seen)
            && ledger != seen
            && !repository.is_ancestor(seen, ledger)?
        {
            let push = if self.remote {
                format!("git push --force {REMOTE} {seen}:refs/heads/{LEDGER}")
            } else {
                format!("git update-ref refs/heads/{LEDGER} {seen}")
            };
            return Err(Error::Diverged {
                what: format!("the ledger is at {ledger}, which does not continue {seen}, the newest one seen here"),
                hint: format!(
                    "if {} holds: {push}; if the other one does: git update-ref -d {SEEN_LEDGER}",
                    seen.short()
                ),
            });
        }
        if !self.remote {
            return Ok(());
        }
        for (tracking, theirs) in self.tracked_branches(repository)? {
            let local = tracking.replacen(&format!("refs/remotes/{REMOTE}/"), "refs/heads/", 1);
            let Some(ours) = repository.read_ref(&local)? else { continue };
            // Environment branches are judged against the ledger; a hand edit on the remote is not a divergence.
            let ours_is_known = match repository.is_ancestor(ours, theirs)? {
                true => true,
                false => !local.ends_with(LEDGER) && self.ledger_knows(repository, ours)?,
            };
            if !ours_is_known {
                let branch = local.trim_start_matches("refs/heads/");
                return Err(Error::Diverged {
                    what: format!(
                        "`{branch}` is at {ours} here and at {theirs} in {REMOTE}, which does not contain it"
                    ),
                    hint: format!(
                        "to take the remote's: git branch -f {branch} {REMOTE}/{branch}; to keep yours: git push {REMOTE} {branch}"
                    ),
                });
            }
        }
        Ok(())
    }

    /// Whether `commit` is part of what the ledger accepted.
    fn ledger_knows(&self, repository: &Repository, commit: ObjectId) -> Result<bool> {
        match self.read(repository, &RefPlace::Ledger)? {
            Some(ledger) => repository.is_ancestor(commit, ledger),
            None => Ok(false),
        }
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

    /// Gives the remote `ledger`, and the environments that it speaks of where the remote has none.
    pub fn seed_remote(&self, repository: &Repository, ledger: ObjectId) -> Result<()> {
        let theirs: BTreeSet<_> = self.environments(repository)?.into_iter().map(|(name, _)| name).collect();
        let mut specs = vec![format!("{ledger}:refs/heads/{LEDGER}")];
        for (name, id) in self.clone().local().environments(repository)? {
            if !theirs.contains(&name) && repository.is_ancestor(id, ledger)? {
                specs.push(format!("{id}:{}", self.published_name(&RefPlace::Environment(name))));
            }
        }
        let mut args: Vec<String> = ["push", "--quiet", "--atomic", "--no-verify", REMOTE].map(str::to_owned).to_vec();
        args.extend(specs);
        let pushed = self.network(repository).run(&args);
        self.refresh(repository, &Scope::Agents(BTreeSet::new()))?;
        match pushed {
            // Somebody else was faster: then the remote has one.
            Err(error) if self.read(repository, &RefPlace::Ledger)?.is_none() => Err(error),
            _ => Ok(()),
        }
    }
}

/// Sets refs that are ours alone to values that were just read or pushed.
fn set_refs(repository: &Repository, wanted: impl IntoIterator<Item = (String, ObjectId)>) -> Result<()> {
    let mut updates = Vec::new();
    for (name, new) in wanted {
        let expected = repository.read_ref(&name)?;
        if expected != Some(new) {
            updates.push(RefUpdate { name, expected, new: Some(new) });
        }
    }
    match &updates[..] {
        [] => Ok(()),
        // One ref needs no process of its own.
        [only] => repository.move_ref(&only.name, only.expected, only.new.expect("just set"), "pointsman"),
        many => repository.move_refs(many),
    }
}
