//! Where a command runs: the repository, the folder it was started in, the moment, and who is at the keyboard.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Problem;
use crate::domain::nearest::nearest;
use crate::domain::record::Cause;
use crate::domain::{AgentId, Identity, ObjectId};
use crate::policy::Policy;
use crate::reconcile::{Context, Memory};
use crate::store::{Located, Misplaced, Repository, World, controller};

/// The surroundings of an operation.
pub struct Workspace {
    /// The repository.
    pub repository: Repository,
    /// Where the command was started, made absolute.
    pub dir: PathBuf,
    /// Whether the remote is left alone.
    pub local: bool,
    /// The present moment.
    pub now: jiff::Timestamp,
    /// Overrides git's configured identity.
    pub author: Option<Identity>,
    /// By which way the caller came.
    pub caller: Caller,
}

/// By which way an operation is called: what it does says so, and idempotency keys of one caller mean nothing to
/// another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Caller {
    /// The command line.
    #[default]
    CommandLine,
    /// The API, with the token of this id.
    Api(String),
}

impl Workspace {
    /// Opens the repository at or above `dir`.
    pub fn open(dir: &Path, local: bool, now: jiff::Timestamp, author: Option<Identity>) -> Result<Self, Problem> {
        let repository = Repository::open(dir)?;
        let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        Ok(Workspace { repository, dir, local, now, author, caller: Caller::default() })
    }

    /// The same, called over the API with the token `token`.
    #[must_use]
    pub fn called_by(self, token: &str) -> Self {
        Workspace { caller: Caller::Api(token.to_owned()), ..self }
    }

    /// What set off what the caller asks for.
    pub fn cause(&self) -> Cause {
        match self.caller {
            Caller::CommandLine => Cause::Cli,
            Caller::Api(_) => Cause::Api,
        }
    }

    /// Who acts: `--author`, else git's environment and configuration.
    pub fn identity(&self) -> Result<Identity, Problem> {
        if let Some(author) = &self.author {
            return Ok(author.clone());
        }
        let from = |variable: &str, key: &str| {
            let set = std::env::var(variable).ok().filter(|value| !value.trim().is_empty());
            set.or_else(|| self.repository.config(key)).filter(|value| !value.trim().is_empty())
        };
        let name = from("GIT_COMMITTER_NAME", "user.name").or_else(|| from("GIT_AUTHOR_NAME", "user.name"));
        let email = from("GIT_COMMITTER_EMAIL", "user.email").or_else(|| from("GIT_AUTHOR_EMAIL", "user.email"));
        match (name, email) {
            (Some(name), Some(email)) => Ok(Identity { name, email }),
            _ => Err(Problem::refused("no_identity", "git does not know who you are")
                .hint("git config user.name <name> && git config user.email <address>, or --author 'Name <address>'")),
        }
    }

    /// This workspace opened anew, if its shallow clone had to be given the history that says which policy holds: an
    /// open repository remembers commits without the parents that came.
    pub fn deepened(&self) -> Result<Option<Workspace>, Problem> {
        if self.local || !self.repository.is_shallow() {
            return Ok(None);
        }
        let ends = || std::fs::read(self.repository.common_dir().join("shallow")).ok();
        let before = ends();
        World::of(&self.repository, self.local).policy(&self.repository)?;
        if ends() == before {
            return Ok(None);
        }
        let opened = Workspace::open(&self.dir, self.local, self.now, self.author.clone())?;
        Ok(Some(Workspace { caller: self.caller.clone(), ..opened }))
    }

