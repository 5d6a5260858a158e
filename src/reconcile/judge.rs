//! Judging a tag: does it become a version, and what exactly would the ledger hold of it.
//!
//! The entry is a pure function of the tag object, the tagged commit and the compiler, so every controller writes the
//! same one.

use crate::compile::{COMPILER, Compilation, Finding, compile};
use crate::domain::ledger::{Rejection, VersionRecord};
use crate::domain::record::trailers;
use crate::domain::version::FARTHEST_AHEAD;
use crate::domain::{AgentId, Digest, ObjectId, VersionNumber, VersionTag};
use crate::plan::{Accepted, Verdict};
use crate::policy::Policy;
use crate::store::{Error, Misplaced, NewEntry, Repository, Result, TagObject};

/// A judgement, or the reason why the tag is none of ours.
pub enum Judged {
    /// It is judged.
    Verdict(Verdict),
    /// Nothing of that name is an agent there; it is told, and not remembered.
    NotOurs(String),
}

/// How many findings a refusal quotes.
const QUOTED: usize = 10;

/// Judges the object `object` under the name `tag`. `newest` is the highest number accepted so far; `collision` is a
/// known agent that cannot exist beside this one.
pub fn judge(
    repository: &Repository,
    tag: &VersionTag,
    object: ObjectId,
    newest: Option<VersionNumber>,
    collision: Option<&AgentId>,
) -> Result<Judged> {
    let refuse = |code: &str, reason: String| {
        Ok(Judged::Verdict(Verdict::Refuse(Rejection {
            object,
            code: code.to_owned(),
            reason,
            compiler: COMPILER.to_owned(),
        })))
    };
    if newest.is_none()
        && let Some(reason) = of_nobody(repository, tag, object)?
    {
        return Ok(Judged::NotOurs(reason));
    }
    let again = format!("git tag -d {tag} && git tag -a {tag} <commit> -m <note>");
    let Some(read) = repository.tag_object(object)? else {
        return refuse(
            "lightweight_tag",
            format!("`{tag}` is a lightweight tag; a version needs an annotated one: {again}"),
        );
    };
    if !read.names_a_commit {
        return refuse("not_a_commit", format!("`{tag}` names something other than a commit: {again}"));
    }
    if read.name != tag.to_string() {
        return refuse("other_name", format!("the tag object at `{tag}` was made as `{}`: {again}", read.name));
    }
    let known = newest.map_or(0, VersionNumber::get);
    if tag.number.get() > known.saturating_add(FARTHEST_AHEAD) {
        return refuse(
            "too_far_ahead",
            format!("`{tag}` is more than {FARTHEST_AHEAD} ahead of the newest version, v{known}"),
        );
    }
    if let Some(other) = collision {
        return refuse(
            "id_collision",
            format!("`{}` and the agent `{other}` cannot both exist: one id begins the other", tag.agent),
        );
    }
    let root = repository.commit(read.target)?.tree;
    let policy = match repository.policy_text(read.target)?.map(|text| Policy::parse(&text)) {
        None => Policy::default(),
        Some(Ok(policy)) => policy,
        Some(Err(error)) => return refuse("policy", format!("pointsman.toml of the tagged commit: {error}")),
    };
    let located = match repository.locate(root, &policy, &tag.agent)? {
        Ok(located) => located,
        Err(fault) => return refuse("misplaced", fault.to_string()),
    };
    let whole = repository.content(root, &located).and_then(|content| match content {
        Some(content) => Ok(Some((content, repository.source(&located, content)?, repository.unfit_name(content)?))),
        None => Ok(None),
    });
    let (content, source) = match whole {
        Ok(Some((_, _, Some((path, why))))) => {
            let path = path.escape_debug();
            return refuse("unfit_name", format!("`{path}` cannot be checked out: its name {why}; rename it"));
        }
        Ok(Some((content, source, None))) => (content, source),
        Ok(None) => return refuse("misplaced", format!("folder `{}` is not in the tagged commit", located.folder)),
        // Trees that nest without end, or globs that do not parse: no later pass reads them any better.
        Err(Error::Corrupt { what, .. }) => return refuse("unreadable", what),
        Err(error) => return Err(error),
    };
    let Compilation { frozen, findings } = compile(&source);
    let Some(frozen) = frozen else {
        return refuse("findings", quoted(&findings));
    };
    let record = record(tag, &read, &located.folder, &located.kind.to_string(), frozen.digest());
    let entry =
        repository.stage_entry(&NewEntry { record: &record, content, config: frozen.bytes(), tag: &read.raw })?;
    Ok(Judged::Verdict(Verdict::Accept(Box::new(Accepted { entry, record, key: key(&read.message) }))))
}

