-- Every statement the store and the archive use, by name.
--
-- Without statistics SQLite would take the index on status for the queue, and sort it. INDEXED BY makes that an error
-- instead of a slow plan; a + before a column keeps its index out.

-- name: meta_get
SELECT value FROM meta WHERE key = ?;

-- name: meta_set
INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value;

-- name: job_insert
INSERT INTO jobs (number, id, seq, status, priority, rank, name, session, spec, submitted_by, created_at, shape,
    attempts, attempts_base, runs)
VALUES (?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0);

-- name: job_update
UPDATE jobs SET seq = ?, status = ?, phase = ?, priority = ?, rank = ?, started_at = ?, finished_at = ?,
    cancelled_at = ?, expires_at = ?, attempts = ?, attempts_base = ?, runs = ?, cancel = ?, error = ?, deleting = ?,
    not_before = ?, low_folder = ?, expires_after = ?, paused = ?
WHERE number = ?;

-- name: job_delete
DELETE FROM jobs WHERE number = ?;

-- name: job_by_id
SELECT * FROM jobs WHERE id = ?;

-- name: jobs_processing
SELECT * FROM jobs WHERE status = 'processing' ORDER BY number;

-- name: jobs_deleting
SELECT * FROM jobs WHERE deleting IS NOT NULL ORDER BY number;

-- name: jobs_expired
SELECT id FROM jobs WHERE expires_after <= ? AND deleting IS NULL ORDER BY expires_after LIMIT ?;

-- name: kept_bytes
SELECT ifnull(sum(outputs.size), 0) FROM outputs INDEXED BY outputs_kept JOIN jobs ON jobs.number = outputs.job
WHERE outputs.file IS NOT NULL AND jobs.finished_at IS NOT NULL AND jobs.deleting IS NULL
    AND json_extract(CAST(jobs.spec AS TEXT), '$.keep_files') = 0;

-- name: evictable
SELECT jobs.id, sum(outputs.size) FROM outputs INDEXED BY outputs_kept JOIN jobs ON jobs.number = outputs.job
WHERE outputs.file IS NOT NULL AND jobs.finished_at IS NOT NULL AND jobs.deleting IS NULL
    AND json_extract(CAST(jobs.spec AS TEXT), '$.keep_files') = 0
GROUP BY jobs.number ORDER BY jobs.seq LIMIT ?;

-- name: job_ids
SELECT id FROM jobs WHERE id = ?;

-- name: next_ready
SELECT * FROM jobs INDEXED BY jobs_ready WHERE status = 'queued' AND not_before IS NULL AND low_folder IS NULL
    AND paused IS NULL AND shape = ?
ORDER BY priority DESC, rank LIMIT 1;

-- name: ready_shapes
WITH RECURSIVE found (shape) AS (
    SELECT min(shape) FROM jobs INDEXED BY jobs_ready
    WHERE status = 'queued' AND not_before IS NULL AND low_folder IS NULL AND paused IS NULL
    UNION ALL
    SELECT (SELECT min(jobs.shape) FROM jobs INDEXED BY jobs_ready WHERE status = 'queued' AND not_before IS NULL
        AND low_folder IS NULL AND paused IS NULL AND jobs.shape > found.shape)
    FROM found WHERE found.shape IS NOT NULL
)
SELECT shape FROM found WHERE shape IS NOT NULL;

-- name: first_of_shape
SELECT -priority, rank, shape FROM jobs INDEXED BY jobs_ready WHERE status = 'queued' AND not_before IS NULL
    AND low_folder IS NULL AND paused IS NULL AND shape = ?
ORDER BY priority DESC, rank LIMIT 1;

-- name: shapes_in_order
SELECT shape FROM (
    SELECT shape, low_folder, paused FROM jobs INDEXED BY jobs_queue WHERE status = 'queued'
    ORDER BY priority DESC, rank LIMIT ?
) WHERE low_folder IS NULL AND paused IS NULL;

-- name: oldest_queued
SELECT created_at FROM jobs INDEXED BY jobs_status WHERE status = 'queued' ORDER BY number LIMIT 1;

-- name: jobs_not_before
SELECT * FROM jobs WHERE not_before IS NOT NULL ORDER BY number;

-- name: low_folders
SELECT DISTINCT low_folder FROM jobs WHERE low_folder IS NOT NULL;

-- name: room_found
UPDATE jobs SET low_folder = NULL WHERE low_folder = ?;

-- name: front_of_queue
SELECT priority, rank FROM jobs INDEXED BY jobs_queue WHERE status = 'queued' ORDER BY priority DESC, rank LIMIT 1;

-- name: count_blocks_before
SELECT ifnull(sum(jobs), 0) FROM queue_blocks WHERE priority > ?1 OR (priority = ?1 AND block < ?2);

-- name: count_within_block
SELECT count(*) FROM jobs INDEXED BY jobs_queue WHERE status = 'queued' AND priority = ? AND rank >= ? AND rank < ?;

-- name: block_change
INSERT INTO queue_blocks (priority, block, jobs) VALUES (?, ?, ?)
ON CONFLICT (priority, block) DO UPDATE SET jobs = jobs + excluded.jobs;

-- name: blocks_prune
DELETE FROM queue_blocks WHERE jobs = 0;

-- name: counts
SELECT status, count(*) FROM jobs GROUP BY status;

-- name: recent_runs
SELECT (julianday(finished_at) - julianday(started_at)) * 86400,
    (SELECT count(*) FROM outputs WHERE outputs.job = jobs.number)
FROM jobs WHERE status = 'completed' AND started_at IS NOT NULL ORDER BY number DESC LIMIT ?;

