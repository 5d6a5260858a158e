//! An agent with its lines and versions as a call sees it, and what of it goes over the wire.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde_json::{Map, Value, json};

use super::config::{Config, blocks};
use super::ids;
use crate::api::call::Call;
use crate::domain::{AgentId, EnvironmentName, VersionNumber, VersionTag};
use crate::ops::inspect::{self, VersionView};
use crate::ops::lines::{self, Edit, Line, LineKind, LineName, Lines};
use crate::ops::side::{self, Found, SideName};
use crate::ops::{Problem, Workspace, moves};
use crate::tokens::Right;

/// How far back it is looked for who activated a version.
const MOVES: usize = 500;

/// One agent.
pub(super) struct Seen<'c> {
    pub(super) call: &'c Call,
    pub(super) agent: AgentId,
    pub(super) lines: Lines,
    published: Option<EnvironmentName>,
    /// Who put a version into the published environment last, and when.
    activated: BTreeMap<VersionNumber, (String, jiff::Timestamp)>,
}

impl<'c> Seen<'c> {
    /// The agent of the path.
    pub(super) fn of(call: &'c Call) -> Result<Self, Problem> {
        // Who may read nothing learns nothing, on routes that ask for rights later too.
        let agent = ids::agent(call).map_err(|unknown| call.unknown(Right::AgentsRead, unknown))?;
        Self::read(call, agent)
    }

    /// The same for a call of the first generation, if the operator has it answered.
    pub(super) fn of_v1(call: &'c Call) -> Result<Self, Problem> {
        let seen = Self::of(call)?;
        if call.api.atoms_v1.load(Ordering::Relaxed) {
            return Ok(seen);
        }
        Err(Problem::refused(
            super::MIGRATED,
            "this organization uses branches and revisions; drafts and versions are no more",
        )
        .hint("GET /agent/<id>/branches"))
    }

    fn read(call: &'c Call, agent: AgentId) -> Result<Self, Problem> {
        let lines = Lines::read(&call.workspace, &agent)?;
        Self::with(call, agent, lines, MOVES)
    }

    /// `agent` as it was read last, without who moved it: for lists, and after a move that was made here.
    pub(super) fn known(call: &'c Call, agent: AgentId) -> Result<Self, Problem> {
        let lines = Lines::known(&call.workspace, &agent)?;
        Self::with(call, agent, lines, 0)
    }

    fn with(call: &'c Call, agent: AgentId, lines: Lines, moves: usize) -> Result<Self, Problem> {
        let workspace = &call.workspace;
        let published = workspace.policy()?.published().map(|environment| environment.name.clone());
        let mut activated = BTreeMap::new();
        if let Some(environment) = published.as_ref().filter(|_| moves > 0 && !lines.versions.is_empty()) {
            // Before the first pass there is no history of it.
            for entry in inspect::history(workspace, Some(&agent), Some(environment), moves).unwrap_or_default() {
                let who = entry.record.actor.clone();
                for made in entry.record.moves.iter().filter(|made| made.agent == agent && made.from != made.to) {
                    if let Some(to) = made.to {
                        activated.entry(to).or_insert_with(|| (who.clone(), entry.time));
                    }
                }
            }
        }
        Ok(Seen { call, agent, lines, published, activated })
    }

