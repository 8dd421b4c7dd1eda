-- Queues that start no new test: whose, who paused it, and since when. At most one row for each user.
CREATE TABLE queue_pauses (
    user_id {id}, -- whose queue
    login TEXT NOT NULL, -- who paused it
    created_at BIGINT NOT NULL
);