-- name: last_number
SELECT ifnull(max(number), 0) FROM jobs;

-- name: output_insert
INSERT INTO outputs (job, position, path, target, name, status, progress, active)
VALUES (?, ?, ?, ?, ?, 'pending', 0.0, 1);

-- name: output_update
UPDATE outputs SET status = ?, progress = ?, speed = ?, size = ?, duration = ?, width = ?, height = ?, fps = ?,
    started_at = ?, finished_at = ?, file = ?, active = ?
WHERE job = ? AND position = ?;

-- name: outputs_of
SELECT position, path, target, name, status, progress, speed, size, duration, width, height, fps, started_at,
    finished_at, file
FROM outputs WHERE job = ? ORDER BY position;

-- name: taken_by
SELECT jobs.id FROM outputs JOIN jobs ON jobs.number = outputs.job
WHERE outputs.target = ? AND outputs.active = 1 AND jobs.number IS NOT ? LIMIT 1;

-- name: targets_find
SELECT outputs.target, jobs.id FROM outputs JOIN jobs ON jobs.number = outputs.job
WHERE outputs.target IN (?) AND outputs.active = 1;

-- name: attempt_start
INSERT INTO attempts (job, run, position, started_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: attempt_end
UPDATE attempts SET finished_at = ?, outcome = ?, exit_status = ? WHERE job = ? AND run = ? AND position = ?;

-- name: attempt_latest
SELECT run, position FROM attempts WHERE job = ?1 AND (?2 IS NULL OR run = ?2) AND (?3 IS NULL OR position = ?3)
ORDER BY run DESC, started_at DESC, position DESC LIMIT 1;

-- name: event_insert
INSERT INTO events (seq, job_id, body) VALUES (?, ?, ?);

-- name: events_after
SELECT body FROM events WHERE seq > ? ORDER BY seq LIMIT ?;

-- name: events_of_job_after
SELECT body FROM events WHERE job_id = ? AND seq > ? ORDER BY seq LIMIT ?;

-- name: events_oldest
SELECT seq, body FROM events WHERE seq < (SELECT max(seq) FROM events) ORDER BY seq LIMIT ?;

-- name: events_prune
DELETE FROM events WHERE seq <= ?;

-- name: audit_prune
DELETE FROM audit WHERE seq <= (SELECT max(seq) FROM (SELECT seq, at FROM audit WHERE seq > 0 ORDER BY seq LIMIT ?2)
    WHERE at < ?1) AND seq < (SELECT max(seq) FROM audit);

-- name: seq_bounds
SELECT (SELECT min(seq) FROM events), ifnull((SELECT max(seq) FROM events), 0);

-- name: commands_find
SELECT id, digest, job_id, held, reply FROM commands WHERE asked_by = ? AND id IN (?);

-- name: command_insert
INSERT INTO commands (asked_by, id, digest, at, job_id, held, reply) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: command_answered
UPDATE commands SET held = 0, reply = ? WHERE asked_by = ? AND id = ? AND held = 1;

-- name: commands_prune
DELETE FROM commands WHERE rowid IN (SELECT rowid FROM commands WHERE at < ? AND held = 0 ORDER BY at LIMIT ?);

-- name: audit_insert
INSERT INTO audit (at, asked_by, type, job_id, command_id, outcome, message) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: audit_after
SELECT seq, at, asked_by, type, job_id, command_id, outcome, message FROM audit WHERE seq > ? ORDER BY seq LIMIT ?;

-- name: audit_last
SELECT ifnull(max(seq), 0) FROM audit;

-- Pages of `list`. A page begins after the last row of the one before, so that it costs the same wherever it is.

-- name: list_newest
SELECT * FROM jobs WHERE number < ? ORDER BY number DESC LIMIT ?;

-- name: list_oldest
SELECT * FROM jobs WHERE number > ? ORDER BY number LIMIT ?;

-- name: list_status_newest
SELECT * FROM jobs WHERE status = ? AND number < ? ORDER BY number DESC LIMIT ?;

-- name: list_status_oldest
SELECT * FROM jobs WHERE status = ? AND number > ? ORDER BY number LIMIT ?;

-- name: list_session_newest
SELECT * FROM jobs WHERE session = ? AND +status IN (SELECT value FROM json_each(?)) AND number < ?
ORDER BY number DESC LIMIT ?;

-- name: list_session_oldest
SELECT * FROM jobs WHERE session = ? AND +status IN (SELECT value FROM json_each(?)) AND number > ?
ORDER BY number LIMIT ?;

-- name: session
SELECT status, count(*), min(created_at), min(started_at), max(finished_at)
FROM jobs WHERE session = ? GROUP BY status;

-- name: session_processing
SELECT * FROM jobs WHERE session = ? AND +status = 'processing';

-- name: list_prefix
SELECT * FROM jobs WHERE id > ?1 AND id >= ?2 AND id < ?3 AND +status IN (SELECT value FROM json_each(?4))
    AND (?5 IS NULL OR session = ?5)
ORDER BY id LIMIT ?6;

-- name: list_queue_same_priority
SELECT * FROM jobs INDEXED BY jobs_queue WHERE status = 'queued' AND priority = ?1 AND rank > ?2 AND (?3 IS NULL OR session = ?3)
ORDER BY rank LIMIT ?4;

-- name: list_queue_lower_priority
SELECT * FROM jobs INDEXED BY jobs_queue WHERE status = 'queued' AND priority < ?1 AND (?2 IS NULL OR session = ?2)
ORDER BY priority DESC, rank LIMIT ?3;

-- name: queued_by_priority
SELECT priority, sum(jobs) FROM queue_blocks GROUP BY priority HAVING sum(jobs) > 0;
