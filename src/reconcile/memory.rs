//! What is kept between passes: facts about immutable objects, and a mark that says "nothing has changed since".
//!
//! Neither decides anything. A remembered fact is found again by the id of the object it is about, and one that would
//! lead to a step is read again first; without the files a pass is only slower.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::compile::COMPILER;
use crate::domain::{AgentId, Digest, ObjectId};
use crate::plan::Wait;
use crate::store::Repository;

/// File names below the repository's own `pointsman` folder.
const TAGS: &str = "tags-of-entries";
const SETTLED: &str = "settled";

/// Refs that moved less than this ago may move again without any file's time showing it.
const TOO_FRESH: Duration = Duration::from_millis(100);

/// A version's tag object, and the blob with its bytes.
pub(super) type RightTag = (ObjectId, ObjectId);

/// Bytes of one remembered tag: three ids.
const ROW: usize = 60;

fn row(bytes: &[u8]) -> (ObjectId, RightTag) {
    let id = |at: usize| ObjectId::from_bytes(bytes[at..at + 20].try_into().expect("a row has three ids of 20 bytes"));
    (id(0), (id(20), id(40)))
}

/// Looks for `entry` in a file of rows, which are sorted.
fn find(rows: &File, entry: ObjectId) -> Option<RightTag> {
    let (mut low, mut high) = (0, rows.metadata().ok()?.len() / ROW as u64);
    let mut bytes = [0; ROW];
    while low < high {
        let middle = low + (high - low) / 2;
        rows.read_exact_at(&mut bytes, middle * ROW as u64).ok()?;
        let (found, tag) = row(&bytes);
        match found.cmp(&entry) {
            Ordering::Equal => return Some(tag),
            Ordering::Less => low = middle + 1,
            Ordering::Greater => high = middle,
        }
    }
    None
}

/// Facts about immutable objects.
#[derive(Default)]
pub struct Memory {
    /// Right tag object, and the blob with its bytes, per version entry.
    tags: BTreeMap<ObjectId, RightTag>,
    /// What earlier passes left behind, where only a few entries are asked about.
    kept: Option<File>,
    /// Tags that are none of ours, by name and object.
    pub(super) not_ours: BTreeMap<(String, ObjectId), String>,
    /// Agents that cannot be published as this commit of the default branch has them, with the reason.
    pub(super) unpublishable: BTreeMap<(ObjectId, AgentId), String>,
    known: usize,
}

impl Memory {
    /// What earlier passes in this repository left behind.
    pub fn load(repository: &Repository) -> Self {
        let mut memory = Memory::default();
        let bytes = repository.hint(TAGS).unwrap_or_default();
        memory.tags.extend(bytes.chunks_exact(ROW).map(row));
        memory.known = memory.tags.len();
        memory
    }

    /// The same for a pass over a few agents, which reads of it only what it asks for.
    pub fn for_a_few(repository: &Repository) -> Self {
        Memory { kept: File::open(repository.own_dir().join(TAGS)).ok(), ..Memory::default() }
    }

    /// The right tag of the version `entry`, if it is known.
    pub(super) fn tag(&self, entry: ObjectId) -> Option<RightTag> {
        self.tags.get(&entry).copied().or_else(|| find(self.kept.as_ref()?, entry))
    }

    pub(super) fn know_tag(&mut self, entry: ObjectId, tag: RightTag) {
        self.tags.insert(entry, tag);
    }

    /// Forgets the tag of `entry`, and with it everything that earlier passes left behind.
    pub(super) fn doubt_tag(&mut self, entry: ObjectId) {
        self.tags.remove(&entry);
        self.kept = None;
    }

    /// Keeps it for later passes. A folder that cannot be written only makes those slower.
    pub fn save(&self, repository: &Repository) {
        if self.tags.len() == self.known {
            return;
        }
        let mut bytes = Vec::with_capacity(self.tags.len() * ROW);
        for (entry, (tag, raw)) in &self.tags {
            for id in [entry, tag, raw] {
                bytes.extend_from_slice(id.as_bytes());
            }
        }
        repository.leave_hint(TAGS, &bytes);
    }
}

/// A pass after which nothing was left to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Settled {
    /// Digest of all refs and of who decided.
    pub(super) fingerprint: Digest,
    /// When something may move by itself.
    pub(super) due: Option<jiff::Timestamp>,
    /// What waits.
    pub(super) waits: Vec<Wait>,
    /// What is wrong with the policy.
    pub(super) policy_note: Option<String>,
    /// Tags that are none of ours.
    pub(super) ignored: Vec<(String, String)>,
}

/// Digest of everything that a pass over all agents reads first: each ref, whose refs decide, and the program that
/// would decide. Nothing if refs moved so lately that a file's time may not show the next move.
pub(super) fn fingerprint(repository: &Repository, local: bool) -> Option<Digest> {
    let (state, newest) = repository.refs_state().ok()?;
    let age = SystemTime::now().duration_since(newest).unwrap_or_default();
    (age >= TOO_FRESH).then(|| {
        let program = env!("CARGO_PKG_VERSION");
        Digest::of(format!("{COMPILER}\n{program}\nlocal {local}\n{state}").as_bytes())
    })
}

impl Settled {
    /// The mark, if nothing has changed since and nothing is due.
    pub(super) fn load(repository: &Repository, fingerprint: Option<Digest>, now: jiff::Timestamp) -> Option<Self> {
        let settled: Settled = serde_json::from_slice(&repository.hint(SETTLED)?).ok()?;
        let current = Some(settled.fingerprint) == fingerprint && settled.due.is_none_or(|due| now < due);
        current.then_some(settled)
    }

    pub(super) fn save(&self, repository: &Repository) {
        let bytes = serde_json::to_vec(self).expect("a mark has string keys only");
        repository.leave_hint(SETTLED, &bytes);
    }
}
