//! The sandbox's file, `sandbox.db` in the state folder: SQLite, written ahead and synced at every commit, so that what
//! was acknowledged outlives a killed process and a power cut. Several processes may have it open.
//!
//! What a caller said and the reply to it are written in one transaction when the reply is whole: either both are there,
//! once, or neither.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};
use schemars::JsonSchema;
use serde::Serialize;

use super::said::Said;
use crate::domain::{AgentId, Digest, EnvironmentName, VersionNumber};
use crate::ops::Problem;

/// The file's name.
pub const FILE: &str = "sandbox.db";

/// How long another process may hold the file.
const BUSY: Duration = Duration::from_secs(10);

const DAY: i64 = 24 * 60 * 60 * 1000;

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
    fn word(self) -> &'static str {
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

/// A session to begin.
#[derive(Clone, Debug)]
pub struct Opening {
    /// It, with an id of its own.
    pub session: Session,
    /// The frozen config, canonical.
    pub config: Vec<u8>,
    /// For how many days the agent allows it to be kept.
    pub retain_days: Option<u32>,
    /// The caller's idempotency key.
    pub key: Option<String>,
    /// What is said first.
    pub lines: Vec<(Role, Said)>,
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

/// The open file.
pub struct Store {
    connection: Mutex<Connection>,
}

fn cannot(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "the sandbox's file cannot be used");
    Problem::refused("sandbox_unavailable", format!("the sandbox's file `{FILE}` cannot be used: {error}"))
        .hint("df -h shows whether the disk is full; nothing that is live depends on this file")
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        cannot(&error)
    }
}

impl Store {
    /// Opens the file in `state`, or makes it, readable by its owner alone.
    pub fn open(state: &Path) -> Result<Self, Problem> {
        std::fs::create_dir_all(state).map_err(|error| cannot(&error))?;
        let path: PathBuf = state.join(FILE);
        // SQLite gives its own files beside this one the same mode.
        let opened = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        opened.map_err(|error| cannot(&error))?;
        let connection = Connection::open(&path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        // What is pruned is to be gone from the disk too.
        connection.pragma_update(None, "secure_delete", "ON")?;
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        match version {
            0 => connection.execute_batch(&format!("BEGIN IMMEDIATE; {} COMMIT;", include_str!("schema.sql")))?,
            1 => {}
            newer => return Err(cannot(&format!("a newer pointsman made it (layout {newer})"))),
        }
        Ok(Store { connection: Mutex::new(connection) })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere has rolled its transaction back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session. With a key that was used before, the session that it began, and false.
    pub fn begin(&self, opening: &Opening) -> Result<(Session, bool), Problem> {
        let mut connection = self.connection();
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let Opening { session, config, retain_days, key, lines } = opening;
        if let Some(key) = key {
            let bound = params![session.caller, session.kind.word(), key];
            if let Some(found) = change.query_row(&begun(), bound, session_of).optional()? {
                return Ok((found, false));
            }
        }
        change.execute(
            "INSERT OR IGNORE INTO configs (digest, config) VALUES (?1, ?2)",
            params![session.digest.to_string(), config],
        )?;
        change.execute(
            "INSERT INTO sessions (id, kind, agent, version, environment, digest, responder, caller, key, opened, retain_days)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                session.id,
                session.kind.word(),
                session.agent_id.as_str(),
                session.version.map(VersionNumber::get),
                session.environment.as_ref().map(EnvironmentName::as_str),
                session.digest.to_string(),
                session.responder,
                session.caller,
                key,
                session.created_at.as_millisecond(),
                retain_days,
            ],
        )?;
        for (at, (role, said)) in (0..).zip(lines) {
            insert(&change, &session.id, at, *role, said, None, session.created_at)?;
        }
        change.commit()?;
        Ok((session.clone(), true))
    }

    /// The session `id`, if there is one.
    pub fn session(&self, id: &str) -> Result<Option<Session>, Problem> {
        let select = format!("SELECT {SESSION} FROM sessions WHERE id = ?1");
        Ok(self.connection().query_row(&select, [id], session_of).optional()?)
    }

    /// The session of `kind` that `caller` began with `key`, if there is one.
    pub fn begun_with(&self, caller: &str, kind: Kind, key: &str) -> Result<Option<Session>, Problem> {
        Ok(self.connection().query_row(&begun(), [caller, kind.word(), key], session_of).optional()?)
    }

    /// Sessions that `wanted` names, newest first, at most `limit`, older than `before`.
    pub fn sessions(
        &self,
        before: Option<&str>,
        limit: usize,
        wanted: impl Fn(&Session) -> bool,
    ) -> Result<Vec<Session>, Problem> {
        let connection = self.connection();
        let select = format!("SELECT {SESSION} FROM sessions WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC");
        let mut statement = connection.prepare(&select)?;
        let mut rows = statement.query([before])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let session = session_of(row)?;
            if wanted(&session) {
                found.push(session);
            }
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    /// The frozen config with `digest`.
    pub fn config(&self, digest: &Digest) -> Result<Option<Vec<u8>>, Problem> {
        let select = "SELECT config FROM configs WHERE digest = ?1";
        Ok(self.connection().query_row(select, [digest.to_string()], |row| row.get(0)).optional()?)
    }

    /// What was said in a session, in order.
    pub fn lines(&self, id: &str) -> Result<Vec<Line>, Problem> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT sequence, role, said, at FROM messages WHERE session = ?1 AND said IS NOT NULL ORDER BY sequence",
        )?;
        let lines = statement.query_map([id], line_of)?;
        Ok(lines.collect::<Result<_, _>>()?)
    }

