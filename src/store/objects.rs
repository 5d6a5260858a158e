//! Git objects: reading them, and staging new ones in memory until everything is decided.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use git2::ObjectType;

use super::error::Doing as _;
use super::{Error, Repository, Result, durable};
use crate::domain::{Identity, ObjectId};

/// Past this many new objects one pack is written instead of loose files: two fsyncs per object cost more than the
/// index of a small pack (measured at about 30 on ext4).
const LOOSE_AT_MOST: usize = 30;

/// How many loose objects are written at once.
const WRITERS: usize = 8;

/// Trees of this many entries are kept, the last few of them: looking up a thousand agents in one reads it once.
const LARGE_TREE: usize = 32;
const LARGE_TREES: usize = 16;

/// Trees read before.
pub(super) type LargeTrees = RefCell<Vec<(ObjectId, Rc<Tree>)>>;

/// The kind of a tree's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryMode {
    /// A plain file.
    Blob,
    /// A file with the executable bit.
    Executable,
    /// A symbolic link.
    Link,
    /// A folder.
    Tree,
    /// A submodule.
    Commit,
}

impl EntryMode {
    fn octal(self) -> &'static str {
        match self {
            EntryMode::Blob => "100644",
            EntryMode::Executable => "100755",
            EntryMode::Link => "120000",
            EntryMode::Tree => "40000",
            EntryMode::Commit => "160000",
        }
    }

    fn read(octal: &[u8]) -> Option<Self> {
        Some(match octal {
            // 100664 was written by very old versions of git.
            b"100644" | b"100664" => EntryMode::Blob,
            b"100755" => EntryMode::Executable,
            b"120000" => EntryMode::Link,
            b"40000" => EntryMode::Tree,
            b"160000" => EntryMode::Commit,
            _ => return None,
        })
    }
}

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its name; git allows any bytes but NUL and `/`.
    pub name: Vec<u8>,
    /// What it is.
    pub mode: EntryMode,
    /// The object.
    pub id: ObjectId,
}

impl TreeEntry {
    fn sort_key(&self) -> impl Iterator<Item = u8> + '_ {
        self.name.iter().copied().chain((self.mode == EntryMode::Tree).then_some(b'/'))
    }
}

/// The entries of a tree in git's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree(Vec<TreeEntry>);

impl Tree {
    /// All entries.
    pub fn entries(&self) -> &[TreeEntry] {
        &self.0
    }

    /// The entry called `name`. Trees of thousands of agents are searched for each of them, so this halves.
    pub fn get(&self, name: &str) -> Option<&TreeEntry> {
        // A folder sorts as if its name ended in a slash, so the two kinds are looked for apart.
        [false, true].into_iter().find_map(|folder| {
            let wanted = name.bytes().chain(folder.then_some(b'/'));
            let found = self.0.binary_search_by(|entry| entry.sort_key().cmp(wanted.clone())).ok()?;
            Some(&self.0[found])
        })
    }

    /// A tree of `entries`, which are put into git's order: by bytes, folders as if their name ended in `/`.
    pub(super) fn of(mut entries: Vec<TreeEntry>) -> Self {
        entries.sort_by(|a, b| a.sort_key().cmp(b.sort_key()));
        Tree(entries)
    }

    fn parse(mut bytes: &[u8]) -> Option<Self> {
        let mut entries = Vec::new();
        while !bytes.is_empty() {
            let space = bytes.iter().position(|&c| c == b' ')?;
            let mode = EntryMode::read(&bytes[..space])?;
            let rest = &bytes[space + 1..];
            let nul = rest.iter().position(|&c| c == 0)?;
            let id = rest.get(nul + 1..nul + 21)?.try_into().ok()?;
            entries.push(TreeEntry { name: rest[..nul].to_vec(), mode, id: ObjectId::from_bytes(id) });
            bytes = &rest[nul + 21..];
        }
        Some(Tree(entries))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in &self.0 {
            bytes.extend_from_slice(entry.mode.octal().as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(&entry.name);
            bytes.push(0);
            bytes.extend_from_slice(entry.id.as_bytes());
        }
        bytes
    }
}

/// What is read of a commit.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Its own id.
    pub id: ObjectId,
    /// Its tree.
    pub tree: ObjectId,
    /// Its parents, in order.
    pub parents: Vec<ObjectId>,
    /// The committer's time.
    pub time: jiff::Timestamp,
    /// Who wrote it.
    pub author: Identity,
    /// The message; bytes that are not UTF-8 became U+FFFD.
    pub message: String,
}

