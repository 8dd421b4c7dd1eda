-- Examples, compactly: what an example is, and why it failed, is kept once. The rows of before are moved by the program
-- (src/store/compact.c) when all migrations have run, in the same transaction.

-- Each example of a project once, as paths are.
CREATE TABLE cases (
    id {id},
    project BIGINT NOT NULL,
    digest {bytes} NOT NULL,    -- BLAKE2b-128 of example_id, file, description
    example_id TEXT NOT NULL,
    file TEXT NOT NULL,
    description {bytes} NOT NULL,
    used_at BIGINT NOT NULL     -- an example refers to it that is no older than this, nor a week newer
);
CREATE UNIQUE INDEX cases_digest ON cases (project, digest);
CREATE INDEX cases_example_id ON cases (project, example_id);
CREATE INDEX cases_used ON cases (used_at);

-- Long texts, each once: backtraces.
CREATE TABLE texts (
    id {id},
    digest {bytes} NOT NULL,    -- BLAKE2b-128 of body
    body {bytes} NOT NULL
);
CREATE UNIQUE INDEX texts_digest ON texts (digest);

-- Why examples did not pass, each way once.
CREATE TABLE failures (
    id {id},
    digest {bytes} NOT NULL,    -- BLAKE2b-128 of all that follows
    backtrace BIGINT NOT NULL,  -- of texts, 0 none
    exception TEXT NOT NULL,
    page_url TEXT NOT NULL,
    screenshot TEXT NOT NULL,   -- an address; files are artifacts
    pending TEXT NOT NULL,
    message TEXT NOT NULL
);
CREATE UNIQUE INDEX failures_digest ON failures (digest);
CREATE INDEX failures_backtrace ON failures (backtrace) WHERE backtrace <> 0;

DROP INDEX examples_notable;
DROP INDEX examples_artifacts;
ALTER TABLE examples RENAME TO examples_before;
CREATE TABLE examples (
    run BIGINT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    status BIGINT NOT NULL,     -- 0 passed, 1 failed, 2 pending, 3 error
    case_id BIGINT NOT NULL,
    line BIGINT NOT NULL,
    duration_us BIGINT NOT NULL,
    launch BIGINT NOT NULL DEFAULT 0,   -- of those that did not pass; 0 of the others
    failure BIGINT NOT NULL DEFAULT 0,  -- the same
    cause BIGINT NOT NULL DEFAULT 0,    -- of those that failed
    artifacts {bytes} NOT NULL DEFAULT '',
    PRIMARY KEY (run, seq)
) {clustered};
CREATE INDEX examples_notable ON examples (launch, run, seq) WHERE status <> 0;
CREATE INDEX examples_newest ON examples (run, seq) WHERE status <> 0;
CREATE INDEX examples_failure ON examples (failure, run, seq) WHERE failure <> 0;
CREATE INDEX examples_cause ON examples (launch, cause, run, seq) WHERE cause <> 0;
CREATE INDEX examples_artifacts ON examples (run, seq) WHERE length(artifacts) > 0;

-- What each run failed by: how many of its examples, or the run itself.
CREATE TABLE run_causes (
    run BIGINT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    cause BIGINT NOT NULL,
    launch BIGINT NOT NULL,
    n BIGINT NOT NULL,
    is_run BIGINT NOT NULL,     -- 1: no example says why
    PRIMARY KEY (run, cause)
) {clustered};
CREATE INDEX run_causes_launch ON run_causes (launch, cause, run);

-- The causes of a project, and where each was seen first.
CREATE TABLE causes (
    project BIGINT NOT NULL,
    cause BIGINT NOT NULL,
    title TEXT NOT NULL,
    exception TEXT NOT NULL,
    frame TEXT NOT NULL,
    first_launch BIGINT NOT NULL,
    first_run BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,    -- up to a day older than the last time
    PRIMARY KEY (project, cause)
) {clustered};
CREATE INDEX causes_last ON causes (last_at);

-- What a launch that is done came to beside the one before it (docs/causes.md).
CREATE TABLE launch_compares (
    launch {id} REFERENCES launches (id) ON DELETE CASCADE,
    other BIGINT NOT NULL,      -- the launch it was compared with; 0: there was none
    n_new BIGINT NOT NULL,
    n_known BIGINT NOT NULL,
    n_fixed BIGINT NOT NULL,
    n_flaky BIGINT NOT NULL,
    n_gone BIGINT NOT NULL
);
