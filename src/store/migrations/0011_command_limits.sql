-- What the command of a test says before its launch: 0 the launch's; a time of -1: no limit.
ALTER TABLE commands ADD COLUMN time_limit_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE commands ADD COLUMN silence_limit_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE commands ADD COLUMN retries_plus_one BIGINT NOT NULL DEFAULT 0;