    /// Surroundings of a pass. What nobody asked for by name is committed as whoever runs it, or as Pointsman.
    pub fn context(&self) -> Context<'_> {
        Context {
            repository: &self.repository,
            local: self.local,
            tags_as_fetched: false,
            now: self.now,
            committer: self.identity().unwrap_or_else(|_| controller()),
            on_decided: None,
        }
    }

    /// A memory for a command about a few agents.
    pub fn memory(&self) -> Memory {
        Memory::for_a_few(&self.repository)
    }

    /// Where refs are, with what environment branches start with.
    pub fn world(&self) -> Result<World, Problem> {
        let mut world = World::of(&self.repository, self.local);
        world.branch_prefix = world.policy(&self.repository)?.0.branch_prefix;
        Ok(world)
    }

    /// The folder with the checked-out files; a bare repository has none.
    pub fn work_dir(&self) -> Result<&Path, Problem> {
        self.repository.work_dir().ok_or_else(|| {
            Problem::refused("bare_repository", "a bare repository has no working tree")
                .hint("git clone it, and run this in the clone")
        })
    }

    /// The policy of the default branch, which says everything about environments.
    pub fn policy(&self) -> Result<Policy, Problem> {
        Ok(World::of(&self.repository, self.local).policy(&self.repository)?.0)
    }

    /// The policy of the working tree, which lists agents for drafts; of HEAD where there is no working tree.
    pub fn draft_policy(&self) -> Result<Policy, Problem> {
        Ok(self.draft_policy_text()?.map(|text| Policy::parse(&text)).transpose()?.unwrap_or_default())
    }

    /// The text of [`Self::draft_policy`], if there is one.
    pub fn draft_policy_text(&self) -> Result<Option<String>, Problem> {
        let Some(dir) = self.repository.work_dir() else {
            return Ok(match self.base_commit()? {
                Some(commit) => self.repository.policy_text(commit)?,
                None => None,
            });
        };
        match std::fs::read(dir.join(crate::policy::FILE)) {
            Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| {
                Problem::refused("policy", "pointsman.toml is not UTF-8 text")
                    .hint("save it as UTF-8, or take the committed one: git restore pointsman.toml")
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(Problem::refused("io", format!("cannot read pointsman.toml: {error}")).hint("ls -l pointsman.toml"))
            }
        }
    }

    /// HEAD, or the default branch's tip in a bare repository.
    pub fn base_commit(&self) -> Result<Option<ObjectId>, Problem> {
        if self.repository.work_dir().is_some() {
            return Ok(self.repository.read_ref("HEAD")?);
        }
        let world = World::of(&self.repository, self.local);
        match world.default_branch(&self.repository)?.1 {
            Some(tip) => Ok(Some(tip)),
            // A mirror that was never fetched into by us tracks nothing yet.
            None => Ok(self.repository.read_ref("HEAD")?),
        }
    }

    /// The agent called `given`; without a name, the one whose folder this is, or the only one.
    pub fn agent(&self, given: Option<&str>) -> Result<AgentId, Problem> {
        if let Some(given) = given {
            return self.named_agent(given);
        }
        let agents = self.draft_agents()?;
        if let Some(here) = self.agent_here(&agents) {
            return Ok(here);
        }
        match &agents[..] {
            [only] => Ok(only.agent.clone()),
            [] => Err(Problem::usage("no_agents", "there are no agents here")
                .hint("pointsman new <agent> makes one; pointsman init lists folders that are agents of other kinds")),
            many => {
                let names: Vec<_> = many.iter().take(8).map(|located| located.agent.to_string()).collect();
                let more = if many.len() > names.len() { ", …" } else { "" };
                Err(Problem::usage("which_agent", "there are several agents and none is named")
                    .hint(format!("name one of: {}{more}", names.join(", "))))
            }
        }
    }

    fn named_agent(&self, given: &str) -> Result<AgentId, Problem> {
        // A path is taken too, because shells complete paths.
        let trimmed = given.trim_end_matches('/');
        let by_path = trimmed.strip_prefix("agents/").unwrap_or(trimmed);
        match by_path.parse::<AgentId>() {
            Ok(agent) => Ok(agent),
            Err(error) => {
                // A folder of that name may well hold an agent; then it is the folder that is named wrong.
                let root = self.repository.work_dir().filter(|_| !trimmed.split('/').any(|part| part == ".."));
                let folders = [format!("agents/{by_path}"), by_path.to_owned()];
                let there = |folder: &&String| {
                    root.is_some_and(|root| crate::store::manifest_on_disk(&root.join(folder)).is_some())
                };
                if let Some(folder) = folders.iter().find(there) {
                    return Err(Misplaced::BadPath { folder: folder.clone(), reason: error.to_string() }.into());
                }
                let agents = self.draft_agents().unwrap_or_default();
                let lower = given.to_lowercase();
                let near = nearest(&lower, agents.iter().map(|located| located.agent.as_str())).map(str::to_owned);
                let problem = Problem::from(error);
                Err(match near {
                    Some(near) => problem.hint(format!("did you mean `{near}`?")),
                    None => problem,
                })
            }
        }
    }

    /// The agent in whose folder the command was started.
    pub fn agent_in_this_folder(&self) -> Result<Option<AgentId>, Problem> {
        Ok(self.agent_here(&self.draft_agents()?))
    }

    fn agent_here(&self, agents: &[Located]) -> Option<AgentId> {
        let root = self.repository.work_dir()?.canonicalize().ok()?;
        let here = self.dir.strip_prefix(&root).ok()?.to_str()?.to_owned();
        let inside =
            |folder: &str| here == folder || here.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        agents
            .iter()
            .find(|located| !located.folder.is_empty() && inside(&located.folder))
            .map(|located| located.agent.clone())
    }

    /// All agents of the draft, seen in the working tree's folders as git's index and HEAD know them.
    pub fn draft_agents(&self) -> Result<Vec<Located>, Problem> {
        let policy = self.draft_policy()?;
        let mut agents = match self.base_commit()? {
            Some(commit) => {
                let tree = self.repository.commit(commit)?.tree;
                self.repository.discover(tree, &policy)?.0
            }
            None => Default::default(),
        };
        for located in self.folders_on_disk(&policy).0 {
            agents.entry(located.agent.clone()).or_insert(located);
        }
        Ok(agents.into_values().collect())
    }

    /// Agents whose folders exist on disk, and folders that hold one but cannot be one; new ones are in no commit yet.
    pub(super) fn folders_on_disk(&self, policy: &Policy) -> (Vec<Located>, Vec<Misplaced>) {
        let (mut found, mut faults) = (Vec::new(), Vec::new());
        let Some(root) = self.repository.work_dir() else { return (found, faults) };
        for (agent, listing) in &policy.agents {
            if root.join(&listing.path).is_dir() {
                found.push(Located {
                    agent: agent.clone(),
                    folder: listing.path.clone(),
                    kind: listing.kind.clone(),
                    include: listing.include.clone(),
                });
            }
        }
        let listed: BTreeSet<&str> = policy.agents.values().map(|listing| listing.path.as_str()).collect();
        // Only folders that git does not know need a look at the disk, and those stand near the top.
        let mut folders = vec![(root.to_owned(), String::new(), 0)];
        while let Some((dir, path, depth)) = folders.pop() {
            if listed.contains(path.as_str()) {
                continue;
            }
            if let Some(kind) = crate::store::manifest_on_disk(&dir).filter(|_| !path.is_empty()) {
                match AgentId::of_folder(&path) {
                    Ok(agent) => found.push(Located { agent, folder: path, kind, include: Vec::new() }),
                    Err(error) => faults.push(Misplaced::BadPath { folder: path, reason: error.to_string() }),
                }
                continue;
            }
            // A repository inside this one is nobody's agent here.
            let foreign = depth > 0 && dir.join(".git").exists();
            if depth >= 4 || foreign {
                continue;
            }
            for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let skipped = name.starts_with('.') || matches!(name.as_str(), "node_modules" | "target");
                if !skipped && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    let below = if path.is_empty() { name } else { format!("{path}/{name}") };
                    folders.push((entry.path(), below, depth + 1));
                }
            }
        }
        (found, faults)
    }

    /// The refusal of an agent that neither the ledger nor the draft knows, with the nearest name of both.
    pub fn unknown_agent(&self, agent: &AgentId) -> Result<Option<Problem>, Problem> {
        let ledger = super::inspect::ledger(self)?;
        if ledger.agent(agent)?.is_some() || self.locate_draft(agent).is_ok() {
            return Ok(None);
        }
        let drafted = self.draft_agents()?.into_iter().map(|located| located.agent);
        let known: Vec<_> = ledger.agents()?.into_keys().chain(drafted).collect();
        let near = nearest(agent.as_str(), known.iter().map(AgentId::as_str)).map(str::to_owned);
        let place = "here: it has no folder and no version".to_owned();
        Ok(Some(Misplaced::Unknown { agent: agent.clone(), place, nearest: near }.into()))
    }

    /// Where `agent`'s draft is.
    pub fn locate_draft(&self, agent: &AgentId) -> Result<Located, Problem> {
        let policy = self.draft_policy()?;
        let on_disk = |folder: &str| {
            self.repository.work_dir().is_some_and(|root| crate::store::manifest_on_disk(&root.join(folder)).is_some())
        };
        let listed = policy.agents.get(agent).map(|listing| listing.path.clone());
        let mut same: Vec<_> =
            [format!("agents/{agent}"), agent.to_string()].into_iter().filter(|folder| on_disk(folder)).collect();
        same.extend(listed.filter(|path| !same.is_empty() && !same.contains(path)));
        if let [first, second, ..] = &same[..] {
            let fault = Misplaced::Twice { agent: agent.clone(), first: first.clone(), second: second.clone() };
            return Err(fault.into());
        }
        if let Some(base) = self.base_commit()? {
            let tree = self.repository.commit(base)?.tree;
            match self.repository.locate(tree, &policy, agent)? {
                // A folder that was moved is looked for where it is now.
                Ok(located) if same.iter().all(|folder| *folder == located.folder) => return Ok(located),
                Ok(_) | Err(Misplaced::Unknown { .. } | Misplaced::Twice { .. }) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        let agents = self.draft_agents()?;
        if let [folder] = &same[..]
            && let Some(located) = self.folders_on_disk(&policy).0.into_iter().find(|located| located.folder == *folder)
        {
            return Ok(located);
        }
        if let Some(located) = agents.iter().find(|located| located.agent == *agent) {
            return Ok(located.clone());
        }
        if let [folder] = &same[..] {
            let around = folder.match_indices('/').map(|(end, _)| &folder[..end]).find(|around| on_disk(around));
            if let Some(Ok(outer)) = around.map(AgentId::of_folder) {
                return Err(Misplaced::Nested { inner: agent.clone(), outer }.into());
            }
        }
        let near = nearest(agent.as_str(), agents.iter().map(|located| located.agent.as_str())).map(str::to_owned);
        let place = "here: no folder of that name has an agent.toml, and pointsman.toml does not list it".to_owned();
        Err(Misplaced::Unknown { agent: agent.clone(), place, nearest: near }.into())
    }
}