    pub(super) fn workspace(&self) -> &'c Workspace {
        &self.call.workspace
    }

    /// The version that is served in the published environment.
    pub(super) fn active(&self) -> Option<&VersionView> {
        let published = self.published.as_ref()?;
        self.lines.versions.iter().find(|version| version.environments.contains(published))
    }

    fn is_active(&self, version: &VersionView) -> bool {
        self.published.as_ref().is_some_and(|published| version.environments.contains(published))
    }

    /// Whether `line` is the one whose version is active.
    pub(super) fn is_live(&self, line: &Line) -> bool {
        self.active().is_some_and(|version| self.lines.of_version(version.version).id == line.id)
    }

    /// The version with this id.
    pub(super) fn version(&self, id: &str) -> Result<&VersionView, Problem> {
        self.lines.versions.iter().find(|version| version.id == id).ok_or_else(|| {
            Problem::refused("unknown_version", format!("no version `{id}` of this agent")).hint("list its versions")
        })
    }

    /// The line with this id, also one that was archived.
    pub(super) fn line(&self, id: &str) -> Result<Line, Problem> {
        match self.lines.find(id) {
            Some(line) if line.kind != LineKind::Draft => Ok(line.clone()),
            _ => self.lines.archived(self.workspace(), &self.agent, &|known| known == id)?.ok_or_else(|| {
                Problem::refused("unknown_draft", format!("no branch `{id}` of this agent")).hint("list its branches")
            }),
        }
    }

    /// The branch of the path.
    pub(super) fn branch(&self) -> Result<Line, Problem> {
        self.line(self.call.named("branch"))
    }

    /// The config of `found`, frozen and as the API shows it.
    pub(super) fn config(&self, found: &Found) -> Result<(Value, Config), Problem> {
        let (config, findings) = side::config(self.workspace(), found)?;
        let Some(frozen) = config else {
            return Err(side::findings_problem(&self.agent, &findings, "there is no config to show"));
        };
        let source = side::source(self.workspace(), found)?;
        let persona = source.files.get("persona.md").and_then(|file| file.text());
        let config = Config::of(&frozen, persona);
        Ok((frozen, config))
    }

    /// The config of a version.
    pub(super) fn config_of(&self, version: &VersionView) -> Result<(Value, Config), Problem> {
        self.config(&side::find(self.workspace(), &self.agent, &SideName::Version(version.version))?)
    }

    /// The config of a line's draft, or of its newest version where none is open.
    pub(super) fn config_on(&self, line: &Line) -> Result<(Value, Config), Problem> {
        self.config(&lines::present(self.workspace(), line)?)
    }

    fn id_of(&self, number: Option<VersionNumber>) -> Option<&str> {
        self.lines.versions.iter().find(|version| Some(version.version) == number).map(|version| version.id.as_str())
    }

    /// A version, in the words of both generations.
    pub(super) fn version_json(&self, version: &VersionView) -> Result<Value, Problem> {
        let (_, config) = self.config_of(version)?;
        let line = self.lines.of_version(version.version);
        let own = line.versions.iter().position(|it| it.version == version.version);
        let activated = self.activated.get(&version.version);
        let from = version.source.and_then(|from| self.lines.versions.iter().find(|it| it.version == from));
        Ok(json!({
            "_id": version.id,
            "agent": ids::of_agent(&self.agent),
            "branch": line.id,
            "status": if version.archived { "archived" } else { "published" },
            "versionNumber": version.version,
            "revisionNumber": own.map(|at| line.versions.len() - at),
            "label": version.label,
            "description": version.description,
            "isPinned": version.starred,
            "isActive": self.is_active(version),
            "publishedBy": version.published_by.email,
            "publishedByName": version.published_by.name,
            "publishedAt": version.published_at,
            "activatedBy": activated.map(|(who, _)| person(who).1),
            "activatedByName": activated.map(|(who, _)| person(who).0),
            "activatedAt": activated.map(|(_, at)| at),
            "draftId": null,
            "draftName": version.draft.as_ref().map(|draft| draft_name(draft)),
            "draftRevision": null,
            "sourceVersionId": self.id_of(version.parent),
            "parentVersion": self.id_of(version.parent),
            "sourceDraftId": null,
            "restoredFromRevisionId": from.map(|from| &from.id),
            "restoredFromLabel": from.and_then(|from| from.label.as_ref()),
            "blocks": blocks(&config),
            "workflowType": config.workflow_type(),
            "createdBy": version.published_by.email,
            "createdAt": version.published_at,
            "updatedAt": activated.map_or(version.published_at, |(_, at)| *at),
        }))
    }

    /// The draft of `line`, in the shape of a version.
    pub(super) fn draft_json(&self, line: &Line) -> Result<Value, Problem> {
        let (_, config) = self.config_on(line)?;
        let begun = line.edits.first();
        let last = line.edits.last();
        let at = |edit: Option<&Edit>| edit.map(|edit| edit.time).or(line.head().map(|head| head.published_at));
        let id = ids::of_draft(line);
        Ok(json!({
            "_id": id,
            "agent": ids::of_agent(&self.agent),
            "branch": line.id,
            "status": "draft",
            "versionNumber": null,
            "revisionNumber": null,
            "label": null,
            "description": null,
            "isPinned": false,
            "isActive": false,
            "publishedBy": null,
            "publishedAt": null,
            "draftId": id,
            "draftName": line.name,
            "draftRevision": line.edits.len(),
            "sourceVersionId": line.head().map(|head| &head.id),
            "parentVersion": line.head().map(|head| &head.id),
            "blocks": blocks(&config),
            "workflowType": config.workflow_type(),
            "createdBy": begun.map(|edit| &edit.author.email),
            "createdAt": at(begun),
            "updatedAt": at(last),
            "lastEditorName": last.map(|edit| &edit.author.name),
        }))
    }

    /// What each edit of the draft of `line` changed, newest first and at most `limit`.
    pub(super) fn edit_history(&self, line: &Line, limit: usize) -> Result<Vec<Value>, Problem> {
        let mut history = Vec::new();
        let config = |number: u32| -> Result<Config, Problem> {
            let Some(commit) = line.at_edit(number) else { return Ok(Config::default()) };
            // A state between two edits that does not compile just shows no config.
            let found = lines::at(self.workspace(), &self.agent, commit);
            Ok(found.and_then(|found| self.config(&found)).map(|(_, config)| config).unwrap_or_default())
        };
        for edit in line.edits.iter().rev().take(limit) {
            let changed = super::config::changed_sections(&config(edit.number - 1)?, &config(edit.number)?);
            history.push(json!({
                "revision": edit.number,
                "draftRevision": edit.number,
                "changedSections": changed,
                "editorName": edit.author.name,
                "editedBy": edit.author.email,
                "createdAt": edit.time,
            }));
        }
        Ok(history)
    }

    /// A branch and how it stands.
    pub(super) fn branch_json(&self, line: &Line) -> Value {
        let (first, last) = (line.versions.last(), line.versions.first());
        let times = [first.map(|it| it.published_at), line.edits.first().map(|it| it.time)];
        let latest = [last.map(|it| it.published_at), line.edits.last().map(|it| it.time)];
        let source = line.source.as_ref();
        json!({
            "_id": line.id,
            "agent": ids::of_agent(&self.agent),
            "name": line.name,
            "isDefault": line.kind == LineKind::Main,
            "sourceBranchId": source.map(|version| &self.lines.of_version(version.version).id),
            "sourceRevisionId": source.map(|version| &version.id),
            "headRevisionId": line.head().map(|head| &head.id),
            "openDraftId": line.has_draft().then(|| ids::of_draft(line)),
            "status": if line.archived { "archived" } else { "active" },
            "createdBy": first.map(|it| &it.published_by.email).or(line.edits.first().map(|it| &it.author.email)),
            "updatedBy": line.edits.last().map(|it| &it.author.email).or(last.map(|it| &it.published_by.email)),
            "createdAt": times.iter().flatten().min().or(source.map(|it| &it.published_at)),
            "updatedAt": latest.iter().flatten().max().or(source.map(|it| &it.published_at)),
        })
    }

    pub(super) fn summary_json(&self, line: &Line) -> Value {
        json!({
            "branch": self.branch_json(line),
            "isLive": self.is_live(line),
            "hasOpenDraft": line.has_draft(),
            "revisionsCount": line.versions.len(),
            "headRevisionNumber": if line.versions.is_empty() { Value::Null } else { line.versions.len().into() },
        })
    }

    /// Makes `version` the active one, if the token may and the gates let it.
    pub(super) fn activate(&self, version: &VersionView) -> Result<(), Problem> {
        if let Some(environment) = &self.published {
            self.call.authorise(Right::Deploy(environment.clone()), Some(&self.agent))?;
        }
        let tag = VersionTag { agent: self.agent.clone(), number: version.version };
        moves::activate(self.workspace(), &tag).map(drop)
    }

    /// The same agent, looked at again.
    pub(super) fn again(&self) -> Result<Self, Problem> {
        let lines = Lines::known(&self.call.workspace, &self.agent)?;
        Self::with(self.call, self.agent.clone(), lines, MOVES)
    }

    /// A config as it is shown in answers that are about a version.
    pub(super) fn resolved(config: &Config) -> Map<String, Value> {
        match config.resolved() {
            Value::Object(resolved) => resolved,
            _ => Map::new(),
        }
    }
}

