-- How many bytes the snapshots of each source take, as far as their texts do: kept as rows change.

CREATE TABLE sizes (
    source TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL
);
INSERT INTO sizes
    SELECT source, sum(length(CAST(conversation AS BLOB))) FROM snapshots GROUP BY source;

CREATE TRIGGER snapshot_added AFTER INSERT ON snapshots BEGIN
    INSERT INTO sizes (source, bytes) VALUES (new.source, length(CAST(new.conversation AS BLOB)))
    ON CONFLICT (source) DO UPDATE SET bytes = sizes.bytes + excluded.bytes;
END;
CREATE TRIGGER snapshot_changed AFTER UPDATE OF conversation ON snapshots BEGIN
    UPDATE sizes SET bytes = bytes + length(CAST(new.conversation AS BLOB))
        - length(CAST(old.conversation AS BLOB))
    WHERE source = new.source;
END;
CREATE TRIGGER snapshot_removed AFTER DELETE ON snapshots BEGIN
    UPDATE sizes SET bytes = bytes - length(CAST(old.conversation AS BLOB)) WHERE source = old.source;
END;
