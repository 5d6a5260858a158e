//! Reading git objects, those that are only staged included.

use std::cell::RefCell;
use std::rc::Rc;

use git2::ObjectType;

use super::error::Doing as _;
use super::tree::Tree;
use super::{Error, Repository, Result};
use crate::domain::{Identity, ObjectId};

/// Trees of this many entries are kept, the last few of them: looking up a thousand agents in one reads it once.
pub(super) const LARGE_TREE: usize = 32;
const LARGE_TREES: usize = 16;

/// Trees read before.
pub(super) type LargeTrees = RefCell<Vec<(ObjectId, Rc<Tree>)>>;

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

pub(super) fn oid(id: ObjectId) -> git2::Oid {
    git2::Oid::from_bytes(id.as_bytes()).expect("an object id has 20 bytes")
}

pub(super) fn id(oid: git2::Oid) -> ObjectId {
    ObjectId::from_bytes(oid.as_bytes().try_into().expect("SHA-256 repositories are refused at open"))
}

/// The id of an object.
pub(super) fn hash(kind: ObjectType, bytes: &[u8]) -> ObjectId {
    id(git2::Oid::hash_object(kind, bytes).expect("hashing bytes cannot fail"))
}

/// The id that `bytes` have as a blob.
pub fn blob_id(bytes: &[u8]) -> ObjectId {
    hash(ObjectType::Blob, bytes)
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
        if let Some((staged, bytes)) = self.staged.borrow().get(id)
            && *staged == kind
        {
            return Ok(bytes.clone());
        }
        if let Some((drafted, bytes)) = self.drafted.borrow().get(&id)
            && *drafted == kind
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

    /// Whether the repository, a draft or the staged objects hold `id`.
    pub fn has(&self, id: ObjectId) -> bool {
        let in_memory = self.staged.borrow().get(id).is_some() || self.drafted.borrow().contains_key(&id);
        in_memory || self.git.odb().is_ok_and(|odb| odb.exists(oid(id)))
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
            self.keep_large(id, &tree);
        }
        Ok(tree)
    }

    /// Keeps a large tree that is asked for again.
    pub(super) fn keep_large(&self, id: ObjectId, tree: &Rc<Tree>) {
        let mut known = self.large_trees.borrow_mut();
        if known.iter().any(|(there, _)| *there == id) {
            return;
        }
        if known.len() >= LARGE_TREES {
            known.remove(0);
        }
        known.push((id, Rc::clone(tree)));
    }

    /// The bytes of blob `id`.
    pub fn blob(&self, id: ObjectId) -> Result<Vec<u8>> {
        self.read(id, ObjectType::Blob)
    }

    /// The size of blob `id` in bytes, without reading it.
    pub fn blob_size(&self, id: ObjectId) -> Result<u64> {
        let in_memory = |(_, bytes): &(ObjectType, Vec<u8>)| bytes.len() as u64;
        if let Some(size) = self.staged.borrow().get(id).map(in_memory) {
            return Ok(size);
        }
        if let Some(size) = self.drafted.borrow().get(&id).map(in_memory) {
            return Ok(size);
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
        let staged = self.staged.borrow().get(id).cloned();
        if let Some((kind, raw)) = staged {
            if kind != ObjectType::Tag {
                return Ok(None);
            }
            return Ok(parse_tag(&in_memory(kind, &raw)?, id, raw));
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
        hash(ObjectType::Tag, raw)
    }
}

/// A repository that holds nothing but one object: libgit2 reads commits and tags from a repository only.
fn in_memory(kind: ObjectType, raw: &[u8]) -> Result<git2::Repository> {
    let doing = || format!("read a {kind} that is not written yet");
    let odb = git2::Odb::new().doing(doing)?;
    odb.add_new_mempack_backend(1).doing(doing)?;
    odb.write(kind, raw).doing(doing)?;
    git2::Repository::from_odb(odb).doing(doing)
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
