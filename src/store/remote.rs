//! Talking with the remote: fetching what a decision rests on, and the one atomic push that makes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::ErrorKind::PermissionDenied;

use super::git_program::{self, Ended, NETWORK_LIMIT};
use super::world::{REMOTE, TRACKED_TAGS};
use super::{Change, Error, Git, RefPlace, Repository, Result, Scope, World};
use crate::domain::ObjectId;

/// Past this many refs in one push, tags that nothing else waits for go ahead in pushes of this size: a command line
/// holds about two megabytes.
const REFS_IN_A_PUSH: usize = 2_000;

impl World {
    /// Reads the remote again: what a pass over `scope` decides on.
    pub fn refresh(&self, repository: &Repository, scope: &Scope) -> Result<()> {
        if !self.is_remote() {
            return Ok(());
        }
        if self.tags_as_fetched && *scope == Scope::All {
            let branches = |world: &World| Ok((world.tracked_branches(repository)?, world.default_branch(repository)?));
            let before = branches(self)?;
            self.read_remote(repository, &Scope::Agents(BTreeSet::new()))?;
            // A ledger that moved may name tags that were not here when they were read.
            if branches(self)? == before {
                return Ok(());
            }
        }
        self.read_remote(repository, scope)
    }

    fn read_remote(&self, repository: &Repository, scope: &Scope) -> Result<()> {
        let head = format!("refs/remotes/{REMOTE}/HEAD");
        if repository.read_symbolic(&head).is_none() {
            self.ask_default_branch(repository)?;
        }
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
        let (branch, _) = self.default_branch(repository)?;
        let with = |branch: &str| {
            let default = format!("+refs/heads/{branch}:refs/remotes/{REMOTE}/{branch}");
            specs.iter().cloned().chain([default]).collect::<Vec<_>>()
        };
        let refused = match self.fetch(repository, &with(&branch)) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        // Git fails on an exact name that is not there: the remote may be empty, or have another default branch by
        // now. One that is away fails here again, with its own words.
        self.ask_default_branch(repository)?;
        let (now, _) = self.default_branch(repository)?;
        if now != branch {
            return self.fetch(repository, &with(&now));
        }
        if self.remote_has(repository, &format!("refs/heads/{branch}"))? {
            return Err(refused);
        }
        self.fetch(repository, &specs)
    }

    /// Fetches the whole history of the default branch.
    pub(super) fn deepen(&self, repository: &Repository, branch: &str) -> Result<()> {
        tracing::info!(branch, "fetching the history that this shallow clone lacks");
        let spec = format!("+refs/heads/{branch}:refs/remotes/{REMOTE}/{branch}");
        let args =
            ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--unshallow", "--refmap=", REMOTE, &spec];
        let _turn = turn(repository);
        let ended = self.network(repository).run_to_end(&args, None)?;
        // Another process may have been here first: then nothing is shallow any more, and git complains.
        if ended.success || !repository.is_shallow() { Ok(()) } else { Err(failed("deepen this clone from", &ended)) }
    }

    pub(super) fn fetch(&self, repository: &Repository, specs: &[String]) -> Result<()> {
        let mut args: Vec<String> = [
            "fetch",
            "--quiet",
            "--no-tags",
            "--prune",
            "--no-write-fetch-head",
            "--recurse-submodules=no",
            "--refmap=",
            REMOTE,
        ]
        .map(str::to_owned)
        .to_vec();
        args.extend(specs.iter().cloned());
        let _turn = turn(repository);
        let ended = self.network(repository).run_to_end(&args, None)?;
        if ended.success { Ok(()) } else { Err(failed("read", &ended)) }
    }

    pub(super) fn network(&self, repository: &Repository) -> Git {
        let dir = repository.work_dir().unwrap_or_else(|| repository.git_dir());
        Git::in_dir(dir).limit(NETWORK_LIMIT).setting("core.fsync=all")
    }

