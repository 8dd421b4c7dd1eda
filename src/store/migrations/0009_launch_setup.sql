-- What wrata.yml asks of a machine before and after a run, for as long as the launch lives. docs/schema.md says more.

-- A table of its own, so that no page reads it. KEY=value, a NUL after each, in order.
CREATE TABLE launch_setup (
    launch {id} REFERENCES launches (id) ON DELETE CASCADE,
    setup {bytes} NOT NULL
);
