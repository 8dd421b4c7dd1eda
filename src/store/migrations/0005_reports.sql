-- Where a command leaves its report files: globs of the work tree, a NUL after each.
ALTER TABLE commands ADD COLUMN reports {bytes} NOT NULL DEFAULT '';
