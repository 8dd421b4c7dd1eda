-- Programs elsewhere that are told what happens, and what is on its way to them.

CREATE TABLE hooks (
    id {id},
    type TEXT NOT NULL,            -- "webhook", "github"
    name TEXT NOT NULL,            -- unique among those of its user
    user_id BIGINT NOT NULL,       -- whose it is
    url TEXT NOT NULL,             -- of a webhook
    repository TEXT NOT NULL,      -- of github: "owner/name"; empty: that of the project's url
    kinds TEXT NOT NULL,           -- with commas: "launch_ended,runs_failed"
    is_all BIGINT NOT NULL,        -- of everybody's launches; else of its user's
    project BIGINT NOT NULL,       -- of this one alone; 0 any
    seal_name TEXT NOT NULL,       -- what its secret is sealed for: never used twice
    secret TEXT NOT NULL,          -- sealed (config/seal.h); empty: it has none
    is_enabled BIGINT NOT NULL,
    reason TEXT NOT NULL,          -- why it was disabled by wrata; empty: it was not
    created_at BIGINT NOT NULL,
    failing_since BIGINT NOT NULL, -- the first of the failures since the last success; 0 none
    failures BIGINT NOT NULL,      -- so many in a row
    paused_until BIGINT NOT NULL,  -- nothing is sent before
    last_at BIGINT NOT NULL,       -- of the last try
    last_status BIGINT NOT NULL,   -- 0: no answer
    last_error TEXT NOT NULL
);
CREATE UNIQUE INDEX hooks_name ON hooks (user_id, name);

-- One thing to tell one hook. While it is open, what happens of its kind to its object is counted in; `body` is what is sent, the
-- same for every try, written when it is closed.
CREATE TABLE deliveries (
    id {id},
    hook BIGINT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,           -- "waiting", "delivered", "failed"
    is_open BIGINT NOT NULL,
    object BIGINT NOT NULL,        -- id of the launch, schedule or server; 0 none
    word TEXT NOT NULL,            -- of an error: which event; else empty
    name TEXT NOT NULL,            -- of the object, which may be gone by then
    reason TEXT NOT NULL,          -- of the newest
    runs TEXT NOT NULL,            -- the first of them, with commas
    n BIGINT NOT NULL,             -- how often it happened
    at BIGINT NOT NULL,            -- the first time
    last_at BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    give_up_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,      -- delivered or failed; 0: it waits
    tries BIGINT NOT NULL,
    status BIGINT NOT NULL,        -- of the last answer; 0: there was none
    took_ms BIGINT NOT NULL,       -- the last try
    answer TEXT NOT NULL,          -- its first bytes
    error TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX deliveries_waiting ON deliveries (hook, next_at, id) WHERE state = 'waiting';
CREATE INDEX deliveries_hook ON deliveries (hook, id);
CREATE INDEX deliveries_open ON deliveries (hook, object, kind, word) WHERE is_open = 1;
CREATE INDEX deliveries_ended ON deliveries (ended_at) WHERE state <> 'waiting';
