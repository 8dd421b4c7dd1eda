-- Fleets: where servers come from. The two that are always there have the ids 1 and 2.
CREATE TABLE fleets (
    id {id},
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    options TEXT NOT NULL, -- a JSON object of that kind
    booked_only BIGINT NOT NULL,
    idle_ms BIGINT NOT NULL,
    machines_max BIGINT NOT NULL,
    day_microusd_max BIGINT NOT NULL,
    kept {bytes} NOT NULL, -- ids of machines that no server has and that stay
    error TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
INSERT INTO fleets (id, name, kind, options, booked_only, idle_ms, machines_max, day_microusd_max, kept, error, created_at)
    VALUES (1, 'local', 'local', '{}', 0, 3600000, 0, 0, '', '', 0);
INSERT INTO fleets (id, name, kind, options, booked_only, idle_ms, machines_max, day_microusd_max, kept, error, created_at)
    VALUES (2, 'ssh', 'ssh', '{}', 0, 3600000, 0, 0, '', '', 0);

-- A server's machine, and who uses it. servers.fleet is the kind of its fleet.
ALTER TABLE servers ADD COLUMN fleet_id BIGINT NOT NULL DEFAULT 1;
UPDATE servers SET fleet_id = 2 WHERE fleet = 'ssh';
ALTER TABLE servers ADD COLUMN status TEXT NOT NULL DEFAULT 'created';
ALTER TABLE servers ADD COLUMN status_since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE servers ADD COLUMN status_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE servers ADD COLUMN progress TEXT NOT NULL DEFAULT '';
ALTER TABLE servers ADD COLUMN intent BIGINT NOT NULL DEFAULT 0;
ALTER TABLE servers ADD COLUMN creates BIGINT NOT NULL DEFAULT 0;
ALTER TABLE servers ADD COLUMN machine TEXT NOT NULL DEFAULT '';
ALTER TABLE servers ADD COLUMN size TEXT NOT NULL DEFAULT '';
ALTER TABLE servers ADD COLUMN region TEXT NOT NULL DEFAULT '';
ALTER TABLE servers ADD COLUMN price_hour_microusd BIGINT NOT NULL DEFAULT -1;
ALTER TABLE servers ADD COLUMN billed_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE servers ADD COLUMN lease_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE servers ADD COLUMN idle_ms BIGINT NOT NULL DEFAULT -1;
ALTER TABLE servers ADD COLUMN active_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE servers ADD COLUMN destroy_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE servers ADD COLUMN leaving BIGINT NOT NULL DEFAULT 0;
ALTER TABLE servers ADD COLUMN booked_by BIGINT NOT NULL DEFAULT 0;
ALTER TABLE servers ADD COLUMN booked_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE servers ADD COLUMN maintenance BIGINT NOT NULL DEFAULT 0;
ALTER TABLE servers ADD COLUMN sick TEXT NOT NULL DEFAULT '';
ALTER TABLE servers ADD COLUMN sick_since BIGINT NOT NULL DEFAULT 0;
