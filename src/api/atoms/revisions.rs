//! v2: the committed revisions of a branch.

use serde_json::{Value, json};

use super::branches::committed;
use super::config::Config;
use super::diff;
use super::seen::{Seen, number};
use crate::api::answer::Answer;
use crate::api::call::Call;
use crate::ops::Problem;
use crate::ops::inspect::VersionView;
use crate::ops::lines::{self, Line};

/// `GET /agent/{id}/branches/{branch}/revisions?limit=&skip=`: newest first.
pub(super) fn list(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of(call)?;
    let line = seen.branch()?;
    let (limit, skip) = (number(call, "limit", 20, 1, 100)?, number(call, "skip", 0, 0, 1_000_000)?);
    let page = line.versions.iter().skip(skip).take(limit);
    let revisions = page.map(|version| seen.version_json(version)).collect::<Result<Vec<_>, _>>()?;
    Answer::ok(&json!({ "revisions": revisions, "total": line.versions.len() }))
}

/// The revision of the path. A branch begins with the revision that it was forked from.
fn revision<'l>(call: &Call, line: &'l Line) -> Result<&'l VersionView, Problem> {
    let id = call.named("revision");
    let mut all = line.versions.iter().chain(&line.source);
    all.find(|version| version.id == id).ok_or_else(|| {
        Problem::refused("unknown_version", format!("no revision `{id}` on this branch")).hint("list its revisions")
    })
}

/// `GET /agent/{id}/branches/{branch}/revisions/{revision}`
pub(super) fn one(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of(call)?;
    let line = seen.branch()?;
    let version = revision(call, &line)?;
    let (_, config) = seen.config_of(version)?;
    Answer::ok(&json!({ "revision": seen.version_json(version)?, "resolvedConfig": config.resolved() }))
}

/// `GET …/revisions/{revision}/history`: what it changed, and what led to it on its branch.
pub(super) fn history(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of(call)?;
    let line = seen.branch()?;
    let version = revision(call, &line)?;
    let mut trail = Vec::new();
    let older: Vec<_> =
        line.versions.iter().skip_while(|it| it.id != version.id).chain(&line.source).take(20).collect();
    for (at, made) in older.iter().enumerate() {
        let before = match older.get(at + 1) {
            Some(before) => seen.config_of(before)?.1,
            None => Config::default(),
        };
        let changed = super::config::changed_sections(&before, &seen.config_of(made)?.1);
        trail.push(json!({
            "revision": seen.version_json(made)?,
            "changedSections": changed,
            "editorName": made.published_by.name,
        }));
    }
    Answer::ok(&json!({
        "revision": seen.version_json(version)?,
        "publishedBy": version.published_by.email,
        "trail": trail,
    }))
}

/// `POST …/revisions/{revision}/restore`: a new revision on top of the branch.
pub(super) fn restore(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of(call)?;
    let line = seen.branch()?;
    let (version, live) = (revision(call, &line)?, seen.is_live(&line));
    let made = lines::restore(&call.workspace, &seen.agent, &line.id, version.version)?;
    committed(&seen, &made, live)
}

/// `GET /agent/{id}/diff?a=&b=`: each a revision, or `<branch>:draft`.
pub(super) fn diff(call: &Call) -> Result<Answer, Problem> {
    let seen = Seen::of(call)?;
    let side = |name: &str| -> Result<Config, Problem> {
        let said = call.query.get(name).ok_or_else(|| {
            Problem::usage("bad_request", format!("`{name}` is not given")).hint("?a=<revision>&b=<branch>:draft")
        })?;
        match said.strip_suffix(":draft") {
            Some(branch) => Ok(seen.config_on(&seen.line(branch)?)?.1),
            None => Ok(seen.config_of(seen.version(said)?)?.1),
        }
    };
    let told: Value = diff::json_of(&side("a")?, &side("b")?);
    Answer::ok(&told)
}
