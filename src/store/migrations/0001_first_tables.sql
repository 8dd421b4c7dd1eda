-- The first schema. docs/schema.md says what each column is for and why each index is there.
-- {id}, {bytes} and {clustered} are words of the driver: see db.h. Times are milliseconds since 1970, 0 never.
-- Lists of texts ({bytes} columns argv, env, description, backtrace) are the texts with a NUL after each.

CREATE TABLE ids (
    kind TEXT NOT NULL PRIMARY KEY,
    next_id BIGINT NOT NULL
) {clustered};

CREATE TABLE servers (
    id {id},
    name TEXT NOT NULL UNIQUE,
    fleet TEXT NOT NULL,
    address TEXT NOT NULL,
    user_name TEXT NOT NULL,
    identity TEXT NOT NULL,
    port BIGINT NOT NULL,
    slots BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    link TEXT NOT NULL,
    link_since BIGINT NOT NULL,
    link_reason TEXT NOT NULL,
    agent_version TEXT NOT NULL,
    facts TEXT NOT NULL
);

CREATE TABLE projects (
    id {id},
    name TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    refreshed_at BIGINT NOT NULL,
    error TEXT NOT NULL
);
CREATE INDEX projects_url ON projects (url, id);

CREATE TABLE launches (
    id {id},
    user_id BIGINT NOT NULL,
    project BIGINT NOT NULL,
    project_name TEXT NOT NULL,
    name TEXT NOT NULL,
    ref TEXT NOT NULL,
    commit_hash TEXT NOT NULL,
    test_order TEXT NOT NULL,
    retries BIGINT NOT NULL,
    time_limit_ms BIGINT NOT NULL,
    silence_limit_ms BIGINT NOT NULL,
    lease_ms BIGINT NOT NULL,
    n_tests BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    state TEXT NOT NULL,
    outcome TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    servers TEXT NOT NULL,
    env {bytes} NOT NULL
);
CREATE INDEX launches_project ON launches (project, id);
CREATE INDEX launches_living ON launches (id) WHERE state <> 'done';

-- Derived from tests and runs, kept in the transactions that change those. A table of its own, because
-- launches.env may be megabytes and a row is rewritten whole.
CREATE TABLE launch_sums (
    launch {id} REFERENCES launches (id) ON DELETE CASCADE,
    waiting BIGINT NOT NULL DEFAULT 0,
    active BIGINT NOT NULL DEFAULT 0,
    tests_passed BIGINT NOT NULL DEFAULT 0,
    tests_stopped BIGINT NOT NULL DEFAULT 0,
    tests_no_tests BIGINT NOT NULL DEFAULT 0,
    tests_failed BIGINT NOT NULL DEFAULT 0,
    tests_timed_out BIGINT NOT NULL DEFAULT 0,
    tests_error BIGINT NOT NULL DEFAULT 0,
    tests_infrastructure BIGINT NOT NULL DEFAULT 0,
    discovered BIGINT NOT NULL DEFAULT 0,
    passed BIGINT NOT NULL DEFAULT 0,
    failed BIGINT NOT NULL DEFAULT 0,
    pending BIGINT NOT NULL DEFAULT 0,
    errors BIGINT NOT NULL DEFAULT 0
);

-- Each path of a project once, however often it was run.
CREATE TABLE paths (
    id {id},
    project BIGINT NOT NULL,
    path TEXT NOT NULL
);
CREATE UNIQUE INDEX paths_text ON paths (project, path);

