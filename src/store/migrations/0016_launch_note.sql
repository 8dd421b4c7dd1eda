-- What the people of a launch should know of its code: that its branch could not be fetched, and how old it is. '': nothing.
ALTER TABLE launches ADD COLUMN note TEXT NOT NULL DEFAULT '';