    /// What was said with `key` and the reply to it, if it was said already.
    pub fn said_with(&self, id: &str, key: &str) -> Result<Option<(Line, Line)>, Problem> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT m.sequence, m.role, m.said, m.at FROM messages k JOIN messages m
             ON m.session = k.session AND m.sequence IN (k.sequence, k.sequence + 1)
             WHERE k.session = ?1 AND k.key = ?2 AND m.said IS NOT NULL ORDER BY m.sequence",
        )?;
        let mut lines = statement.query_map([id, key], line_of)?.collect::<Result<Vec<_>, _>>()?.into_iter();
        Ok(lines.next().zip(lines.next()))
    }

    /// Adds what was said at place `next` and the reply. False where that place is taken: somebody else was faster.
    pub fn add(
        &self,
        id: &str,
        next: u32,
        user: &Said,
        reply: &Said,
        key: Option<&str>,
        now: jiff::Timestamp,
    ) -> Result<bool, Problem> {
        let mut connection = self.connection();
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let lines: u32 =
            change.query_row("SELECT count(*) FROM messages WHERE session = ?1", [id], |row| row.get(0))?;
        if lines != next {
            return Ok(false);
        }
        insert(&change, id, next, Role::User, user, key, now)?;
        insert(&change, id, next + 1, Role::Assistant, reply, None, now)?;
        change.commit()?;
        Ok(true)
    }

    /// Billed usage and that of drafts, by agent, version and day, in the order of days.
    pub fn usage(&self) -> Result<(Vec<Usage>, Vec<Usage>), Problem> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT agent, version, day, sum(sessions), sum(messages) FROM (
                 SELECT agent, version, opened / ?1 AS day, kind = 'session' AS sessions, 0 AS messages FROM sessions
                 UNION ALL
                 SELECT s.agent, s.version, m.at / ?1, 0, 1
                 FROM messages m JOIN sessions s ON s.id = m.session WHERE m.role = 'user'
             ) GROUP BY day, agent, version ORDER BY day, agent, version",
        )?;
        let rows = statement.query_map([DAY], |row| {
            let day: i64 = row.get(2)?;
            let midnight = jiff::Timestamp::from_millisecond(day * DAY).map_err(|error| foreign(2, error))?;
            Ok(Usage {
                agent: parsed(row, 0)?,
                version: version_of(row, 1)?,
                day: midnight.to_zoned(jiff::tz::TimeZone::UTC).date(),
                sessions: row.get::<_, i64>(3)?.unsigned_abs(),
                messages: row.get::<_, i64>(4)?.unsigned_abs(),
            })
        })?;
        let all: Vec<Usage> = rows.collect::<Result<_, _>>()?;
        Ok(all.into_iter().partition(|used| used.version.is_some()))
    }

    /// Takes away the words of sessions that are older than `keep_days`, or than their agent allows. The rows stay, and
    /// with them usage. Returns how many sessions it were.
    pub fn prune(&self, keep_days: u32, now: jiff::Timestamp) -> Result<usize, Problem> {
        let mut connection = self.connection();
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // An agent that allows none is given an hour, or nobody could talk to it.
        let due = "pruned = 0 AND opened + max(min(coalesce(retain_days, ?1), ?1) * ?2, 3600000) <= ?3";
        let bound = params![keep_days, DAY, now.as_millisecond()];
        change.execute(
            &format!("UPDATE messages SET said = NULL WHERE session IN (SELECT id FROM sessions WHERE {due})"),
            bound,
        )?;
        let pruned = change.execute(&format!("UPDATE sessions SET pruned = 1 WHERE {due}"), bound)?;
        if pruned > 0 {
            change.execute(
                "DELETE FROM configs WHERE digest NOT IN (SELECT digest FROM sessions WHERE pruned = 0)",
                [],
            )?;
        }
        change.commit()?;
        Ok(pruned)
    }
}

fn insert(
    change: &rusqlite::Transaction<'_>,
    id: &str,
    sequence: u32,
    role: Role,
    said: &Said,
    key: Option<&str>,
    at: jiff::Timestamp,
) -> Result<(), Problem> {
    let said = serde_json::to_string(said).expect("what was said is made of texts");
    let role = match role {
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    change.execute(
        "INSERT INTO messages (session, sequence, role, said, key, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![id, sequence, role, said, key, at.as_millisecond()],
    )?;
    Ok(())
}

fn begun() -> String {
    format!("SELECT {SESSION} FROM sessions WHERE caller = ?1 AND kind = ?2 AND key = ?3")
}

const SESSION: &str = "id, kind, agent, version, environment, digest, responder, caller, opened, pruned";

fn foreign(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}

fn parsed<T: std::str::FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.get::<_, String>(column)?.parse().map_err(|error| foreign(column, error))
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(row.get(column)?).map_err(|error| foreign(column, error))
}

fn version_of(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<VersionNumber>> {
    Ok(row.get::<_, Option<u32>>(column)?.and_then(VersionNumber::new))
}

fn session_of(row: &Row<'_>) -> rusqlite::Result<Session> {
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

fn line_of(row: &Row<'_>) -> rusqlite::Result<Line> {
    let said = serde_json::from_str(&row.get::<_, String>(2)?).map_err(|error| foreign(2, error))?;
    let role = if row.get::<_, String>(1)? == "user" { Role::User } else { Role::Assistant };
    Ok(Line { sequence: row.get(0)?, role, said, at: time(row, 3)? })
}

#[cfg(test)]
mod tests;
