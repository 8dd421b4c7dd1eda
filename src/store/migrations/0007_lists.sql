-- Lists of files to run, and schedules that start them.

CREATE TABLE lists (
    id {id},
    user_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    project BIGINT NOT NULL,
    ref TEXT NOT NULL, -- as asked for; empty: the default branch
    location TEXT NOT NULL,
    languages {bytes} NOT NULL,
    browsers {bytes} NOT NULL,
    env {bytes} NOT NULL,
    test_order TEXT NOT NULL,
    is_shared BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    n_files BIGINT NOT NULL
);
CREATE UNIQUE INDEX lists_name ON lists (user_id, name);

CREATE TABLE list_files (
    list BIGINT NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    path TEXT NOT NULL,
    PRIMARY KEY (list, position)
) {clustered};

-- `list` may name a list that is gone: then the schedule is disabled, with the reason.
CREATE TABLE schedules (
    id {id},
    user_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    list BIGINT NOT NULL,
    kind TEXT NOT NULL,
    at_text TEXT NOT NULL, -- local, in `zone`
    every_minutes BIGINT NOT NULL,
    weekdays BIGINT NOT NULL, -- bits, 0 Sunday
    cron TEXT NOT NULL,
    zone TEXT NOT NULL,
    until_text TEXT NOT NULL,
    start_at BIGINT NOT NULL,
    is_enabled BIGINT NOT NULL,
    reason TEXT NOT NULL,
    overlap TEXT NOT NULL,
    give_up_h BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    next_at BIGINT NOT NULL -- 0 never again
);
CREATE UNIQUE INDEX schedules_name ON schedules (user_id, name);
CREATE INDEX schedules_list ON schedules (list, id);
CREATE INDEX schedules_due ON schedules (next_at, id) WHERE is_enabled = 1 AND next_at > 0;

-- What came of each time at which a schedule was due. The row of a start is in the commit of its launch.
CREATE TABLE schedule_starts (
    schedule BIGINT NOT NULL REFERENCES schedules (id) ON DELETE CASCADE,
    due_at BIGINT NOT NULL,
    at BIGINT NOT NULL,
    result TEXT NOT NULL,
    launch BIGINT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (schedule, due_at)
) {clustered};
