-- What people look for: conversations by the beginning of an id, and those that have waited longest; and who
-- added a silence.

CREATE INDEX snapshots_id ON snapshots (id);
CREATE INDEX snapshots_waiting
    ON snapshots (json_extract(conversation, '$.waiting_since'), source, id)
    WHERE present = 1 AND json_extract(conversation, '$.waiting_since') IS NOT NULL;

ALTER TABLE silences ADD COLUMN author TEXT NOT NULL DEFAULT '';
