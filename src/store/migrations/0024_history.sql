-- What runs and launches are found by, whatever is asked together.

-- Where runs come from: each combination once. A run holds the number, so that one index serves five filters.
CREATE TABLE origins (
    id {id},
    user_id BIGINT NOT NULL,
    project BIGINT NOT NULL,
    ref TEXT NOT NULL,
    language TEXT NOT NULL,
    browser TEXT NOT NULL
);
CREATE UNIQUE INDEX origins_key ON origins (user_id, project, ref, language, browser);
CREATE INDEX origins_project ON origins (project, ref);

INSERT INTO origins (id, user_id, project, ref, language, browser)
SELECT ROW_NUMBER() OVER (ORDER BY o.user_id, o.project, o.ref, o.language, o.browser), o.user_id, o.project, o.ref,
    o.language, o.browser
FROM (
    SELECT DISTINCT l.user_id, l.project, l.ref, t.language, t.browser
    FROM tests t JOIN launches l ON l.id = t.launch WHERE EXISTS (SELECT 1 FROM runs r WHERE r.test = t.id)
) o;

ALTER TABLE runs ADD COLUMN origin BIGINT NOT NULL DEFAULT 0;
UPDATE runs SET origin = COALESCE((
    SELECT o.id FROM tests t JOIN launches l ON l.id = t.launch
    JOIN origins o ON o.user_id = l.user_id AND o.project = l.project AND o.ref = l.ref
        AND o.language = t.language AND o.browser = t.browser
    WHERE t.id = runs.test), 0);

-- The columns behind the id are looked at without going to the row.
CREATE INDEX runs_origin ON runs (origin, id, path);
DROP INDEX runs_server;
CREATE INDEX runs_server ON runs (server, id, origin, path);
DROP INDEX runs_path;
CREATE INDEX runs_path ON runs (path, id, origin);
-- Few runs do not pass: exact indexes for those cost next to nothing.
DROP INDEX runs_outcome;
CREATE INDEX runs_outcome ON runs (outcome, id, origin, path) WHERE outcome NOT IN ('', 'passed');
CREATE INDEX runs_origin_outcome ON runs (origin, outcome, id, path) WHERE outcome NOT IN ('', 'passed');
CREATE INDEX runs_server_outcome ON runs (server, outcome, id, origin, path) WHERE outcome NOT IN ('', 'passed');
CREATE INDEX runs_path_outcome ON runs (path, outcome, id, origin) WHERE outcome NOT IN ('', 'passed');
CREATE INDEX runs_lost ON runs (id) WHERE state = 'lost';

CREATE INDEX launches_ref ON launches (ref, id);
CREATE INDEX launches_outcome ON launches (outcome, id) WHERE outcome NOT IN ('', 'passed');
CREATE INDEX launches_schedule ON launches (schedule, id) WHERE schedule > 0;

-- Which ids were given in a day or a minute: a time becomes a range of ids. Only a bound: the time of a row is what counts.
CREATE TABLE id_times (
    kind TEXT NOT NULL,         -- run, launch
    span_ms BIGINT NOT NULL,    -- a day or a minute
    at BIGINT NOT NULL,         -- when it began
    first_id BIGINT NOT NULL,
    last_id BIGINT NOT NULL,
    PRIMARY KEY (kind, span_ms, at)
) {clustered};
INSERT INTO id_times (kind, span_ms, at, first_id, last_id)
SELECT 'run', 86400000, created_at - created_at % 86400000, MIN(id), MAX(id) FROM runs
GROUP BY created_at - created_at % 86400000;
INSERT INTO id_times (kind, span_ms, at, first_id, last_id)
SELECT 'run', 60000, created_at - created_at % 60000, MIN(id), MAX(id) FROM runs
GROUP BY created_at - created_at % 60000;
INSERT INTO id_times (kind, span_ms, at, first_id, last_id)
SELECT 'launch', 86400000, created_at - created_at % 86400000, MIN(id), MAX(id) FROM launches
GROUP BY created_at - created_at % 86400000;
INSERT INTO id_times (kind, span_ms, at, first_id, last_id)
SELECT 'launch', 60000, created_at - created_at % 60000, MIN(id), MAX(id) FROM launches
GROUP BY created_at - created_at % 60000;
