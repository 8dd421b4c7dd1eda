-- What goes: by hand, by a job, by age, by size. docs/schema.md says more.

-- What is gone of a run that stays: why ('age', 'size', 'disk'; '' it is there) and when.
ALTER TABLE runs ADD COLUMN log_gone TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN log_gone_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN examples_gone TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN examples_gone_at BIGINT NOT NULL DEFAULT 0;

-- How much of each kind is kept. Derived, in the transactions that change it.
CREATE TABLE kept_sums (
    kind TEXT NOT NULL PRIMARY KEY,
    items BIGINT NOT NULL,
    bytes BIGINT NOT NULL
) {clustered};
INSERT INTO kept_sums (kind, items, bytes) SELECT 'log', COUNT(*), COALESCE(SUM(blob_file_bytes + length(body)), 0)
    FROM logs WHERE complete = 1;
-- Those of before that are still to be moved (0025_compact_examples) are counted when they are.
INSERT INTO kept_sums (kind, items, bytes) SELECT 'example', COUNT(*), 0 FROM examples;
INSERT INTO kept_sums (kind, items, bytes) SELECT 'run', COUNT(*), 0 FROM runs;

-- Files whose rows are gone and that are still to be removed: paths below the data folder.
CREATE TABLE going_files (
    path TEXT NOT NULL PRIMARY KEY
) {clustered};

-- What takes longer than an answer may: it goes on after a restart.
CREATE TABLE jobs (
    id {id},
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    user_id BIGINT NOT NULL,   -- who asked for it
    login TEXT NOT NULL,       -- as it was then
    owner BIGINT NOT NULL,     -- whose things may go; 0: anybody's
    what TEXT NOT NULL,        -- as it was asked for: JSON
    work_cursor BIGINT NOT NULL, -- what is above it has been looked at; 0 nothing yet
    done BIGINT NOT NULL,
    total BIGINT NOT NULL,     -- -1: not counted yet
    created_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    error TEXT NOT NULL
);
CREATE INDEX jobs_living ON jobs (id) WHERE state = 'running';
CREATE INDEX jobs_user ON jobs (user_id, id);
CREATE INDEX jobs_ended ON jobs (ended_at, id) WHERE state <> 'running';
