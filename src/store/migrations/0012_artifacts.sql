-- The files that runs left to be kept. The bytes of all of a run lie in one file below DATA/artifacts, its pack.

CREATE TABLE artifact_packs (
    run {id},
    launch BIGINT NOT NULL,
    name TEXT NOT NULL,         -- of the file
    created_at BIGINT NOT NULL,
    files BIGINT NOT NULL,      -- that are still there
    bytes BIGINT NOT NULL       -- of them
);
CREATE INDEX artifact_packs_age ON artifact_packs (created_at, run);

CREATE TABLE artifacts (
    id {id},
    run BIGINT NOT NULL REFERENCES artifact_packs (run) ON DELETE CASCADE,
    launch BIGINT NOT NULL,
    path TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    mtime BIGINT NOT NULL,
    pack_offset BIGINT NOT NULL,
    crc BIGINT NOT NULL,
    example BIGINT NOT NULL     -- seq of the example it belongs to; -1 none
);
CREATE INDEX artifacts_run ON artifacts (run, id);
CREATE INDEX artifacts_launch ON artifacts (launch, id);

-- Of all packs together; one row. Derived, in the transactions that change them.
CREATE TABLE artifact_sums (
    id {id},
    packs BIGINT NOT NULL,
    files BIGINT NOT NULL,
    bytes BIGINT NOT NULL
);
INSERT INTO artifact_sums (id, packs, files, bytes) VALUES (1, 0, 0, 0);

-- What an example says that it left: paths, a NUL after each.
ALTER TABLE examples ADD COLUMN artifacts {bytes} NOT NULL DEFAULT '';
CREATE INDEX examples_artifacts ON examples (run, seq) WHERE length(artifacts) > 0;

-- Globs that a launch itself asked for, beside those of wrata.yml: a NUL after each.
CREATE TABLE launch_artifacts (
    launch {id} REFERENCES launches (id) ON DELETE CASCADE,
    globs {bytes} NOT NULL
);
