-- What a job takes of the machine's resources while it runs, as `cpu=2,nvenc=1`: a job of before took one slot.
ALTER TABLE jobs ADD COLUMN shape TEXT NOT NULL DEFAULT 'cpu=1';
ALTER TABLE jobs ADD COLUMN paused BLOB;  -- JSON: who paused it, and whether it gave up its slots

-- The next job of a shape is the first entry of its part of this index.
DROP INDEX jobs_ready;
CREATE INDEX jobs_ready ON jobs (shape, priority DESC, rank)
    WHERE status = 'queued' AND not_before IS NULL AND low_folder IS NULL AND paused IS NULL;
