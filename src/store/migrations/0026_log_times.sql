-- When the lines of a log were printed: pairs of (lines, milliseconds), coded as src/store/log_times.h says.
ALTER TABLE logs ADD COLUMN times {bytes} NOT NULL DEFAULT ''; -- of body
ALTER TABLE log_tail ADD COLUMN times {bytes} NOT NULL DEFAULT '';
ALTER TABLE log_blocks ADD COLUMN times {bytes} NOT NULL DEFAULT '';
ALTER TABLE logs ADD COLUMN open_line BIGINT NOT NULL DEFAULT 0; -- its last byte is no newline

-- Where in its log bytes are missing, plus one; 0: at its end, or none are.
ALTER TABLE runs ADD COLUMN log_gap_plus_one BIGINT NOT NULL DEFAULT 0;
