-- What the last row of a conversation lost that is not believed yet, as JSON; null where it was whole.

ALTER TABLE snapshots ADD COLUMN doubt TEXT;

CREATE INDEX doubted_snapshots ON snapshots (source) WHERE doubt IS NOT NULL;
