-- The queue of each user: what a test runs with, its place, and what was taken out and can be put back.

ALTER TABLE launches ADD COLUMN location TEXT NOT NULL DEFAULT ''; -- a location's name, or a URL

ALTER TABLE tests ADD COLUMN language TEXT NOT NULL DEFAULT '';
ALTER TABLE tests ADD COLUMN browser TEXT NOT NULL DEFAULT '';
-- Its place among the tests of its user. Equal ranks stand in the order of ids, so those of before are right.
ALTER TABLE tests ADD COLUMN rank BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tests ADD COLUMN undo BIGINT NOT NULL DEFAULT 0; -- while it is removed: an id of queue_undos
ALTER TABLE tests ADD COLUMN reason TEXT NOT NULL DEFAULT ''; -- why it is done without a run

ALTER TABLE launch_sums ADD COLUMN removed BIGINT NOT NULL DEFAULT 0;

-- One operation on a queue that can be undone.
CREATE TABLE queue_undos (
    id {id},
    user_id BIGINT NOT NULL, -- whose queue
    login TEXT NOT NULL, -- who did it
    created_at BIGINT NOT NULL
);
