-- How many jobs are queued in each block of 1024 ranks of a priority, where there are any or have just been: a place in
-- the queue is the sum of the blocks before it, and the entries before it in its own.
CREATE TABLE queue_blocks (
    priority INTEGER NOT NULL,
    block    INTEGER NOT NULL,  -- rank >> 10
    jobs     INTEGER NOT NULL,
    PRIMARY KEY (priority, block)
) STRICT, WITHOUT ROWID;

INSERT INTO queue_blocks SELECT priority, rank >> 10, count(*) FROM jobs WHERE status = 'queued' GROUP BY 1, 2;
