-- Sessions, what was said in them, and the frozen configs that they are held with. Usage is counted from these rows and
-- kept nowhere else, so nothing can be counted twice.
CREATE TABLE IF NOT EXISTS configs (
    digest TEXT PRIMARY KEY,
    config BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS sessions (
    id          TEXT PRIMARY KEY,
    kind        TEXT NOT NULL,              -- session, or completion: a lone exchange
    agent       TEXT NOT NULL,
    version     INTEGER,                    -- null: a draft, which is never billed
    environment TEXT,
    digest      TEXT NOT NULL,
    responder   TEXT NOT NULL,              -- offline, or the name of a model endpoint
    caller      TEXT NOT NULL,
    key         TEXT,                       -- the caller's idempotency key
    opened      INTEGER NOT NULL,           -- milliseconds since 1970 UTC, as all times here
    retain_days INTEGER,                    -- what the agent allows
    pruned      INTEGER NOT NULL DEFAULT 0, -- 1: the words are gone, the rows stay for usage
    UNIQUE (caller, kind, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS messages (
    session  TEXT NOT NULL REFERENCES sessions (id),
    sequence INTEGER NOT NULL,
    role     TEXT NOT NULL,                 -- user or assistant
    said     TEXT,                          -- JSON; null when pruned
    key      TEXT,                          -- the caller's idempotency key
    at       INTEGER NOT NULL,
    PRIMARY KEY (session, sequence)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX IF NOT EXISTS messages_once ON messages (session, key) WHERE key IS NOT NULL;
CREATE INDEX IF NOT EXISTS sessions_by_caller ON sessions (caller, id);

PRAGMA user_version = 1;
