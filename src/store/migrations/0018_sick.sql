-- Why a server was taken out, in a word: failures, losses, disk; and how often it was lost lately.
ALTER TABLE servers ADD COLUMN sick_cause TEXT NOT NULL DEFAULT '';
ALTER TABLE servers ADD COLUMN losses BIGINT NOT NULL DEFAULT 0; -- since losses_since
ALTER TABLE servers ADD COLUMN losses_since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE servers ADD COLUMN lost_at BIGINT NOT NULL DEFAULT 0; -- the last of them