    fn ask(&self, repository: &Repository, what: &[&str]) -> Result<String> {
        let ended = self.network(repository).run_to_end(&[&["ls-remote"], what].concat(), None)?;
        if ended.success {
            Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
        } else {
            Err(failed("read", &ended))
        }
    }

    /// What the branches `names` are at in the remote now; those that are not there are left out.
    pub(super) fn ask_heads(
        &self,
        repository: &Repository,
        names: impl Iterator<Item = String>,
    ) -> Result<BTreeMap<String, ObjectId>> {
        let names: Vec<_> = names.collect();
        let what: Vec<&str> = [REMOTE].into_iter().chain(names.iter().map(String::as_str)).collect();
        let text = self.ask(repository, &what)?;
        let lines = text.lines().filter_map(|line| line.split_once('\t'));
        Ok(lines.filter_map(|(id, name)| Some((name.to_owned(), id.parse().ok()?))).collect())
    }

    fn remote_has(&self, repository: &Repository, name: &str) -> Result<bool> {
        let text = self.ask(repository, &[REMOTE, name])?;
        Ok(text.lines().any(|line| line.split_once('\t').is_some_and(|(_, found)| found == name)))
    }

    /// A remote added by hand has no `origin/HEAD`, and one that is there may be out of date.
    fn ask_default_branch(&self, repository: &Repository) -> Result<()> {
        let text = self.ask(repository, &["--symref", REMOTE, "HEAD"])?;
        let branch = text.lines().find_map(|line| line.strip_prefix("ref: refs/heads/")?.strip_suffix("\tHEAD"));
        let head = format!("refs/remotes/{REMOTE}/HEAD");
        if let Some(branch) = branch {
            let target = format!("refs/remotes/{REMOTE}/{branch}");
            if repository.read_symbolic(&head).as_ref() != Some(&target) {
                Git::in_dir(repository.common_dir()).run(&["symbolic-ref", &head, &target])?;
            }
        }
        Ok(())
    }

