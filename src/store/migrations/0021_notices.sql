-- What somebody should be told by mail, until a mail about it waits to be sent; and who wants to hear what.

-- Notices of one kind for one user about one thing are one row. `is_taken`: a mail is being written about it; what happens
-- meanwhile is another row.
CREATE TABLE notices (
    kind TEXT NOT NULL,
    user_id BIGINT NOT NULL,    -- 0: the admins
    object BIGINT NOT NULL,     -- id of the launch, schedule or server; 0 none
    word TEXT NOT NULL,         -- of an error: which event; else empty
    is_taken BIGINT NOT NULL,
    name TEXT NOT NULL,
    reason TEXT NOT NULL,       -- of the newest
    run BIGINT NOT NULL,        -- the first one; 0 none
    n BIGINT NOT NULL,
    at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (kind, user_id, is_taken, object, word)
) {clustered};

-- When the last mail of a kind was written for a user: the next one comes later than that.
CREATE TABLE notice_mails (
    kind TEXT NOT NULL,
    user_id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (kind, user_id)
) {clustered};
CREATE INDEX mails_group ON mails (group_name, created_at) WHERE group_name <> '';

-- What a user wants to be told.
ALTER TABLE users ADD COLUMN mail_launches TEXT NOT NULL DEFAULT 'failed';
ALTER TABLE users ADD COLUMN mail_launch_min_s BIGINT NOT NULL DEFAULT 60;
ALTER TABLE users ADD COLUMN mail_schedule_launches TEXT NOT NULL DEFAULT 'failed';
ALTER TABLE users ADD COLUMN mail_schedule_failed BIGINT NOT NULL DEFAULT 1;
ALTER TABLE users ADD COLUMN mail_schedule_missed BIGINT NOT NULL DEFAULT 1;
ALTER TABLE users ADD COLUMN mail_schedule_disabled BIGINT NOT NULL DEFAULT 1;

-- Of a launch that says so itself: "never", "failed", "always"; "choice": as its user has chosen.
ALTER TABLE launches ADD COLUMN mail TEXT NOT NULL DEFAULT 'choice';
