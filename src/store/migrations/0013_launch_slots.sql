-- At most so many runs of the launch's project at once on a server; 0: not said.
ALTER TABLE launches ADD COLUMN slots BIGINT NOT NULL DEFAULT 0;