    /// The tip of the branch `name`, or of the pull or merge request `pr/<n>`, as the remote has it now; a branch that
    /// it does not have may be one of this repository.
    pub fn named_draft(&self, repository: &Repository, name: &str) -> Result<Option<ObjectId>> {
        if !git2::Reference::is_valid_name(&format!("refs/heads/{name}")) {
            return Ok(None);
        }
        let local = format!("refs/heads/{name}");
        let tracked = format!("refs/remotes/{REMOTE}/{name}");
        if !self.is_remote() {
            let tip = repository.read_ref(&local)?;
            return if tip.is_some() { Ok(tip) } else { repository.read_ref(&tracked) };
        }
        let request =
            name.strip_prefix("pr/").filter(|number| !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()));
        if let Some(number) = request {
            let kept = format!("refs/pointsman/origin/pull/{number}");
            for place in ["pull", "merge-requests"] {
                if self.fetch_one(repository, &format!("refs/{place}/{number}/head"), &kept)? {
                    return repository.read_ref(&kept);
                }
            }
        }
        if self.fetch_one(repository, &local, &tracked)? {
            return repository.read_ref(&tracked);
        }
        repository.read_ref(&local)
    }

    /// The branches that people work on, with their tips, as the remote has them now; those of this repository where
    /// there is no remote. The default branch is one of them, those that Pointsman writes are not.
    pub fn branches(&self, repository: &Repository) -> Result<Vec<(String, ObjectId)>> {
        let heads = "refs/heads/";
        let all = if self.is_remote() {
            let text = self.ask(repository, &["--heads", REMOTE])?;
            let lines = text.lines().filter_map(|line| line.split_once('\t'));
            lines.filter_map(|(id, name)| Some((name.to_owned(), id.parse().ok()?))).collect()
        } else {
            repository.list_refs(heads)?
        };
        let own = |name: &str| name.starts_with("pointsman/") || name.starts_with(&self.branch_prefix);
        let fit = all.into_iter().filter(|(name, _)| git2::Reference::is_valid_name(name));
        let short = fit.filter_map(|(name, tip)| Some((name.strip_prefix(heads)?.to_owned(), tip)));
        let branches: Vec<(String, ObjectId)> = short.filter(|(name, _)| !own(name)).collect();
        let missing = branches.iter().filter(|(_, tip)| !repository.has(*tip));
        let specs: Vec<_> = missing.map(|(name, _)| format!("+{heads}{name}:refs/remotes/{REMOTE}/{name}")).collect();
        for part in specs.chunks(REFS_IN_A_PUSH) {
            self.fetch(repository, part)?;
        }
        Ok(branches)
    }

    /// Fetches one ref; false if the remote does not have it.
    fn fetch_one(&self, repository: &Repository, name: &str, kept: &str) -> Result<bool> {
        match self.fetch(repository, &[format!("+{name}:{kept}")]) {
            Ok(()) => Ok(true),
            Err(error) if self.remote_has(repository, name)? => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// Pushes `changes`, all or none of them, each against the value it expects.
    pub(super) fn push(&self, repository: &Repository, changes: &[Change]) -> Result<()> {
        let mut together: Vec<&Change> = changes.iter().collect();
        if changes.len() > REFS_IN_A_PUSH {
            // A bare tag is a fact by itself; what the ledger says of it may follow.
            let (tags, rest): (Vec<_>, _) = changes.iter().partition(|change| matches!(change.place, RefPlace::Tag(_)));
            for part in tags.chunks(REFS_IN_A_PUSH) {
                self.push_atomically(repository, part)?;
            }
            together = rest;
        }
        self.push_atomically(repository, &together)
    }

    fn push_atomically(&self, repository: &Repository, changes: &[&Change]) -> Result<()> {
        let atomic: &[&str] = if changes.len() > 1 { &["--atomic"] } else { &[] };
        let ended = self.try_push(repository, changes, atomic)?;
        if ended.success {
            return Ok(());
        }
        let judged = String::from_utf8_lossy(&ended.stdout).lines().any(|line| line.starts_with("!\t"));
        if !judged && changes.len() > 1 && self.lacks_atomic_push(repository, changes)? {
            return self.push_in_steps(repository, changes);
        }
        self.pushed(repository, changes, &ended)
    }

    pub(super) fn try_push(&self, repository: &Repository, changes: &[&Change], more: &[&str]) -> Result<Ended> {
        let mut args: Vec<String> =
            ["push", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no"]
                .iter()
                .chain(more)
                .map(|arg| (*arg).to_owned())
                .collect();
        for change in changes {
            let expected = change.expected.map(|id| id.to_string()).unwrap_or_default();
            args.push(format!("--force-with-lease={}:{expected}", self.published_name(&change.place)));
        }
        args.push(REMOTE.to_owned());
        args.extend(changes.iter().map(|change| format!("{}:{}", change.new, self.published_name(&change.place))));
        // A clone made with --mirror would refuse refs that are named.
        let mut git = self.network(repository).setting("remote.origin.mirror=false");
        // Never for a fetch, which would leave out what lies there only until this process ends.
        if let Some(quarantine) = repository.quarantine.get() {
            git = git.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", quarantine.objects());
        }
        git.run_to_end(&args, None)
    }

    /// What came of a push of `changes`.
    pub(super) fn pushed(&self, repository: &Repository, changes: &[&Change], ended: &Ended) -> Result<()> {
        if ended.success {
            return Ok(());
        }
        // Whether somebody was faster is read from the remote, never from git's words.
        let agents = changes.iter().filter_map(|change| match &change.place {
            RefPlace::Tag(tag) => Some(tag.agent.clone()),
            _ => None,
        });
        self.refresh(repository, &Scope::Agents(agents.collect()))?;
        let mut taken = true;
        let mut lost = None;
        for change in changes {
            let actual = self.read(repository, &change.place)?;
            taken &= actual == Some(change.new);
            if actual != change.expected {
                let name = self.published_name(&change.place);
                lost.get_or_insert(Error::RefMoved { name, expected: change.expected, actual });
            }
        }
        match lost {
            // The line broke after the remote had taken everything.
            _ if taken => Ok(()),
            Some(lost) => Err(lost),
            None => Err(refused(ended)),
        }
    }

    /// Gives the remote `ledger`, and the environments that it speaks of where the remote has none.
    pub fn seed_remote(&self, repository: &Repository, ledger: ObjectId) -> Result<()> {
        let theirs: BTreeSet<_> = self.environments(repository)?.into_iter().map(|(name, _)| name).collect();
        let mut changes = vec![Change { place: RefPlace::Ledger, expected: None, new: ledger }];
        for (name, new) in self.clone().local().environments(repository)? {
            if !theirs.contains(&name) && repository.is_ancestor(new, ledger)? {
                changes.push(Change { place: RefPlace::Environment(name), expected: None, new });
            }
        }
        match self.push(repository, &changes) {
            // Another clone gave its own first; whether the two belong together is checked next.
            Err(error) if error.is_lost_race() => {}
            other => other?,
        }
        self.refresh(repository, &Scope::Agents(BTreeSet::new()))
    }
}

/// Waits until no other process of ours fetches into this repository: two at once lock each other's refs out.
fn turn(repository: &Repository) -> Option<File> {
    let dir = repository.own_dir();
    std::fs::create_dir_all(&dir).ok()?;
    let file = File::options().create(true).truncate(false).write(true).open(dir.join("fetch.lock")).ok()?;
    file.lock().ok()?;
    Some(file)
}

fn failed(doing: &str, ended: &Ended) -> Error {
    // What this machine refused is not the remote's doing.
    let own = git_program::failure(&[doing], ended.stderr.clone());
    if matches!(own, Error::Locked { .. }) || own.refused_by_system().is_some_and(|kind| kind != PermissionDenied) {
        return own;
    }
    Error::Remote { doing: format!("{doing} the remote `{REMOTE}`"), words: words(&ended.stderr) }
}

pub(super) fn refused(ended: &Ended) -> Error {
    // A line of the porcelain: `!`, the two names, and the reason in brackets.
    let stdout = String::from_utf8_lossy(&ended.stdout).into_owned();
    let rows: Vec<_> = stdout
        .lines()
        .filter_map(|line| {
            let mut parts = line.strip_prefix("!\t")?.split('\t');
            let (_, name) = parts.next()?.split_once(':')?;
            Some((name.to_owned(), parts.next().unwrap_or_default()))
        })
        .collect();
    // What only shares the fate of another ref is not named; this is for people and decides nothing.
    let own = |reason: &str| !reason.contains("atomic");
    let mut named: Vec<_> = rows.iter().filter(|(_, reason)| own(reason)).map(|(name, _)| name.clone()).collect();
    if named.is_empty() {
        named = rows.iter().map(|(name, _)| name.clone()).collect();
    }
    let reason = rows.iter().find(|(_, reason)| own(reason)).map(|(_, reason)| *reason);
    if named.is_empty() {
        return failed("push to", ended);
    }
    let said = server_words(&ended.stderr);
    let words = if said.is_empty() { reason.unwrap_or("no reason given").to_owned() } else { said };
    Error::PushRefused { remote: REMOTE.to_owned(), refs: named, words }
}

/// What the remote's own programs printed.
fn server_words(stderr: &str) -> String {
    let lines = stderr.split(['\n', '\r']).filter_map(|line| line.strip_prefix("remote:")).map(str::trim);
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// What git and the remote said, on one line.
pub(super) fn words(stderr: &str) -> String {
    let said = server_words(stderr);
    let lines = stderr.lines().filter(|line| !line.starts_with("remote:")).map(str::trim);
    let own = lines.filter(|line| !line.is_empty()).take(3).collect::<Vec<_>>().join("; ");
    match (said.is_empty(), own.is_empty()) {
        (true, true) => "git said nothing".to_owned(),
        (true, false) => own,
        (false, true) => said,
        (false, false) => format!("{said}; {own}"),
    }
}
