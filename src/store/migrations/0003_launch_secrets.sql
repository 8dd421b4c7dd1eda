-- Secrets of users that a launch gives to its runs. docs/schema.md says more.

-- While a launch lives; a table of its own, so that no page reads it. NAME=sealed text, a NUL after each.
CREATE TABLE launch_secrets (
    launch {id} REFERENCES launches (id) ON DELETE CASCADE,
    secrets {bytes} NOT NULL
);
