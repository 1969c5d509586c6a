-- A conversation's text is kept deflated (`packing`), `size` says how long it is; what its rows have shown, a handful
-- of lists, stands once in `shown`, and `seen` names it by its number.

DROP TRIGGER snapshot_changed;
DROP TRIGGER snapshot_removed;

CREATE TABLE shown (
    number INTEGER PRIMARY KEY,
    fields TEXT NOT NULL UNIQUE
);
INSERT INTO shown (fields) SELECT DISTINCT seen FROM snapshots WHERE seen <> '[]';
ALTER TABLE snapshots ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
UPDATE snapshots SET
    size = length(CAST(conversation AS BLOB)),
    conversation = packed(conversation),
    seen = coalesce((SELECT number FROM shown WHERE fields = seen), seen);

CREATE TRIGGER snapshot_changed AFTER UPDATE OF size ON snapshots BEGIN
    UPDATE sizes SET bytes = bytes + new.size - old.size WHERE source = new.source;
END;
CREATE TRIGGER snapshot_removed AFTER DELETE ON snapshots BEGIN
    UPDATE sizes SET bytes = bytes - old.size WHERE source = old.source;
END;