/// Name and address of `Name <address>`.
fn person(who: &str) -> (&str, &str) {
    match who.split_once(" <") {
        Some((name, address)) => (name, address.trim_end_matches('>')),
        None => (who, who),
    }
}

/// What the draft was called that was published from the branch `draft`.
fn draft_name(draft: &str) -> String {
    LineName::of_branch(draft.rsplit('/').next().unwrap_or(draft))
}

/// A number of the query: `least` to `most`, or `default` where nothing is said.
pub(super) fn number(call: &Call, name: &str, default: usize, least: usize, most: usize) -> Result<usize, Problem> {
    match call.query.get(name).map(|text| text.parse::<usize>()) {
        None => Ok(default),
        Some(Ok(number)) if (least..=most).contains(&number) => Ok(number),
        Some(_) => Err(Problem::usage("bad_request", format!("`{name}` is a number from {least} to {most}"))
            .hint(format!("?{name}={default}"))),
    }
}

/// A text of the body; nothing where it is left out or null.
pub(super) fn text(call: &Call, name: &str, longest: usize) -> Result<Option<String>, Problem> {
    match call.body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.chars().count() <= longest => Ok(Some(text.clone())),
        Some(_) => Err(Problem::usage("bad_request", format!("`{name}` is a text of at most {longest} characters"))
            .hint("send it as a string")),
    }
}

/// A truth of the body.
pub(super) fn truth(call: &Call, name: &str) -> Result<Option<bool>, Problem> {
    match call.body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(truth)) => Ok(Some(*truth)),
        Some(_) => {
            Err(Problem::usage("bad_request", format!("`{name}` is true or false")).hint("send it as a boolean"))
        }
    }
}