/// What is read of an annotated tag.
#[derive(Clone, Debug)]
pub struct TagObject {
    /// Its own id.
    pub id: ObjectId,
    /// What it names.
    pub target: ObjectId,
    /// Whether that is a commit.
    pub names_a_commit: bool,
    /// The name inside the object, which may differ from the ref's.
    pub name: String,
    /// Who made it.
    pub tagger: Identity,
    /// When.
    pub time: jiff::Timestamp,
    /// The message without a signature.
    pub message: String,
    /// The whole object as git stores it.
    pub raw: Vec<u8>,
}

/// New objects that are not in the repository yet.
#[derive(Default)]
pub(super) struct Staged {
    objects: HashMap<ObjectId, (ObjectType, Vec<u8>)>,
    order: Vec<ObjectId>,
    /// Whether some come from a quarantine: then the handle that sees it cannot tell what is already written.
    quarantined: bool,
}

impl Staged {
    /// The objects `new` in groups, each of which names objects of earlier groups only.
    fn levels(&self, new: Vec<&ObjectId>) -> Vec<Vec<ObjectId>> {
        let mut waiting: HashSet<ObjectId> = new.iter().map(|&&id| id).collect();
        let mut rest: Vec<(ObjectId, Vec<ObjectId>)> = new.into_iter().map(|&id| (id, self.named_by(id))).collect();
        let mut levels = Vec::new();
        while !rest.is_empty() {
            let (level, later): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|(_, names)| names.iter().all(|name| !waiting.contains(name)));
            let level: Vec<_> = level.into_iter().map(|(id, _)| id).collect();
            waiting.retain(|id| !level.contains(id));
            assert!(!level.is_empty(), "no object can name itself, not even through others");
            levels.push(level);
            rest = later;
        }
        levels
    }

    /// What the staged object `id` names.
    fn named_by(&self, id: ObjectId) -> Vec<ObjectId> {
        let (kind, bytes) = &self.objects[&id];
        match kind {
            ObjectType::Tree => Tree::parse(bytes).unwrap_or_default().entries().iter().map(|entry| entry.id).collect(),
            ObjectType::Commit | ObjectType::Tag => {
                let header = bytes.split(|&c| c == b'\n').take_while(|line| !line.is_empty());
                let names = header.filter_map(|line| {
                    let (key, value) = std::str::from_utf8(line).ok()?.split_once(' ')?;
                    matches!(key, "tree" | "parent" | "object").then(|| value.parse().ok())?
                });
                names.collect()
            }
            _ => Vec::new(),
        }
    }
}

pub(super) fn oid(id: ObjectId) -> git2::Oid {
    git2::Oid::from_bytes(id.as_bytes()).expect("an object id has 20 bytes")
}

pub(super) fn id(oid: git2::Oid) -> ObjectId {
    ObjectId::from_bytes(oid.as_bytes().try_into().expect("SHA-256 repositories are refused at open"))
}

