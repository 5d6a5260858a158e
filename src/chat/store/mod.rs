//! The sandbox's file, `sandbox.db` in the state folder: SQLite, written ahead and synced at every commit, so that what
//! was acknowledged outlives a killed process and a power cut. Several processes may have it open.
//!
//! What a caller said and the reply to it are written in one transaction when the reply is whole: either both are there,
//! once, or neither.

mod rows;

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};

pub use rows::{Kind, Line, Role, Session, Usage};
use rows::{SESSION, foreign, line_of, parsed, session_of, version_of};

use super::said::Said;
use crate::domain::{AgentId, Digest, EnvironmentName, VersionNumber};
use crate::ops::Problem;

/// The file's name.
pub const FILE: &str = "sandbox.db";

/// How long another process may hold the file.
const BUSY: Duration = Duration::from_secs(10);

const DAY: i64 = 24 * 60 * 60 * 1000;

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

/// The open file.
pub struct Store {
    path: PathBuf,
    connection: Mutex<Connection>,
}

/// The refusal of a call that needs the file. Why is for the log: it may name folders of this machine.
fn cannot(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "the sandbox's file cannot be used");
    Problem::refused("sandbox_unavailable", format!("the sandbox's file `{FILE}` cannot be used"))
        .hint("the log says why; df -h shows whether the disk is full. Nothing that is live depends on this file")
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
            newer => {
                let message = format!("the sandbox's file `{FILE}` was made by a newer pointsman (layout {newer})");
                return Err(Problem::refused("sandbox_unavailable", message)
                    .hint("install that one here, or move the file away"));
            }
        }
        Ok(Store { path, connection: Mutex::new(connection) })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere has rolled its transaction back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection of its own for a read that may take long, so that no message waits for it.
    fn aside(&self) -> Result<Connection, Problem> {
        let connection = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(BUSY)?;
        Ok(connection)
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

    /// Sessions of `agent` that `caller` began, or of all where none is named: newest first, at most `limit`, older than
    /// `before`, and only those that `wanted` names.
    pub fn sessions(
        &self,
        agent: Option<&AgentId>,
        caller: Option<&str>,
        before: Option<&str>,
        limit: usize,
        wanted: impl Fn(&Session) -> bool,
    ) -> Result<Vec<Session>, Problem> {
        let connection = self.aside()?;
        let select = format!(
            "SELECT {SESSION} FROM sessions WHERE (?1 IS NULL OR agent = ?1) AND (?2 IS NULL OR caller = ?2)
             AND (?3 IS NULL OR id < ?3) ORDER BY id DESC"
        );
        let mut statement = connection.prepare(&select)?;
        let mut rows = statement.query(params![agent.map(AgentId::as_str), caller, before])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.extend(Some(session_of(row)?).filter(&wanted));
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
        let connection = self.aside()?;
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

#[cfg(test)]
mod tests;
