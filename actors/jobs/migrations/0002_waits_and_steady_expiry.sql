-- A queued job may have to wait before it is started: until a moment (after a failure), or for room on a disk.
ALTER TABLE jobs ADD COLUMN not_before TEXT;  -- for people; the Queue counts the seconds itself
ALTER TABLE jobs ADD COLUMN low_folder TEXT;  -- its next output's folder, where that has too little room

-- The next job is this index's first entry, however many wait before it.
CREATE INDEX jobs_ready ON jobs (priority DESC, rank)
    WHERE status = 'queued' AND not_before IS NULL AND low_folder IS NULL;
CREATE INDEX jobs_not_before ON jobs (number) WHERE not_before IS NOT NULL;
CREATE INDEX jobs_low_folder ON jobs (low_folder) WHERE low_folder IS NOT NULL;

-- When a job's time is over is counted in seconds that this store has lived, which no change of the wall clock moves.
-- Jobs of before have the seconds from now that their wall clock time says.
ALTER TABLE jobs ADD COLUMN expires_after REAL;
UPDATE jobs SET expires_after = (julianday(expires_at) - julianday('now')) * 86400 WHERE expires_at IS NOT NULL;
DROP INDEX jobs_expiry;
CREATE INDEX jobs_expiry ON jobs (expires_after) WHERE expires_after IS NOT NULL AND deleting IS NULL;

-- What finished jobs keep on disk, the first to end first: what `retention.max_bytes` bounds.
CREATE INDEX outputs_kept ON outputs (job, size) WHERE file IS NOT NULL;
