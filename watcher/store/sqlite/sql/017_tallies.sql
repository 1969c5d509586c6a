-- What pages and the API ask for, in answers that do not grow with the store.
-- `tallies` counts what happened in each hour (since 1970): what it counts is written in the same transaction.
-- Of older rows: what the log and the outbox still show.

CREATE TABLE tallies (
    kind TEXT NOT NULL,
    hour INTEGER NOT NULL,
    name TEXT NOT NULL,
    what TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (kind, hour, name, what)
) WITHOUT ROWID;
INSERT INTO tallies
    SELECT 'types', time / 3600000000, type, '', count(*) FROM events
    WHERE existing = 0 GROUP BY 2, 3;
INSERT INTO tallies
    SELECT 'sources', time / 3600000000, source, '', count(*) FROM events
    WHERE existing = 0 GROUP BY 2, 3;
INSERT INTO tallies
    SELECT 'receivers', settled / 3600000000, receiver, state, count(*) FROM deliveries
    WHERE state IN ('delivered', 'dead') AND settled IS NOT NULL GROUP BY 2, 3, 4;
INSERT INTO tallies
    SELECT 'rules', settled / 3600000000, rule, state, count(*) FROM deliveries
    WHERE state IN ('delivered', 'dead') AND settled IS NOT NULL GROUP BY 2, 3, 4;

-- `words` is what a conversation is found by, `waiting` since when somebody waits in it.
ALTER TABLE snapshots ADD COLUMN words TEXT;
ALTER TABLE snapshots ADD COLUMN waiting INTEGER;
UPDATE snapshots SET words = words_of(conversation), waiting = waiting_of(conversation)
    WHERE present = 1;
CREATE INDEX snapshots_words ON snapshots (words, source, id) WHERE present = 1 AND words IS NOT NULL;
DROP INDEX snapshots_waiting;
CREATE INDEX snapshots_waiting ON snapshots (waiting, source, id)
    WHERE present = 1 AND waiting IS NOT NULL;

CREATE INDEX events_type ON events (type, seq);
CREATE INDEX deliveries_by ON deliveries (rule, seq);
