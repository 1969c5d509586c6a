-- An outbox that costs what is taken from it. `aside` says that a delivery failed so often that it left the
-- order of its conversation; `front` that no earlier one of its conversation is ahead of a pending delivery.
-- `counts` has the numbers of rows by what they are counted as (`watcher.store.outbox.Counted`).

ALTER TABLE deliveries ADD COLUMN aside INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN front INTEGER NOT NULL DEFAULT 0;

DROP INDEX deliveries_order;
CREATE INDEX deliveries_order ON deliveries (receiver, topic, seq)
    WHERE state = 'pending' AND kind = 'event' AND held = 0 AND aside = 0;
UPDATE deliveries SET front = 1
    WHERE state = 'pending' AND (kind <> 'event' OR held = 1 OR seq IN (
        SELECT min(seq) FROM deliveries
        WHERE state = 'pending' AND kind = 'event' AND held = 0 AND aside = 0
        GROUP BY receiver, topic));
CREATE INDEX deliveries_front ON deliveries (receiver, due, seq)
    WHERE state = 'pending' AND front = 1 AND batch = '';

DROP INDEX deliveries_leased;
CREATE INDEX deliveries_leased ON deliveries (receiver, topic, lease) WHERE lease IS NOT NULL;

DROP INDEX deliveries_digest;
CREATE INDEX deliveries_digest ON deliveries (receiver, batch, message, seq)
    WHERE state = 'pending' AND batch <> '';
CREATE INDEX deliveries_digest_due ON deliveries (receiver, due, seq)
    WHERE state = 'pending' AND batch <> '';

DROP INDEX deliveries_timer;
CREATE INDEX deliveries_timer ON deliveries (source, topic, seq)
    WHERE timer IS NOT NULL AND over = 0;

DROP INDEX deliveries_sent;
CREATE INDEX deliveries_sent
    ON deliveries (receiver, settled, (CASE WHEN message = '' THEN key ELSE message END))
    WHERE state = 'delivered';

-- Lists, the newest first.
CREATE INDEX deliveries_pending ON deliveries (seq) WHERE state = 'pending';
CREATE INDEX deliveries_of ON deliveries (receiver, seq);

CREATE TABLE counts (
    receiver TEXT NOT NULL,
    counted TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (receiver, counted)
);
INSERT INTO counts
    SELECT receiver,
        CASE WHEN state = 'dead' THEN 'dead' WHEN held = 1 THEN 'held'
            WHEN kind IN ('event', 'resolved') OR attempt > 0 THEN 'due' ELSE 'waiting' END AS counted,
        count(*)
    FROM deliveries WHERE state IN ('pending', 'dead') GROUP BY receiver, counted;

-- What is counted as waiting or held, until its time comes.
CREATE INDEX deliveries_later ON deliveries (receiver, held, due)
    WHERE state = 'pending' AND (held = 1 OR (kind NOT IN ('event', 'resolved') AND attempt = 0));
DROP INDEX deliveries_dead_of;
CREATE INDEX deliveries_died ON deliveries (receiver, settled) WHERE state = 'dead';
