-- Schedules that book servers for their launches, and give them back.
ALTER TABLE schedules ADD COLUMN servers_book BIGINT NOT NULL DEFAULT 0; -- so many; 0 none
ALTER TABLE schedules ADD COLUMN servers_fleet BIGINT NOT NULL DEFAULT 0; -- of this fleet
ALTER TABLE schedules ADD COLUMN servers_size TEXT NOT NULL DEFAULT ''; -- '' the fleet's own

ALTER TABLE launches ADD COLUMN books BIGINT NOT NULL DEFAULT 0; -- it asked for so many servers of its own

ALTER TABLE servers ADD COLUMN booked_for BIGINT NOT NULL DEFAULT 0; -- a launch that has it for itself
ALTER TABLE servers ADD COLUMN off_after BIGINT NOT NULL DEFAULT 0; -- switched on for that launch, and off with its end