fn timestamp(seconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

fn identity(signature: &git2::Signature<'_>) -> Identity {
    Identity {
        name: String::from_utf8_lossy(signature.name_bytes()).into_owned(),
        email: String::from_utf8_lossy(signature.email_bytes()).into_owned(),
    }
}

/// `who when` as a commit or tag header writes it, in UTC.
fn header_line(who: &Identity, at: jiff::Timestamp) -> String {
    let clean = |text: &str| text.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>')).collect::<String>();
    format!("{} <{}> {} +0000", clean(&who.name).trim(), clean(&who.email).trim(), at.as_second())
}

impl Repository {
    fn missing(&self, id: ObjectId, source: git2::Error) -> Error {
        if self.is_shallow() {
            return Error::Shallow {
                what: format!("object {id} is not in this shallow clone"),
                hint: "git fetch --unshallow".to_owned(),
            };
        }
        if source.code() == git2::ErrorCode::NotFound && source.class() == git2::ErrorClass::Odb {
            return Error::Corrupt {
                what: format!("object {id} is missing from the repository"),
                hint: "git fsck tells what else is; git fetch --refetch may bring it back".to_owned(),
            };
        }
        Error::Git { doing: format!("read object {id}"), source }
    }

    fn read(&self, id: ObjectId, kind: ObjectType) -> Result<Vec<u8>> {
        if let Some((staged, bytes)) = self.staged.borrow().objects.get(&id)
            && *staged == kind
        {
            return Ok(bytes.clone());
        }
        let odb = self.git.odb().doing(|| "open the object database".to_owned())?;
        let object = match odb.read(oid(id)) {
            Err(_) if self.fetch_promised([id])? => odb.read(oid(id)),
            found => found,
        };
        let object = object.map_err(|error| self.missing(id, error))?;
        if object.kind() != kind {
            return Err(Error::Corrupt {
                what: format!("object {id} is a {}, expected a {}", object.kind(), kind),
                hint: "git fsck".to_owned(),
            });
        }
        Ok(object.data().to_vec())
    }

    /// Whether the repository or the staged objects hold `id`.
    pub fn has(&self, id: ObjectId) -> bool {
        self.staged.borrow().objects.contains_key(&id) || self.git.odb().is_ok_and(|odb| odb.exists(oid(id)))
    }

    /// The entries of tree `id`.
    pub fn tree(&self, id: ObjectId) -> Result<Rc<Tree>> {
        if let Some((_, tree)) = self.large_trees.borrow().iter().find(|(known, _)| *known == id) {
            return Ok(Rc::clone(tree));
        }
        let bytes = self.read(id, ObjectType::Tree)?;
        let damaged = || Error::Corrupt { what: format!("tree {id} is damaged"), hint: "git fsck".to_owned() };
        let tree = Rc::new(Tree::parse(&bytes).ok_or_else(damaged)?);
        if tree.entries().len() >= LARGE_TREE {
            let mut known = self.large_trees.borrow_mut();
            if known.len() >= LARGE_TREES {
                known.remove(0);
            }
            known.push((id, Rc::clone(&tree)));
        }
        Ok(tree)
    }

    /// The bytes of blob `id`.
    pub fn blob(&self, id: ObjectId) -> Result<Vec<u8>> {
        self.read(id, ObjectType::Blob)
    }

    /// The size of blob `id` in bytes, without reading it.
    pub fn blob_size(&self, id: ObjectId) -> Result<u64> {
        if let Some((_, bytes)) = self.staged.borrow().objects.get(&id) {
            return Ok(bytes.len() as u64);
        }
        let odb = self.git.odb().doing(|| "open the object database".to_owned())?;
        let header = match odb.read_header(oid(id)) {
            Err(_) if self.fetch_promised([id])? => odb.read_header(oid(id)),
            found => found,
        };
        let (size, _) = header.map_err(|error| self.missing(id, error))?;
        Ok(size as u64)
    }

    /// The commit `id`.
    pub fn commit(&self, id: ObjectId) -> Result<Commit> {
        let commit = self.git.find_commit(oid(id)).map_err(|error| self.missing(id, error))?;
        Ok(Commit {
            id,
            tree: self::id(commit.tree_id()),
            parents: commit.parent_ids().map(self::id).collect(),
            time: timestamp(commit.committer().when().seconds()),
            author: identity(&commit.author()),
            message: String::from_utf8_lossy(commit.message_bytes()).into_owned(),
        })
    }

    /// The commit that `revision` (any spelling that git knows) names.
    pub fn resolve_commit(&self, revision: &str) -> Option<ObjectId> {
        let object = self.git.revparse_single(revision).ok()?;
        object.peel_to_commit().ok().map(|commit| id(commit.id()))
    }

    /// The annotated tag object `id`; nothing if the object is something else (a lightweight tag names those).
    pub fn tag_object(&self, id: ObjectId) -> Result<Option<TagObject>> {
        let staged = self.staged.borrow().objects.get(&id).cloned();
        if let Some((kind, raw)) = staged {
            if kind != ObjectType::Tag {
                return Ok(None);
            }
            // libgit2 reads tags from a repository only; one in memory holds nothing but this.
            let doing = || format!("read tag {id}");
            let odb = git2::Odb::new().doing(doing)?;
            odb.add_new_mempack_backend(1).doing(doing)?;
            odb.write(ObjectType::Tag, &raw).doing(doing)?;
            let memory = git2::Repository::from_odb(odb).doing(doing)?;
            return Ok(parse_tag(&memory, id, raw));
        }
        let odb = self.git.odb().doing(|| "open the object database".to_owned())?;
        let (_, kind) = odb.read_header(oid(id)).map_err(|error| self.missing(id, error))?;
        if kind != ObjectType::Tag {
            return Ok(None);
        }
        Ok(parse_tag(&self.git, id, self.read(id, ObjectType::Tag)?))
    }

    /// The id that `raw` has as an annotated tag.
    pub fn tag_id(raw: &[u8]) -> ObjectId {
        id(git2::Oid::hash_object(ObjectType::Tag, raw).expect("hashing bytes cannot fail"))
    }

    /// Stages an object of a draft's quarantine, which the object database can see but does not own.
    pub(super) fn stage_foreign(&self, kind: ObjectType, bytes: &[u8]) {
        self.stage(kind, bytes.to_vec());
        self.staged.borrow_mut().quarantined = true;
    }

    fn stage(&self, kind: ObjectType, bytes: Vec<u8>) -> ObjectId {
        let id = id(git2::Oid::hash_object(kind, &bytes).expect("hashing bytes cannot fail"));
        let mut staged = self.staged.borrow_mut();
        if !staged.objects.contains_key(&id) {
            staged.order.push(id);
            staged.objects.insert(id, (kind, bytes));
        }
        id
    }

    /// Stages a blob.
    pub fn stage_blob(&self, bytes: &[u8]) -> ObjectId {
        self.stage(ObjectType::Blob, bytes.to_vec())
    }

    /// Stages a tree.
    pub(super) fn stage_tree(&self, tree: &Tree) -> ObjectId {
        self.stage(ObjectType::Tree, tree.bytes())
    }

    /// Stages the annotated tag object with exactly these bytes.
    pub fn stage_raw_tag(&self, raw: &[u8]) -> ObjectId {
        self.stage(ObjectType::Tag, raw.to_vec())
    }

    /// Stages a commit; author and committer are the same.
    pub fn stage_commit(
        &self,
        tree: ObjectId,
        parents: &[ObjectId],
        who: &Identity,
        at: jiff::Timestamp,
        message: &str,
    ) -> ObjectId {
        let mut text = format!("tree {tree}\n");
        for parent in parents {
            text.push_str(&format!("parent {parent}\n"));
        }
        let line = header_line(who, at);
        text.push_str(&format!("author {line}\ncommitter {line}\n\n{message}"));
        self.stage(ObjectType::Commit, text.into_bytes())
    }

    /// Stages an annotated tag of a commit.
    pub fn stage_tag(
        &self,
        name: &str,
        commit: ObjectId,
        who: &Identity,
        at: jiff::Timestamp,
        message: &str,
    ) -> ObjectId {
        let line = header_line(who, at);
        self.stage_raw_tag(format!("object {commit}\ntype commit\ntag {name}\ntagger {line}\n\n{message}").as_bytes())
    }

    /// Writes all staged objects, each synced to disk with its folder; the refs that name them move afterwards.
    pub fn flush(&self) -> Result<()> {
        let staged = self.staged.take();
        let doing = || "open the object database".to_owned();
        let fresh;
        let odb = if staged.quarantined {
            fresh = git2::Repository::open(self.git.path()).doing(doing)?;
            fresh.odb().doing(doing)?
        } else {
            self.git.odb().doing(doing)?
        };
        let new: Vec<_> = staged.order.iter().filter(|&&id| !odb.exists(oid(id))).collect();
        if new.len() > LOOSE_AT_MOST {
            return self.write_pack(&staged, &new);
        }
        drop(odb);
        let objects = self.common_dir().join("objects");
        let fan_out = new.iter().map(|id| objects.join(&id.to_string()[..2]).join("_"));
        let growing: BTreeSet<_> = fan_out.flat_map(|file| durable::folders_to_grow(&file)).collect();
        // What an object names is there before it: a full disk or a crash leaves nothing that git would call broken.
        for level in staged.levels(new) {
            self.write_loose(&staged, &level)?;
        }
        durable::sync_folders(&growing.into_iter().collect::<Vec<_>>())
    }

    /// Loose objects, several at once: each waits for the disk twice, and the file system answers those who wait
    /// together together.
    fn write_loose(&self, staged: &Staged, new: &[ObjectId]) -> Result<()> {
        let (dir, objects) = (self.git.path(), &staged.objects);
        let write = |ids: &[ObjectId]| {
            // A repository handle belongs to one thread.
            let scratch = git2::Repository::open(dir).doing(|| "open the object database".to_owned())?;
            let odb = scratch.odb().doing(|| "open the object database".to_owned())?;
            for id in ids {
                let (kind, bytes) = &objects[id];
                odb.write(*kind, bytes).doing(|| format!("write object {id}"))?;
            }
            Ok(())
        };
        if let [_] = new {
            return write(new);
        }
        std::thread::scope(|scope| {
            let share = new.len().div_ceil(WRITERS).max(1);
            let writers: Vec<_> = new.chunks(share).map(|ids| scope.spawn(|| write(ids))).collect();
            writers.into_iter().try_for_each(|writer| writer.join().expect("a writer does not panic"))
        })
    }

    /// One pack of the objects `new`.
    fn write_pack(&self, staged: &Staged, new: &[&ObjectId]) -> Result<()> {
        let doing = || "write a pack".to_owned();
        // A handle of its own: a memory backend cannot be detached, and while it is attached its objects are seen by
        // nobody else.
        let scratch = git2::Repository::open(self.git.path()).doing(doing)?;
        let odb = scratch.odb().doing(doing)?;
        let _memory = odb.add_new_mempack_backend(1000).doing(doing)?;
        let mut builder = scratch.packbuilder().doing(doing)?;
        for id in new {
            let (kind, bytes) = &staged.objects[id];
            odb.write(*kind, bytes).doing(doing)?;
            builder.insert_object(oid(**id), None).doing(doing)?;
        }
        builder.write(&self.git.commondir().join("objects/pack"), 0).doing(doing)?;
        Ok(())
    }

    /// Forgets all staged objects.
    pub fn drop_staged(&self) {
        self.staged.take();
    }
}

/// The tag `id` of `git`, whose bytes are `raw`; nothing if it has no tagger or is damaged.
fn parse_tag(git: &git2::Repository, id: ObjectId, raw: Vec<u8>) -> Option<TagObject> {
    let tag = git.find_tag(oid(id)).ok()?;
    let message = String::from_utf8_lossy(tag.message_bytes().unwrap_or_default()).into_owned();
    let tagger = tag.tagger()?;
    Some(TagObject {
        id,
        target: self::id(tag.target_id()),
        names_a_commit: tag.target_type() == Some(ObjectType::Commit),
        name: String::from_utf8_lossy(tag.name_bytes()).into_owned(),
        tagger: identity(&tagger),
        time: timestamp(tagger.when().seconds()),
        message: without_signature(&message).to_owned(),
        raw,
    })
}

/// A tag's message with an OpenPGP or SSH signature cut off.
fn without_signature(message: &str) -> &str {
    ["-----BEGIN PGP SIGNATURE-----", "-----BEGIN SSH SIGNATURE-----", "-----BEGIN PGP MESSAGE-----"]
        .iter()
        .filter_map(|mark| message.find(mark))
        .filter(|&at| at == 0 || message.as_bytes()[at - 1] == b'\n')
        .min()
        .map_or(message, |at| &message[..at])
}
