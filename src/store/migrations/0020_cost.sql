-- The ledger: what machines cost, and whom it was for. A day is one of UTC, as days since 1970; money is billionths of a dollar.

-- What the machine of a server cost on a day, and how much of that was for runs: the rest was for nothing.
CREATE TABLE cost_machines (
    day BIGINT NOT NULL,
    server BIGINT NOT NULL,
    server_name TEXT NOT NULL,
    fleet_id BIGINT NOT NULL,
    fleet_name TEXT NOT NULL,
    cost_nanousd BIGINT NOT NULL,
    runs_nanousd BIGINT NOT NULL,
    ms BIGINT NOT NULL,
    slot_ms BIGINT NOT NULL, -- that runs held one of its slots
    PRIMARY KEY (day, server)
) {clustered};
CREATE INDEX cost_machines_fleet ON cost_machines (fleet_id, day);

-- What the runs of a launch cost on a day.
CREATE TABLE cost_launches (
    day BIGINT NOT NULL,
    launch BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    schedule BIGINT NOT NULL, -- that started it; 0 none
    cost_nanousd BIGINT NOT NULL,
    slot_ms BIGINT NOT NULL,
    PRIMARY KEY (day, launch)
) {clustered};
CREATE INDEX cost_launches_user ON cost_launches (user_id, day);

-- What a server costs an hour where no cloud says it; 0 nothing.
ALTER TABLE fleets ADD COLUMN hour_microusd BIGINT NOT NULL DEFAULT 0;

-- The meter of a server's machine.
ALTER TABLE servers ADD COLUMN metered_at BIGINT NOT NULL DEFAULT 0; -- since when it is paid for at its price; 0 not
ALTER TABLE servers ADD COLUMN charged_at BIGINT NOT NULL DEFAULT 0; -- up to here it is in the ledger
ALTER TABLE servers ADD COLUMN cost_nanousd BIGINT NOT NULL DEFAULT 0; -- of this machine, up to there

ALTER TABLE runs ADD COLUMN slot_at BIGINT NOT NULL DEFAULT 0; -- it holds its slot and is charged up to here; 0: it holds none
ALTER TABLE runs ADD COLUMN cost_nanousd BIGINT NOT NULL DEFAULT 0;
ALTER TABLE launch_sums ADD COLUMN cost_nanousd BIGINT NOT NULL DEFAULT 0;
ALTER TABLE launches ADD COLUMN schedule BIGINT NOT NULL DEFAULT 0; -- that started it; 0 none, or before this column
