-- What the last row of a conversation showed of who waits, as JSON; null where that is nothing.

ALTER TABLE snapshots ADD COLUMN evidence TEXT;
