-- What is not kept. `prints` has keyed fingerprints (JSON, by leaf path) of what a snapshot's conversation has
-- and does not say; the key is the installation's own. Of conversations that are gone nothing stays but what
-- ids need.

CREATE TABLE installation (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
);

ALTER TABLE snapshots ADD COLUMN prints TEXT;
UPDATE snapshots
    SET conversation = json_object('id', id), message_id = NULL, seen = '[]', evidence = NULL, doubt = NULL
    WHERE present = 0;

-- Those of which something is left to forget.
CREATE INDEX snapshots_gone ON snapshots (observed) WHERE present = 0 AND seen <> '[]';
