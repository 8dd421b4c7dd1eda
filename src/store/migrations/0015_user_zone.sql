-- The time zone of a user: of schedules that name none, and of times that are shown.
ALTER TABLE users ADD COLUMN zone TEXT NOT NULL DEFAULT 'UTC';
