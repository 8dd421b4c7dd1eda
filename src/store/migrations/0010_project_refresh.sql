-- How old a mirror may become before it is fetched, in seconds; 0: it is fetched only when somebody asks.

ALTER TABLE projects ADD COLUMN refresh_s BIGINT NOT NULL DEFAULT 300;
