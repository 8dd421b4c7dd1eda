-- Mail that waits to be sent, and for a while what became of it.

CREATE TABLE mails (
    id {id},
    state TEXT NOT NULL,
    recipient TEXT NOT NULL,
    kind TEXT NOT NULL,
    group_name TEXT NOT NULL,
    subject TEXT NOT NULL,
    message_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    give_up_at BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    error TEXT NOT NULL,
    body_text TEXT NOT NULL,
    body_html TEXT NOT NULL
);
CREATE INDEX mails_waiting ON mails (next_at, id) WHERE state = 'waiting';
CREATE INDEX mails_failed ON mails (id) WHERE state = 'failed';
CREATE INDEX mails_ended ON mails (ended_at) WHERE state <> 'waiting';
