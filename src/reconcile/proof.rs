//! Whether an entry proves itself: its tag exists, its source is that tag's folder, its digest fits its config.

use super::judge::record;
use crate::domain::{AgentId, Digest, VersionNumber, VersionTag};
use crate::store::{Entry, Located, Repository, Result};

/// What is wrong with `entry` as version `number` of `agent`; nothing if it proves itself.
///
/// A tag object that is missing is staged again from the bytes that the entry holds.
pub fn disproof(
    repository: &Repository,
    agent: &AgentId,
    number: VersionNumber,
    entry: &Entry,
) -> Result<Option<String>> {
    let record_read = &entry.record;
    let tag = VersionTag { agent: agent.clone(), number };
    if record_read.agent != *agent || record_read.number != number {
        return Ok(Some(format!("it says that it is {}/{}", record_read.agent, record_read.number)));
    }
    let raw = repository.blob(entry.tag)?;
    let tag_id = Repository::tag_id(&raw);
    if tag_id != record_read.tag {
        return Ok(Some(format!("its tag is {tag_id}, but version.json names {}", record_read.tag)));
    }
    if !repository.has(tag_id) {
        repository.stage_raw_tag(&raw);
    }
    let Some(read) = repository.tag_object(tag_id)? else {
        return Ok(Some("its tag is not an annotated tag".to_owned()));
    };
    if read.target != record_read.commit || read.name != tag.to_string() {
        return Ok(Some(format!("its tag names {} as {}", read.target, read.name)));
    }
    if !repository.has(read.target) {
        return Ok(Some(format!("the tagged commit {} is not there", read.target)));
    }
    let root = repository.commit(read.target)?.tree;
    let folder = Located {
        agent: agent.clone(),
        folder: record_read.folder.clone(),
        kind: crate::compile::Kind::named(&record_read.kind),
        include: Vec::new(),
    };
    let content = repository.content(root, &folder)?;
    if content.map(|content| content.source) != Some(entry.content.source) {
        return Ok(Some(format!("its source is not folder `{}` of the tagged commit", record_read.folder)));
    }
    if let Some(include) = entry.content.include
        && !repository.is_part_of(include, root)?
    {
        return Ok(Some("its included files are not those of the tagged commit".to_owned()));
    }
    let digest = Digest::of(&repository.blob(entry.config)?);
    if digest != record_read.digest {
        return Ok(Some(format!("config.json has {digest}, but version.json says {}", record_read.digest)));
    }
    let mut again = record(&tag, &read, &record_read.folder, &record_read.kind, digest);
    again.compiler.clone_from(&record_read.compiler);
    Ok((again != *record_read).then(|| "version.json is not what the tag says".to_owned()))
}
