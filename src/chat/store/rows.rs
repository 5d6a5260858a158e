//! The rows of the sandbox's file as types, and how they are read.

use rusqlite::Row;
use schemars::JsonSchema;
use serde::Serialize;

use crate::chat::said::Said;
use crate::domain::{AgentId, Digest, EnvironmentName, VersionNumber};

/// What kind of conversation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ChatKind")]
pub enum Kind {
    /// Messages follow one another.
    Session,
    /// One exchange, whose caller keeps the conversation.
    Completion,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Session => "session",
            Kind::Completion => "completion",
        }
    }
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ChatSession")]
pub struct Session {
    /// A UUIDv7.
    pub id: String,
    /// What kind it is.
    pub kind: Kind,
    /// The agent.
    pub agent_id: AgentId,
    /// Whether it is held with a draft, and so never billed.
    pub draft_mode: bool,
    /// The version that it is held with; nothing for a draft.
    pub version: Option<VersionNumber>,
    /// The environment that served it when the session began.
    pub environment: Option<EnvironmentName>,
    /// Digest of the frozen config that it is held with.
    pub digest: Digest,
    /// `offline`, or the name of a model endpoint.
    pub responder: String,
    /// Who began it: a token's id, or `cli`.
    pub caller: String,
    /// When it began.
    pub created_at: jiff::Timestamp,
    /// Whether what was said is gone, because it was kept for long enough.
    pub pruned: bool,
}

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ChatRole")]
pub enum Role {
    /// The caller.
    User,
    /// The agent.
    Assistant,
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ChatLine")]
pub struct Line {
    /// Its place in the session, from 0 on.
    pub sequence: u32,
    /// Who said it.
    pub role: Role,
    /// What was said and done.
    #[serde(flatten)]
    pub said: Said,
    /// When.
    pub at: jiff::Timestamp,
}

/// What was used on one day (UTC).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "UsedOnDay")]
pub struct Usage {
    /// The agent.
    pub agent: AgentId,
    /// Its version; absent for drafts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionNumber>,
    /// The day.
    pub day: jiff::civil::Date,
    /// Sessions that began.
    pub sessions: u64,
    /// Messages of callers that were answered.
    pub messages: u64,
}

pub(super) const SESSION: &str = "id, kind, agent, version, environment, digest, responder, caller, opened, pruned";

pub(super) fn foreign(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}

pub(super) fn parsed<T: std::str::FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.get::<_, String>(column)?.parse().map_err(|error| foreign(column, error))
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(row.get(column)?).map_err(|error| foreign(column, error))
}

pub(super) fn version_of(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<VersionNumber>> {
    Ok(row.get::<_, Option<u32>>(column)?.and_then(VersionNumber::new))
}

pub(super) fn session_of(row: &Row<'_>) -> rusqlite::Result<Session> {
    let version = version_of(row, 3)?;
    let environment = row.get::<_, Option<String>>(4)?.map(|name| name.parse()).transpose();
    Ok(Session {
        id: row.get(0)?,
        kind: if row.get::<_, String>(1)? == "completion" { Kind::Completion } else { Kind::Session },
        agent_id: parsed(row, 2)?,
        draft_mode: version.is_none(),
        version,
        environment: environment.map_err(|error| foreign(4, error))?,
        digest: parsed(row, 5)?,
        responder: row.get(6)?,
        caller: row.get(7)?,
        created_at: time(row, 8)?,
        pruned: row.get(9)?,
    })
}

pub(super) fn line_of(row: &Row<'_>) -> rusqlite::Result<Line> {
    let said = serde_json::from_str(&row.get::<_, String>(2)?).map_err(|error| foreign(2, error))?;
    let role = if row.get::<_, String>(1)? == "user" { Role::User } else { Role::Assistant };
    Ok(Line { sequence: row.get(0)?, role, said, at: time(row, 3)? })
}
