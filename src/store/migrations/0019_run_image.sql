-- What the container of a run was made of: its image's name and digest, "debian:12@sha256:..."; '' on the machine itself.
ALTER TABLE runs ADD COLUMN image TEXT NOT NULL DEFAULT '';
