-- Examples that were found and not executed, and why: so that discovered = passed + failed + pending + not run, for each run
-- and each launch.
ALTER TABLE runs ADD COLUMN not_run BIGINT NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN not_run_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN seen_not_run BIGINT NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN seen_not_run_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE launch_sums ADD COLUMN not_run BIGINT NOT NULL DEFAULT 0;

-- What is over keeps the books as well: the end of the run is why the rest of it is missing.
UPDATE runs SET not_run = discovered - passed - failed - pending, not_run_reason = reason
WHERE discovered > passed + failed + pending AND state = 'done';
UPDATE launch_sums SET not_run = discovered - passed - failed - pending
WHERE discovered > passed + failed + pending AND launch IN (SELECT id FROM launches WHERE state = 'done');
UPDATE launch_sums SET not_run = (SELECT COALESCE(SUM(r.not_run), 0) FROM runs r
    WHERE r.launch = launch_sums.launch AND r.state = 'done' AND r.outcome <> 'infrastructure')
WHERE launch IN (SELECT id FROM launches WHERE state <> 'done');
