//! Serving drafts: where the controller works in a working copy, each save is compiled and served as `draft`, so that
//! whoever writes an agent hears it at once.
//!
//! A loop of its own beside the other: compiling what somebody is typing must not keep a tag from going live.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderValue;

use super::{freed, places};
use crate::domain::{AgentId, Digest, ObjectId};
use crate::live::{Bell, DRAFT, Environment, EventKind, Live, Routes, Served, ServedVersion, Wake, Woken};
use crate::ops::side::{Found, compiled};
use crate::ops::{Problem, Workspace, check};
use crate::store::AgentContent;

/// Editors write a file in several steps; what comes this close together is one save.
const SETTLED: Duration = Duration::from_millis(30);

/// How long a working tree goes unread although nothing was seen to change.
const RESYNC: Duration = Duration::from_secs(30);

/// A draft as it was compiled last.
#[derive(Clone)]
enum Compiled {
    Good(Arc<Served>),
    Bad,
}

/// The loop over the drafts of one working copy.
pub struct Drafts {
    dir: PathBuf,
    live: Arc<Live>,
    bell: Arc<Bell>,
    compiled: BTreeMap<AgentId, (AgentContent, Compiled)>,
    height: u64,
}

impl Drafts {
    /// A loop over the working copy `dir`, ended by its own bell.
    pub fn new(dir: PathBuf, live: Arc<Live>) -> Self {
        // Grows over restarts too, so that a watcher goes on where it was.
        let height = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0);
        Drafts { dir, live, bell: Arc::default(), compiled: BTreeMap::new(), height }
    }

    /// What ends the loop when it is closed.
    pub fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.bell)
    }

    /// Runs until the bell is closed.
    pub fn run(mut self) {
        let mut watched = None;
        let mut folders = BTreeSet::new();
        loop {
            let seen = self.look().map(|(seen, compiled)| {
                freed::give_back(compiled);
                seen
            });
            match seen {
                Ok(seen) if watched.is_none() || seen != folders => {
                    watched = places::watch_files(&self.dir, &seen, &self.bell);
                    folders = seen;
                    // What was saved before the watch stood is seen now.
                    self.bell.ring(Wake::WorkTree);
                }
                Ok(_) => {}
                Err(problem) => tracing::debug!(error = problem.message, "drafts cannot be read"),
            }
            if self.bell.wait(Instant::now() + RESYNC) == Woken::Closed {
                return;
            }
            while matches!(self.bell.wait(Instant::now() + SETTLED), Woken::Rung(_)) {}
            if self.bell.is_closed() {
                return;
            }
        }
    }

    /// Compiles what changed. Returns the folders in which drafts are, or may appear, and how many drafts it compiled.
    fn look(&mut self) -> Result<(BTreeSet<PathBuf>, usize), Problem> {
        let workspace = Workspace::open(&self.dir, true, jiff::Timestamp::now(), None)?;
        let found = check::drafts(&workspace, None)?;
        let mut folders = BTreeSet::new();
        let mut compiled = BTreeMap::new();
        let mut new = 0;
        for (agent, found) in &found {
            let folder = &found.located.folder;
            folders.insert(self.dir.join(folder.rsplit_once('/').map_or(folder.as_str(), |(around, _)| around)));
            folders.extend(found.located.include_folders().into_iter().map(|folder| self.dir.join(folder)));
            let known = self.compiled.get(agent).filter(|(content, _)| *content == found.content);
            let now = match known {
                Some((_, known)) => known.clone(),
                None => {
                    new += 1;
                    self.compile(&workspace, agent, found)?
                }
            };
            compiled.insert(agent.clone(), (found.content, now));
        }
        let changed = new > 0 || self.compiled.len() != compiled.len();
        self.compiled = compiled;
        if changed {
            self.publish();
        }
        Ok((folders, new))
    }

    fn compile(&self, workspace: &Workspace, agent: &AgentId, found: &Found) -> Result<Compiled, Problem> {
        let compilation = compiled(workspace, found)?;
        let Some(frozen) = compilation.frozen else {
            let told = format!("the draft of {agent} has errors: pointsman check {agent}");
            self.live.events.tell(workspace.now, EventKind::Refused, None, Some(agent.clone()), None, told);
            return Ok(Compiled::Bad);
        };
        let digest = frozen.digest();
        let record = serde_json::json!({ "agent": agent, "draft": true, "digest": digest });
        Ok(Compiled::Good(Arc::new(Served {
            agent: agent.clone(),
            version: ServedVersion::Draft,
            digest,
            entry: found.content.source,
            config: self.live.snapshot().share(agent, digest, Bytes::copy_from_slice(frozen.bytes())),
            record: Bytes::from(record.to_string()),
            etag: HeaderValue::from_str(&format!("\"{digest}\"")).expect("a digest is plain ASCII"),
            version_header: HeaderValue::from_static(DRAFT),
        })))
    }

    fn publish(&mut self) {
        let good = self.compiled.iter().filter_map(|(agent, (_, compiled))| match compiled {
            Compiled::Good(served) => Some((agent.clone(), Arc::clone(served))),
            Compiled::Bad => None,
        });
        let agents: HashMap<_, _> = good.collect();
        let contents = self.compiled.iter().map(|(agent, (content, _))| format!("{agent} {content:?}\n"));
        self.height += 1;
        self.live.publish_drafts(Environment {
            name: DRAFT.parse().expect("the word is an environment's name"),
            head: id_of(&contents.collect::<String>()),
            height: self.height,
            agents,
            retired: BTreeSet::new(),
            routes: Routes::default(),
        });
    }
}

/// An id that changes with the drafts; it names no object.
fn id_of(contents: &str) -> ObjectId {
    let digest = Digest::of(contents.as_bytes()).to_string();
    let hex = digest.trim_start_matches("sha256:");
    hex[..40].parse().expect("a digest has 64 hexadecimal digits")
}