-- Each way a launch calls its tests, once: thousands of tests differ only in their path.
CREATE TABLE commands (
    launch BIGINT NOT NULL REFERENCES launches (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    adapter TEXT NOT NULL,
    argv {bytes} NOT NULL,
    PRIMARY KEY (launch, number)
) {clustered};

CREATE TABLE tests (
    id {id},
    launch BIGINT NOT NULL REFERENCES launches (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    path BIGINT NOT NULL,
    command BIGINT NOT NULL,
    predicted_ms BIGINT NOT NULL,
    state TEXT NOT NULL,
    outcome TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    losses BIGINT NOT NULL,
    run BIGINT NOT NULL
);
CREATE INDEX tests_position ON tests (launch, position);
CREATE INDEX tests_state ON tests (launch, state, position);
CREATE INDEX tests_outcome ON tests (launch, outcome, position) WHERE outcome NOT IN ('', 'passed');

CREATE TABLE runs (
    id {id},
    test BIGINT NOT NULL REFERENCES tests (id) ON DELETE CASCADE,
    launch BIGINT NOT NULL,
    server BIGINT NOT NULL,
    server_name TEXT NOT NULL,
    path BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    slot BIGINT NOT NULL,
    state TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    how BIGINT NOT NULL,
    exit_code BIGINT NOT NULL,
    signal BIGINT NOT NULL,
    duration_us BIGINT NOT NULL,
    user_us BIGINT NOT NULL,
    system_us BIGINT NOT NULL,
    max_rss_kib BIGINT NOT NULL,
    gap_us BIGINT NOT NULL,
    log_bytes BIGINT NOT NULL,
    log_dropped_bytes BIGINT NOT NULL,
    -- what the run came to, as its last change said
    discovered BIGINT NOT NULL,
    passed BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    pending BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    flags BIGINT NOT NULL,
    bad_lines BIGINT NOT NULL,
    -- how far its results channel is stored, and what was counted up to there
    results_bytes BIGINT NOT NULL DEFAULT 0,
    next_seq BIGINT NOT NULL DEFAULT 0,
    seen_discovered BIGINT NOT NULL DEFAULT 0,
    seen_passed BIGINT NOT NULL DEFAULT 0,
    seen_failed BIGINT NOT NULL DEFAULT 0,
    seen_pending BIGINT NOT NULL DEFAULT 0,
    seen_errors BIGINT NOT NULL DEFAULT 0,
    seen_flags BIGINT NOT NULL DEFAULT 0,
    seen_bad_lines BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX runs_launch ON runs (launch, id);
CREATE INDEX runs_test ON runs (test, id);
CREATE INDEX runs_server ON runs (server, id);
CREATE INDEX runs_path ON runs (path, id);
CREATE INDEX runs_living ON runs (id) WHERE state NOT IN ('done', 'lost');
CREATE INDEX runs_outcome ON runs (outcome, id) WHERE outcome NOT IN ('', 'passed');

CREATE TABLE examples (
    run BIGINT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    launch BIGINT NOT NULL,
    status TEXT NOT NULL,
    example_id TEXT NOT NULL,
    description {bytes} NOT NULL,
    file TEXT NOT NULL,
    line BIGINT NOT NULL,
    duration_ms DOUBLE PRECISION NOT NULL,
    exception TEXT NOT NULL,
    message TEXT NOT NULL,
    backtrace {bytes} NOT NULL,
    pending TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) {clustered};
CREATE INDEX examples_notable ON examples (launch, run, seq) WHERE status <> 'passed';

-- A log is, in order: what its blob file holds (blob_raw_bytes), then body, then the rows of log_tail.
CREATE TABLE logs (
    run {id} REFERENCES runs (id) ON DELETE CASCADE,
    size_bytes BIGINT NOT NULL,
    lines BIGINT NOT NULL,
    complete BIGINT NOT NULL,
    blob_raw_bytes BIGINT NOT NULL,
    blob_file_bytes BIGINT NOT NULL,
    blob_crc BIGINT NOT NULL,
    body_raw_bytes BIGINT NOT NULL,
    body_is_gzip BIGINT NOT NULL,
    body {bytes} NOT NULL
);
CREATE INDEX logs_open ON logs (run) WHERE complete = 0;

CREATE TABLE log_tail (
    run BIGINT NOT NULL,
    raw_offset BIGINT NOT NULL,
    bytes {bytes} NOT NULL,
    PRIMARY KEY (run, raw_offset)
) {clustered};

CREATE TABLE log_blocks (
    run BIGINT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    raw_offset BIGINT NOT NULL,
    raw_bytes BIGINT NOT NULL,
    file_offset BIGINT NOT NULL,
    file_bytes BIGINT NOT NULL,
    first_line BIGINT NOT NULL,
    PRIMARY KEY (run, raw_offset)
) {clustered};