/// Why a tag is none of ours, whatever else is wrong with it: no agent of its name is in the tagged commit. Many
/// repositories have tags of this form for other things, lightweight ones too.
pub fn of_nobody(repository: &Repository, tag: &VersionTag, object: ObjectId) -> Result<Option<String>> {
    let Some(commit) = repository.resolve_commit(&object.to_string()) else { return Ok(None) };
    let policy = match repository.policy_text(commit)?.map(|text| Policy::parse(&text)) {
        None => Policy::default(),
        Some(Ok(policy)) => policy,
        Some(Err(_)) => return Ok(None),
    };
    Ok(match repository.locate(repository.commit(commit)?.tree, &policy, &tag.agent)? {
        Err(fault @ Misplaced::Unknown { .. }) => Some(format!("{fault} (commit {})", commit.short())),
        _ => None,
    })
}

fn quoted(findings: &[Finding]) -> String {
    let errors: Vec<_> =
        findings.iter().filter(|finding| finding.severity == crate::compile::Severity::Error).collect();
    let mut lines: Vec<_> = errors
        .iter()
        .take(QUOTED)
        .map(|finding| match &finding.place {
            Some(place) => format!("{}:{}:{}: {}", finding.path, place.line, place.column, finding.message),
            None => format!("{}: {}", finding.path, finding.message),
        })
        .collect();
    if errors.len() > QUOTED {
        lines.push(format!("… and {} more", errors.len() - QUOTED));
    }
    lines.join("\n")
}

/// Whether the last paragraph of a tag's message is one of ours.
fn own_trailers(message: &str) -> Vec<(&str, &str)> {
    let trailers = trailers(message);
    let ours = !trailers.is_empty() && trailers.iter().all(|(name, _)| name.starts_with("Pointsman-"));
    if ours { trailers } else { Vec::new() }
}

/// `version.json` of `tag`.
pub(super) fn record(tag: &VersionTag, read: &TagObject, folder: &str, kind: &str, digest: Digest) -> VersionRecord {
    let trailers = own_trailers(&read.message);
    let value = |name: &str| trailers.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let number = |name: &str| value(name).and_then(|value| value.parse().ok());
    let note = if trailers.is_empty() {
        read.message.trim()
    } else {
        read.message.trim_end().rsplit_once("\n\n").map_or("", |(note, _)| note).trim()
    };
    VersionRecord {
        agent: tag.agent.clone(),
        number: tag.number,
        note: crate::domain::record::plain_text(note),
        publisher: read.tagger.clone(),
        time: read.time,
        tag: read.id,
        commit: read.target,
        folder: folder.to_owned(),
        digest,
        compiler: COMPILER.to_owned(),
        kind: kind.to_owned(),
        parent: number("Pointsman-Parent"),
        source: number("Pointsman-Source"),
        draft: value("Pointsman-Draft"),
        label: value("Pointsman-Label"),
        description: value("Pointsman-Description"),
    }
}

/// The idempotency key that a tag's message carries: its name and the request's digest.
fn key(message: &str) -> Option<(Digest, Digest)> {
    let (_, value) = own_trailers(message).into_iter().find(|(name, _)| *name == "Pointsman-Key")?;
    let (name, request) = value.split_once(' ')?;
    Some((name.parse().ok()?, request.parse().ok()?))
}
