-- Times are RFC 3339 UTC text with microseconds, so that they sort as text. JSON columns hold small structs.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    number        INTEGER PRIMARY KEY,  -- submit order
    id            TEXT NOT NULL UNIQUE,
    seq           INTEGER NOT NULL,     -- of its last durable event
    status        TEXT NOT NULL,
    phase         TEXT,
    priority      INTEGER NOT NULL,
    rank          INTEGER NOT NULL,     -- order within a priority
    name          TEXT,
    session       TEXT,
    spec          BLOB NOT NULL,        -- JSON, as submitted
    submitted_by  TEXT NOT NULL,
    created_at    TEXT NOT NULL,
    started_at    TEXT,
    finished_at   TEXT,
    cancelled_at  TEXT,
    expires_at    TEXT,
    attempts      INTEGER NOT NULL,
    attempts_base INTEGER NOT NULL,
    runs          INTEGER NOT NULL,
    cancel        BLOB,                 -- JSON
    error         BLOB,                 -- JSON
    deleting      BLOB                  -- JSON
) STRICT;

-- The queue's order is this index: the next job is its first entry. The status stands in it so that a count of
-- entries reads no row: SQLite checks the WHERE once more.
CREATE INDEX jobs_queue ON jobs (priority DESC, rank, status) WHERE status = 'queued';
CREATE INDEX jobs_status ON jobs (status, number);
CREATE INDEX jobs_session ON jobs (session, number) WHERE session IS NOT NULL;
CREATE INDEX jobs_expiry ON jobs (expires_at) WHERE expires_at IS NOT NULL AND deleting IS NULL;
CREATE INDEX jobs_deleting ON jobs (number) WHERE deleting IS NOT NULL;

CREATE TABLE outputs (
    job         INTEGER NOT NULL REFERENCES jobs (number) ON DELETE CASCADE,
    position    INTEGER NOT NULL,       -- index in the job
    path        TEXT NOT NULL,
    target      TEXT NOT NULL,          -- the path with its folder's links resolved
    name        TEXT,
    status      TEXT NOT NULL,
    progress    REAL,
    speed       REAL,
    size        INTEGER,
    duration    REAL,
    width       INTEGER,
    height      INTEGER,
    fps         REAL,
    started_at  TEXT,
    finished_at TEXT,
    file        BLOB,                   -- JSON: which file it made
    active      INTEGER NOT NULL,       -- 1 while the job is queued or processing: the path is taken
    PRIMARY KEY (job, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX outputs_taken ON outputs (target) WHERE active = 1;

CREATE TABLE attempts (
    job         INTEGER NOT NULL REFERENCES jobs (number) ON DELETE CASCADE,
    run         INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    started_at  TEXT NOT NULL,
    finished_at TEXT,
    outcome     TEXT,                   -- completed, stopped, lost or an error's code
    exit_status INTEGER,                -- negative: ended by that signal
    PRIMARY KEY (job, run, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    seq    INTEGER PRIMARY KEY,
    job_id TEXT,
    body   BLOB NOT NULL                -- as published: msgpack
) STRICT;

CREATE INDEX events_job ON events (job_id, seq) WHERE job_id IS NOT NULL;

CREATE TABLE commands (
    asked_by TEXT NOT NULL,
    id       TEXT NOT NULL,
    digest   BLOB NOT NULL,             -- of the body: the same id with another body is refused
    at       TEXT NOT NULL,
    job_id   TEXT,
    held     INTEGER NOT NULL,          -- 1 while the reply waits for the job
    reply    BLOB NOT NULL,             -- msgpack
    PRIMARY KEY (asked_by, id)
) STRICT;

CREATE INDEX commands_at ON commands (at);

CREATE TABLE audit (
    seq        INTEGER PRIMARY KEY,
    at         TEXT NOT NULL,
    asked_by   TEXT NOT NULL,
    type       TEXT NOT NULL,
    job_id     TEXT,
    command_id TEXT NOT NULL,
    outcome    TEXT NOT NULL,
    message    TEXT
) STRICT;
